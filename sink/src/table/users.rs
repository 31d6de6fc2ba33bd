//! `users`: a view with the latest identify call of each user, as other services' warehouses have a table of that name.
//!
//! Functions here only write SQL, of a kind that every engine takes. What the latest call is, is said in [`select`]; that
//! it is so and not otherwise, `docs/adr/0016-sdk-tables.md`.

use std::sync::Arc;

use headgate_schemas::{names::snake_case, registry::Registry, schema::Schema, sdk::IDENTIFY};

use super::{
    ENVELOPE, Table, at,
    external::{self, Place},
    redshift::{qualified, quoted},
};

/// What the view is called.
pub const NAME: &str = "users";

/// The number of a call among those of its user, the latest first. No column is called so: names that are made of schemas
/// begin with `_` only before a digit or what engines call columns of their own.
const RANK: &str = "\"_headgate_rank\"";

/// The envelope's columns that the view has, in this order; the schema's own follow.
const FIRST: [usize; 5] = [
    at::USER_ID,
    at::EVENT_ID,
    at::SOURCE,
    at::EVENT_TIME,
    at::RECEIVED_AT,
];

/// The table whose rows are identify calls, those of the newest major; `None`: there is no view, as a table or an event of
/// the set is called like it.
pub fn identifies(registry: &Registry) -> Option<&[Arc<Schema>]> {
    let taken = |schema: &Arc<Schema>| schema.table() == NAME || snake_case(schema.name()) == NAME;
    if registry.schemas().any(taken) {
        return None;
    }
    let schema = registry.resolve(IDENTIFY, None).ok()?;
    registry.family(schema.table())
}

/// The names of the view's columns over such a table: the user, which call it was, and what that call said.
pub fn columns(table: &Table) -> Vec<&str> {
    let first = FIRST.iter().filter_map(|at| table.columns().get(*at));
    let own = table.columns().iter().skip(ENVELOPE.len());
    first
        .chain(own)
        .map(|column| column.name.as_str())
        .collect()
}

/// The view's rows: of each user the identify call that happened last. When a call happened is its `event_time`, or where it
/// has none `received_at`; of several that happened at once it is the one that was received last, and of those the one with
/// the greatest `event_id`. So a call that comes late changes nothing, and which row it is does not depend on who asks.
/// `from`: the table, quoted; `columns`: of [`columns`] those that it has.
pub fn select(from: &str, columns: &[&str]) -> String {
    let columns: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
    let columns = columns.join(",\n    ");
    format!(
        "SELECT\n    {columns}\nFROM (\n    SELECT *, ROW_NUMBER() OVER (PARTITION BY \"user_id\" ORDER BY \
         COALESCE(\"event_time\", \"received_at\") DESC, \"received_at\" DESC, \"event_id\" DESC) AS {RANK}\n    \
         FROM {from} WHERE \"user_id\" IS NOT NULL\n) AS \"ranked\"\nWHERE {RANK} = 1"
    )
}

/// `CREATE OR REPLACE VIEW` for Redshift, bound late as the view over an event's majors is: `redshift::union_view`.
pub fn redshift_view(schema: &str, table: &Table, columns: &[&str]) -> String {
    format!(
        "CREATE OR REPLACE VIEW {} AS\n{}\nWITH NO SCHEMA BINDING",
        qualified(schema, NAME),
        select(&qualified(schema, table.name()), columns)
    )
}

impl Table {
    /// The view over this table as an external one, for Athena
    /// (<https://docs.aws.amazon.com/athena/latest/ug/create-view.html>).
    pub fn athena_users(&self, place: &Place<'_>) -> String {
        self.external_users(
            &qualified(place.database, NAME),
            &qualified(place.database, self.name()),
        )
    }

    /// The same for Trino.
    pub fn trino_users(&self, place: &Place<'_>) -> String {
        let named = |name| external::trino_name(place, name);
        self.external_users(&named(NAME), &named(self.name()))
    }

    /// The same for DuckDB.
    pub fn duckdb_users(&self) -> String {
        self.external_users(&quoted(NAME), &quoted(self.name()))
    }

    /// The same for Redshift Spectrum. An external schema takes no views, so that it is made where the session makes tables,
    /// and over external tables a view is bound late
    /// (<https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_VIEW.html>).
    pub fn spectrum_users(&self, place: &Place<'_>) -> String {
        let view = self.external_users(&quoted(NAME), &qualified(place.database, self.name()));
        format!("{} WITH NO SCHEMA BINDING;\n", view.trim_end_matches(";\n"))
    }

