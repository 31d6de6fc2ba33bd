//! The command line: what can be asked of `headgate`, and what its exit codes mean.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::audit;
use crate::config::Flag;
use crate::query::Format;
use crate::replay;
use crate::tables;
use crate::warehouse;

/// Exit codes, the same for every command. 0 is success.
pub(crate) mod exit {
    /// The command could not do what it was asked to, or found something invalid.
    pub(crate) const FAILURE: u8 = 1;
    /// `schemas`: a schema is refused.
    pub(crate) const SCHEMA_REFUSED: u8 = 2;
    /// `replay --strict`: some bad events are still invalid.
    pub(crate) const STILL_INVALID: u8 = 3;
    /// `warehouse status --until`, `audit`: not everything is there yet.
    pub(crate) const NOT_YET: u8 = 4;
    /// `audit`: events are lost, or there twice.
    pub(crate) const UNBALANCED: u8 = 5;
    /// The command line is wrong (`EX_USAGE`).
    pub(crate) const USAGE: u8 = 64;
    /// The configuration is wrong (`EX_CONFIG`).
    pub(crate) const CONFIG: u8 = 78;
}

const AFTER: &str = "\
Exit codes: 0 success; 1 failure, or something checked is invalid; 2 a schema is refused; 3 `replay --strict`: some
events are still invalid; 4 `warehouse status --until`, `audit`: not all is there yet; 5 `audit`: it does not balance; 64 wrong usage; 78 wrong configuration. Every setting can also stand in the environment: HEADGATE__GATEWAY__LISTEN sets gateway.listen.";

/// A streaming event ingestion gateway: validated events over HTTP, durable streams, exactly-once Parquet tables.
#[derive(Debug, Parser)]
#[command(name = "headgate", version, after_help = AFTER, propagate_version = false)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Configuration file [default: headgate.toml in the working directory, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Directory of the journal and of tables that land on this machine (sets data_dir)
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<String>,
    /// Directory of event schemas (sets schemas.dir)
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) schemas: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs gateway, stream and sink in this process
    Up(Up),
    /// Runs a gateway alone; sinks elsewhere land what it takes (needs stream.kind = "kafka" or "kinesis")
    Gateway(Gateway),
    /// Runs a sink alone: lands what gateways elsewhere take (needs stream.kind = "kafka" or "kinesis")
    Sink(SinkCommand),
    /// Runs SQL over the landed tables; without SQL, a prompt
    Query(Query),
    /// Lists the landed tables: rows, bytes, files, freshness; or prints them as other engines' external tables
    Tables(Tables),
    /// Lands events once more: rejected ones that are valid now, or a part of the stream into new tables
    Replay(replay::Arguments),
    /// Checks and cleans the landed tables
    #[command(subcommand)]
    Lake(Lake),
    /// Works with the warehouse that follows the landed tables
    #[command(subcommand)]
    Warehouse(warehouse::Command),
    /// Balances what was published, landed and loaded of each table and hour, and names what is missing
    Audit(audit::Arguments),
    /// Works with event schemas
    #[command(subcommand)]
    Schemas(Schemas),
    /// Posts random events on a schedule, then proves that every accepted one landed exactly once
    Loadtest(Loadtest),
    /// Measures this build on this machine: what docs/performance.md states
    Bench(Bench),
    /// Checks or prints the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Prints documentation that is generated from the code
    #[command(subcommand, hide = true)]
    Docs(Docs),
    /// Prints the version
    Version,
}

/// `headgate up`
#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) gateway: Gateway,
    /// Lands nothing: `headgate bench` measures gateway and journal alone this way
    #[arg(long, hide = true)]
    pub(crate) no_sink: bool,
}

/// `headgate gateway`
#[derive(Debug, Args)]
pub(crate) struct Gateway {
    /// Where events are posted (sets gateway.listen); port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
    #[command(flatten)]
    pub(crate) admin: Sink,
}

/// `headgate sink`
#[derive(Debug, Args)]
pub(crate) struct SinkCommand {
    #[command(flatten)]
    pub(crate) admin: Sink,
    #[command(subcommand)]
    pub(crate) what: Option<SinkWhat>,
}

