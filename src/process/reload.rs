//! Loads the schemas again on SIGHUP and when their files change, and with them the sources: who may send. A set with a
//! fault is refused with its reasons and the old one stays, so that no half-saved file stops events.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use headgate_gateway::{Privacy, SharedSources};
use headgate_schemas::registry::{SharedRegistry, Summary};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::signal::unix::Signal;
use tokio::sync::Notify;

use super::signals;
use crate::config::{self, Loaded};
use crate::metrics::Metrics;
use crate::schemas::Source;

/// A reload is put off by further changes at most this many times the settling time.
const SETTLES_MAX: u32 = 20;

/// The sources, and the configuration that they are read again from.
pub(crate) struct Known {
    pub(crate) sources: Arc<SharedSources>,
    /// What hides values, and must be able to as new schemas say.
    pub(crate) privacy: Arc<Privacy>,
    pub(crate) loaded: Arc<Loaded>,
}

impl Known {
    /// Reads the configuration's file again; of its settings only `[sources]` takes effect without a restart.
    async fn reload(&self, metrics: &Metrics) {
        let (loaded, sources) = (Arc::clone(&self.loaded), Arc::clone(&self.sources));
        let reload = move || {
            let reread = loaded.reread().map_err(|refused| refused.to_string())?;
            let new = &reread.config.sources;
            sources
                .replace(new)
                .map_err(|refused| format!("{refused}"))?;
            Ok::<_, String>(new.len())
        };
        // The files that sources name may be large.
        let reloaded = tokio::task::spawn_blocking(reload).await;
        match reloaded.unwrap_or_else(|panic| Err(panic.to_string())) {
            Ok(sources) => {
                metrics.sources_reloaded();
                tracing::info!(sources, "sources reloaded");
            }
            Err(refused) => {
                metrics.sources_refused();
                tracing::error!("new sources refused, the old ones stay:\n{refused}");
            }
        }
    }
}

/// Keeps the schemas and sources of a running process current.
pub(crate) struct Reloader {
    schemas: Arc<SharedRegistry>,
    source: Source,
    /// Who may send; none where nothing is taken.
    known: Option<Known>,
    settle: Duration,
    metrics: Metrics,
    hangups: Signal,
    changed: Arc<Notify>,
    /// None when files are not watched: on purpose, or because the system cannot.
    _watcher: Option<RecommendedWatcher>,
}

impl Reloader {
    /// Begins to listen for SIGHUP and, if so configured, for changes of the schemas' files and the configuration's.
    ///
    /// # Errors
    /// Signals cannot be listened for.
    pub(crate) fn new(
        schemas: Arc<SharedRegistry>,
        source: Source,
        known: Option<Known>,
        config: &config::Schemas,
        metrics: Metrics,
    ) -> Result<Self> {
        let changed = Arc::new(Notify::new());
        let schemas_dir = match &source {
            Source::Directory(dir) => Some(dir.as_path()),
            Source::BuiltIn => None,
        };
        let file = known
            .as_ref()
            .and_then(|known| known.loaded.file.as_deref());
        let watcher = match config.watch {
            true => watch(schemas_dir, file, &changed)
                .inspect_err(|error| {
                    tracing::warn!(%error, "cannot watch for changes; SIGHUP reloads schemas and sources");
                })
                .ok(),
            false => None,
        };
        let settle = Duration::from_millis(config.settle_ms);
        Ok(Self {
            schemas,
            source,
            known,
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
        if let Some(known) = &self.known {
            known.reload(&self.metrics).await;
        }
        let source = self.source.clone();
        if source == Source::BuiltIn {
            tracing::info!("the schemas are those of the binary: there is nothing to reload");
            return;
        }
        let schemas = Arc::clone(&self.schemas);
        // Compiling a large set takes long enough to hold up requests on the same thread.
        let privacy = self.known.as_ref().map(|known| Arc::clone(&known.privacy));
        let reload = move || {
            let new = source
                .load()
                .map_err(|refused| refused.errors.to_string())?;
            let checked = privacy.map_or(Ok(()), |privacy| privacy.check(&new));
            checked.map_err(|refused| refused.to_string())?;
            Ok::<_, String>(schemas.replace(new))
        };
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
                tracing::error!("new schemas refused, the old ones stay:\n{refused}");
            }
            Err(panic) => {
                self.metrics.schemas_refused();
                tracing::error!(%panic, "new schemas refused, the old ones stay");
            }
        }
    }
}

/// What a mounted ConfigMap changes when its files change.
const MOUNTED: &str = "..data";

/// Watches the schemas' directory, and the configuration's file.
fn watch(
    schemas: Option<&Path>,
    file: Option<&Path>,
    changed: &Arc<Notify>,
) -> notify::Result<RecommendedWatcher> {
    let changed = Arc::clone(changed);
    let name = file.and_then(Path::file_name).map(ToOwned::to_owned);
    let below = schemas.map(std::path::absolute).transpose()?;
    let concerns = move |path: &Path| {
        let named = path.file_name();
        below.as_deref().is_some_and(|dir| path.starts_with(dir))
            || named.is_some_and(|named| Some(named) == name.as_deref() || named == MOUNTED)
    };
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Loading reads the files: were reading a change, one reload would cause the next.
        let told = event.is_ok_and(|event| {
            !event.kind.is_access() && event.paths.iter().any(|path| concerns(path))
        });
        if told {
            changed.notify_one();
        }
    })?;
    if let Some(schemas) = schemas {
        watcher.watch(&std::path::absolute(schemas)?, RecursiveMode::Recursive)?;
    }
    // A file's own watch ends when an editor puts a new file in its place: its directory is watched, and nothing below.
    if let Some(folder) = file
        .map(std::path::absolute)
        .transpose()?
        .as_deref()
        .and_then(Path::parent)
    {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}
