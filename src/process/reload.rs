//! Loads the schemas again on SIGHUP and when their files change. A set with a fault is refused with its reasons and
//! the old one stays, so that no half-saved file stops events.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use headgate_schemas::registry::{SharedRegistry, Summary};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::signal::unix::Signal;
use tokio::sync::Notify;

use super::signals;
use crate::config;
use crate::metrics::Metrics;
use crate::schemas::Source;

/// A reload is put off by further changes at most this many times the settling time.
const SETTLES_MAX: u32 = 20;

/// Keeps the schemas of a running process current.
pub(crate) struct Reloader {
    schemas: Arc<SharedRegistry>,
    source: Source,
    settle: Duration,
    metrics: Metrics,
    hangups: Signal,
    changed: Arc<Notify>,
    /// None when files are not watched: on purpose, or because the system cannot.
    _watcher: Option<RecommendedWatcher>,
}

impl Reloader {
    /// Begins to listen for SIGHUP and, if so configured, for changes of the schemas' files.
    ///
    /// # Errors
    /// Signals cannot be listened for.
    pub(crate) fn new(
        schemas: Arc<SharedRegistry>,
        source: Source,
        config: &config::Schemas,
        metrics: Metrics,
    ) -> Result<Self> {
        let changed = Arc::new(Notify::new());
        let watcher = match &source {
            Source::Directory(dir) if config.watch => watch(dir, Arc::clone(&changed))
                .inspect_err(|error| {
                    tracing::warn!(%error, dir = %dir.display(), "cannot watch the schemas; SIGHUP reloads them");
                })
                .ok(),
            _ => None,
        };
        let settle = Duration::from_millis(config.settle_ms);
        Ok(Self {
            schemas,
            source,
            settle,
            metrics,
            hangups: signals::hangups()?,
            changed,
            _watcher: watcher,
        })
    }

    /// Reloads until the process ends.
    pub(crate) async fn run(mut self) {
        loop {
            tokio::select! {
                _ = self.hangups.recv() => {}
                () = self.changed.notified() => self.settled().await,
            }
            self.reload().await;
        }
    }

    /// Waits until nothing has changed for a while: an editor or a deployment writes more than one file. A directory
    /// that never comes to rest is loaded all the same.
    async fn settled(&self) {
        let rest = async {
            while tokio::time::timeout(self.settle, self.changed.notified())
                .await
                .is_ok()
            {}
        };
        // Either way it is time to load.
        drop(tokio::time::timeout(self.settle * SETTLES_MAX, rest).await);
    }

    async fn reload(&self) {
        let source = self.source.clone();
        if source == Source::BuiltIn {
            tracing::info!("the schemas are those of the binary: there is nothing to reload");
            return;
        }
        let schemas = Arc::clone(&self.schemas);
        // Compiling a large set takes long enough to hold up requests on the same thread.
        let reload = move || source.load().map(|new| schemas.replace(new));
        let reloaded = tokio::task::spawn_blocking(reload).await;
        match reloaded {
            Ok(Ok(summary)) => {
                self.metrics.schemas_reloaded(summary.schemas);
                let Summary {
                    schemas,
                    added,
                    changed,
                    removed,
                    ..
                } = summary;
                tracing::info!(schemas, ?added, ?changed, ?removed, "schemas reloaded");
            }
            Ok(Err(refused)) => {
                self.metrics.schemas_refused();
                let errors = refused.errors;
                tracing::error!("new schemas refused, the old ones stay:\n{errors}");
            }
            Err(panic) => {
                self.metrics.schemas_refused();
                tracing::error!(%panic, "new schemas refused, the old ones stay");
            }
        }
    }
}

fn watch(dir: &Path, changed: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Loading reads the files: were reading a change, one reload would cause the next.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            changed.notify_one();
        }
    })?;
    watcher.watch(dir, RecursiveMode::Recursive)?;
    Ok(watcher)
}
