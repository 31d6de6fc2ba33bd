//! The statements of a load: from files to a table's rows, each event once.
//!
//! Files are copied into temporary tables whose columns are the files', in their order, for COPY matches by position. Texts
//! of all lengths and JSON text find room there. What is new of them is picked by `event_id`, and only where the gate is
//! open; from there on everything follows from what was picked. The number of statements does not depend on that of files.

use super::{
    catalog::Columns,
    fit,
    ledger::{self, kind},
    names::{Names, instant, literal, quoted},
    plan::Plan,
};
use crate::table::{ENTITY_INDEX, Type, redshift::RedshiftType};

/// Redshift's longest VARCHAR, in bytes. <https://docs.aws.amazon.com/redshift/latest/dg/r_Character_types.html>
const VARCHAR_BYTES_MAX: u32 = 65_535;

/// The most bytes that a character takes in UTF-8.
const CHARACTER_BYTES_MAX: u32 = 4;

/// When the row before was received that has the same event; no column from a schema is called so, as their names begin with
/// `_` only before a digit or what engines call columns of their own.
const BEFORE: &str = "\"_headgate_before\"";

/// A column of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Staged {
    pub(super) name: String,
    pub(super) kind: Type,
    pub(super) required: bool,
}

/// Files with the same columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    /// The manifest that names them, as `s3://...`.
    pub(super) manifest: &'a str,
    /// Their columns, in their order.
    pub(super) columns: &'a [Staged],
}

impl Part<'_> {
    /// Rows of one event are told apart by their index: of entities, an event has several.
    fn entities(&self) -> bool {
        let index = |column: &Staged| column.name == ENTITY_INDEX && column.required;
        self.columns.iter().any(index)
    }
}

/// What a load's statements are made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load<'a> {
    pub(super) names: &'a Names,
    /// Unique to the plan.
    pub(super) id: &'a str,
    pub(super) table: &'a str,
    /// The table's columns in the warehouse.
    pub(super) target: &'a Columns,
    /// What COPY reads the files as: `default` or a role's ARN.
    pub(super) iam_role: &'a str,
    /// See [`ledger::gate`].
    pub(super) gate: &'a str,
    pub(super) parts: &'a [Part<'a>],
    /// The manifest of what was left out of fitted copies: see `fit`.
    pub(super) left_out: Option<&'a str>,
    /// Rows of one event that were received so much apart at most are one, in seconds.
    pub(super) dedup_window_s: u64,
    /// Rows of the table that were received before are too old to be one with a row of the load, in ms since the epoch.
    pub(super) known_from_ms: i64,
    /// Only rows received in this window, in ms since the epoch, its end excluded, are taken, and they take the place of
    /// those that are there.
    pub(super) window_ms: Option<(i64, i64)>,
}

