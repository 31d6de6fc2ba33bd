//! `headgate loadtest`: load on a schedule, then the proof that what was accepted is what landed, exactly once.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use arrow::array::{Array, AsArray};
use futures_util::TryStreamExt;
use headgate_loadtest::{Ledger, Options, Patience, Progress, wait_for_landing};
use headgate_schemas::event::{BAD_EVENTS, REPLAYED_EVENTS};
use headgate_schemas::registry::Registry;
use headgate_schemas::sdk::TRACK;
use headgate_sink::commit::DataFile;
use headgate_sink::store::Store;
use headgate_sink::table::{Generation, Table};
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};

use crate::cli::{self, exit};
use crate::config::Config;
use crate::lake::{self, LandedFile};
use crate::process::running_gateway;
use crate::schemas::Source;

/// Events at fault that are named one by one.
const NAMES_MAX: usize = 20;

/// Runs the load test; returns the exit code.
///
/// # Errors
/// The load cannot start, or the landed tables cannot be read.
pub(crate) async fn run(args: cli::Loadtest, config: &Config) -> Result<u8> {
    let schemas = Source::of(config).load()?;
    let ledger = match args.verify.is_empty() {
        true => load(&args, config, &schemas).await?,
        false => together(&args.verify)?,
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
        let mut calls = Calls::default();
        let mut replayed = Replayed::read(&store, snapshot.files(REPLAYED_EVENTS)).await?;
        for (table, files) in snapshot.tables() {
            if is_of_a_generation(table, &schemas) {
                continue;
            }
            let column = if table == BAD_EVENTS {
                refused_id.as_str()
            } else {
                "event_id"
            };
            let of_all_calls = is_of_all_track_calls(table, &schemas);
            let own = is_of_track_calls(table, &schemas);
            for file in files {
                let counted = each(&store, file, [column, "event_type"], |[id, kind]| {
                    let second = of_all_calls && kind != TRACK;
                    calls.row(own, second);
                    if !second && !replayed.take(table, id) {
                        tally.row(table, id);
                    }
                });
                let counted = counted.await;
                counted.with_context(|| format!("cannot read {}", file.path))?;
            }
        }
        calls.balance()?;
        replayed.all_found()
    })
    .await?;
    let mut out = io::stdout().lock();
    match args.json {
        true => writeln!(out, "{}", serde_json::to_string(&balance)?)?,
        false => write!(out, "{balance}")?,
    }
    Ok(if balance.balanced { 0 } else { exit::FAILURE })
}

/// The ledgers of several runs as one.
fn together(files: &[PathBuf]) -> Result<Ledger> {
    let mut ledger = Ledger::default();
    for file in files {
        ledger.extend(Ledger::load(file)?);
    }
    Ok(ledger)
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

/// Whether the table holds a part of the stream once more.
fn is_of_a_generation(table: &str, schemas: &Registry) -> bool {
    Generation::base(table).is_some_and(|base| schemas.family(base).is_some())
}

/// Whether each row of the table has a second one in that of all track calls.
fn is_of_track_calls(table: &str, schemas: &Registry) -> bool {
    let newest = schemas.family(table).and_then(<[_]>::last);
    newest.is_some_and(|schema| schema.track())
}

/// Whether the table has a row of every track call.
fn is_of_all_track_calls(table: &str, schemas: &Registry) -> bool {
    let newest = schemas.family(table).and_then(<[_]>::last);
    newest.is_some_and(|schema| schema.sdk_call() && schema.name() == TRACK)
}

/// Track calls with a table of their own: each is in that of all track calls, too.
#[derive(Debug, Default)]
struct Calls {
    own: u64,
    second: u64,
}

impl Calls {
    fn row(&mut self, own: bool, second: bool) {
        self.own += u64::from(own);
        self.second += u64::from(second);
    }

    fn balance(&self) -> Result<()> {
        let Self { own, second } = self;
        ensure!(
            own == second,
            "tables of track calls have {own} rows, and that of all of them has {second} of theirs"
        );
        Ok(())
    }
}

/// Rows that a replay has landed: they are none of the runs' business, but each must be there.
#[derive(Debug, Default)]
struct Replayed {
    /// By table and event's id, how many.
    rows: HashMap<(String, String), u64>,
}

impl Replayed {
    async fn read(store: &Arc<dyn Store>, files: &[DataFile]) -> Result<Self> {
        let mut replayed = Self::default();
        for file in files {
            let noted = each(
                store,
                file,
                ["replayed_table", "replayed_id"],
                |[table, id]| {
                    let row = (table.to_owned(), id.to_owned());
                    *replayed.rows.entry(row).or_default() += 1;
                },
            );
            let noted = noted.await;
            noted.with_context(|| format!("cannot read {}", file.path))?;
        }
        Ok(replayed)
    }

    /// Whether the row is one of them; it is then found.
    fn take(&mut self, table: &str, id: &str) -> bool {
        if self.rows.is_empty() {
            return false;
        }
        let row = (table.to_owned(), id.to_owned());
        match self.rows.get_mut(&row) {
            Some(rows) if *rows > 1 => *rows -= 1,
            Some(_) => drop(self.rows.remove(&row)),
            None => return false,
        }
        true
    }

    fn all_found(self) -> Result<()> {
        match self.rows.keys().next() {
            None => Ok(()),
            Some((table, id)) => bail!("event {id} was replayed and is not in {table}"),
        }
    }
}

/// Visits the rows of one file by these columns of texts: only they are read.
async fn each<const N: usize>(
    store: &Arc<dyn Store>,
    file: &DataFile,
    columns: [&str; N],
    mut visit: impl FnMut([&str; N]),
) -> Result<()> {
    let landed = LandedFile::new(store, file);
    let builder = ParquetRecordBatchStreamBuilder::new(landed).await?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns);
    let mut batches = builder.with_projection(mask).build()?;
    while let Some(batch) = batches.try_next().await? {
        let mut texts = Vec::with_capacity(N);
        for name in columns {
            let column = batch.column_by_name(name);
            let column = column.and_then(|column| column.as_string_opt::<i32>());
            texts.push(column.with_context(|| format!("{name} is not text"))?);
        }
        for row in 0..batch.num_rows() {
            visit(std::array::from_fn(|at| match texts[at].is_null(row) {
                true => "",
                false => texts[at].value(row),
            }));
        }
    }
    Ok(())
}
