//! A gateway that writes to Kinesis: CPU time an event, and how full what it sends is, which decides about it.
//!
//! Each server that takes its records is a process of its own, and so is a gateway with the journal, measured in turn: its
//! figure tells how fast the machine is.

use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;

use super::beside::Beside;
use super::page::Page;
use super::{Environment, Error, KIND, Setup};
use crate::bench::closed::{self, Bodies, measure, median};
use crate::bench::process::{Server, free_address};

pub mod server;

/// How it is measured.
#[derive(Debug, Clone)]
pub struct Kinesis {
    /// Events a request. Default 20.
    pub batch_events: u32,
    /// Requests of one round. Default 10,000.
    pub requests: u64,
    /// Rounds; medians are reported. Default 5.
    pub rounds: u32,
    /// Each a gateway and a server of its own. Default 64 shards and 64 connections; 64 and 256, which give as much as the
    /// shards take; 16 and 64, which do too.
    pub loads: Vec<Load>,
    /// The URL of a server that keeps what it takes, to be measured too. Default none.
    pub server: Option<String>,
    /// What is measured in turn with them: see `--beside`. It finds `KINESIS_ENDPOINT`, with the shards of the first load,
    /// its connections in `HEADGATE_BENCH_CALLERS`, and the size of an event in `HEADGATE_BENCH_EVENT_BYTES`. Default nothing.
    pub beside: Option<String>,
}

impl Default for Kinesis {
    fn default() -> Kinesis {
        Kinesis {
            batch_events: 20,
            requests: 10_000,
            rounds: 5,
            loads: vec![Load::new(64, 64), Load::new(64, 256), Load::new(16, 64)],
            server: None,
            beside: None,
        }
    }
}

/// How much one gateway has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Shards of its stream; none where it has a journal.
    pub shards: u32,
    /// Connections of the closed loop.
    pub connections: u32,
}

impl Load {
    const fn new(shards: u32, connections: u32) -> Load {
        Load {
            shards,
            connections,
        }
    }

    fn what(self, more: &str) -> String {
        let Load {
            shards,
            connections,
        } = self;
        format!("`headgate gateway`, {shards} shards, {connections} connections{more}")
    }
}

/// Different bodies, as for Kafka.
const BODIES: usize = 500;

/// A server that keeps what it takes is slow: a round has so much fewer requests.
const KEEPING_REQUESTS_SHARE: u64 = 10;

/// What a gateway has to do whose server keeps what it takes.
const KEEPING: Load = Load::new(16, 64);

/// What one with the journal has to do.
const JOURNAL: Load = Load::new(0, 64);

/// What an event cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Written {
    /// What was measured.
    pub what: String,
    /// CPU time for one event, in microseconds.
    pub us_per_event: f64,
    /// Events a second, with client and servers on the same machine; none where nobody asked.
    pub events_per_s: Option<f64>,
    /// How full what was sent to Kinesis was; none where nothing was.
    pub fill: Option<Fill>,
}

/// How full what was sent to Kinesis was.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Fill {
    /// Shards of the stream.
    pub shards: u32,
    /// Bytes of one event, as it is in the stream.
    pub event_bytes: f64,
    /// Events that share a record of Kinesis.
    pub events_per_record: f64,
    /// Bytes of a record of Kinesis.
    pub record_bytes: f64,
    /// Records of a request.
    pub records_per_request: f64,
}

/// A gateway, and what takes its records.
struct Gateway {
    what: String,
    load: Load,
    server: Server,
    admin: SocketAddr,
    requests: u64,
    rounds: Vec<closed::Taken>,
    before: Option<Page>,
}

impl Kinesis {
    /// Starts gateways and servers and measures them in turn.
    ///
    /// # Errors
    /// [`Error`] when one of them fails, or a request is not answered with success.
    pub async fn run(&self, setup: &Setup) -> Result<Vec<Written>, Error> {
        let schemas = setup.cluster_schemas()?;
        let bodies = Bodies::keyed(self.batch_events, BODIES, KIND);
        let mut servers = Vec::new();
        for (n, load) in self.loads.iter().enumerate() {
            let name = format!("kinesis-{n}");
            servers.push(setup.kinesis_server(&name, load.shards).await?);
        }
        let mut gateways = self.gateways(setup, &schemas, &servers).await?;
        for gateway in &mut gateways {
            gateway.take(&bodies, gateway.requests / 10 + 1).await?;
            gateway.before = Some(Page::of(gateway.admin).await?);
        }
        let mut beside: Option<Beside> = None;
        for _ in 0..self.rounds.max(1) {
            for gateway in &mut gateways {
                let taken = gateway.take(&bodies, gateway.requests).await?;
                gateway.rounds.push(taken);
            }
            if beside.is_none() {
                beside = Some(self.beside(&gateways, &servers).await?);
            }
            if let Some(beside) = &mut beside {
                beside.round().await?;
            }
        }
        let mut written = Vec::new();
        for gateway in &gateways {
            written.push(gateway.written().await?);
        }
        let alone = beside.unwrap_or_default().medians().into_iter();
        written.extend(alone.map(|(what, us_per_event)| Written {
            what,
            us_per_event,
            events_per_s: None,
            fill: None,
        }));
        Ok(written)
    }

