//! One stream that is written to: its lanes, the task that sends what waits there, and the one that follows its shards.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_sdk_kinesis::Client;
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    config::Config,
    health::Health,
    lane::Entry,
    lanes::{Fate, Lanes, Settled},
    metrics::{Metrics, StreamMetrics},
    pending::Pending,
    put::put,
    shards::{self, Map},
    streams::Named,
};
use crate::log::Refusal;

/// How often shards are asked for at most, while records lie where they do not belong.
const MAP_PAUSE: Duration = Duration::from_millis(300);

/// How often the use of shards is told.
const REPORT: Duration = Duration::from_secs(1);

/// What an empty queue is looked at again after, if nobody wakes it.
const IDLE: Duration = Duration::from_secs(60);

/// What the writer's streams have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Arc<Config>,
    pub(super) client: Client,
    pub(super) metrics: Metrics,
    pub(super) health: Health,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) named: Named,
    shared: Arc<Shared>,
    metrics: StreamMetrics,
    lanes: Mutex<Lanes>,
    record_bytes_max: AtomicU64,
    /// Something waits, or has changed.
    wake: Notify,
    /// The shards are to be asked for.
    ask: Notify,
    /// Kinesis said that the stream is not there: it is to be looked for anew.
    stale: AtomicBool,
}

/// A request that came back.
type Answered = (Vec<Entry>, Vec<Fate>, Duration);

impl Stream {
    pub(super) fn new(
        shared: Arc<Shared>,
        topic: &str,
        named: Named,
        map: Map,
        limit: u64,
    ) -> Self {
        let record_bytes_max = limit.min(shared.config.record_bytes_max);
        let lanes = Lanes::new(Arc::clone(&shared.config), map, record_bytes_max);
        Self {
            named,
            metrics: shared.metrics.stream(topic),
            lanes: Mutex::new(lanes),
            record_bytes_max: record_bytes_max.into(),
            wake: Notify::new(),
            ask: Notify::new(),
            stale: AtomicBool::new(false),
            shared,
        }
    }

    /// A record's key and value together are no larger, in bytes.
    pub(super) fn record_bytes_max(&self) -> u64 {
        self.record_bytes_max.load(Ordering::Relaxed)
    }

    pub(super) fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Relaxed)
    }

    /// It was looked for anew, and is there.
    pub(super) fn renew(&self, map: Map, limit: u64) {
        let record_bytes_max = limit.min(self.shared.config.record_bytes_max);
        self.record_bytes_max
            .store(record_bytes_max, Ordering::Relaxed);
        let mut lanes = self.lanes();
        lanes.set_record_bytes_max(record_bytes_max);
        lanes.set_map(map);
        drop(lanes);
        self.stale.store(false, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// The records go behind those of their keys that wait already.
    pub(super) fn push(&self, records: Vec<Pending>) {
        let mut lanes = self.lanes();
        let mut early = false;
        for record in records {
            early |= lanes.push(record);
        }
        drop(lanes);
        if early {
            self.wake.notify_one();
        }
    }

    /// From now on nothing waits for others.
    pub(super) fn close(&self) {
        self.lanes().close();
        self.wake.notify_one();
    }

    /// Nothing is sent any more.
    pub(super) fn end(&self) {
        self.lanes().end();
    }

    /// Sends what waits, until it is dropped.
    pub(super) async fn run(self: Arc<Self>) {
        let mut requests: JoinSet<Answered> = JoinSet::new();
        loop {
            let may_send = requests.len() < self.shared.config.requests_at_once_max;
            let step = self.lanes().step(Instant::now(), may_send);
            self.settle(step.settled);
            if !step.entries.is_empty() {
                requests.spawn(Arc::clone(&self).send(step.entries));
                continue;
            }
            let wake = step.wake.unwrap_or_else(|| Instant::now() + IDLE);
            tokio::select! {
                Some(answered) = requests.join_next() => match answered {
                    Ok(answered) => self.returned(answered),
                    Err(error) => tracing::error!(%error, "a request to Kinesis ended with a defect"),
                },
                () = self.wake.notified() => {}
                () = sleep_until(wake) => {}
            }
        }
    }

    async fn send(self: Arc<Self>, entries: Vec<Entry>) -> Answered {
        let shared = &self.shared;
        for entry in &entries {
            shared
                .metrics
                .observe_entry(entry.records.len(), entry.bytes);
        }
        let patience = Duration::from_millis(shared.config.request_timeout_ms);
        let began = Instant::now();
        let fates = put(&shared.client, &self.named, &entries, patience).await;
        (entries, fates, began.elapsed())
    }

    fn returned(&self, (entries, fates, took): Answered) {
        let metrics = &self.shared.metrics;
        metrics.observe_request(took);
        if let Some(fault) = fates.iter().find_map(|fate| match fate {
            Fate::Failed(fault) => Some(fault),
            Fate::Taken(_) => None,
        }) {
            tracing::debug!(stream = %self.named.name, %fault, "records were not written");
        }
        let mut settled = Settled::new();
        let mut lanes = self.lanes();
        let returned = lanes.returned(entries, fates, Instant::now(), &mut settled);
        let wants_map = lanes.wants_map();
        drop(lanes);
        self.metrics.count_throttled(returned.throttled);
        self.metrics.count_again(returned.again);
        if returned.missing {
            self.stale.store(true, Ordering::Relaxed);
        }
        if wants_map {
            self.ask.notify_one();
        }
        self.settle(settled);
    }

    fn settle(&self, settled: Settled) {
        let (mut records, mut bytes) = (0, 0);
        for (record, outcome) in settled {
            match &outcome {
                Ok(()) => {
                    records += 1;
                    bytes += record.value.len() as u64;
                }
                Err(Refusal::Unavailable(reason) | Refusal::Unsent(reason)) => {
                    self.shared.health.failed(reason);
                }
                Err(_) => {}
            }
            record.settle(outcome);
        }
        if records > 0 {
            self.metrics.count_written(records, bytes);
            self.shared.health.succeeded();
        }
    }

    /// Asks for the shards from time to time, and at once when a record was in another one than expected; tells how much
    /// of each is used. Until it is dropped.
    pub(super) async fn follow(self: Arc<Self>) {
        let interval = Duration::from_millis(self.shared.config.shards_interval_ms);
        let mut asked = Instant::now();
        let mut reported = Instant::now();
        loop {
            let wanted = timeout(REPORT, self.ask.notified()).await.is_ok();
            if wanted || asked.elapsed() >= interval {
                asked = Instant::now();
                self.refresh().await;
            }
            if reported.elapsed() >= REPORT {
                let used = self.lanes().used(reported.elapsed());
                self.metrics.set_shards(&used);
                reported = Instant::now();
            }
        }
    }

    async fn refresh(&self) {
        let shared = &self.shared;
        match shards::map(&shared.client, &shared.config, &self.named).await {
            Ok(map) => {
                let count = map.shards().len();
                if self.lanes().set_map(map) {
                    tracing::info!(stream = %self.named.name, shards = count, "the shards have changed");
                    self.metrics.count_reshard();
                }
                self.wake.notify_one();
            }
            Err(error) => tracing::warn!(%error, "cannot ask for shards"),
        }
        if self.lanes().wants_map() {
            sleep(MAP_PAUSE).await;
            self.ask.notify_one();
        }
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
