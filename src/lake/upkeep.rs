//! `headgate lake check` and `headgate lake sweep`: whether what has landed is whole, and what nobody needs.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use headgate_sink::commit::{Check, check};
use headgate_sink::{Cuts, sweep};
use serde_json::json;

use crate::cli::{self, exit};
use crate::config::Config;

/// Faults that are named one by one.
const NAMES_MAX: usize = 20;

/// Runs the command; returns the exit code.
///
/// # Errors
/// The store cannot be opened or fails, or a commit log cannot be read.
pub(crate) async fn run(command: &cli::Lake, config: &Config) -> Result<u8> {
    let name = super::name(config);
    let store = super::open_to_read(config).await?;
    let store = store.with_context(|| format!("nothing has landed in {name}"))?;
    let mut out = io::stdout().lock();
    match command {
        cli::Lake::Check { json } => {
            let checked = check(&*store, NAMES_MAX).await;
            let checked = checked.with_context(|| format!("cannot check {name}"))?;
            match json {
                true => writeln!(out, "{}", machine(&checked))?,
                false => people(&checked, &mut out)?,
            }
            Ok(if checked.faults == 0 {
                0
            } else {
                exit::FAILURE
            })
        }
        cli::Lake::Sweep { no_sink_runs } => {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
            let mut cuts = Cuts::of(&config.sink, now_ms);
            if *no_sink_runs {
                // Compactors are no sinks, and one may be at work: what it has written stays for its grace.
                cuts.landed_ms = i64::MAX;
            }
            let swept = sweep(&*store, cuts).await;
            let files = swept.with_context(|| format!("cannot sweep {name}"))?;
            writeln!(
                out,
                "removed {files} files that no commit names or that were replaced long ago"
            )?;
            Ok(0)
        }
    }
}

fn machine(checked: &Check) -> serde_json::Value {
    let logs = checked.logs.iter();
    let logs = logs.map(|(log, commits)| json!({ "log": log, "commits": commits }));
    json!({
        "logs": logs.collect::<Vec<_>>(),
        "files": checked.files,
        "rows": checked.rows,
        "replaced": checked.replaced,
        "unnamed": checked.unnamed,
        "faults": checked.faults,
        "named_faults": checked.named_faults,
    })
}

fn people(checked: &Check, out: &mut impl Write) -> io::Result<()> {
    for (log, commits) in &checked.logs {
        writeln!(out, "log {log}: {commits} commits")?;
    }
    writeln!(
        out,
        "{} files with {} rows count; {} more were replaced by larger ones, and no commit names {}",
        checked.files, checked.rows, checked.replaced, checked.unnamed
    )?;
    for fault in &checked.named_faults {
        writeln!(out, "BROKEN: {fault}")?;
    }
    match checked
        .faults
        .saturating_sub(checked.named_faults.len() as u64)
    {
        0 if checked.faults == 0 => writeln!(out, "whole"),
        0 => Ok(()),
        more => writeln!(out, "and {more} more"),
    }
}
