//! Why a journal cannot be opened or read. Every error names its path.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process, or another journal in this one, has the directory open.
    #[error("journal {} is in use by another process", path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Acknowledged records are damaged or missing. Nothing was changed.
    #[error("{} is corrupt at byte {at}: {reason}", path.display())]
    Corrupt {
        /// The segment, or another of the journal's files.
        path: PathBuf,
        /// The first byte that is wrong.
        at: u64,
        /// What is wrong.
        reason: String,
    },
    /// The directory was written by a version of Headgate whose format this one does not read.
    #[error("{} has journal format {found}; this version reads {known}", path.display())]
    Format {
        /// The topic's description.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The format this version knows.
        known: u32,
    },
    /// Fewer partitions are configured than exist: their records would never be read.
    #[error("{} has {found} partitions; configured are {wanted}, and they cannot be taken away", path.display())]
    Partitions {
        /// The topic's description.
        path: PathBuf,
        /// How many exist.
        found: u32,
        /// How many are configured.
        wanted: u32,
    },
    /// A topic's or a group's name cannot be a file name.
    #[error(
        "{kind} name {name:?} is not allowed: 1 to 128 of a-z A-Z 0-9 . _ -, not beginning with a dot"
    )]
    Name {
        /// `topic` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// The topic was not named when the journal was opened.
    #[error("journal has no topic {0:?}")]
    UnknownTopic(String),
    /// The settings are wrong.
    #[error("{key}: {reason}")]
    Config {
        /// The key in the `[journal]` section.
        key: &'static str,
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// The metrics could not be registered.
    #[error("cannot register the journal's metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The journal was closed.
    #[error("journal is closed")]
    Closed,
}

impl Error {
    /// Wraps an I/O error with what was attempted, for `map_err`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
