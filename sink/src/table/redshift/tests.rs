use super::*;
use crate::table::tests::{EVERY_TYPE, table};

fn create(minors: &[&str]) -> String {
    table("thing_1", minors).redshift_create("events").unwrap()
}

/// The clauses behind the columns.
fn keys(minors: &[&str]) -> String {
    let sql = create(minors);
    sql.split_once("\n)\n").unwrap().1.to_owned()
}

fn keyed(annotation: &str) -> String {
    format!(
        r#"{{"type": "object", "x-redshift": {annotation},
            "properties": {{"a": {{"type": "string"}}, "tags": {{"type": "array"}}}}}}"#
    )
}

fn column(table: &Table, name: &str) -> Column {
    let found = table.columns().iter().find(|column| column.name == name);
    found.unwrap().clone()
}

#[test]
fn a_table_is_created_with_every_type() {
    let expected = r#"CREATE TABLE IF NOT EXISTS "events"."thing_1" (
    "event_id" VARCHAR(1024) NOT NULL,
    "event_type" VARCHAR(100) NOT NULL,
    "schema_version" VARCHAR(32) NOT NULL,
    "source" VARCHAR(1024) NOT NULL,
    "user_id" VARCHAR(1024),
    "anonymous_id" VARCHAR(1024),
    "event_time" TIMESTAMP,
    "sent_at" TIMESTAMP,
    "received_at" TIMESTAMP NOT NULL,
    "_rest" SUPER,
    "flag" BOOLEAN,
    "count" BIGINT,
    "price" DOUBLE PRECISION,
    "title" VARCHAR(40),
    "at" TIMESTAMP,
    "day" DATE,
    "tags" SUPER,
    "free" SUPER,
    "any" SUPER,
    "either" SUPER
)
DISTSTYLE AUTO
SORTKEY ("received_at")"#;
    assert_eq!(create(&[EVERY_TYPE]), expected);
}

#[test]
fn varchars_are_four_bytes_a_character_and_65535_at_most() {
    let bytes = |length| varchar_bytes(Some(length));
    assert_eq!(bytes(0), 1);
    assert_eq!(bytes(16_383), 65_532);
    assert_eq!(bytes(16_384), 65_535);
    assert_eq!(bytes(u64::MAX), 65_535);
    assert_eq!(varchar_bytes(None), 65_535);
}

#[test]
fn a_property_called_like_an_attribute_is_bounded_by_its_schema() {
    let schema =
        r#"{"type": "object", "properties": {"event_id": {"type": "string", "maxLength": 5000}}}"#;
    let table = table("thing_1", &[schema]);
    let own = column(&table, "event_id_2");
    assert_eq!(
        Table::redshift_type(&own),
        RedshiftType::Varchar { bytes: 20_000 }
    );
}

#[test]
fn names_of_127_bytes_are_whole() {
    let long = "x".repeat(127);
    let schema = format!(
        r#"{{"type": "object", "x-table": "{long}", "properties": {{"{long}": {{"type": "boolean"}}}}}}"#
    );
    let table = table(&long, &[&schema]);
    let sql = table.redshift_create("s").unwrap();
    assert!(sql.starts_with(&format!("CREATE TABLE IF NOT EXISTS \"s\".\"{long}\" (")));
    assert!(sql.contains(&format!("    \"{long}\" BOOLEAN\n")), "{sql}");
}

#[test]
fn reserved_words_are_names_like_any_other() {
    let schema = r#"{"type": "object", "x-table": "select", "properties": {
        "table": {"type": "boolean"}, "USER": {"type": "integer"}}}"#;
    let table = table("select", &[schema]);
    let sql = table.redshift_create("order").unwrap();
    assert!(
        sql.starts_with("CREATE TABLE IF NOT EXISTS \"order\".\"select\" ("),
        "{sql}"
    );
    assert!(
        sql.contains("    \"table\" BOOLEAN,\n    \"user\" BIGINT\n"),
        "{sql}"
    );
    let user = column(&table, "user");
    let expected = r#"ALTER TABLE "order"."select" ADD COLUMN "user" BIGINT"#;
    assert_eq!(add_column("order", "select", &user), expected);
}

