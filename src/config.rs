//! The configuration of the whole process: one struct of the crates' structs, laid together from defaults, the TOML
//! file, the environment and flags (a later one wins), and validated whole before anything binds or is opened.

mod across;
mod layers;
mod place;
mod print;
mod problem;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Value;

pub(crate) use layers::Origin;
use layers::Setting;
pub(crate) use place::{OnUnavailable, Store, StoreKind, Stream, StreamKind};
pub(crate) use print::{defaults, effective, reference};
use problem::Problem;
pub(crate) use problem::nearest;

use crate::replay;
use crate::tables::glue;

/// The file that is read when no `--config` is given, if it is there.
const DEFAULT_FILE: &str = "headgate.toml";

/// Everything that can be set.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Directory of the journal (`journal/`), of what a gateway keeps for Kafka or Kinesis (`spill/`), the landed tables
    /// (`lake/`) and the addresses of the running process (`run/`). One process at a time may run on it; with
    /// `stream.kind = "kafka"` or `"kinesis"` and `store.kind = "s3"` one gateway and one sink may.
    pub(crate) data_dir: PathBuf,
    /// How events are taken.
    pub(crate) gateway: headgate_gateway::Config,
    /// Who may send, by name. With none, everyone may.
    pub(crate) sources: headgate_gateway::sources::Config,
    /// What nobody behind the gateway is to see: how values are hidden that schemas say so of.
    pub(crate) privacy: headgate_gateway::privacy::Config,
    /// The stream between gateway and sink.
    pub(crate) stream: Stream,
    /// The stream within a process, where `stream.kind` is `journal`.
    pub(crate) journal: headgate_stream::journal::Config,
    /// The stream between processes, where `stream.kind` is `kafka`.
    pub(crate) kafka: headgate_stream::kafka::Config,
    /// The streams between processes, where `stream.kind` is `kinesis`.
    pub(crate) kinesis: headgate_stream::kinesis::Config,
    /// What a gateway keeps on disk while Kafka or Kinesis does not take it, where `stream.on_stream_unavailable` is `spill`.
    pub(crate) spill: headgate_stream::spill::Config,
    /// How events become tables.
    pub(crate) sink: headgate_sink::Config,
    /// Where tables are.
    pub(crate) store: Store,
    /// The bucket, where `store.kind` is `s3`.
    pub(crate) s3: headgate_sink::store::s3::Config,
    /// The warehouse that follows what has landed.
    pub(crate) warehouse: headgate_sink::warehouse::Config,
    /// Where event schemas come from.
    pub(crate) schemas: Schemas,
    /// The catalogue that `headgate tables glue` fills.
    pub(crate) glue: glue::Settings,
    /// Bounds of `headgate query`.
    pub(crate) query: Query,
    /// Bounds of `headgate replay`.
    pub(crate) replay: replay::Settings,
    /// What is logged to stderr.
    pub(crate) log: Log,
    /// How the process ends.
    pub(crate) shutdown: Shutdown,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("headgate-data"),
            gateway: headgate_gateway::Config::default(),
            sources: headgate_gateway::sources::Config::default(),
            privacy: headgate_gateway::privacy::Config::default(),
            stream: Stream::default(),
            journal: headgate_stream::journal::Config::default(),
            kafka: headgate_stream::kafka::Config::default(),
            kinesis: headgate_stream::kinesis::Config::default(),
            spill: headgate_stream::spill::Config::default(),
            sink: headgate_sink::Config::default(),
            store: Store::default(),
            s3: headgate_sink::store::s3::Config::default(),
            warehouse: headgate_sink::warehouse::Config::default(),
            schemas: Schemas::default(),
            glue: glue::Settings::default(),
            query: Query::default(),
            replay: replay::Settings::default(),
            log: Log::default(),
            shutdown: Shutdown::default(),
        }
    }
}

/// `[schemas]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Schemas {
    /// Directory of `<event>/<version>.json` files. When not set: `schemas/events` below the working directory if it
    /// is there, else the example catalogue built into the binary.
    pub(crate) dir: Option<PathBuf>,
    /// Whether a change in the directory reloads the schemas. SIGHUP always does.
    pub(crate) watch: bool,
    /// Time without a further change after which changed schemas are reloaded, in milliseconds: 10 to 60000.
    pub(crate) settle_ms: u64,
}

