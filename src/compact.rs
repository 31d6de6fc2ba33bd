//! `headgate sink compact`: puts the small files of closed hours together, once or for good.

use std::io::{self, Write};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use headgate_gateway::admin::{self, AdminState};
use headgate_gateway::clock;
use headgate_sink::compact::{Compactor, Filter, Parts, Round, Step, StepResult};
use prometheus::Registry;
use prometheus::process_collector::ProcessCollector;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::cause;
use crate::cli::{Compact, exit};
use crate::config::Config;
use crate::lake;
use crate::process::Ending;

/// Compacts; returns the exit code.
///
/// # Errors
/// The store cannot be opened, or what has landed cannot be read.
pub(crate) async fn run(args: &Compact, config: &Config) -> Result<u8> {
    let filter = Filter {
        table: args.table.clone(),
        open_hours: args.open_hours,
        from_ms: args.from.map(|micros| micros.div_euclid(1_000)),
        to_ms: args.to.map(|micros| micros.div_euclid(1_000)),
    };
    let mut ending = Ending::listen()?;
    let shutdown = CancellationToken::new();
    let work = async {
        let registry = Registry::new();
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let clock = clock::system();
        let (store, _) = lake::open_for_sink(config, clock() / 1_000, &registry).await?;
        let parts = Parts {
            store,
            metrics: registry.clone(),
            clock,
        };
        let compactor = Compactor::open(config.sink.clone(), filter, parts)?;
        match args.once {
            true => once(args, config, &compactor, &shutdown).await,
            false => forever(args, config, &compactor, registry, &shutdown).await,
        }
    };
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        signal = ending.next() => {
            tracing::info!(signal, "stopping; the same signal again ends at once");
            shutdown.cancel();
        }
    }
    tokio::select! {
        done = work => done,
        signal = ending.next() => bail!("ended by a second signal, {signal}; nothing is lost"),
    }
}

async fn once(
    args: &Compact,
    config: &Config,
    compactor: &Compactor,
    shutdown: &CancellationToken,
) -> Result<u8> {
    let mut printed = Ok(());
    let told = |step: &Step| {
        printed = std::mem::replace(&mut printed, Ok(())).and_then(|()| print(args, step))
    };
    let round = compactor.once(shutdown, told).await;
    let round = round.with_context(|| format!("cannot compact {}", lake::name(config)))?;
    printed?;
    summary(args, &round)?;
    Ok(if round.failed == 0 { 0 } else { exit::FAILURE })
}

async fn forever(
    args: &Compact,
    config: &Config,
    compactor: &Compactor,
    registry: Registry,
    shutdown: &CancellationToken,
) -> Result<u8> {
    let (listener, address) = admin::bind(config.gateway.admin.listen)?;
    let (health, stop) = (compactor.health(), shutdown.clone());
    let state = AdminState {
        registry,
        checks: vec![
            Arc::new(move || stop.is_cancelled().then(|| "stopping".to_owned())),
            Arc::new(move || health.problem()),
        ],
        notes: Vec::new(),
        version: env!("CARGO_PKG_VERSION"),
        connections_max: config.gateway.admin.connections_max,
    };
    tracing::info!(store = lake::name(config), admin = %address, "compacting");
    let told = |step: &Step| {
        if let Err(error) = print(args, step) {
            // Nobody reads standard output: no reason not to go on.
            tracing::warn!("cannot print a step: {}", cause::line(&error));
        }
    };
    tokio::select! {
        () = compactor.run(shutdown, told) => {}
        () = admin::serve(listener, state, CancellationToken::new()) => {}
    }
    Ok(0)
}

fn print(args: &Compact, step: &Step) -> Result<()> {
    let mut out = io::stdout().lock();
    if args.json {
        let mut line = json!({
            "table": step.table, "folder": step.folder, "rows": step.rows,
            "files_before": step.files_before, "bytes_before": step.bytes_before,
        });
        let (result, more) = match &step.result {
            StepResult::Compacted { files, bytes } => (
                "compacted",
                json!({"files_after": files, "bytes_after": bytes}),
            ),
            StepResult::Beaten => ("beaten", json!({})),
            StepResult::Left(why) => ("left", json!({"why": why})),
        };
        line["result"] = result.into();
        for (key, value) in more.as_object().into_iter().flatten() {
            line[key] = value.clone();
        }
        writeln!(out, "{line}")?;
        return Ok(());
    }
    let (folder, files, rows) = (&step.folder, step.files_before, step.rows);
    let before = mib(step.bytes_before);
    match &step.result {
        StepResult::Compacted { files: to, bytes } => {
            let after = mib(*bytes);
            writeln!(
                out,
                "{folder}: {files} files of {before} became {to} of {after}, {rows} rows"
            )?;
        }
        StepResult::Beaten => writeln!(out, "{folder}: another compactor was quicker")?,
        StepResult::Left(why) => writeln!(out, "{folder}: {files} files left as they are: {why}")?,
    }
    Ok(())
}

fn summary(args: &Compact, round: &Round) -> Result<()> {
    let Round {
        files_before,
        files_after,
        beaten,
        failed,
    } = round;
    let mut out = io::stdout().lock();
    match args.json {
        true => writeln!(
            out,
            "{}",
            json!({"files_before": files_before, "files_after": files_after, "beaten": beaten, "failed": failed})
        )?,
        false => writeln!(
            out,
            "{files_before} files became {files_after}; {beaten} times another compactor was quicker, {failed} failed"
        )?,
    }
    Ok(())
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
