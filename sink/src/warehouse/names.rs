//! Names and literals in SQL.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// Redshift's longest name, in bytes. <https://docs.aws.amazon.com/redshift/latest/dg/r_names.html>
pub(super) const NAME_BYTES_MAX: usize = 127;

/// What was loaded, and how far.
pub(super) const LOADS: &str = "headgate_loads";

/// Values that did not fit.
const DISCARDS: &str = "headgate_discards";

/// What the tables that loads of one table wait for each other at begin with.
const LOCK: &str = "headgate_lock__";

/// Where the warehouse's tables are: names with their schema, quoted.
#[derive(Debug, Clone)]
pub(super) struct Names {
    schema: String,
}

impl Names {
    pub(super) fn new(schema: &str) -> Self {
        Self {
            schema: schema.to_owned(),
        }
    }

    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    /// A table of events.
    pub(super) fn table(&self, name: &str) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(name))
    }

    /// The ledger.
    pub(super) fn loads(&self) -> String {
        self.table(LOADS)
    }

    /// The values that did not fit.
    pub(super) fn discards(&self) -> String {
        self.table(DISCARDS)
    }

    /// The empty table that loads of this table lock, so that one comes after the other and readers wait for none: a lock
    /// on the table itself would keep them out. <https://docs.aws.amazon.com/redshift/latest/dg/r_LOCK.html>
    pub(super) fn lock(&self, table: &str) -> String {
        self.table(&lock_name(table))
    }
}

/// The lock's name of a table; one of a long name ends in a hash of it.
pub(super) fn lock_name(table: &str) -> String {
    let name = format!("{LOCK}{table}");
    if name.len() <= NAME_BYTES_MAX {
        return name;
    }
    let digest = Sha256::digest(table.as_bytes());
    let mut hash = String::new();
    for byte in digest.iter().take(8) {
        // Writing to a string cannot fail.
        _ = write!(hash, "{byte:02x}");
    }
    let mut cut = NAME_BYTES_MAX - hash.len() - 1;
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}_{hash}", &name[..cut])
}

/// Always quoted: reserved words are fine then.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string. Backslashes would begin escapes there, as in old PostgreSQL, and control characters have no place in what
/// is written here: both become spaces.
pub(super) fn literal(text: &str) -> String {
    let plain = |c: char| if c == '\\' || c.is_control() { ' ' } else { c };
    let text: String = text.chars().map(plain).collect();
    format!("'{}'", text.replace('\'', "''"))
}

/// An instant, given in ms since the epoch.
pub(super) fn instant(ms: i64) -> String {
    let instant = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    format!("TIMESTAMP '{}'", instant.strftime("%Y-%m-%d %H:%M:%S%.3f"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_literals_cannot_end_early() {
        let names = Names::new("public");
        assert_eq!(names.table("order"), "\"public\".\"order\"");
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'; DROP\n"), "'a ''; DROP '");
        assert_eq!(
            instant(1_795_377_600_123),
            "TIMESTAMP '2026-11-22 20:00:00.123'"
        );
    }

    #[test]
    fn a_locks_name_is_the_tables_and_fits() {
        assert_eq!(lock_name("order_1"), "headgate_lock__order_1");
        let (one, two) = (
            lock_name(&"x".repeat(127)),
            lock_name(&format!("{}y", "x".repeat(126))),
        );
        assert_eq!((one.len(), two.len()), (127, 127));
        assert_ne!(one, two);
    }
}
