//! `headgate bench`: measures this very program, started anew as a server for each benchmark.

mod cluster;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use headgate_loadtest::bench::cluster::{Kinesis, kinesis};
use headgate_loadtest::bench::{Compare, Growth, Idle, Memory, Row, Setup, bare, markdown};
use serde::Serialize;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::cli::{Bench, Benchmark};
use crate::config::Config;

/// Runs one benchmark and prints its table.
///
/// # Errors
/// A server cannot be started, a request was not answered with success, or a file cannot be written.
pub(crate) async fn run(args: &Bench, config: &Config, file: Option<&Path>) -> Result<()> {
    match args.what {
        Benchmark::BareServer { listen } => {
            return Ok(bare::serve(TcpListener::bind(listen).await?).await?);
        }
        Benchmark::KinesisServer { listen, shards } => {
            let listener = TcpListener::bind(listen).await?;
            return Ok(kinesis::server::serve(listener, shards).await?);
        }
        _ => {}
    }
    let dir = work_dir(args.dir.as_deref())?;
    let measured = match &args.what {
        Benchmark::Cluster(what) => {
            let setup = Setup::new(own_program()?, dir.path().to_path_buf());
            Box::pin(cluster::run(
                what,
                setup,
                config,
                file,
                args.json.as_deref(),
            ))
            .await
        }
        _ => measure(args, dir.path()).await,
    };
    if measured.is_err() {
        eprintln!(
            "headgate: the servers' logs are in {}",
            dir.keep().display()
        );
    }
    measured
}

/// A fresh directory, removed at the end.
fn work_dir(within: Option<&Path>) -> Result<TempDir> {
    let within = within.map_or_else(std::env::temp_dir, Path::to_path_buf);
    fs::create_dir_all(&within)
        .and_then(|()| {
            tempfile::Builder::new()
                .prefix("bench-")
                .tempdir_in(&within)
        })
        .with_context(|| format!("cannot write to {}", within.display()))
}

async fn measure(args: &Bench, dir: &Path) -> Result<()> {
    let whole = Setup::new(own_program()?, dir.to_path_buf());
    let gateway = Setup {
        server_args: vec!["up".to_owned(), "--no-sink".to_owned()],
        ..whole.clone()
    };
    let json = args.json.as_deref();
    match args.what.clone() {
        Benchmark::Gateway => report(&Compare::default().run(&gateway).await?, json),
        Benchmark::Growth { landing } => {
            let setup = if landing { &whole } else { &gateway };
            report(&Growth::default().run(setup).await?, json)
        }
        Benchmark::Memory { events } => {
            let memory = Memory {
                events,
                ..Memory::default()
            };
            report(&memory.run(&whole).await?, json)
        }
        Benchmark::Idle => report(&[Idle::default().run(&whole).await?], json),
        Benchmark::Kinesis {
            rounds,
            requests,
            server,
            beside,
        } => {
            let kinesis = Kinesis {
                rounds,
                requests,
                server,
                beside: beside.beside,
                ..Kinesis::default()
            };
            report(&Box::pin(kinesis.run(&whole)).await?, json)
        }
        Benchmark::BareServer { .. } | Benchmark::KinesisServer { .. } | Benchmark::Cluster(_) => {
            Ok(())
        }
    }
}

fn own_program() -> Result<PathBuf> {
    std::env::current_exe().context("cannot tell where this program is")
}

fn report<R: Row + Serialize>(rows: &[R], json: Option<&Path>) -> Result<()> {
    print!("{}", markdown(rows));
    if let Some(file) = json {
        fs::write(file, serde_json::to_vec_pretty(rows)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}
