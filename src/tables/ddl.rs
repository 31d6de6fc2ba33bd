//! `headgate tables ddl`: external tables over the landed files, as SQL for the engine that is to read them.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use headgate_sink::commit::Snapshot;
use headgate_sink::table::external::{CAUTION, Partition, Place};
use headgate_sink::table::{Table, users};

use crate::config::{Config, StoreKind};
use crate::query::landed;
use crate::replay;
use crate::schemas::Source;

/// `headgate tables ddl`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The engine
    #[arg(long = "for", value_enum, value_name = "ENGINE")]
    engine: Engine,
    /// Only this table
    #[arg(long)]
    table: Option<String>,
    /// External schema (spectrum), database (athena), or schema, also CATALOG.SCHEMA (trino)
    #[arg(long, value_name = "NAME", default_value = "headgate")]
    database: String,
    /// athena: the first day of its partitions, as 2026-11-22 [default: the day of the table's first landed hour]
    #[arg(long, value_name = "TIME", value_parser = replay::instant)]
    since: Option<i64>,
    /// spectrum: adds the partitions that have landed by now
    #[arg(long)]
    partitions: bool,
}

/// Who reads external tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// Amazon Redshift Spectrum.
    Spectrum,
    /// Amazon Athena.
    Athena,
    /// Trino, by its Hive connector.
    Trino,
    /// DuckDB.
    Duckdb,
}

/// Runs `headgate tables ddl`.
///
/// # Errors
/// The schemas are refused, there is no such table, the engine cannot read the store, or the commit log is needed and
/// cannot be read.
pub(crate) async fn run(args: &Arguments, config: &Config) -> Result<()> {
    let root = root(args.engine, config)?;
    let place = Place {
        database: &args.database,
        root: &root,
    };
    let asks = (args.engine == Engine::Athena && args.since.is_none())
        || (args.engine == Engine::Spectrum && args.partitions);
    let snapshot = match asks {
        true => landed(config).await?.1,
        false => Snapshot::default(),
    };
    let (tables, identifies) = tables(config, args.table.as_deref(), &snapshot)?;
    let mut text = preamble(args, config);
    for table in &tables {
        let partitions = partitions(&snapshot, table.name());
        text.push('\n');
        text.push_str(&match args.engine {
            Engine::Spectrum => {
                table.spectrum_ddl(&place) + &table.spectrum_partitions(&place, &partitions)
            }
            Engine::Athena => table.athena_ddl(&place, since(args, &snapshot, table.name())?),
            Engine::Trino => table.trino_ddl(&place),
            Engine::Duckdb => table.duckdb_view(&place),
        });
        if identifies.as_deref() == Some(table.name()) {
            text.push('\n');
            text.push_str(&match args.engine {
                Engine::Spectrum => table.spectrum_users(&place),
                Engine::Athena => table.athena_users(&place),
                Engine::Trino => table.trino_users(&place),
                Engine::Duckdb => table.duckdb_users(),
            });
        }
    }
    Ok(io::stdout().lock().write_all(text.as_bytes())?)
}

/// The tables that the schemas declare, or the one that is asked for. Those of SDKs' calls are among them when they are
/// expected to get rows, or have some. With them the one that the view of users is over.
pub(super) fn tables(
    config: &Config,
    asked: Option<&str>,
    snapshot: &Snapshot,
) -> Result<(Vec<Table>, Option<String>)> {
    let schemas = Source::of(config).load()?;
    let identifies = users::identifies(&schemas).map(|family| Table::of(family).name().to_owned());
    if let Some(asked) = asked {
        let Some(family) = schemas.family(asked) else {
            let known: Vec<&str> = schemas.families().map(|(name, _)| name).collect();
            bail!("no table `{asked}`; there are: {}", known.join(", "));
        };
        return Ok((vec![Table::of(family)], identifies));
    }
    let expected: BTreeSet<&str> = schemas.expected().map(|(name, _)| name).collect();
    let wanted = |name: &str| expected.contains(name) || !snapshot.files(name).is_empty();
    let families = schemas.families().filter(|(name, _)| wanted(name));
    let tables = families.map(|(_, family)| Table::of(family)).collect();
    Ok((tables, identifies))
}

/// The URL or path of the folder of all tables, without a slash at its end.
fn root(engine: Engine, config: &Config) -> Result<String> {
    match config.store.kind {
        StoreKind::S3 => Ok(crate::lake::name(config).trim_end_matches('/').to_owned()),
        StoreKind::Local => {
            ensure!(
                engine == Engine::Duckdb,
                "only DuckDB reads tables of this machine's directory: the others need store.kind = \"s3\""
            );
            let dir = std::path::absolute(config.lake_dir())?;
            let dir = dir
                .to_str()
                .context("the data directory's name is not UTF-8")?;
            Ok(dir.trim_end_matches('/').to_owned())
        }
    }
}

/// Comments before the statements.
fn preamble(args: &Arguments, config: &Config) -> String {
    let database = &args.database;
    let s3 = config.store.kind == StoreKind::S3;
    let mut lines: Vec<String> = CAUTION.iter().map(|line| (*line).to_owned()).collect();
    lines.push(String::new());
    match args.engine {
        Engine::Spectrum => lines.extend([
            "The external schema, in Glue's catalogue:".to_owned(),
            format!("  CREATE EXTERNAL SCHEMA \"{database}\" FROM DATA CATALOG DATABASE '{database}'"),
            "  IAM_ROLE default CREATE EXTERNAL DATABASE IF NOT EXISTS;".to_owned(),
            "No partition is found by itself: --partitions adds those that have landed, and has to be run each hour."
                .to_owned(),
        ]),
        Engine::Athena => lines.push(format!(
            "The database: CREATE DATABASE IF NOT EXISTS `{database}`; hours from the first day until now are partitions."
        )),
        Engine::Trino => lines.extend([
            "The call below each table adds the partitions that have landed, and has to be made each hour.".to_owned(),
            "Where hive.timestamp-precision is not MILLISECONDS, say so: TIMESTAMP(6) for MICROSECONDS.".to_owned(),
        ]),
        Engine::Duckdb if s3 => lines.extend([
            "Files in a bucket need: INSTALL httpfs; CREATE SECRET (TYPE s3, PROVIDER credential_chain);".to_owned(),
            "A table that has no file yet has no view yet.".to_owned(),
        ]),
        Engine::Duckdb => lines.push("A table that has no file yet has no view yet.".to_owned()),
    }
    let comment = |line: &String| format!("{}\n", format!("-- {line}").trim_end());
    lines.iter().map(comment).collect()
}

/// The partitions of a table that have files, ascending.
pub(super) fn partitions(snapshot: &Snapshot, table: &str) -> Vec<Partition> {
    let files = snapshot.files(table).iter();
    let partitions: BTreeSet<Partition> = files
        .filter_map(|file| Partition::of_file(&file.path))
        .collect();
    partitions.into_iter().collect()
}

/// The first day of a table's partitions, as any time in it: what is asked for, else that of its first landed hour, else
/// today.
fn since(args: &Arguments, snapshot: &Snapshot, table: &str) -> Result<i64> {
    if let Some(since) = args.since {
        return Ok(since);
    }
    match partitions(snapshot, table).first() {
        Some(first) => replay::instant(&first.dt).map_err(anyhow::Error::msg),
        None => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
            Ok(i64::try_from(now.as_micros())?)
        }
    }
}
