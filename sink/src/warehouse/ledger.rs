//! The ledger: which loads took effect, in the warehouse itself, written in their own transactions.
//!
//! A row says that of one table, one log's commits behind `follows` up to `ends` are in the warehouse, or why they are not.
//! What a load changes depends on the ledger as its transaction sees it, behind the table's lock: so a load that runs
//! again, or runs beside another with other bounds, changes nothing.

use super::{
    names::{Names, instant, literal},
    plan::Plan,
    session::Rows,
};

/// The kinds of rows.
pub(super) mod kind {
    /// It was loaded.
    pub(in crate::warehouse) const LOAD: &str = "load";
    /// The warehouse refused it; `headgate warehouse retry` tries again.
    pub(in crate::warehouse) const SET_ASIDE: &str = "set_aside";
    /// It was older than the table keeps rows.
    pub(in crate::warehouse) const EXPIRED: &str = "expired";
    /// All tables have a log's commits up to there: where a start begins to read.
    pub(in crate::warehouse) const WATERMARK: &str = "watermark";
    /// A window of received times was loaded again.
    pub(in crate::warehouse) const RELOAD: &str = "reload";
}

/// The table's name in watermarks' rows.
pub(super) const EVERY_TABLE: &str = "*";

/// How far tables are loaded, and logs are for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) table: String,
    pub(super) log: String,
    pub(super) ends: u64,
}

/// The statements that make the ledger and the table of discards where they are missing.
pub(super) fn create(names: &Names) -> Vec<String> {
    let loads = format!(
        "CREATE TABLE IF NOT EXISTS {} (\
         \"load_id\" VARCHAR(64) NOT NULL, \"kind\" VARCHAR(16) NOT NULL, \"table_name\" VARCHAR(127) NOT NULL, \
         \"log\" VARCHAR(512) NOT NULL, \"follows\" BIGINT NOT NULL, \"ends\" BIGINT NOT NULL, \"files\" BIGINT, \
         \"bytes\" BIGINT, \"rows_copied\" BIGINT, \"rows_inserted\" BIGINT, \"values_discarded\" BIGINT, \
         \"received_min\" TIMESTAMP, \"received_max\" TIMESTAMP, \"manifest\" VARCHAR(1024), \"error\" VARCHAR(4096), \
         \"loader\" VARCHAR(128), \"loaded_at\" TIMESTAMP NOT NULL) DISTSTYLE EVEN SORTKEY (\"table_name\", \"log\")",
        names.loads()
    );
    let discards = format!(
        "CREATE TABLE IF NOT EXISTS {} (\
         \"table\" VARCHAR(127) NOT NULL, \"event_id\" VARCHAR(65535) NOT NULL, \"column\" VARCHAR(127) NOT NULL, \
         \"value\" VARCHAR(65535), \"reason\" VARCHAR(256) NOT NULL, \"received_at\" TIMESTAMP NOT NULL, \
         \"load_id\" VARCHAR(64) NOT NULL) DISTSTYLE EVEN SORTKEY (\"received_at\")",
        names.discards()
    );
    vec![loads, discards]
}

/// Asks how far everything is loaded.
pub(super) fn ask_positions(names: &Names) -> String {
    format!(
        "SELECT \"table_name\", \"log\", MAX(\"ends\") FROM {} WHERE \"kind\" <> {} GROUP BY \"table_name\", \"log\"",
        names.loads(),
        literal(kind::RELOAD)
    )
}

/// What the warehouse answers to [`ask_positions`].
pub(super) fn positions(rows: Rows) -> Vec<Position> {
    let position = |row: Vec<Option<String>>| match <[Option<String>; 3]>::try_from(row) {
        Ok([Some(table), Some(log), Some(ends)]) => Some(Position {
            table,
            log,
            ends: ends.parse().ok()?,
        }),
        _ => None,
    };
    rows.into_iter().filter_map(position).collect()
}

/// One row with one column, `go`: 1 where the plan comes next for its table, else 0. To be put behind FROM.
pub(super) fn gate(names: &Names, plan: &Plan) -> String {
    format!(
        "(SELECT CASE WHEN COALESCE(MAX(\"ends\"), 0) = {} THEN 1 ELSE 0 END AS \"go\" FROM {} WHERE {})",
        plan.follows,
        names.loads(),
        of(plan)
    )
}

/// The rows that tell how far the plan's table is loaded from its log.
fn of(plan: &Plan) -> String {
    format!(
        "\"table_name\" = {} AND \"log\" = {} AND \"kind\" <> {}",
        literal(&plan.table),
        literal(&plan.log),
        literal(kind::RELOAD)
    )
}

