//! What gateways and sinks cost as processes of their own, around a Kafka cluster and an S3 store that run already.
//!
//! Where those are is told as to any gateway or sink, by the configuration file and the environment; servers started
//! here inherit both. Topics are expected to be empty at the start. Each sink, or group of them, lands below a prefix of
//! its own as a consumer group of its own, so that one filled topic can be landed many times.

mod beside;
mod duty;
pub mod kinesis;
mod landing;
mod open;
mod page;
mod restart;
mod sizing;
mod steady;
mod table;
mod taking;

use std::path::{Path, PathBuf};

pub use self::kinesis::{Fill, Kinesis, Load, Written};
pub use self::landing::{Landed, Landing};
pub use self::restart::{Restart, Started};
pub use self::sizing::{Sized, Sizing};
pub use self::steady::{Steady, SteadySample};
pub use self::taking::{Taken, Taking};
use super::process::{self, Server};
use super::{Error, Setup, closed};

/// The type of the benchmark's events.
const KIND: &str = "track";

/// Different bodies that a topic is filled with: enough that a batch of a sink holds no event twice.
const FILLING_BODIES: usize = 2_000;

/// Events in each of them.
const FILLING_BATCH: u32 = 100;

/// Connections that a topic is filled over.
const FILLING_CONNECTIONS: u32 = 32;

/// Variables of a server.
type Environment = Vec<(String, String)>;

/// The variables that give a sink a lake and a consumer group of its own.
fn apart(name: &str) -> Environment {
    // Of one run among others on the same servers, too.
    let own = format!("bench-{}-{name}", uuid::Uuid::now_v7().simple());
    ["HEADGATE__S3__PREFIX", "HEADGATE__KAFKA__GROUP"]
        .map(|variable| (variable.to_owned(), own.clone()))
        .to_vec()
}

impl Setup {
    fn cluster_schemas(&self) -> Result<PathBuf, Error> {
        self.write_schemas("cluster-schemas", &[KIND.to_owned()])
    }

    /// `headgate gateway`; its address is the one for events.
    async fn gateway(&self, name: &str, schemas: &Path) -> Result<Server, Error> {
        let (listen, admin) = (process::free_address()?, process::free_address()?);
        let mut args = vec![
            "gateway".to_owned(),
            "--listen".to_owned(),
            listen.to_string(),
        ];
        args.extend(self.node_args(name, schemas, admin)?);
        self.launch(name, &args, listen).await
    }

    /// `headgate sink`; its address is the admin port's.
    async fn sink(
        &self,
        name: &str,
        schemas: &Path,
        environment: &[(String, String)],
    ) -> Result<Server, Error> {
        let admin = process::free_address()?;
        let mut args = vec!["sink".to_owned()];
        args.extend(self.node_args(name, schemas, admin)?);
        self.launch_with(name, &args, environment, admin).await
    }

    fn node_args(
        &self,
        name: &str,
        schemas: &Path,
        admin: std::net::SocketAddr,
    ) -> Result<Vec<String>, Error> {
        let data = self.work_dir.join(name);
        std::fs::create_dir_all(&data).map_err(process::failed(data.display().to_string()))?;
        let pairs = [
            ("--admin-listen", admin.to_string()),
            ("--data-dir", data.display().to_string()),
            ("--schemas", schemas.display().to_string()),
        ];
        Ok(pairs
            .into_iter()
            .flat_map(|(flag, value)| [flag.to_owned(), value])
            .collect())
    }

    /// Fills the topic with at least so many events; returns how many it were.
    async fn fill(&self, schemas: &Path, events: u64) -> Result<u64, Error> {
        let gateway = self.gateway("filling", schemas).await?;
        let bodies = closed::Bodies::keyed(FILLING_BATCH, FILLING_BODIES, KIND);
        let requests = events.div_ceil(bodies.events_each);
        let filled = closed::measure(&gateway, &bodies, FILLING_CONNECTIONS, requests);
        Ok(filled.await?.events)
    }
}