impl Default for Schemas {
    fn default() -> Self {
        Self {
            dir: None,
            watch: true,
            settle_ms: 250,
        }
    }
}

/// `[query]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Query {
    /// Memory that one statement may use for sorting, grouping and joining, in bytes, at least 16 MiB. Sorts and
    /// groupings that need more go to temporary files; what cannot do so fails.
    pub(crate) memory_bytes_max: u64,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            memory_bytes_max: 1 << 30,
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// What is logged: a level (`error`, `warn`, `info`, `debug`, `trace`), also by module:
    /// `info,headgate_sink=debug`.
    pub(crate) filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
        }
    }
}

/// `[shutdown]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Shutdown {
    /// Time to finish requests in flight, land what was read and close the stream after SIGTERM or SIGINT, in
    /// milliseconds: 100 to 3600000, and more than all of these together, which follow one another:
    /// `gateway.timeouts.drain_unready_ms`, `gateway.timeouts.drain_deadline_ms`, `sink.drain_deadline_ms` and, with
    /// Kafka or Kinesis, `kafka.close_deadline_ms` or `kinesis.close_deadline_ms`. What has not landed by then stays in the
    /// stream for the next start.
    pub(crate) deadline_ms: u64,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            deadline_ms: 45_000,
        }
    }
}

impl Config {
    /// The directory of the landed tables and their commit log.
    pub(crate) fn lake_dir(&self) -> PathBuf {
        self.data_dir.join("lake")
    }

    /// The directory of the journal.
    pub(crate) fn journal_dir(&self) -> PathBuf {
        self.data_dir.join("journal")
    }

    /// The directory of what a gateway keeps for Kafka.
    pub(crate) fn spill_dir(&self) -> PathBuf {
        self.data_dir.join("spill")
    }

    /// Every value that breaks a rule: its dotted key, and what is wrong and allowed.
    fn problems(&self) -> Vec<(String, String)> {
        let mut crates = vec![
            ("gateway", self.gateway.problems()),
            ("privacy", self.privacy.problems()),
            ("journal", self.journal.problems()),
            ("sink", self.sink.problems()),
            ("glue", self.glue.problems()),
        ];
        // What is not used may lack what it would need.
        if self.stream.kind == StreamKind::Kafka {
            crates.push(("kafka", self.kafka.problems()));
            crates.push(("spill", self.spill.problems()));
            let patience = place::patience(self, self.kafka.produce_deadline_ms);
            crates.push(("kafka", patience));
        }
        if self.stream.kind == StreamKind::Kinesis {
            crates.push(("kinesis", self.kinesis.problems()));
            crates.push(("spill", self.spill.problems()));
            let patience = place::patience(self, self.kinesis.produce_deadline_ms);
            crates.push(("kinesis", patience));
        }
        crates.push(("warehouse", self.warehouse.problems()));
        crates.push(("warehouse", place::lake(self)));
        crates.push(("stream", self.stream.problems(self.kafka.topics.count_max)));
        if self.store.kind == StoreKind::S3 {
            crates.push(("s3", self.s3.problems()));
            crates.push(("s3", place::deadlines(&self.s3, &self.sink)));
        }
        let mut found: Vec<(String, String)> = crates
            .into_iter()
            .flat_map(|(section, problems)| {
                problems
                    .into_iter()
                    .map(move |(key, reason)| (format!("{section}.{key}"), reason))
            })
            .collect();
        let sources = headgate_gateway::sources::config::problems(&self.sources);
        found.extend(
            sources
                .into_iter()
                .map(|(key, reason)| (format!("sources.{key}"), reason)),
        );
        if self.data_dir.as_os_str().is_empty() {
            found.push(("data_dir".to_owned(), "must name a directory".to_owned()));
        }
        if !(10..=60_000).contains(&self.schemas.settle_ms) {
            found.push((
                "schemas.settle_ms".to_owned(),
                "must be 10 to 60000".to_owned(),
            ));
        }
        if self.query.memory_bytes_max < 16 << 20 {
            found.push((
                "query.memory_bytes_max".to_owned(),
                "must be at least 16777216 (16 MiB)".to_owned(),
            ));
        }
        if self.replay.replayed_events_max == 0 {
            found.push((
                "replay.replayed_events_max".to_owned(),
                "must be at least 1".to_owned(),
            ));
        }
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&self.log.filter) {
            found.push((
                "log.filter".to_owned(),
                format!("{error}; for instance `info,headgate_sink=debug`"),
            ));
        }
        if !(100..=3_600_000).contains(&self.shutdown.deadline_ms) {
            found.push((
                "shutdown.deadline_ms".to_owned(),
                "must be 100 to 3600000".to_owned(),
            ));
        }
        found.extend(across::problems(self));
        found
    }
}