/// What became of a load, by the ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// How far the table is loaded from the log now.
    pub(super) ends: u64,
    /// The load's own row, if it has one.
    pub(super) counts: Option<Counts>,
}

/// What a load came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows in its files.
    pub copied: u64,
    /// Rows that were not there yet.
    pub inserted: u64,
    /// Values that fitted no column and went to `headgate_discards`.
    pub discarded: u64,
}

/// Asks what became of a load.
pub(super) fn ask_entry(names: &Names, plan: &Plan, id: &str) -> String {
    let own = |column: &str| {
        format!(
            "MAX(CASE WHEN \"load_id\" = {} THEN \"{column}\" END)",
            literal(id)
        )
    };
    format!(
        "SELECT COALESCE(MAX(CASE WHEN {} THEN \"ends\" END), 0), {}, {}, {} FROM {} WHERE {} OR \"load_id\" = {}",
        of(plan),
        own("rows_copied"),
        own("rows_inserted"),
        own("values_discarded"),
        names.loads(),
        of(plan),
        literal(id)
    )
}

/// What the warehouse answers to [`ask_entry`]; `None`: it is no such answer.
pub(super) fn entry(rows: &Rows) -> Option<Entry> {
    let [ends, copied, inserted, discarded] = rows.first()?.as_slice() else {
        return None;
    };
    let number = |value: &Option<String>| value.as_ref()?.parse::<u64>().ok();
    let counts = |copied| Counts {
        copied,
        inserted: number(inserted).unwrap_or(0),
        discarded: number(discarded).unwrap_or(0),
    };
    Some(Entry {
        ends: number(ends)?,
        counts: number(copied).map(counts),
    })
}

/// A load that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Its id.
    pub id: String,
    /// The table.
    pub table: String,
    /// The log.
    pub log: String,
    /// The commits behind this one.
    pub follows: u64,
    /// Up to this one.
    pub ends: u64,
    /// How many files.
    pub files: u64,
    /// When the oldest row in them was received, as the warehouse writes it.
    pub received_min: String,
    /// What the warehouse said.
    pub error: String,
}

/// Asks what is set aside.
pub(super) fn ask_set_aside(names: &Names) -> String {
    format!(
        "SELECT \"load_id\", \"table_name\", \"log\", \"follows\", \"ends\", \"files\", \"received_min\", \"error\" FROM {} \
         WHERE \"kind\" = {} ORDER BY \"table_name\", \"log\", \"follows\"",
        names.loads(),
        literal(kind::SET_ASIDE)
    )
}

/// What the warehouse answers to [`ask_set_aside`].
pub(super) fn set_aside(rows: Rows) -> Vec<SetAside> {
    let one = |row: Vec<Option<String>>| {
        let [id, table, log, follows, ends, files, received_min, error] = row.try_into().ok()?;
        let number = |text: Option<String>| text?.parse().ok();
        Some(SetAside {
            id: id?,
            table: table?,
            log: log?,
            follows: number(follows)?,
            ends: number(ends)?,
            files: number(files)?,
            received_min: received_min.unwrap_or_default(),
            error: error.unwrap_or_default(),
        })
    };
    rows.into_iter().filter_map(one).collect()
}

/// One row with one column, `go`: 1 where this load is set aside.
pub(super) fn gate_set_aside(names: &Names, id: &str) -> String {
    format!(
        "(SELECT CASE WHEN COUNT(*) > 0 THEN 1 ELSE 0 END AS \"go\" FROM {} WHERE \"load_id\" = {} AND \"kind\" = {})",
        names.loads(),
        literal(id),
        literal(kind::SET_ASIDE)
    )
}

/// One row with one column, `go`: 1 where no commit behind these is loaded that has rows of the table from this window, given
/// in ms since the epoch, its end excluded.
pub(super) fn gate_window(
    names: &Names,
    table: &str,
    (from_ms, to_ms): (i64, i64),
    read: &[(String, u64)],
) -> String {
    let known = format!(" AND NOT ({})", was_read(read));
    format!(
        "(SELECT CASE WHEN COUNT(*) = 0 THEN 1 ELSE 0 END AS \"go\" FROM {} WHERE \"table_name\" = {} AND \"kind\" = {} AND \
         \"received_max\" >= {} AND \"received_min\" < {}{known})",
        names.loads(),
        literal(table),
        literal(kind::LOAD),
        instant(from_ms),
        instant(to_ms)
    )
}

