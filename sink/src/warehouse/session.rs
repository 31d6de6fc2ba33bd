//! The seam to a warehouse: statements in, rows out, each transaction whole or not at all.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;

/// What a query answers: rows of values as text, null where there is none.
pub(super) type Rows = Vec<Vec<Option<String>>>;

/// Why statements did not do what they should.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The warehouse cannot be reached, is too busy, or its answer is lost: the statements may have taken effect, or may yet.
    #[error("cannot {doing}: {source}")]
    Unavailable {
        /// What was attempted, as a verb.
        doing: &'static str,
        /// What was said.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The warehouse refused a statement, and nothing of its transaction has taken effect.
    #[error("the warehouse refused {}: {message}", Place(*statement))]
    Failed {
        /// Which one, from 0; `None`: that is not known.
        statement: Option<usize>,
        /// What it said.
        message: String,
    },
}

/// Which statement it was, for a person.
struct Place(Option<usize>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(index) => write!(f, "statement {}", index + 1),
            None => f.write_str("the statements"),
        }
    }
}

impl Error {
    pub(super) fn unavailable(
        doing: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Unavailable {
            doing,
            source: source.into().into(),
        }
    }

    /// Whether the same statements may succeed when they are tried again, though nothing else has changed: another
    /// transaction was in the way (error 1023, a deadlock), or the warehouse was not to be had.
    pub(super) fn transient(&self) -> bool {
        let Self::Failed { message, .. } = self else {
            return true;
        };
        let message = without_names(message).to_ascii_lowercase();
        TRANSIENT.iter().any(|text| message.contains(text))
    }
}

/// What the messages of such failures contain, in lower case.
///
/// Sources: <https://docs.aws.amazon.com/redshift/latest/dg/c_serial_isolation-serializable-isolation-troubleshooting.html>,
/// <https://docs.aws.amazon.com/redshift/latest/mgmt/data-api-troubleshooting.html>.
const TRANSIENT: [&str; 16] = [
    "1023",
    "serializable isolation violation",
    "could not serialize",
    "deadlock",
    "conflict with concurrent transaction",
    "connection",
    "terminat",
    "timeout",
    "timed out",
    "cancel",
    "disk full",
    "out of memory",
    "slowdown",
    "slow down",
    "service unavailable",
    "internalerror",
];

/// A message without what may have any name: paths, and what is quoted.
fn without_names(message: &str) -> String {
    let plain = message
        .split(['"', '\'', '`'])
        .step_by(2)
        .collect::<Vec<_>>()
        .join(" ");
    let words = plain.split_whitespace();
    words
        .filter(|word| !word.contains('/'))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A warehouse that statements are sent to.
///
/// # Contract
/// - `transaction` runs all statements in one transaction, in their order; `Ok` means that it is committed.
/// - [`Error::Failed`] means that nothing of it has taken effect, nor ever will.
/// - [`Error::Unavailable`] leaves open whether it has. Calling again with the same `token` and the same statements within
///   eight hours runs them again only where the warehouse cannot tell that it has them already.
/// - Temporary tables last no longer than the transaction, or their names must differ from one to the next.
pub(super) trait Session: fmt::Debug + Send + Sync {
    /// Runs the statements in one transaction; the rows of the last one.
    fn transaction<'a>(
        &'a self,
        token: &'a str,
        statements: &'a [String],
    ) -> BoxFuture<'a, Result<Rows, Error>>;

    /// Runs one statement, outside of a transaction; its rows.
    fn statement<'a>(&'a self, sql: &'a str) -> BoxFuture<'a, Result<Rows, Error>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transient(message: &str) -> bool {
        let message = message.to_owned();
        Error::Failed {
            statement: None,
            message,
        }
        .transient()
    }

    #[test]
    fn what_may_succeed_later_is_told_from_what_will_not_whatever_things_are_called() {
        assert!(transient(
            "ERROR: 1023 Detail: Serializable isolation violation on table - 1"
        ));
        assert!(transient("ERROR: Query (1) cancelled by WLM abort action"));
        assert!(transient("ERROR: Disk Full"));
        assert!(transient(
            "terminating connection due to administrator command"
        ));
        assert!(!transient(
            "Spectrum Scan Error: s3://b/connection_timeout_1/dt=1/a.parquet is broken"
        ));
        assert!(!transient("column \"session_cancel\" is of type bigint"));
    }
}
