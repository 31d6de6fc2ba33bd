//! `headgate tables glue`: the tables in AWS Glue's catalogue, where Athena, Redshift Spectrum, Trino and Spark find them.
//!
//! A run makes the catalogue say what the schemas and the commit log say, and changes nothing where it does already, so
//! that cron may run it. It touches tables that it made itself alone, and takes nothing away: columns and partitions are
//! only added.

mod calls;
mod client;
mod config;
mod input;

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use headgate_sink::table::Table;
use headgate_sink::table::external::{PARTITIONS_MAX, Partition, Place};
use serde_json::Value;

use self::client::Client;
pub(crate) use self::config::Settings;
use self::input::{FINGERPRINT, Kept};
use super::ddl::{partitions, tables};
use crate::config::{Config, StoreKind};
use crate::query::landed;

/// `headgate tables glue`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only this table
    #[arg(long)]
    table: Option<String>,
}

/// What a run did to one table.
#[derive(Debug, Default, PartialEq, Eq)]
struct Done {
    table: Change,
    added: usize,
    updated: usize,
}

/// What became of the table itself.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Change {
    Created,
    Updated,
    #[default]
    Unchanged,
}

/// Runs `headgate tables glue`.
///
/// # Errors
/// The store is no bucket, the schemas or the commit log cannot be read, Glue cannot be reached or refuses, or a table of
/// that name is somebody else's.
pub(crate) async fn run(args: &Arguments, config: &Config) -> Result<()> {
    ensure!(
        config.store.kind == StoreKind::S3,
        "Glue's catalogue is for tables in a bucket: it needs store.kind = \"s3\""
    );
    let (_, snapshot) = landed(config).await?;
    let (tables, _) = tables(config, args.table.as_deref(), &snapshot)?;
    let client = Client::open(&config.glue, config.s3.region.as_deref()).await?;
    calls::make_database(&client, &config.glue.database).await?;
    let root = crate::lake::name(config);
    let place = Place {
        database: &config.glue.database,
        root: root.trim_end_matches('/'),
    };
    let mut out = io::stdout().lock();
    for table in &tables {
        let landed = partitions(&snapshot, table.name());
        let done = register(&client, &place, table, &landed).await;
        let done = done.with_context(|| format!("cannot register {}", table.name()))?;
        let what = match done.table {
            Change::Created => "created",
            Change::Updated => "updated",
            Change::Unchanged => "unchanged",
        };
        writeln!(
            out,
            "{}: {what}, {} partitions added, {} updated",
            table.name(),
            done.added,
            done.updated
        )?;
    }
    Ok(())
}

/// Makes the catalogue know one table and its partitions.
async fn register(
    client: &Client,
    place: &Place<'_>,
    table: &Table,
    landed: &[Partition],
) -> Result<Done> {
    let mut done = Done::default();
    match calls::table(client, place.database, table.name()).await? {
        None => {
            let input = input::table(table, place, None);
            calls::create_table(client, place.database, input).await?;
            done.table = Change::Created;
        }
        Some(known) => match input::kept(table, place, &known) {
            Kept::Foreign => bail!(
                "there is a table of this name in {} that Headgate did not make (it lacks the parameter {FINGERPRINT}): \
                 choose another glue.database, or drop it",
                place.database
            ),
            Kept::Newer => {
                tracing::warn!(
                    table = table.name(),
                    "the catalogue has columns of newer schemas: they stay"
                );
                return Ok(done);
            }
            Kept::Same => {}
            Kept::Older => {
                let input = input::table(table, place, Some(&known));
                calls::update_table(client, place.database, input).await?;
                done.table = Change::Updated;
            }
        },
    }
    let known = calls::partitions(client, place.database, table.name()).await?;
    let (missing, stale) = differing(table, landed, &known);
    for chunk in missing.chunks(PARTITIONS_MAX) {
        let inputs = chunk.iter().map(|p| input::partition(table, place, p));
        let inputs: Vec<Value> = inputs.collect();
        calls::create_partitions(client, place.database, table.name(), inputs).await?;
        done.added += chunk.len();
    }
    for chunk in stale.chunks(PARTITIONS_MAX) {
        let inputs = chunk.iter().map(|p| input::partition(table, place, p));
        let inputs: Vec<Value> = inputs.collect();
        calls::update_partitions(client, place.database, table.name(), inputs).await?;
        done.updated += chunk.len();
    }
    Ok(done)
}

/// Those of the landed partitions that the catalogue lacks, and those whose columns it has by another fingerprint.
fn differing<'a>(
    table: &Table,
    landed: &'a [Partition],
    known: &BTreeMap<Partition, Option<String>>,
) -> (Vec<&'a Partition>, Vec<&'a Partition>) {
    let mut missing = Vec::new();
    let mut stale = Vec::new();
    for partition in landed {
        match known.get(partition) {
            None => missing.push(partition),
            Some(fingerprint) if fingerprint.as_deref() != Some(table.fingerprint()) => {
                stale.push(partition);
            }
            Some(_) => {}
        }
    }
    (missing, stale)
}

#[cfg(test)]
mod tests;
