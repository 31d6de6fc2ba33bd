//! Which stream lies between gateway and sink, and where tables are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[stream]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Stream {
    /// What lies between gateway and sink: `journal` (in one process, `headgate up`) or `kafka` (between any number
    /// of `headgate gateway` and `headgate sink`; see `[kafka]`). Default `journal`.
    pub(crate) kind: StreamKind,
}

/// What a stream can be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StreamKind {
    /// The journal in the process.
    #[default]
    Journal,
    /// A Kafka cluster.
    Kafka,
}

/// `[store]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Store {
    /// Where tables and their commit log are: `local` (`lake/` below `data_dir`) or `s3` (a bucket; see `[s3]`).
    /// Default `local`.
    pub(crate) kind: StoreKind,
}

/// What a store can be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StoreKind {
    /// A directory.
    #[default]
    Local,
    /// A bucket of Amazon S3 or of a server that speaks its protocol.
    S3,
}

/// The sink gives an operation up from outside: the store must have given up before, or its own retries are cut off.
pub(super) fn deadlines(
    s3: &headgate_sink::store::s3::Config,
    sink: &headgate_sink::Config,
) -> Vec<(&'static str, String)> {
    if s3.operation_deadline_ms < sink.store_timeout_ms {
        return Vec::new();
    }
    let reason = format!(
        "must be below sink.store_timeout_ms ({})",
        sink.store_timeout_ms
    );
    vec![("operation_deadline_ms", reason)]
}
