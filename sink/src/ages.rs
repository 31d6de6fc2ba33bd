//! How long a record may wait for others: the sink's own age, or that of its table.
//!
//! A commit covers a stretch of the stream, so all tables of a batch land together: the record that may wait least
//! decides. Nothing is looked at where no table has an age of its own.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    config::Config,
    route::{self, Tables},
};

/// So many types are remembered. Types without a schema are whatever a writer to the stream made up.
const KNOWN_MAX: usize = 10_000;

/// The ages of all tables.
pub(crate) struct Ages {
    default: Duration,
    /// By name or pattern, the one that decides first.
    own: Vec<(String, Duration)>,
    /// The least of all.
    least: Duration,
    /// Of one set of schemas, by what the records say of their type.
    known: HashMap<String, Duration>,
    tables: Option<Arc<Tables>>,
}

impl Ages {
    pub(crate) fn new(config: &Config) -> Self {
        let default = Duration::from_millis(config.batch_age_max_ms);
        let own = config.tables.iter();
        let mut own: Vec<_> = own
            .map(|(name, table)| (name.clone(), Duration::from_millis(table.age_max_ms)))
            .collect();
        // A whole name says most; of two patterns the one with more in it.
        own.sort_by_key(|(name, _)| (name.contains('*'), std::cmp::Reverse(name.len())));
        let least = own.iter().map(|(_, age)| *age).fold(default, Duration::min);
        Self {
            default,
            own,
            least,
            known: HashMap::new(),
            tables: None,
        }
    }

    /// How long the one of these records may wait that may wait least. `tables` is asked for when it matters.
    pub(crate) fn of(&mut self, values: &[Bytes], tables: impl Fn() -> Arc<Tables>) -> Duration {
        if self.own.is_empty() || values.is_empty() {
            return self.default;
        }
        let tables = tables();
        let same = |known: &Arc<Tables>| Arc::ptr_eq(known, &tables);
        if !self.tables.as_ref().is_some_and(same) || self.known.len() > KNOWN_MAX {
            self.known.clear();
        }
        let mut age: Option<Duration> = None;
        let mut key = String::new();
        for value in values {
            let one = self.of_record(value, &tables, &mut key);
            age = Some(age.map_or(one, |age| age.min(one)));
            if one == self.least {
                break;
            }
        }
        self.tables = Some(tables);
        age.unwrap_or(self.default)
    }

    fn of_record(&mut self, record: &[u8], tables: &Tables, key: &mut String) -> Duration {
        if !route::type_of(record, key) {
            return self.default;
        }
        if let Some(known) = self.known.get(key.as_str()) {
            return *known;
        }
        let ages = tables.named(key).map(|table| self.of_table(table));
        let age = ages.min().unwrap_or(self.default);
        self.known.insert(key.clone(), age);
        age
    }

    fn of_table(&self, table: &str) -> Duration {
        let own = self.own.iter().find(|(name, _)| matches(name, table));
        own.map_or(self.default, |(_, age)| *age)
    }
}

/// Whether the name is the pattern's, in which `*` is anything.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(name) = name.strip_prefix(start) else {
        return false;
    };
    (0..=name.len()).any(|skipped| name.get(skipped..).is_some_and(|name| matches(rest, name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::TableConfig, table::tests::registry};

    const SCHEMA: &str = r#"{"type": "object", "properties": {"n": {"type": "integer"}}}"#;

    fn ages(own: &[(&str, u64)]) -> Ages {
        let table = |(name, age_max_ms): &(&str, u64)| {
            let age_max_ms = *age_max_ms;
            ((*name).to_owned(), TableConfig { age_max_ms })
        };
        Ages::new(&Config {
            tables: own.iter().map(table).collect(),
            ..Config::default()
        })
    }

    fn record(kind: &str) -> Bytes {
        let text = format!(
            r#"{{"specversion":"1.0","id":"1","source":"s","type":"{kind}","dataschema":"{kind}/1",
            "receivedtime":"2026-11-22T20:00:00Z","data":{{}}}}"#
        );
        text.into()
    }

    fn of(ages: &mut Ages, kinds: &[&str]) -> u128 {
        let paths = ["order_made/1.json", "order_sent/1.json", "view/1.json"];
        let tables = Arc::new(Tables::of(
            Arc::new(registry(&paths.map(|path| (path, SCHEMA)))),
            None,
        ));
        let values: Vec<_> = kinds.iter().map(|kind| record(kind)).collect();
        ages.of(&values, || Arc::clone(&tables)).as_millis()
    }

    #[test]
    fn the_table_that_may_wait_least_decides_and_the_closest_name_tells_how_long() {
        let mut ages = ages(&[("order_*", 60_000), ("order_sent_1", 1_000), ("*", 90_000)]);
        assert_eq!(of(&mut ages, &["order_made"]), 60_000);
        assert_eq!(of(&mut ages, &["order_sent"]), 1_000);
        assert_eq!(of(&mut ages, &["view"]), 90_000);
        assert_eq!(of(&mut ages, &["view", "order_made", "view"]), 60_000);
        assert_eq!(of(&mut ages, &["order_made", "order_sent"]), 1_000);
        // What has no table waits as long as the sink says.
        assert_eq!(of(&mut ages, &["nothing"]), 5_000);
    }

    #[test]
    fn nothing_is_looked_at_where_no_table_has_an_age_of_its_own() {
        let mut ages = ages(&[]);
        let asked = || panic!("the tables were asked for");
        assert_eq!(ages.of(&[record("view")], asked).as_millis(), 5_000);
    }

    #[test]
    fn a_star_is_anything() {
        for (pattern, name) in [
            ("*", ""),
            ("a*", "a"),
            ("a*c", "abbc"),
            ("*_1", "x_1_1"),
            ("a*b*", "acb"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a", "ab"), ("a*c", "abcd"), ("*_1", "x_2"), ("", "a")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