impl Load<'_> {
    /// The lock, the files' rows, and what is new of them; all but the ledger.
    pub(super) fn rows(&self) -> Vec<String> {
        let mut statements = Vec::new();
        if let Some(window) = self.window_ms {
            statements.push(self.delete(window));
            statements.push(self.delete_discards(window));
        }
        for (index, part) in self.parts.iter().enumerate() {
            let staged = self.staged(index);
            statements.push(create_staged(&staged, part.columns));
            statements.push(self.copy(&staged, part));
            statements.push(self.pick(index, part));
            statements.push(self.insert(index, part));
            if let Some(lost) = self.create_lost(index, part) {
                statements.push(lost);
                statements.push(self.discard(index));
            }
        }
        if let Some(manifest) = self.left_out {
            statements.extend(self.discard_left_out(manifest));
        }
        statements
    }

    /// What was left out of the files of rows that are new.
    fn discard_left_out(&self, manifest: &str) -> Vec<String> {
        let staged = self.temporary("left", 0);
        let columns = fit::lost_columns();
        let part = Part {
            manifest,
            columns: &columns,
        };
        let picked = (0..self.parts.len()).map(|index| {
            let picked = self.picked(index);
            // An event with several rows has lost each value once.
            let distinct = match self.parts[index].entities() {
                true => "DISTINCT ",
                false => "",
            };
            format!(
                "SELECT {distinct}\"event_id\" AS \"new_id\", \"received_at\" AS \"new_at\" FROM {picked}"
            )
        });
        let picked: Vec<String> = picked.collect();
        // Not by id alone: of two rows of one event, one may have lost what the other has not.
        let lost = format!(
            "CREATE TEMP TABLE {} AS SELECT \"l\".* FROM {staged} AS \"l\" JOIN ({}) AS \"p\" ON \"p\".\"new_id\" = \
             \"l\".\"event_id\" AND \"p\".\"new_at\" = \"l\".\"received_at\"",
            self.lost(self.parts.len()),
            picked.join(" UNION ALL ")
        );
        vec![
            create_staged(&staged, &columns),
            self.copy(&staged, &part),
            lost,
            self.discard(self.parts.len()),
        ]
    }

    /// Waits for other loads of the table.
    pub(super) fn lock(&self) -> String {
        format!("LOCK {}", self.names.lock(self.table))
    }

    fn delete(&self, (from_ms, to_ms): (i64, i64)) -> String {
        format!(
            "DELETE FROM {} WHERE \"received_at\" >= {} AND \"received_at\" < {} AND (SELECT \"go\" FROM {} AS \"g\") = 1",
            self.names.table(self.table),
            instant(from_ms),
            instant(to_ms),
            self.gate
        )
    }

    /// What the rows that are deleted had lost.
    fn delete_discards(&self, (from_ms, to_ms): (i64, i64)) -> String {
        format!(
            "DELETE FROM {} WHERE \"table\" = {} AND \"received_at\" >= {} AND \"received_at\" < {} AND (SELECT \"go\" \
             FROM {} AS \"g\") = 1",
            self.names.discards(),
            literal(self.table),
            instant(from_ms),
            instant(to_ms),
            self.gate
        )
    }

    fn copy(&self, staged: &str, part: &Part<'_>) -> String {
        let role = match self.iam_role {
            "default" => "DEFAULT".to_owned(),
            role => literal(role),
        };
        format!(
            "COPY {staged} ({}) FROM {} IAM_ROLE {role} FORMAT AS PARQUET MANIFEST",
            names_of(part.columns),
            literal(part.manifest),
        )
    }

    /// The rows whose event is neither in the table nor in a row before, within the time in which an event is one row.
    fn pick(&self, index: usize, part: &Part<'_>) -> String {
        let columns = part
            .columns
            .iter()
            .map(|column| format!("\"s\".{}", quoted(&column.name)));
        let columns: Vec<String> = columns.collect();
        let within = self.window_ms.map(|(from_ms, to_ms)| {
            let (from, to) = (instant(from_ms), instant(to_ms));
            format!(" AND \"s\".\"received_at\" >= {from} AND \"s\".\"received_at\" < {to}")
        });
        let around = |seconds: i64| format!("DATEADD(second, {seconds}, \"s\".\"received_at\")");
        let seconds = i64::try_from(self.dedup_window_s).unwrap_or(i64::MAX);
        let (row, known, same) = match part.entities() {
            true => (
                format!(", \"a\".{}", quoted(ENTITY_INDEX)),
                format!("{} AS \"known_index\", ", quoted(ENTITY_INDEX)),
                format!(
                    " AND \"k\".\"known_index\" = \"s\".{}",
                    quoted(ENTITY_INDEX)
                ),
            ),
            false => Default::default(),
        };
        format!(
            "CREATE TEMP TABLE {} AS SELECT {} FROM (SELECT \"a\".*, LAG(\"a\".\"received_at\") OVER (PARTITION BY \
             \"a\".\"event_id\"{row} ORDER BY \"a\".\"received_at\") AS {BEFORE} FROM {} AS \"a\") AS \"s\" CROSS JOIN {} AS \"g\" \
             LEFT JOIN (SELECT \"event_id\" AS \"known_id\", {known}\"received_at\" AS \"known_at\" FROM {} WHERE \
             \"received_at\" >= {}) AS \"k\" ON \"k\".\"known_id\" = \"s\".\"event_id\"{same} AND \"k\".\"known_at\" >= {} AND \
             \"k\".\"known_at\" <= {} WHERE (\"s\".{BEFORE} IS NULL OR \"s\".{BEFORE} < {}) AND \"k\".\"known_id\" IS NULL \
             AND \"g\".\"go\" = 1{}",
            self.picked(index),
            columns.join(", "),
            self.staged(index),
            self.gate,
            self.names.table(self.table),
            instant(self.known_from_ms),
            around(-seconds),
            around(seconds),
            around(-seconds),
            within.unwrap_or_default()
        )
    }

    fn insert(&self, index: usize, part: &Part<'_>) -> String {
        let value = |column: &Staged| self.value(column);
        let values: Vec<String> = part.columns.iter().map(value).collect();
        format!(
            "INSERT INTO {} ({}) SELECT {} FROM {}",
            self.names.table(self.table),
            names_of(part.columns),
            values.join(", "),
            self.picked(index)
        )
    }

    /// What of a staged value the table gets.
    fn value(&self, column: &Staged) -> String {
        let name = quoted(&column.name);
        match self.fit(column) {
            Fit::Always => name,
            Fit::Json => format!("CASE WHEN CAN_JSON_PARSE({name}) THEN JSON_PARSE({name}) END"),
            Fit::Bytes(bytes) => {
                // A required column has no null: it gets what fits whatever its characters are.
                let else_value = match column.required {
                    true => format!(
                        " ELSE SUBSTRING({name}, 1, {})",
                        (bytes / CHARACTER_BYTES_MAX).max(1)
                    ),
                    false => String::new(),
                };
                format!("CASE WHEN OCTET_LENGTH({name}) <= {bytes} THEN {name}{else_value} END")
            }
        }
    }

    /// The values that the table does not get whole; `None`: it gets all.
    fn create_lost(&self, index: usize, part: &Part<'_>) -> Option<String> {
        let lost = |column: &Staged| {
            let name = quoted(&column.name);
            let (condition, reason) = match self.fit(column) {
                Fit::Always => return None,
                Fit::Json => (
                    format!("{name} IS NOT NULL AND NOT CAN_JSON_PARSE({name})"),
                    "no JSON that SUPER takes".to_owned(),
                ),
                Fit::Bytes(bytes) => (
                    format!("OCTET_LENGTH({name}) > {bytes}"),
                    format!("longer than {bytes} bytes"),
                ),
            };
            Some(format!(
                "SELECT \"event_id\", CAST({} AS VARCHAR(127)) AS \"column\", {name} AS \"value\", CAST({} AS \
                 VARCHAR(256)) AS \"reason\", \"received_at\" FROM {} WHERE {condition}",
                literal(&column.name),
                literal(&reason),
                self.picked(index)
            ))
        };
        let lost: Vec<String> = part.columns.iter().filter_map(lost).collect();
        (!lost.is_empty()).then(|| {
            format!(
                "CREATE TEMP TABLE {} AS {}",
                self.lost(index),
                lost.join(" UNION ALL ")
            )
        })
    }

    fn discard(&self, index: usize) -> String {
        format!(
            "INSERT INTO {} (\"table\", \"event_id\", \"column\", \"value\", \"reason\", \"received_at\", \"load_id\") \
             SELECT {}, \"event_id\", \"column\", \"value\", \"reason\", \"received_at\", {} FROM {}",
            self.names.discards(),
            literal(self.table),
            literal(self.id),
            self.lost(index)
        )
    }

    /// To be put behind FROM: one row with the rows `copied` and `inserted` and the values `discarded`.
    pub(super) fn counts(&self) -> String {
        let count = |name: &str, tables: Vec<String>| {
            let counts: Vec<String> = tables
                .iter()
                .map(|table| format!("SELECT COUNT(*) AS \"n\" FROM {table}"))
                .collect();
            match counts.is_empty() {
                true => format!("(SELECT 0 AS \"n\") AS {name}"),
                false => format!(
                    "(SELECT SUM(\"n\") AS \"n\" FROM ({}) AS \"u\") AS {name}",
                    counts.join(" UNION ALL ")
                ),
            }
        };
        let parts = 0..self.parts.len();
        let lossy = |index: &usize| self.create_lost(*index, &self.parts[*index]).is_some();
        let left_out = self.left_out.map(|_| self.lost(self.parts.len()));
        let lost = parts.clone().filter(lossy).map(|index| self.lost(index));
        format!(
            "{} CROSS JOIN {} CROSS JOIN {}",
            count(
                "\"copied\"",
                parts.clone().map(|index| self.staged(index)).collect()
            ),
            count(
                "\"inserted\"",
                parts.clone().map(|index| self.picked(index)).collect()
            ),
            count("\"discarded\"", lost.chain(left_out).collect())
        )
    }

    fn fit(&self, column: &Staged) -> Fit {
        match self.target.get(&column.name) {
            Some(Some(RedshiftType::Varchar { bytes })) if *bytes < VARCHAR_BYTES_MAX => {
                Fit::Bytes(*bytes)
            }
            Some(Some(RedshiftType::Super)) => Fit::Json,
            _ => Fit::Always,
        }
    }

    fn staged(&self, index: usize) -> String {
        self.temporary("staged", index)
    }

    fn picked(&self, index: usize) -> String {
        self.temporary("picked", index)
    }

    fn lost(&self, index: usize) -> String {
        self.temporary("lost", index)
    }

    fn temporary(&self, what: &str, index: usize) -> String {
        quoted(&format!("headgate_{what}_{}_{index}", self.id))
    }
}

