//! `headgate tables`: what tables there are, and how other engines see them.

pub(crate) mod ddl;
pub(crate) mod glue;

use std::io::{self, Write};
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use headgate_sink::commit::{DataFile, Snapshot};

use crate::cli::{self, TablesWhat};
use crate::config::Config;
use crate::query::{landed, output};

/// Runs `headgate tables`.
///
/// # Errors
/// The commit log cannot be read, or what was asked for is not there.
pub(crate) async fn run(args: cli::Tables, config: &Config) -> Result<()> {
    match args.what {
        Some(TablesWhat::Ddl(args)) => ddl::run(&args, config).await,
        Some(TablesWhat::Glue(args)) => glue::run(&args, config).await,
        None => list(args.format, config).await,
    }
}

/// Lists the landed tables.
///
/// # Errors
/// The commit log cannot be read.
pub(crate) async fn list(format: output::Format, config: &Config) -> Result<()> {
    let (_, snapshot) = landed(config).await?;
    let mut out = io::BufWriter::new(io::stdout());
    output::write_batch(&listing(&snapshot)?, format, &mut out)?;
    Ok(out.flush()?)
}

/// One row a table.
fn listing(snapshot: &Snapshot) -> Result<RecordBatch> {
    let tables: Vec<(&str, &[DataFile])> = snapshot.tables().collect();
    let sums = |of: fn(&DataFile) -> u64| -> ArrayRef {
        let sum = |files: &[DataFile]| {
            i64::try_from(files.iter().map(of).sum::<u64>()).unwrap_or(i64::MAX)
        };
        Arc::new(
            tables
                .iter()
                .map(|(_, files)| Some(sum(files)))
                .collect::<Int64Array>(),
        )
    };
    let newest = |of: fn(&DataFile) -> i64| -> ArrayRef {
        let times = tables.iter().map(|(_, files)| files.iter().map(of).max());
        Arc::new(
            times
                .collect::<TimestampMillisecondArray>()
                .with_timezone_utc(),
        )
    };
    Ok(RecordBatch::try_from_iter([
        (
            "table",
            Arc::new(
                tables
                    .iter()
                    .map(|(name, _)| Some(*name))
                    .collect::<StringArray>(),
            ) as ArrayRef,
        ),
        ("rows", sums(|file| file.rows)),
        ("bytes", sums(|file| file.bytes)),
        (
            "files",
            Arc::new(
                tables
                    .iter()
                    .map(|(_, files)| i64::try_from(files.len()).ok())
                    .collect::<Int64Array>(),
            ),
        ),
        ("newest_received", newest(|file| file.received_max_ms)),
        ("last_commit", newest(|file| file.committed_ms)),
    ])?)
}