    fn external_users(&self, name: &str, from: &str) -> String {
        let kept: Vec<&str> = external::columns(self)
            .map(|column| &*column.name)
            .collect();
        let mut columns = columns(self);
        columns.retain(|name| kept.contains(name));
        format!(
            "CREATE OR REPLACE VIEW {name} AS\n{};\n",
            select(from, &columns)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::registry;

    const PLACE: Place<'static> = Place {
        database: "headgate",
        root: "s3://lake/prod",
    };

    fn identify() -> Table {
        let own = r#"{"type": "object", "x-table": "identifies", "properties": {
            "email": {"type": "string"}, "dt": {"type": "string"}}}"#;
        let registry = registry(&[("identify/1.json", own)]);
        Table::of(identifies(&registry).unwrap())
    }

    #[test]
    fn it_has_the_user_the_call_and_what_the_call_said() {
        let built_in = Registry::empty().unwrap();
        let table = Table::of(identifies(&built_in).unwrap());
        assert_eq!(table.name(), "identifies");
        let columns = columns(&table);
        let first = ["user_id", "event_id", "source", "event_time", "received_at"];
        assert_eq!(columns[..5], first);
        for name in ["email", "traits", "context_locale", "context_traits"] {
            assert!(columns.contains(&name), "{name}: {columns:?}");
        }
        // A user may have several.
        for name in ["anonymous_id", "_rest", "event_type"] {
            assert!(!columns.contains(&name), "{name}: {columns:?}");
        }
    }

    #[test]
    fn a_table_or_event_of_that_name_comes_before_it() {
        let plain = r#"{"type": "object"}"#;
        let named = r#"{"type": "object", "x-table": "users"}"#;
        for files in [("Users/1.json", plain), ("thing/1.json", named)] {
            assert!(identifies(&registry(&[files])).is_none(), "{files:?}");
        }
        assert!(identifies(&registry(&[("thing/1.json", plain)])).is_some());
    }

    #[test]
    fn the_newest_major_of_a_catalogues_own_identify_counts() {
        let plain = r#"{"type": "object"}"#;
        let registry = registry(&[("identify/1.json", plain), ("identify/2.json", plain)]);
        assert_eq!(
            Table::of(identifies(&registry).unwrap()).name(),
            "identify_2"
        );
    }

    #[test]
    fn each_engine_has_it_as_it_takes_views() {
        let table = identify();
        let body = |from: &str, own: &str| {
            format!(
                "SELECT\n    \"user_id\",\n    \"event_id\",\n    \"source\",\n    \"event_time\",\n    \"received_at\",\n    \
                 \"email\"{own}\nFROM (\n    SELECT *, ROW_NUMBER() OVER (PARTITION BY \"user_id\" ORDER BY \
                 COALESCE(\"event_time\", \"received_at\") DESC, \"received_at\" DESC, \"event_id\" DESC) AS \
                 \"_headgate_rank\"\n    FROM {from} WHERE \"user_id\" IS NOT NULL\n) AS \"ranked\"\n\
                 WHERE \"_headgate_rank\" = 1"
            )
        };
        let one = |name: &str, from: &str| {
            format!("CREATE OR REPLACE VIEW {name} AS\n{};\n", body(from, ""))
        };
        assert_eq!(
            table.athena_users(&PLACE),
            one("\"headgate\".\"users\"", "\"headgate\".\"identifies\"")
        );
        assert_eq!(
            table.trino_users(&PLACE),
            one(
                "\"hive\".\"headgate\".\"users\"",
                "\"hive\".\"headgate\".\"identifies\""
            )
        );
        assert_eq!(table.duckdb_users(), one("\"users\"", "\"identifies\""));
        assert_eq!(
            table.spectrum_users(&PLACE),
            format!(
                "CREATE OR REPLACE VIEW \"users\" AS\n{} WITH NO SCHEMA BINDING;\n",
                body("\"headgate\".\"identifies\"", "")
            )
        );
        let redshift = redshift_view("events", &table, &columns(&table));
        let expected = format!(
            "CREATE OR REPLACE VIEW \"events\".\"users\" AS\n{}\nWITH NO SCHEMA BINDING",
            body("\"events\".\"identifies\"", ",\n    \"dt\"")
        );
        assert_eq!(redshift, expected);
    }
}