/// Which staged values the table's column takes.
enum Fit {
    Always,
    Json,
    Bytes(u32),
}

fn create_staged(staged: &str, columns: &[Staged]) -> String {
    let column = |column: &Staged| format!("{} {}", quoted(&column.name), staged_type(column.kind));
    let columns: Vec<String> = columns.iter().map(column).collect();
    format!("CREATE TEMP TABLE {staged} ({})", columns.join(", "))
}

/// The temporary tables' columns take whatever a file may have.
fn staged_type(kind: Type) -> String {
    match kind {
        Type::Boolean => "BOOLEAN".to_owned(),
        Type::Integer => "BIGINT".to_owned(),
        Type::Number => "DOUBLE PRECISION".to_owned(),
        Type::Timestamp => "TIMESTAMP".to_owned(),
        Type::Date => "DATE".to_owned(),
        Type::Text | Type::Json => format!("VARCHAR({VARCHAR_BYTES_MAX})"),
    }
}

fn names_of(columns: &[Staged]) -> String {
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    names.join(", ")
}

/// What of a load goes into its row of the ledger beside the counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) kind: &'a str,
    pub(super) manifest: &'a str,
    pub(super) loader: &'a str,
}

/// The ledger's row of a load, written where its gate is open.
pub(super) fn enter(load: &Load<'_>, plan: &Plan, row: &Row<'_>) -> String {
    let (received_min, received_max) = received(plan);
    format!(
        "INSERT INTO {} ({COLUMNS}, \"rows_copied\", \"rows_inserted\", \"values_discarded\") SELECT {}, \
         \"copied\".\"n\", \"inserted\".\"n\", \"discarded\".\"n\" FROM {} CROSS JOIN {} AS \"g\" WHERE \"g\".\"go\" = 1",
        load.names.loads(),
        entry(load.id, plan, row, (&received_min, &received_max), "NULL"),
        load.counts(),
        load.gate
    )
}