/// What a sink does other than land.
#[derive(Debug, Subcommand)]
pub(crate) enum SinkWhat {
    /// Puts the small files of closed hours together into large ones, while sinks land and readers read
    Compact(Compact),
}

/// `headgate sink compact`
#[derive(Debug, Args)]
pub(crate) struct Compact {
    /// Looks once at what has landed and ends, for cron; exits 1 if something could not be compacted
    #[arg(long)]
    pub(crate) once: bool,
    /// Only this table
    #[arg(long)]
    pub(crate) table: Option<String>,
    /// Only hours that begin then or later: 2026-11-22T20:00:00Z, or 2026-11-22
    #[arg(long, value_name = "TIME", value_parser = replay::instant)]
    pub(crate) from: Option<i64>,
    /// Only hours that end then or earlier
    #[arg(long, value_name = "TIME", value_parser = replay::instant)]
    pub(crate) to: Option<i64>,
    /// Also hours that have not ended: their files are likely to be put together again
    #[arg(long)]
    pub(crate) open_hours: bool,
    /// Tells of each step in JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// Where /live, /ready, /metrics and /version are served, without --once (sets gateway.admin.listen)
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) admin_listen: Option<String>,
}

/// The admin port of a process without a gateway, or beside one.
#[derive(Debug, Args)]
pub(crate) struct Sink {
    /// Where /live, /ready, /metrics and /version are served (sets gateway.admin.listen)
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) admin_listen: Option<String>,
}

/// `headgate query`
#[derive(Debug, Args)]
pub(crate) struct Query {
    /// The SQL to run, one or more statements; without it, SQL is read from a pipe or asked for on a terminal
    pub(crate) sql: Option<String>,
    /// How rows are written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Rows that a table shows at most; 0 shows all
    #[arg(long, value_name = "ROWS", default_value_t = 1000)]
    pub(crate) max_rows: usize,
}

/// `headgate tables`
#[derive(Debug, Args)]
pub(crate) struct Tables {
    /// How the list is written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    #[command(subcommand)]
    pub(crate) what: Option<TablesWhat>,
}

/// What is done with tables other than list them.
#[derive(Debug, Subcommand)]
pub(crate) enum TablesWhat {
    /// Prints SQL by which another engine reads the landed files where they are
    Ddl(tables::ddl::Arguments),
    /// Makes AWS Glue's catalogue know the tables and the partitions that have landed; may be run again and again
    Glue(tables::glue::Arguments),
}

/// `headgate lake ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Lake {
    /// Checks that the commit logs have no gap, that each record follows the ones before it, and that each committed file
    /// is there; exits 1 if not
    Check {
        /// Reports in JSON
        #[arg(long)]
        json: bool,
    },
    /// Removes files that no commit names and that are older than sink.orphan_grace_ms, as running sinks do now and then
    Sweep {
        /// Removes younger ones too, but for a compactor's. Only while no sink and no replay runs on these tables (`up`,
        /// `sink`, `replay`): one would commit what was removed, and its rows would be lost. `sink compact` may run
        #[arg(long)]
        no_sink_runs: bool,
    },
}

/// `headgate loadtest`
#[derive(Debug, Args)]
pub(crate) struct Loadtest {
    /// Where events are posted [default: the process running on the data directory]
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// Lets --url be on another machine
    #[arg(long)]
    pub(crate) allow_remote: bool,
    /// Events a second, kept whether or not replies come in time
    #[arg(long, value_name = "EVENTS", default_value_t = 1000)]
    pub(crate) rate: u64,
    /// Length of the run
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u64,
    /// Events a request
    #[arg(long, value_name = "EVENTS", default_value_t = 20)]
    pub(crate) batch: u32,
    /// Connections at most
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: u32,
    /// HTTP/2 instead of HTTP/1.1
    #[arg(long)]
    pub(crate) http2: bool,
    /// Compresses request bodies
    #[arg(long)]
    pub(crate) gzip: bool,
    /// The share of events made invalid, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.01)]
    pub(crate) invalid_share: f64,
    /// An event of the mix and its weight; may be repeated [default: every schema alike]
    #[arg(long, value_name = "EVENT=WEIGHT")]
    pub(crate) mix: Vec<String>,
    /// The same seed and schemas give the same events
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Keeps the ledger of the run in this file
    #[arg(long, value_name = "FILE")]
    pub(crate) ledger: Option<PathBuf>,
    /// Posts nothing: proves the run whose ledger this file holds; may be repeated
    #[arg(long, value_name = "FILE", conflicts_with = "ledger")]
    pub(crate) verify: Vec<PathBuf>,
    /// Does not wait for landing
    #[arg(long, conflicts_with = "verify")]
    pub(crate) no_verify: bool,
    /// Seconds to wait for landing
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) wait: u64,
    /// Reports in JSON, one object a line: the run, then the balance
    #[arg(long)]
    pub(crate) json: bool,
}

