//! `headgate loadtest`: load on a schedule, then the proof that what was accepted is what landed, exactly once.

use std::io::{self, Write};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use arrow::array::{Array, AsArray};
use futures_util::TryStreamExt;
use headgate_loadtest::{Ledger, Options, Patience, Progress, Tally, wait_for_landing};
use headgate_schemas::registry::Registry;
use headgate_sink::commit::DataFile;
use headgate_sink::store::Store;
use headgate_sink::table::Table;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};

use crate::cli::{self, exit};
use crate::config::Config;
use crate::lake::{self, LandedFile};
use crate::process::running_gateway;
use crate::schemas::Source;

/// Events at fault that are named one by one.
const NAMES_MAX: usize = 20;

/// The table of refused events, which names each by its own column.
const BAD_EVENTS: &str = "bad_events";

/// Runs the load test; returns the exit code.
///
/// # Errors
/// The load cannot start, or the landed tables cannot be read.
pub(crate) async fn run(args: cli::Loadtest, config: &Config) -> Result<u8> {
    let schemas = Source::of(config).load()?;
    let ledger = match &args.verify {
        Some(file) => Ledger::load(file)?,
        None => load(&args, config, &schemas).await?,
    };
    if let Some(file) = &args.ledger {
        ledger.save(file)?;
    }
    if args.no_verify {
        return Ok(0);
    }
    let patience = Patience {
        deadline: std::time::Duration::from_secs(args.wait),
        ..Patience::default()
    };
    let refused_id = refused_id_column(&schemas)?;
    let balance = wait_for_landing(&ledger, patience, NAMES_MAX, async |tally| {
        // Nothing has landed where there is no store yet.
        let Some(store) = lake::open_to_read(config).await? else {
            return anyhow::Ok(());
        };
        let snapshot = lake::snapshot(&*store, config).await?;
        for (table, files) in snapshot.tables() {
            let column = if table == BAD_EVENTS {
                refused_id.as_str()
            } else {
                "event_id"
            };
            for file in files {
                let counted = count(&store, table, file, column, tally).await;
                counted.with_context(|| format!("cannot read {}", file.path))?;
            }
        }
        Ok(())
    })
    .await?;
    let mut out = io::stdout().lock();
    match args.json {
        true => writeln!(out, "{}", serde_json::to_string(&balance)?)?,
        false => write!(out, "{balance}")?,
    }
    Ok(if balance.balanced { 0 } else { exit::FAILURE })
}

async fn load(args: &cli::Loadtest, config: &Config, schemas: &Registry) -> Result<Ledger> {
    let options = options(args, config)?;
    let problems = options.problems();
    if !problems.is_empty() {
        let lines: Vec<String> = problems
            .iter()
            .map(|(key, reason)| format!("{key} {reason}"))
            .collect();
        bail!("the load cannot be made as asked: {}", lines.join("; "));
    }
    let report = headgate_loadtest::run(&options, schemas, Progress::Bar).await?;
    let mut out = io::stdout().lock();
    match args.json {
        true => writeln!(out, "{}", serde_json::to_string(&report)?)?,
        false => write!(out, "{report}")?,
    }
    Ok(report.ledger)
}

fn options(args: &cli::Loadtest, config: &Config) -> Result<Options> {
    let default = Options::default();
    let url = match &args.url {
        Some(url) => url.clone(),
        None => running_gateway(&config.data_dir)
            .map(|address| format!("http://{address}/v1/events"))
            .unwrap_or(default.url),
    };
    let mut mix = default.mix;
    for part in &args.mix {
        let (event, weight) = part.split_once('=').unwrap_or((part, "1"));
        let weight = weight
            .parse()
            .with_context(|| format!("--mix {part}: not a weight; allowed: event=2.5"))?;
        mix.insert(event.to_owned(), weight);
    }
    Ok(Options {
        url,
        allow_remote: args.allow_remote,
        rate_per_s: args.rate,
        length_s: args.seconds,
        batch_events: args.batch,
        connections: args.connections,
        http2: args.http2,
        gzip: args.gzip,
        invalid_share: args.invalid_share,
        mix,
        seed: args.seed,
        ..Options::default()
    })
}

/// The column of `bad_events` that holds the refused event's own id.
fn refused_id_column(schemas: &Registry) -> Result<String> {
    let family = schemas
        .family(BAD_EVENTS)
        .context("the built-in schema bad_events/1 is not there")?;
    let table = Table::of(family);
    let column = table
        .columns()
        .iter()
        .find(|column| column.pointer.as_deref() == Some("/rejected_id"));
    Ok(column
        .context("bad_events has no column for the refused event's id")?
        .name
        .clone())
}

/// Counts the rows of one file: only its column of ids is read.
async fn count(
    store: &Arc<dyn Store>,
    table: &str,
    file: &DataFile,
    column: &str,
    tally: &mut Tally<'_>,
) -> Result<()> {
    let landed = LandedFile::new(store, file);
    let builder = ParquetRecordBatchStreamBuilder::new(landed).await?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), [column]);
    let mut rows = builder.with_projection(mask).build()?;
    while let Some(rows) = rows.try_next().await? {
        let ids = rows
            .column(0)
            .as_string_opt::<i32>()
            .context("event ids are not text")?;
        for row in 0..ids.len() {
            tally.row(table, if ids.is_null(row) { "" } else { ids.value(row) });
        }
    }
    Ok(())
}