/// Makes the row of a load that was set aside that of one which took effect.
pub(super) fn enter_retried(load: &Load<'_>) -> String {
    let count = |name: &str| format!("(SELECT \"{name}\".\"n\" FROM {})", load.counts());
    format!(
        "UPDATE {} SET \"kind\" = {}, \"error\" = NULL, \"rows_copied\" = {}, \"rows_inserted\" = {}, \
         \"values_discarded\" = {} WHERE \"load_id\" = {} AND \"kind\" = {}",
        load.names.loads(),
        literal(kind::LOAD),
        count("copied"),
        count("inserted"),
        count("discarded"),
        literal(load.id),
        literal(kind::SET_ASIDE)
    )
}

/// The ledger's row of a plan whose files are not loaded, for that reason.
pub(super) fn enter_unloaded(
    names: &Names,
    id: &str,
    plan: &Plan,
    row: &Row<'_>,
    reason: &str,
) -> Vec<String> {
    let (received_min, received_max) = received(plan);
    let gate = ledger::gate(names, plan);
    let entry = entry(
        id,
        plan,
        row,
        (&received_min, &received_max),
        &literal(reason),
    );
    vec![
        format!("LOCK {}", names.lock(&plan.table)),
        format!(
            "INSERT INTO {} ({COLUMNS}) SELECT {entry} FROM {gate} AS \"g\" WHERE \"g\".\"go\" = 1",
            names.loads()
        ),
        ledger::ask_entry(names, plan, id),
    ]
}

const COLUMNS: &str = "\"load_id\", \"kind\", \"table_name\", \"log\", \"follows\", \"ends\", \"files\", \"bytes\", \
                       \"received_min\", \"received_max\", \"manifest\", \"error\", \"loader\", \"loaded_at\"";

fn entry(id: &str, plan: &Plan, row: &Row<'_>, received: (&str, &str), error: &str) -> String {
    [
        literal(id),
        literal(row.kind),
        literal(&plan.table),
        literal(&plan.log),
        plan.follows.to_string(),
        plan.ends.to_string(),
        plan.files.len().to_string(),
        plan.bytes().to_string(),
        received.0.to_owned(),
        received.1.to_owned(),
        literal(row.manifest),
        error.to_owned(),
        literal(row.loader),
        "GETDATE()".to_owned(),
    ]
    .join(", ")
}

fn received(plan: &Plan) -> (String, String) {
    let least = plan.files.iter().map(|file| file.received_min_ms).min();
    let most = plan.files.iter().map(|file| file.received_max_ms).max();
    let text = |ms: Option<i64>| ms.map_or_else(|| "NULL".to_owned(), instant);
    (text(least), text(most))
}