/// `headgate bench`
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// What to measure
    #[command(subcommand)]
    pub(crate) what: Benchmark,
    /// Directory for the servers' data, on the disk to be measured [default: one below the temporary directory]
    #[arg(long, global = true)]
    pub(crate) dir: Option<PathBuf>,
    /// Writes the figures to this file too, as JSON
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// `headgate bench ...`: each prints a Markdown table.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Benchmark {
    /// CPU time an event of gateway and journal, beside a bare HTTP server's
    Gateway,
    /// CPU time an event with 1, 10, 50 and 200 schemas
    Growth {
        /// With the sink in the process, which lands as many tables
        #[arg(long)]
        landing: bool,
    },
    /// Resident memory of the whole process while events pass through it
    Memory {
        /// Events in all; the memory is sampled twenty times
        #[arg(long, default_value_t = 2_000_000)]
        events: u64,
    },
    /// Resident memory with 10,000 idle connections
    Idle,
    /// Around Kafka and S3 that run already, with their settings in --config or the environment
    #[command(flatten)]
    Cluster(ClusterBenchmark),
    /// A gateway that writes to Kinesis: CPU time an event, and how full what it sends is
    Kinesis {
        /// Rounds; medians are reported
        #[arg(long, default_value_t = 5)]
        rounds: u32,
        /// Requests of one round
        #[arg(long, default_value_t = 10_000)]
        requests: u64,
        /// The URL of a server that keeps what it takes, to be measured too, with a tenth of the requests
        #[arg(long, value_name = "URL")]
        server: Option<String>,
        #[command(flatten)]
        beside: Beside,
    },
    /// What takes the records of `headgate bench kinesis`: a fake of Kinesis that answers, and keeps nothing
    #[command(hide = true)]
    KinesisServer {
        /// Where it listens
        #[arg(long)]
        listen: SocketAddr,
        /// Shards of each of its streams
        #[arg(long, default_value_t = 16)]
        shards: u32,
    },
    /// The bare HTTP server that the gateway is compared with
    #[command(hide = true)]
    BareServer {
        /// Where it listens
        #[arg(long)]
        listen: SocketAddr,
    },
}

/// The benchmarks of gateways and sinks as processes of their own.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ClusterBenchmark {
    /// A gateway that writes to Kafka: CPU time an event, and latency at half load
    Kafka {
        /// Rounds; medians are reported
        #[arg(long, default_value_t = 5)]
        rounds: u32,
        /// Requests of one round
        #[arg(long, default_value_t = 20_000)]
        requests: u64,
        /// Seconds of half load
        #[arg(long, default_value_t = 30)]
        seconds: u64,
        #[command(flatten)]
        beside: Beside,
    },
    /// Sinks that land a topic in S3: CPU time an event, and what a second sink adds
    Landing {
        /// Events in the topic
        #[arg(long, default_value_t = 2_000_000)]
        events: u64,
        /// Rounds; medians are reported
        #[arg(long, default_value_t = 3)]
        rounds: u32,
        /// The share of one processor that each sink has when one and two are compared, in percent
        #[arg(long, default_value_t = 20)]
        share: u32,
        #[command(flatten)]
        beside: Beside,
    },
    /// Resident memory of a gateway and a sink at full load
    Steady {
        /// How long
        #[arg(long, default_value_t = 600)]
        seconds: u64,
        /// Samples of the memory
        #[arg(long, default_value_t = 40)]
        samples: u32,
    },
    /// A sink's start over a long commit log
    Restart {
        /// Commits in the log
        #[arg(long, default_value_t = 10_000)]
        commits: u64,
        /// Starts; medians are reported
        #[arg(long, default_value_t = 3)]
        rounds: u32,
    },
    /// Requests to the store for a commit: one of the figures that scripts/capacity.py works capacity out from
    Requests {
        /// Commits that are counted
        #[arg(long, default_value_t = 192)]
        commits: u64,
    },
    /// Writes a commit log that a start is timed over
    #[command(hide = true)]
    Commits {
        /// How many
        #[arg(long)]
        commits: u64,
    },
}

