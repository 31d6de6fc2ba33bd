//! `headgate bench` around Kafka and S3: this program as gateways and sinks beside servers that run already.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use headgate_gateway::Topics;
use headgate_loadtest::bench::Setup;
use headgate_loadtest::bench::cluster::{Landing, Restart, Sizing, Steady, Taking};
use prometheus::Registry;

use super::report;
use crate::cli::ClusterBenchmark as What;
use crate::config::{Config, StoreKind, StreamKind};
use crate::lake;
use crate::process::{Role, Stream};

/// Runs one of them and prints its table.
///
/// # Errors
/// The configuration names no Kafka or no bucket, or a server fails.
pub(super) async fn run(
    what: &What,
    mut setup: Setup,
    config: &Config,
    file: Option<&Path>,
    json: Option<&Path>,
) -> Result<()> {
    ensure!(
        config.stream.kind == StreamKind::Kafka && config.store.kind == StoreKind::S3,
        "this benchmark needs Kafka and S3: start them with `./headgate.sh services DIR`, and give their settings \
         with --config or in the environment, as the README's \"With Kafka and S3\" does"
    );
    if let Some(file) = file {
        let file = std::path::absolute(file)?.display().to_string();
        setup.common_args = vec!["--config".to_owned(), file];
    }
    match what.clone() {
        What::Kafka {
            rounds,
            requests,
            seconds,
            beside,
        } => {
            let taking = Taking {
                rounds,
                requests,
                half_load: Duration::from_secs(seconds),
                beside: beside.beside,
                ..Taking::default()
            };
            report(&[taking.run(&setup).await?], json)
        }
        What::Landing {
            events,
            rounds,
            share,
            beside,
        } => {
            let landing = Landing {
                events,
                rounds,
                share_percent: share,
                beside: beside.beside,
                ..Landing::default()
            };
            report(&landing.run(&setup).await?, json)
        }
        What::Steady { seconds, samples } => {
            let steady = Steady {
                length: Duration::from_secs(seconds),
                samples,
                ..Steady::default()
            };
            report(&steady.run(&setup).await?, json)
        }
        What::Restart { commits, rounds } => {
            let restart = Restart {
                commits,
                rounds,
                ..Restart::default()
            };
            report(&restart.run(&setup).await?, json)
        }
        What::Requests { commits } => {
            let sizing = Sizing {
                commits,
                ..Sizing::default()
            };
            report(&sizing.run(&setup).await?, json)
        }
        What::Commits { commits } => write_commits(config, commits).await,
    }
}

/// Writes commits to the log of the stream that sinks of this configuration read.
async fn write_commits(config: &Config, commits: u64) -> Result<()> {
    let store = lake::open_to_read(config).await?.context("no store")?;
    let (topics, metrics) = (Topics::default(), Registry::new());
    let mut stream = Stream::open(config, Role::Sink, &topics, &metrics).await?;
    let readers = stream.readers(&store).await?;
    let id = readers.first().context("no stream")?.stream().clone();
    drop(readers);
    stream.close().await;
    headgate_sink::rehearsal::commits(store, id, commits).await?;
    Ok(())
}
