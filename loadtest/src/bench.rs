//! What the gateway costs, measured as CPU time of the server's own process while this one loads it.
//!
//! Requests a second depend on the machine, its neighbours and the client; CPU time an event much less, and the ratio
//! to a bare HTTP server in the same run least. Every benchmark starts its servers itself, on loopback, with a data
//! directory of its own, and is bounded in requests.

use std::path::{Path, PathBuf};
use std::time::Duration;

use self::process::Server;
use crate::client;

pub mod bare;
mod closed;
pub mod cluster;
mod compare;
mod growth;
mod idle;
mod memory;
pub mod process;
mod table;
pub mod track;

pub use compare::{Compare, Cost};
pub use growth::{Grown, Growth};
pub use idle::{Idle, IdleCost};
pub use memory::{Memory, Sample};
pub use table::{Row, markdown};

const EVENTS_PATH: &str = "/v1/events";

/// Why a benchmark gave no figures.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A server could not be started or measured.
    #[error(transparent)]
    Process(#[from] process::Error),
    /// The server's address cannot be loaded.
    #[error(transparent)]
    Target(#[from] client::Error),
    /// A request was not answered with success: figures of such a run would mean nothing.
    #[error("the server answered {status}: {body}")]
    Refused {
        /// The status.
        status: http::StatusCode,
        /// The start of the reply.
        body: String,
    },
    /// A request was not answered.
    #[error("a request was not answered: {0}")]
    Unanswered(String),
    /// What ran beside did not print its figures.
    #[error("`{command}` gave no figures: {reason}")]
    Beside {
        /// The command.
        command: String,
        /// What happened instead.
        reason: String,
    },
    /// A server's page could not be read, or something did not happen in time.
    #[error("{what}: {reason}")]
    Watched {
        /// What was waited for.
        what: String,
        /// What happened instead.
        reason: String,
    },
    /// The operating system allows too few open files for the connections asked for.
    #[error("{asked} connections need more open files than the {allowed} allowed (ulimit -n)")]
    OpenFiles {
        /// Connections asked for.
        asked: u64,
        /// The hard limit.
        allowed: u64,
    },
}

/// How servers are started.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The `headgate` program.
    pub program: PathBuf,
    /// Its arguments for the server to be measured, before the addresses and directories. Default `up`.
    pub server_args: Vec<String>,
    /// A directory for data, schemas and logs, on the disk that the journal is to be measured with.
    pub work_dir: PathBuf,
    /// How long a server may take to listen. Default 180 s: a sink tries its store out first.
    pub start_deadline: Duration,
    /// Arguments for every server, such as `--config FILE`. Default none.
    pub common_args: Vec<String>,
}

impl Setup {
    /// Starts `headgate up` of `program`, with everything below `work_dir`.
    pub fn new(program: PathBuf, work_dir: PathBuf) -> Setup {
        let start_deadline = Duration::from_secs(180);
        Setup {
            program,
            server_args: vec!["up".to_owned()],
            work_dir,
            start_deadline,
            common_args: Vec::new(),
        }
    }

    /// The server to be measured, with the schemas of a directory and a fresh data directory `name`.
    async fn start(&self, name: &str, schemas: &Path) -> Result<Server, Error> {
        let (listen, admin) = (process::free_address()?, process::free_address()?);
        let data = self.work_dir.join(name);
        std::fs::create_dir_all(&data).map_err(process::failed(data.display().to_string()))?;
        let mut args = self.server_args.clone();
        for (flag, value) in [
            ("--listen", listen.to_string()),
            ("--admin-listen", admin.to_string()),
            ("--data-dir", data.display().to_string()),
            ("--schemas", schemas.display().to_string()),
        ] {
            args.extend([flag.to_owned(), value]);
        }
        self.launch(name, &args, listen).await
    }

    /// The bare server: `headgate bench bare-server --listen ADDRESS`.
    async fn start_bare(&self) -> Result<Server, Error> {
        let listen = process::free_address()?;
        let args = ["bench", "bare-server", "--listen", &listen.to_string()].map(str::to_owned);
        self.launch("bare", &args, listen).await
    }

    async fn launch(
        &self,
        name: &str,
        args: &[String],
        listen: std::net::SocketAddr,
    ) -> Result<Server, Error> {
        self.launch_with(name, args, &[], listen).await
    }

    async fn launch_with(
        &self,
        name: &str,
        args: &[String],
        environment: &[(String, String)],
        address: std::net::SocketAddr,
    ) -> Result<Server, Error> {
        let args: Vec<String> = args.iter().chain(&self.common_args).cloned().collect();
        let launch = process::Launch {
            name,
            program: &self.program,
            args: &args,
            environment,
            address,
            work_dir: &self.work_dir,
            deadline: self.start_deadline,
        };
        Ok(Server::start(launch).await?)
    }

    /// Writes the benchmark's schema under each of these names and returns the directory.
    fn write_schemas(&self, dir: &str, names: &[String]) -> Result<PathBuf, Error> {
        let dir = self.work_dir.join(dir);
        for name in names {
            let own = dir.join(name);
            let failed = || process::failed(own.display().to_string());
            std::fs::create_dir_all(&own).map_err(failed())?;
            std::fs::write(own.join("1.json"), track::SCHEMA).map_err(failed())?;
        }
        Ok(dir)
    }
}

/// The name of the benchmark's event when there is one schema.
fn track_event() -> Vec<String> {
    vec!["track".to_owned()]
}
