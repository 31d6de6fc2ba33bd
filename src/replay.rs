//! `headgate replay`: events once more, through the sink's own code, under a commit log of their own. That log is what
//! makes it exactly once, through kills and beside other replays; running it again goes on.
//! `docs/adr/0011-replay.md` says why it is so.

mod arguments;
mod bad_events;
mod filter;
mod generation;
mod guard;
mod known;
mod plan;
mod report;
mod rows;
mod tracker;
mod wanted;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use headgate_gateway::Privacy;
use headgate_gateway::again::Again;
use headgate_gateway::clock;
use headgate_schemas::registry::{Registry, SharedRegistry};
use headgate_sink::Sink;
use headgate_sink::store::Store;
use headgate_stream::log::Reader;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use self::arguments::Origin;
pub(crate) use self::arguments::{Arguments, instant};
use self::bad_events::Run;
use self::filter::Filter;
use self::generation::Filling;
use self::guard::Guard;
use self::report::{Report, Show};
use self::tracker::Tracker;
use crate::cli::exit;
use crate::config::Config;
use crate::lake;
use crate::process::Ending;
use crate::schemas::Source;

/// `[replay]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Events that were replayed before, which a replay of bad events holds in memory: at most those of the time that it
    /// looks at, some 40 bytes each.
    pub(crate) replayed_events_max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            replayed_events_max: 10_000_000,
        }
    }
}

/// Runs the replay; returns the exit code.
///
/// # Errors
/// It cannot be done as asked, or was ended before its end.
pub(crate) async fn run(arguments: Arguments, config: &Config) -> Result<u8> {
    if let Some(problem) = arguments.problem() {
        eprintln!("headgate replay: {problem}");
        return Ok(exit::USAGE);
    }
    let mut ending = Ending::listen()?;
    let schemas = Source::of(config).load()?;
    let work = async {
        match arguments.from {
            Origin::BadEvents => from_bad_events(&arguments, config, schemas).await,
            Origin::Stream => from_stream(&arguments, config, schemas).await,
        }
    };
    // Nothing is being landed yet.
    let prepared = tokio::select! {
        prepared = Box::pin(work) => prepared?,
        signal = ending.next() => return Err(anyhow!("ended by {signal} before it began")),
    };
    let report = prepared.land(config, &mut ending, arguments.json).await?;
    let left = report.left();
    report.print(arguments.json)?;
    Ok(match arguments.strict && left > 0 {
        true => exit::STILL_INVALID,
        false => 0,
    })
}

/// Everything that is needed to land.
struct Prepared {
    sink: Sink,
    reader: Box<dyn Reader>,
    tracker: Arc<Tracker>,
    show: Show,
}

async fn from_bad_events(
    arguments: &Arguments,
    config: &Config,
    schemas: Registry,
) -> Result<Prepared> {
    let privacy = Arc::new(Privacy::open(&config.privacy)?);
    privacy.check(&schemas)?;
    let store = lake::open_to_read(config).await?;
    store.with_context(|| format!("nothing has landed in {} yet", lake::name(config)))?;
    let clock = clock::system();
    let (store, _) =
        lake::open_for_sink(config, clock() / 1_000, &prometheus::Registry::new()).await?;
    let shared = Arc::new(SharedRegistry::new(schemas));
    let run = Run::begin(
        Arc::clone(&store),
        shared.load(),
        Again::new(&config.gateway, &config.sources, privacy)?,
        Filter::new(arguments),
        clock,
        config.replay.replayed_events_max,
    )
    .await?;
    let (tracker, rows, after) = (Arc::clone(&run.tracker), run.rows(), run.after().clone());
    let guard = Guard::new(run.reader(), Arc::clone(&tracker), after);
    Ok(Prepared {
        sink: sink(config, store, shared)?,
        reader: Box::new(guard),
        tracker,
        show: Show::bad_events(rows),
    })
}

async fn from_stream(
    arguments: &Arguments,
    config: &Config,
    schemas: Registry,
) -> Result<Prepared> {
    let opened = generation::open(arguments, config, &schemas)?;
    let now_ms = clock::system()() / 1_000;
    let (store, _) = lake::open_for_sink(config, now_ms, &prometheus::Registry::new()).await?;
    let filling = Filling::begin(opened, (arguments, config), &*store, &schemas, now_ms).await?;
    let shared = Arc::new(SharedRegistry::new(schemas));
    let sink = sink(config, store, shared)?.into_generation(filling.generation.clone());
    Ok(Prepared {
        sink,
        reader: filling.reader,
        tracker: filling.tracker,
        show: Show::generation(&filling.generation, filling.offsets),
    })
}

fn sink(config: &Config, store: Arc<dyn Store>, schemas: Arc<SharedRegistry>) -> Result<Sink> {
    let parts = headgate_sink::Parts {
        store,
        schemas,
        metrics: prometheus::Registry::new(),
        clock: clock::system(),
    };
    Ok(Sink::open(config.sink.clone(), parts)?)
}

impl Prepared {
    /// Lands everything, or what was read by the first signal.
    async fn land(self, config: &Config, ending: &mut Ending, json: bool) -> Result<Report> {
        let Self {
            sink,
            reader,
            tracker,
            show,
        } = self;
        let stop = CancellationToken::new();
        let mut landing = Box::pin(sink.land(reader, stop.clone()));
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let (mut signals, mut late) = (0, None);
        let landed = loop {
            tokio::select! {
                landed = &mut landing => break landed,
                _ = second.tick() => show.progress(&tracker.counts(), json),
                signal = ending.next() => {
                    signals += 1;
                    eprintln!("headgate replay: {signal}: landing what was read");
                    stop.cancel();
                    let deadline = Duration::from_millis(config.sink.drain_deadline_ms);
                    late.get_or_insert(tokio::time::Instant::now() + deadline * 2);
                }
            }
            let out_of_time = late.is_some_and(|late| tokio::time::Instant::now() > late);
            if signals > 1 || out_of_time {
                break Ok(());
            }
        };
        show.end_progress(json);
        landed?;
        let report = show.report(tracker.counts());
        tracker
            .outcome()
            .map_err(|reason| anyhow!("{reason} ({report}); running it again lands the rest"))?;
        Ok(report)
    }
}
