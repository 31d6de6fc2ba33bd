//! `headgate warehouse ...`, and the loader of a sink's process.

mod arguments;
mod output;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use headgate_gateway::admin::Check;
use headgate_gateway::clock;
use headgate_schemas::registry::SharedRegistry;
use headgate_sink::store::Store;
use headgate_sink::warehouse::{Kind, Loader, Parts};
use prometheus::Registry;
use tokio_util::sync::CancellationToken;

pub(crate) use self::arguments::Command;
use crate::cli::exit;
use crate::config::Config;
use crate::lake;
use crate::process::Ending;
use crate::schemas::Source;

/// The loader that the configuration asks for; `None`: no warehouse.
///
/// # Errors
/// A setting is wrong.
pub(crate) async fn open(
    config: &Config,
    store: &Arc<dyn Store>,
    schemas: &Arc<SharedRegistry>,
    registry: &Registry,
) -> Result<Option<Loader>> {
    if config.warehouse.kind == Kind::None {
        return Ok(None);
    }
    let parts = Parts {
        store: Arc::clone(store),
        root: lake::root(config),
        schemas: Arc::clone(schemas),
        metrics: registry.clone(),
        clock: clock::system(),
        name: name(),
    };
    let unready_after = Duration::from_millis(config.sink.unready_after_ms);
    let loader = Loader::open(config.warehouse.clone(), unready_after, parts).await;
    Ok(Some(loader.context("cannot load the warehouse")?))
}

/// What ails the loader, for `/ready`: a process that lands is of use all the same.
pub(crate) fn note(loader: &Loader) -> Check {
    let health = loader.health();
    Arc::new(move || health.problem())
}

/// Who loads: the host and the process.
fn name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let host = host.unwrap_or_else(|_| "unknown".to_owned());
    format!("{}:{}", host.trim(), std::process::id())
}

/// Runs one of the commands; returns the exit code.
///
/// # Errors
/// There is no warehouse, or it or what has landed cannot be read.
pub(crate) async fn run(command: Command, config: &Config) -> Result<u8> {
    let mut ending = Ending::listen()?;
    let shutdown = CancellationToken::new();
    let work = work(command, config, &shutdown);
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => done,
        signal = ending.next() => {
            shutdown.cancel();
            bail!("ended by {signal}; what the ledger does not have was taken back, or is found by the next run")
        }
    }
}

async fn work(command: Command, config: &Config, shutdown: &CancellationToken) -> Result<u8> {
    let Some(store) = lake::open_to_read(config).await? else {
        bail!("nothing has landed in {}", lake::name(config));
    };
    let schemas = Arc::new(SharedRegistry::new(Source::of(config).load()?));
    let Some(loader) = open(config, &store, &schemas, &Registry::new()).await? else {
        bail!("there is no warehouse: set warehouse.kind = \"redshift\"");
    };
    match command {
        Command::Plan { table } => {
            let planned = loader.planned().await.context("cannot plan")?;
            output::plan(&planned, table.as_deref())
        }
        Command::Load { json } => {
            let whole = loader.once(shutdown).await.context("cannot load")?;
            output::load(&loader.status().await?, whole, json)
        }
        Command::Status(args) => {
            let status = loader
                .status()
                .await
                .context("cannot read how far all is loaded")?;
            if let Some(table) = &args.table
                && !status.contains_key(table)
                && schemas.load().family(table).is_none()
            {
                bail!(
                    "there is no table `{table}`: no schema has it, and nothing of it has landed"
                );
            }
            output::status(&status, &args)
        }
        Command::Retry { id, json } => {
            let retried = loader.retry(id.as_deref()).await.context("cannot retry")?;
            output::retry(&retried, id.as_deref(), json)
        }
        Command::Rebuild { table, json } => {
            let done = loader
                .rebuild(&table, |done| output::progress(json, done))
                .await;
            output::rebuild(
                &table,
                done.with_context(|| format!("cannot rebuild `{table}`"))?,
                json,
            )
        }
        Command::Reload(args) => {
            if args.from >= args.to {
                eprintln!("headgate: --from must be before --to");
                return Ok(exit::USAGE);
            }
            let window_ms = (args.from.div_euclid(1_000), args.to.div_euclid(1_000));
            let done = loader.reload(&args.table, window_ms, |done| {
                output::progress(args.json, done)
            });
            let done = done
                .await
                .with_context(|| format!("cannot reload `{}`", args.table));
            output::reload(&args, done?)
        }
    }
}