/// A configuration without problems, and where its values came from.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
    settings: Vec<Setting>,
}

impl Loaded {
    /// The configuration as the file has it by now; the environment and the flags are those of the start.
    ///
    /// # Errors
    /// As [`load`].
    pub(crate) fn reread(&self) -> Result<Self, Error> {
        let others = self.settings.iter();
        let others = others.filter(|setting| !matches!(setting.origin, Origin::File { .. }));
        assemble(self.file.as_deref(), others.cloned().collect())
    }

    /// Where the value of a dotted key was set, or the values in it, if it is a table; empty for a default.
    pub(crate) fn origins(&self, key: &str) -> Vec<&Origin> {
        layers::origins(&self.settings, key)
    }
}

/// Why there is no configuration: everything that is wrong, not only the first.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The problems, one a line.
    #[error("{0}")]
    Problems(Problems),
}

/// All that is wrong with a configuration.
#[derive(Debug)]
pub(crate) struct Problems(Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has 1 problem:")?,
            count => write!(f, "the configuration has {count} problems:")?,
        }
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// A setting given as a flag: its dotted key, the flag's name and the value.
pub(crate) struct Flag {
    pub(crate) key: &'static str,
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

/// Lays the configuration together and validates it whole.
///
/// # Errors
/// An unreadable file, or every problem found, in the order of the places where they stand.
pub(crate) fn load(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
    flags: Vec<Flag>,
) -> Result<Loaded, Error> {
    let path = match file {
        Some(path) => Some(path),
        None => Some(Path::new(DEFAULT_FILE)).filter(|path| path.exists()),
    };
    let mut others = layers::from_environment(environment);
    others.extend(flags.into_iter().map(|flag| Setting {
        path: flag.key.split('.').map(str::to_owned).collect(),
        value: Value::String(flag.value),
        origin: Origin::Flag(flag.name),
    }));
    assemble(path, others)
}

/// The file's settings, and the others laid over them.
fn assemble(path: Option<&Path>, others: Vec<Setting>) -> Result<Loaded, Error> {
    let (mut settings, mut problems) = match path {
        Some(path) => match std::fs::read_to_string(path) {
            Ok(text) => layers::from_file(path, &text),
            Err(source) => {
                return Err(Error::Read {
                    path: path.to_path_buf(),
                    source,
                });
            }
        },
        None => (Vec::new(), Vec::new()),
    };
    settings.extend(others);
    settings.retain_mut(|setting| match problem::judge::<Config>(setting) {
        Some(problem) => {
            problems.push(problem);
            false
        }
        None => true,
    });
    let config =
        Config::deserialize(Value::Table(layers::merge(&settings))).unwrap_or_else(|error| {
            let missing = problem::missing::<Config>(&settings);
            if missing.is_empty() {
                let reason = error.message().to_owned();
                problems.push(Problem::rule(String::new(), None, reason));
            }
            problems.extend(missing);
            Config::default()
        });
    problems.extend(config.problems().into_iter().map(|(key, reason)| {
        let setting = layers::broken(&settings, &key, &reason);
        Problem::rule(key, setting, reason)
    }));
    match problems.is_empty() {
        true => Ok(Loaded {
            config,
            file: path.map(Path::to_path_buf),
            settings,
        }),
        false => Err(Error::Problems(Problems(problems))),
    }
}