    async fn gateways(
        &self,
        setup: &Setup,
        schemas: &Path,
        servers: &[Server],
    ) -> Result<Vec<Gateway>, Error> {
        let mut gateways = Vec::new();
        for (n, (load, server)) in self.loads.iter().zip(servers).enumerate() {
            let endpoint = format!("http://{}", server.address());
            let to = kinesis(&endpoint, load.shards);
            let started = setup.taker(&format!("to-{n}"), schemas, &to).await?;
            gateways.push(Gateway::new(load.what(""), *load, started, self.requests));
        }
        if let Some(endpoint) = &self.server {
            let to = kinesis(endpoint, KEEPING.shards);
            let started = setup.taker("to-keeping", schemas, &to).await?;
            let requests = self.requests / KEEPING_REQUESTS_SHARE + 1;
            let what = KEEPING.what(", to a server that keeps the events");
            gateways.push(Gateway::new(what, KEEPING, started, requests));
        }
        let journal = variables(&[("HEADGATE__STREAM__KIND", "journal")]);
        let started = setup.taker("to-journal", schemas, &journal).await?;
        let what = format!("gateway and journal, {} connections", JOURNAL.connections);
        gateways.push(Gateway::new(what, JOURNAL, started, self.requests));
        Ok(gateways)
    }

    /// The same work without a gateway, on events that are as large.
    async fn beside(&self, gateways: &[Gateway], servers: &[Server]) -> Result<Beside, Error> {
        let (Some(command), Some(first), Some(server)) =
            (&self.beside, gateways.first(), servers.first())
        else {
            return Ok(Beside::default());
        };
        let bytes = first.fill().await?.map_or(0.0, |fill| fill.event_bytes);
        let (endpoint, callers) = (server.address(), first.load.connections);
        Ok(Beside::new(Some(format!(
            "KINESIS_ENDPOINT=http://{endpoint} HEADGATE_BENCH_CALLERS={callers} HEADGATE_BENCH_EVENT_BYTES={bytes:.0} {command}"
        ))))
    }
}

impl Gateway {
    fn new(
        what: String,
        load: Load,
        (server, admin): (Server, SocketAddr),
        requests: u64,
    ) -> Gateway {
        Gateway {
            what,
            load,
            server,
            admin,
            requests,
            rounds: Vec::new(),
            before: None,
        }
    }

    async fn take(&self, bodies: &Bodies, requests: u64) -> Result<closed::Taken, Error> {
        measure(&self.server, bodies, self.load.connections, requests).await
    }

    async fn written(&self) -> Result<Written, Error> {
        let middle =
            |figure: fn(&closed::Taken) -> f64| median(self.rounds.iter().map(figure).collect());
        Ok(Written {
            what: self.what.clone(),
            us_per_event: middle(closed::Taken::cpu_us_per_event),
            events_per_s: Some(middle(closed::Taken::events_per_s)),
            fill: self.fill().await?,
        })
    }

    /// What was sent since the first request that counts.
    async fn fill(&self) -> Result<Option<Fill>, Error> {
        let shards = self.load.shards;
        let Some(before) = self.before.as_ref().filter(|_| shards > 0) else {
            return Ok(None);
        };
        let now = Page::of(self.admin).await?;
        let since = |name: &str| {
            let name = format!("headgate_stream_kinesis_{name}");
            now.sum(&name) - before.sum(&name)
        };
        let (events, records) = (since("records_total"), since("aggregated_records_count"));
        Ok(Some(Fill {
            shards,
            event_bytes: since("bytes_total") / events,
            events_per_record: since("aggregated_records_sum") / records,
            record_bytes: since("aggregated_bytes_sum") / records,
            records_per_request: records / since("request_seconds_count"),
        }))
    }
}

fn variables(of: &[(&str, &str)]) -> Environment {
    of.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// The settings of a gateway that writes there; none of these servers checks who does.
fn kinesis(endpoint: &str, shards: u32) -> Environment {
    variables(&[
        ("HEADGATE__STREAM__KIND", "kinesis"),
        ("HEADGATE__KINESIS__ENDPOINT", endpoint),
        ("HEADGATE__KINESIS__STREAMS__MODE", "provisioned"),
        ("HEADGATE__KINESIS__STREAMS__SHARDS", &shards.to_string()),
        ("AWS_ACCESS_KEY_ID", "headgate"),
        ("AWS_SECRET_ACCESS_KEY", "headgate-secret"),
        ("AWS_REGION", "us-east-1"),
    ])
}

impl Setup {
    /// The fake: `headgate bench kinesis-server --listen ADDRESS --shards N`.
    async fn kinesis_server(&self, name: &str, shards: u32) -> Result<Server, Error> {
        let listen = free_address()?;
        let args = [
            "bench",
            "kinesis-server",
            "--listen",
            &listen.to_string(),
            "--shards",
            &shards.to_string(),
        ];
        self.launch(name, &args.map(str::to_owned), listen).await
    }

    /// `headgate gateway` with its stream in the environment, or the journal's: where events are posted, and its admin port.
    async fn taker(
        &self,
        name: &str,
        schemas: &Path,
        environment: &[(String, String)],
    ) -> Result<(Server, SocketAddr), Error> {
        let (listen, admin) = (free_address()?, free_address()?);
        let journal = environment.iter().any(|(_, value)| value == "journal");
        let command: &[&str] = match journal {
            true => &["up", "--no-sink"],
            false => &["gateway"],
        };
        let mut args: Vec<String> = command.iter().map(|arg| (*arg).to_owned()).collect();
        args.extend(["--listen".to_owned(), listen.to_string()]);
        args.extend(self.node_args(name, schemas, admin)?);
        let server = self.launch_with(name, &args, environment, listen).await?;
        Ok((server, admin))
    }
}