/// What is measured in turn.
#[derive(Debug, Clone, Args)]
pub(crate) struct Beside {
    /// A shell command that does the same work otherwise, run in each round: the last line that it prints is a JSON
    /// object of names and CPU microseconds an event
    #[arg(long, value_name = "COMMAND")]
    pub(crate) beside: Option<String>,
}

/// `headgate schemas ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Schemas {
    /// Lists the schemas: name, version, table, fields
    List,
    /// Prints a schema
    Show {
        /// `order_completed` (the newest), `order_completed/1` or `order_completed/1.2`
        name: String,
    },
    /// Checks that the schemas load and that versions only grow; with --against, that they may replace a former set
    Check {
        /// The directory of the former set
        #[arg(long, value_name = "DIR")]
        against: Option<PathBuf>,
    },
    /// Prints the tables as SQL; for Redshift also a view of each event that has several majors
    Ddl {
        /// Only this table
        #[arg(long)]
        table: Option<String>,
        /// Whose SQL
        #[arg(long, value_enum, default_value_t = Dialect::Redshift)]
        dialect: Dialect,
        /// The schema in Redshift
        #[arg(long, default_value = "public")]
        schema: String,
    },
    /// Proposes schemas for track calls that landed without one, with what each field was seen as on stderr
    Infer(crate::schemas::infer::Arguments),
    /// Validates JSON instances, one a line: one JSON verdict a line; exits 1 if any is invalid, 2 if the schema is
    /// refused
    Validate {
        /// A schema of the catalogue (`order_completed/1`), or a schema file (`FILE.json`)
        schema: String,
        /// The file of instances; `-` is standard input
        #[arg(default_value = "-")]
        instances: PathBuf,
    },
}

/// Whose SQL tables are printed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dialect {
    /// Amazon Redshift.
    Redshift,
    /// DuckDB.
    Duckdb,
}

/// `headgate config ...`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Checks the configuration and says what is wrong
    Check,
    /// Prints the configuration in effect as TOML, with the place where each value was set
    Print {
        /// Every key with its default and its meaning instead
        #[arg(long)]
        defaults: bool,
    },
}

/// `headgate docs ...`
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Docs {
    /// docs/metrics.md
    Metrics,
    /// docs/configuration.md
    Configuration,
}

impl Cli {
    /// The flags that are settings.
    pub(crate) fn settings(&self) -> Vec<Flag> {
        let mut flags = Vec::new();
        let mut add = |key, name, value: &Option<String>| {
            flags.extend(value.clone().map(|value| Flag { key, name, value }));
        };
        add("data_dir", "--data-dir", &self.global.data_dir);
        add("schemas.dir", "--schemas", &self.global.schemas);
        let (gateway, admin) = match &self.command {
            Command::Up(up) => (Some(&up.gateway), Some(&up.gateway.admin)),
            Command::Gateway(gateway) => (Some(gateway), Some(&gateway.admin)),
            Command::Sink(sink) => (None, Some(&sink.admin)),
            _ => (None, None),
        };
        if let Command::Sink(SinkCommand {
            what: Some(SinkWhat::Compact(compact)),
            ..
        }) = &self.command
        {
            let listen = &compact.admin_listen;
            add("gateway.admin.listen", "--admin-listen", listen);
        }
        if let Some(gateway) = gateway {
            add("gateway.listen", "--listen", &gateway.listen);
        }
        if let Some(admin) = admin {
            add(
                "gateway.admin.listen",
                "--admin-listen",
                &admin.admin_listen,
            );
        }
        flags
    }
}