/// One row with one column, `go`: 1 where no commit behind these is loaded into the table, else 0.
pub(super) fn gate_read(names: &Names, table: &str, read: &[(String, u64)]) -> String {
    let known = format!(" AND NOT ({})", was_read(read));
    format!(
        "(SELECT CASE WHEN COUNT(*) = 0 THEN 1 ELSE 0 END AS \"go\" FROM {} WHERE \"table_name\" = {} AND \"kind\" = {}{known})",
        names.loads(),
        literal(table),
        literal(kind::LOAD)
    )
}

/// The row of a table that was made anew.
pub(super) fn rebuilt(names: &Names, table: &str, loader: &str) -> String {
    format!(
        "INSERT INTO {} (\"load_id\", \"kind\", \"table_name\", \"log\", \"follows\", \"ends\", \"loader\", \
         \"loaded_at\") SELECT {}, {}, {}, '*', 0, 0, {}, GETDATE()",
        names.loads(),
        literal(&uuid::Uuid::now_v7().simple().to_string()),
        literal(kind::RELOAD),
        literal(table),
        literal(loader)
    )
}

/// The condition that a row is of a commit which was read.
fn was_read(read: &[(String, u64)]) -> String {
    let known = read
        .iter()
        .map(|(log, ends)| format!("(\"log\" = {} AND \"ends\" <= {ends})", literal(log)));
    let known: Vec<String> = known.collect();
    match known.is_empty() {
        true => "1 = 0".to_owned(),
        false => format!("({})", known.join(" OR ")),
    }
}

/// Loads of the table that were set aside and whose rows, all received in the window if there is one, are there now from the
/// commits that were read: they need no other try.
pub(super) fn settle_set_aside(
    names: &Names,
    table: &str,
    window_ms: Option<(i64, i64)>,
    read: &[(String, u64)],
    gate: &str,
) -> String {
    let within = window_ms.map(|(from_ms, to_ms)| {
        let (from, to) = (instant(from_ms), instant(to_ms));
        format!(" AND \"received_min\" >= {from} AND \"received_max\" < {to}")
    });
    format!(
        "UPDATE {} SET \"kind\" = {}, \"error\" = NULL WHERE \"table_name\" = {} AND \"kind\" = {}{} AND {} AND \
         (SELECT \"go\" FROM {gate} AS \"g\") = 1",
        names.loads(),
        literal(kind::LOAD),
        literal(table),
        literal(kind::SET_ASIDE),
        within.unwrap_or_default(),
        was_read(read)
    )
}

/// The statements that move a log's watermark on.
pub(super) fn watermark(names: &Names, log: &str, ends: u64, loader: &str) -> Vec<String> {
    let (loads, log) = (names.loads(), literal(log));
    vec![
        format!(
            "DELETE FROM {loads} WHERE \"kind\" = {} AND \"log\" = {log} AND \"ends\" < {ends}",
            literal(kind::WATERMARK)
        ),
        format!(
            "INSERT INTO {loads} (\"load_id\", \"kind\", \"table_name\", \"log\", \"follows\", \"ends\", \"loader\", \
             \"loaded_at\") SELECT {}, {}, {}, {log}, 0, {ends}, {}, GETDATE()",
            literal(&format!("watermark-{ends}")),
            literal(kind::WATERMARK),
            literal(EVERY_TABLE),
            literal(loader)
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[Option<&str>]) -> Vec<Option<String>> {
        values
            .iter()
            .map(|value| value.map(str::to_owned))
            .collect()
    }

    #[test]
    fn what_the_warehouse_answers_is_read() {
        let rows = vec![
            row(&[Some("t"), Some("events/1"), Some("7")]),
            row(&[Some("t"), None, None]),
        ];
        assert_eq!(
            positions(rows),
            [Position {
                table: "t".to_owned(),
                log: "events/1".to_owned(),
                ends: 7
            }]
        );
        let counts = Counts {
            copied: 5,
            inserted: 4,
            discarded: 0,
        };
        let told = |values| entry(&vec![row(values)]);
        assert_eq!(
            told(&[Some("9"), Some("5"), Some("4"), None]),
            Some(Entry {
                ends: 9,
                counts: Some(counts)
            })
        );
        assert_eq!(
            told(&[Some("9"), None, None, None]),
            Some(Entry {
                ends: 9,
                counts: None
            })
        );
        assert_eq!(told(&[None]), None);
    }
}
