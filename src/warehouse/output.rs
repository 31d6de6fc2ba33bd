//! What the commands print.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyhow::Result;
use headgate_sink::warehouse::{Planned, Reloaded, Retried, SetAside, TableStatus};
use serde_json::{Value, json};

use super::arguments::{Reload, Status};
use crate::cli::exit;

/// The plans as SQL that can be read, and run.
pub(super) fn plan(planned: &[Planned], table: Option<&str>) -> Result<u8> {
    let mut out = io::stdout().lock();
    let mut any = false;
    for one in planned
        .iter()
        .filter(|one| table.is_none_or(|table| one.plan.table == table))
    {
        any = true;
        let plan = &one.plan;
        writeln!(
            out,
            "-- {}: {} files, {} rows, {} bytes; commits {} to {} of {}",
            plan.table,
            plan.files.len(),
            plan.rows(),
            plan.bytes(),
            plan.follows + 1,
            plan.ends,
            plan.log
        )?;
        for change in &one.changes {
            writeln!(out, "{change};")?;
        }
        if one.transaction.is_empty() {
            writeln!(out)?;
            continue;
        }
        // Who runs this by hand has to know.
        writeln!(out, "-- the manifests are written when it is loaded")?;
        writeln!(out, "BEGIN;")?;
        for statement in &one.transaction {
            writeln!(out, "{statement};")?;
        }
        writeln!(out, "COMMIT;\n")?;
    }
    if !any {
        writeln!(out, "-- nothing to load")?;
    }
    Ok(0)
}

/// What is left after all was loaded.
pub(super) fn load(status: &BTreeMap<String, TableStatus>, whole: bool, json: bool) -> Result<u8> {
    let mut out = io::stdout().lock();
    let waiting: u64 = status.values().map(|table| table.files_waiting).sum();
    match json {
        true => writeln!(out, "{}", json!({"whole": whole, "files_waiting": waiting}))?,
        false => writeln!(out, "{waiting} files wait")?,
    }
    Ok(if whole { 0 } else { exit::FAILURE })
}

/// How far each table is loaded.
pub(super) fn status(status: &BTreeMap<String, TableStatus>, args: &Status) -> Result<u8> {
    let mut out = io::stdout().lock();
    let until_ms = args.until.map(|micros| micros.div_euclid(1_000));
    let wanted = |name: &str| args.table.as_deref().is_none_or(|table| table == name);
    let tables: Vec<_> = status.iter().filter(|(name, _)| wanted(name)).collect();
    let open = |table: &TableStatus| {
        let waits = table
            .received_waiting_ms
            .is_some_and(|ms| until_ms.is_some_and(|until| ms < until));
        let refused = table
            .set_aside
            .iter()
            .any(|load| until_ms.is_some_and(|until| before(load, until)));
        waits || refused
    };
    let loaded = !tables.iter().any(|(_, table)| open(table));
    if args.json {
        let tables: BTreeMap<_, _> = tables
            .iter()
            .map(|(name, table)| (name, told(table)))
            .collect();
        writeln!(out, "{}", json!({"loaded": loaded, "tables": tables}))?;
    } else {
        for (name, table) in tables {
            let (files, rows) = (table.files_waiting, table.rows_waiting);
            let oldest = table.received_waiting_ms.map(instant);
            let oldest = oldest.map_or_else(String::new, |at| format!(", received from {at} on"));
            writeln!(out, "{name}: {files} files wait with {rows} rows{oldest}")?;
            for load in &table.set_aside {
                let SetAside {
                    id,
                    files,
                    received_min,
                    error,
                    ..
                } = load;
                writeln!(
                    out,
                    "  set aside: {id}, {files} files, received from {received_min} on: {error}"
                )?;
            }
        }
    }
    Ok(if loaded { 0 } else { exit::NOT_YET })
}

/// Whether a load that was set aside has rows received before then. What cannot be read may have.
fn before(load: &SetAside, until_ms: i64) -> bool {
    let text = load.received_min.replace(' ', "T");
    let at = text.parse::<jiff::civil::DateTime>().ok();
    let at = at.and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC).ok());
    at.is_none_or(|at| at.timestamp().as_millisecond() < until_ms)
}

fn told(table: &TableStatus) -> Value {
    let set_aside = table.set_aside.iter().map(|load| {
        json!({"id": load.id, "files": load.files, "received_from": load.received_min, "error": load.error})
    });
    json!({
        "files_waiting": table.files_waiting,
        "rows_waiting": table.rows_waiting,
        "received_waiting_from": table.received_waiting_ms.map(instant),
        "set_aside": set_aside.collect::<Vec<_>>(),
    })
}

/// What became of loads that were set aside.
pub(super) fn retry(retried: &[Retried], id: Option<&str>, json: bool) -> Result<u8> {
    let mut out = io::stdout().lock();
    for Retried { load, refused } in retried {
        let SetAside { id, table, .. } = load;
        match (json, refused) {
            (true, refused) => writeln!(
                out,
                "{}",
                json!({"id": id, "table": table, "loaded": refused.is_none(), "error": refused})
            )?,
            (false, None) => writeln!(out, "{id} of {table}: loaded")?,
            (false, Some(error)) => writeln!(out, "{id} of {table}: {error}")?,
        }
    }
    if let (Some(id), true) = (id, retried.is_empty()) {
        eprintln!("headgate: no load of the id `{id}` is set aside");
        return Ok(exit::FAILURE);
    }
    let refused = retried.iter().any(|one| one.refused.is_some());
    Ok(if refused { exit::FAILURE } else { 0 })
}

/// A part of the window is done.
pub(super) fn progress(json: bool, done: &Reloaded) {
    if !json {
        eprintln!("{} rows from {} files", done.rows, done.files);
    }
}

/// A table was made anew.
pub(super) fn rebuild(table: &str, done: Reloaded, json: bool) -> Result<u8> {
    let mut out = io::stdout().lock();
    let Reloaded {
        windows,
        files,
        rows,
        discarded,
    } = done;
    match json {
        true => writeln!(
            out,
            "{}",
            json!({
                "table": table, "transactions": windows, "files": files, "rows": rows, "values_discarded": discarded,
            })
        )?,
        false => writeln!(
            out,
            "{table}: made anew, {rows} rows from {files} files in {windows} transactions and what came meanwhile"
        )?,
    }
    Ok(0)
}

/// The whole window is done.
pub(super) fn reload(args: &Reload, done: Reloaded) -> Result<u8> {
    let mut out = io::stdout().lock();
    let Reloaded {
        windows,
        files,
        rows,
        discarded,
    } = done;
    let (from, to) = (
        instant(args.from.div_euclid(1_000)),
        instant(args.to.div_euclid(1_000)),
    );
    match args.json {
        true => writeln!(
            out,
            "{}",
            json!({
                "table": args.table, "from": from, "to": to, "transactions": windows, "files": files, "rows": rows,
                "values_discarded": discarded,
            })
        )?,
        false => writeln!(
            out,
            "{}: {rows} rows from {files} files are there now for {from} to {to}, in {windows} transactions",
            args.table
        )?,
    }
    Ok(0)
}

fn instant(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms)
        .unwrap_or_default()
        .to_string()
}
