//! Generations: a second set of tables beside the first, made from the same stream by other schemas.

use std::fmt;

use super::naming::NAME_BYTES_MAX;

/// Stands between a table's name and its generation's.
const SEPARATOR: &str = "__";

/// The longest name of a generation, in bytes.
const GENERATION_BYTES_MAX: usize = 32;

/// The name of a generation: what its tables are called is `<table>__<generation>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation(String);

/// Why a text is no generation's name, or a table cannot be in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The name is none.
    #[error(
        "generation `{0}` is not allowed: 1 to {GENERATION_BYTES_MAX} of a-z 0-9 _, with `_` neither first, last nor \
         doubled"
    )]
    Name(String),
    /// A table's name would be too long.
    #[error(
        "table `{0}` would have more than {NAME_BYTES_MAX} bytes in its name: choose a shorter generation"
    )]
    TooLong(String),
    /// A table of the schemas is called so already.
    #[error("table `{0}` is one of the schemas' own: choose another generation")]
    Taken(String),
}

impl Generation {
    /// A generation of that name.
    ///
    /// # Errors
    /// [`Error::Name`].
    pub fn new(name: &str) -> Result<Self, Error> {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let fits = (1..=GENERATION_BYTES_MAX).contains(&name.len()) && name.bytes().all(legal);
        if fits && !name.starts_with('_') && !name.ends_with('_') && !name.contains(SEPARATOR) {
            return Ok(Self(name.to_owned()));
        }
        Err(Error::Name(name.to_owned()))
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What a table is called in it.
    pub fn table(&self, name: &str) -> String {
        format!("{name}{SEPARATOR}{}", self.0)
    }

    /// Checks that each of these tables can be in it.
    ///
    /// # Errors
    /// [`Error::TooLong`] or [`Error::Taken`], with the table.
    pub fn check(&self, tables: &[&str]) -> Result<(), Error> {
        for table in tables {
            let name = self.table(table);
            if name.len() > NAME_BYTES_MAX {
                return Err(Error::TooLong(name));
            }
            if tables.contains(&name.as_str()) {
                return Err(Error::Taken(name));
            }
        }
        Ok(())
    }

    /// The table of which this one is a generation's, if its name says so.
    pub fn base(table: &str) -> Option<&str> {
        let (base, generation) = table.rsplit_once(SEPARATOR)?;
        Self::new(generation).is_ok().then_some(base)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_every_engine_takes_in_a_table() {
        for name in ["v2", "2026_11", "a", &"x".repeat(32)] {
            let generation = Generation::new(name).unwrap();
            let table = generation.table("order_completed_1");
            assert_eq!(
                Generation::base(&table),
                Some("order_completed_1"),
                "{table}"
            );
        }
        for name in [
            "",
            "_a",
            "a_",
            "a__b",
            "A",
            "a-b",
            "a/b",
            "ä",
            &"x".repeat(33),
        ] {
            assert_eq!(Generation::new(name), Err(Error::Name(name.to_owned())));
        }
        assert_eq!(Generation::base("order_completed_1"), None);
    }

    #[test]
    fn a_table_that_would_be_too_long_or_is_there_already_is_named() {
        let generation = Generation::new("b").unwrap();
        let long = "x".repeat(NAME_BYTES_MAX - 2);
        let check = |tables: &[&str]| generation.check(tables);
        assert_eq!(check(&["a", "b"]), Ok(()));
        assert_eq!(check(&["a", "a__b"]), Err(Error::Taken("a__b".to_owned())));
        assert_eq!(check(&[&long]), Err(Error::TooLong(format!("{long}__b"))));
    }
}