#[test]
fn a_quote_in_a_schemas_name_ends_nothing() {
    assert_eq!(qualified("a\"b", "t"), r#""a""b"."t""#);
}

#[test]
fn a_column_is_added_nullable_also_where_no_row_is_without_it() {
    let table = table("thing_1", &[EVERY_TYPE]);
    let add = |name| add_column("events", "thing_1", &column(&table, name));
    let expected = r#"ALTER TABLE "events"."thing_1" ADD COLUMN "title" VARCHAR(40)"#;
    assert_eq!(add("title"), expected);
    let expected = r#"ALTER TABLE "events"."thing_1" ADD COLUMN "received_at" TIMESTAMP"#;
    assert_eq!(add("received_at"), expected);
}

#[test]
fn a_varchar_is_widened_within_what_redshift_has() {
    let widen = |bytes| widen_varchar("events", "thing_1", "title", bytes);
    let expected = r#"ALTER TABLE "events"."thing_1" ALTER COLUMN "title" TYPE VARCHAR(400)"#;
    assert_eq!(widen(400), expected);
    assert!(widen(1 << 20).ends_with("VARCHAR(65535)"));
}

#[test]
fn keys_are_those_of_the_newest_minor_that_names_any() {
    let sorted = keyed(r#"{"diststyle": "even", "sortkey": ["event_time", "a"]}"#);
    let expected = "DISTSTYLE EVEN\nSORTKEY (\"event_time\", \"a\")";
    assert_eq!(keys(&[&sorted]), expected);
    let silent = keyed("{}").replace(r#""x-redshift": {},"#, "");
    assert_eq!(keys(&[&sorted, &silent]), expected);
    let distributed = keyed(r#"{"distkey": "user_id"}"#);
    let expected = "DISTSTYLE KEY\nDISTKEY (\"user_id\")\nSORTKEY (\"received_at\")";
    assert_eq!(keys(&[&sorted, &distributed, &silent]), expected);
    let default = "DISTSTYLE AUTO\nSORTKEY (\"received_at\")";
    assert_eq!(keys(&[&sorted, &keyed("{}")]), default);
}

#[test]
fn a_key_that_cannot_be_one_is_an_error() {
    for (annotation, pointer) in [
        (r#"{"distkey": "tags"}"#, "/x-redshift/distkey"),
        (r#"{"sortkey": ["a", "b"]}"#, "/x-redshift/sortkey/1"),
    ] {
        let table = table("thing_1", &[&keyed(annotation)]);
        assert_eq!(table.redshift_create("s").unwrap_err().pointer, pointer);
    }
}

mod views {
    use super::*;
    use crate::table::tests::registry;

    const FIRST: &str = r#"{"type": "object", "properties": {
        "a": {"type": "string", "maxLength": 5}, "b": {"type": "integer"}, "gone": {"type": "boolean"}}}"#;
    const SECOND: &str = r#"{"type": "object", "properties": {
        "b": {"type": "string"}, "new": {"type": "boolean"}, "a": {"type": "string"}}}"#;

    fn view(name: &str, tables: &[&str], majors: usize) -> Option<String> {
        let registry = registry(&[("thing/1.json", FIRST), ("thing/2.json", SECOND)]);
        let all = ["thing_1", "thing_2"].map(|name| Table::of(registry.family(name).unwrap()));
        let all: Vec<&Table> = all.iter().take(majors).collect();
        union_view("events", name, &all, tables)
    }

    #[test]
    fn a_view_has_what_all_majors_have_with_one_type() {
        let columns = r#"SELECT
    "event_id",
    "event_type",
    "schema_version",
    "source",
    "user_id",
    "anonymous_id",
    "event_time",
    "sent_at",
    "received_at",
    "_rest",
    "a"
FROM "events"."#;
        let expected = format!(
            "CREATE OR REPLACE VIEW \"events\".\"thing\" AS\n{columns}\"thing_1\"\nUNION ALL\n{columns}\"thing_2\"\n\
             WITH NO SCHEMA BINDING"
        );
        assert_eq!(view("thing", &[], 2), Some(expected));
        let drop = r#"DROP VIEW IF EXISTS "events"."thing""#;
        assert_eq!(drop_view("events", "thing"), drop);
    }

    #[test]
    fn the_name_is_the_events_unless_a_major_has_it() {
        let registry = registry(&[
            ("ThingSeen/1.json", r#"{"type": "object", "x-track": true}"#),
            ("ThingSeen/2.json", r#"{"type": "object", "x-track": true}"#),
            ("OtherSeen/1.json", FIRST),
        ]);
        let table = |name| Table::of(registry.family(name).unwrap());
        let (first, second) = (table("thing_seen"), table("thing_seen_2"));
        assert_eq!(view_name("ThingSeen", &[&first, &second]), "thing_seen_all");
        assert_eq!(view_name("ThingSeen", &[&second]), "thing_seen");
        assert_eq!(
            view_name("OtherSeen", &[&table("other_seen_1")]),
            "other_seen"
        );
    }

    #[test]
    fn one_major_needs_no_view() {
        assert_eq!(view("thing", &[], 1), None);
        assert_eq!(view("thing", &[], 0), None);
    }

    #[test]
    fn a_tables_name_is_left_to_the_table() {
        assert_eq!(view("thing", &["other", "thing"], 2), None);
        assert_eq!(view("thing_1", &[], 2), None);
    }
}
