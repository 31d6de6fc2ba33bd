//! The writing half: finds each record's stream, hands all records to their lanes, and waits once for all outcomes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    aggregate::RECORD_OVERHEAD_BYTES,
    error::Error,
    known::{Found, KnownStreams},
    kpl::MAGIC,
    pending::{Append, KEY_BYTES_OTHER, Pending, Queue, key_bytes},
    search,
    stream::Shared,
};
use crate::{
    log::{Health, Outcome, Record, Refusal, Topic, Writer},
    spill::{Found as FoundValues, Primary, Search},
};

/// How often the queue is told.
const REPORT: Duration = Duration::from_secs(1);

/// The most bytes of the partition key that a record without a key gets.
const ANY_KEY_BYTES_MAX: usize = 20;

#[derive(Debug)]
pub(super) struct KinesisWriter {
    shared: Arc<Shared>,
    streams: KnownStreams,
    queue: Arc<Queue>,
    appends: AtomicU64,
    closed: AtomicBool,
    /// Tells how much is queued; ends with the writer.
    _reporting: JoinSet<()>,
}

impl KinesisWriter {
    /// Ensures the topics.
    ///
    /// # Errors
    /// Why one of them cannot be written to.
    pub(super) async fn open(shared: Arc<Shared>, topics: &[Topic]) -> Result<Self, Error> {
        let streams = KnownStreams::new(Arc::clone(&shared));
        for topic in topics {
            streams.open(topic).await?;
        }
        let queue = Arc::new(Queue::new(&shared.config));
        let mut reporting = JoinSet::new();
        reporting.spawn(report(Arc::clone(&shared), Arc::clone(&queue)));
        Ok(Self {
            shared,
            streams,
            queue,
            appends: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            _reporting: reporting,
        })
    }

    async fn measured(&self, records: &[Record]) -> Vec<Outcome> {
        let began = Instant::now();
        let outcomes = self.append_all(records).await;
        self.shared.metrics.observe_append(began.elapsed());
        for refusal in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            self.shared.metrics.count_refused(refusal);
        }
        outcomes
    }

    async fn append_all(&self, records: &[Record]) -> Vec<Outcome> {
        if self.closed.load(Ordering::Acquire) {
            return records.iter().map(|_| Err(Refusal::Closed)).collect();
        }
        let routes = self.routes(records).await;
        let number = self.appends.fetch_add(1, Ordering::Relaxed);
        let append = Append::new(&self.queue, number);
        self.hand_over(records, &routes, &append);
        append.batch.outcomes(records.len()).await
    }

    /// Puts the records into their lanes. Once the queue is full the rest is refused too: else a record could overtake one
    /// of its key that found no room.
    fn hand_over(&self, records: &[Record], routes: &[(Topic, Found)], append: &Arc<Append>) {
        let mut full: Option<Refusal> = None;
        let mut taken: Vec<Vec<Pending>> = routes.iter().map(|_| Vec::new()).collect();
        for (place, record) in (0..).zip(records) {
            let route = routes.iter().position(|(topic, _)| *topic == record.topic);
            let stream = match route.map(|route| &routes[route].1) {
                Some(found) => found.as_ref().map_err(Clone::clone),
                None => Err(Refusal::Unsent("the topic was not looked for".into())),
            };
            let fits = stream.and_then(|stream| check(record, stream.record_bytes_max()));
            let entered = match (fits, &full) {
                (Err(refusal), _) => Err(refusal),
                (Ok(()), Some(refusal)) => Err(refusal.clone()),
                (Ok(()), None) => Pending::new(append, place, record)
                    .inspect_err(|refusal| full = Some(refusal.clone())),
            };
            match entered {
                Ok(pending) => taken[route.unwrap_or_default()].push(pending),
                Err(refusal) => append.batch.refuse(place, refusal),
            }
        }
        for ((_, found), records) in routes.iter().zip(taken) {
            if let (Ok(stream), false) = (found, records.is_empty()) {
                stream.push(records);
            }
        }
    }

    /// The streams of the topics that the records name, each once: most appends name one or two.
    async fn routes(&self, records: &[Record]) -> Vec<(Topic, Found)> {
        let mut routes: Vec<(Topic, Found)> = Vec::new();
        for Record { topic, .. } in records {
            if !routes.iter().any(|(known, _)| known == topic) {
                routes.push((topic.clone(), self.find(topic).await));
            }
        }
        routes
    }

    async fn find(&self, topic: &Topic) -> Found {
        if let Some(found) = self.streams.get(topic) {
            return found;
        }
        let patience = Duration::from_millis(self.shared.config.produce_deadline_ms);
        let asked = timeout(patience, self.streams.ensure(topic)).await;
        asked.unwrap_or_else(|_| {
            let reason = "the stream was not found within produce_deadline_ms";
            Err(Refusal::Unsent(reason.into()))
        })
    }

    async fn end(&self) {
        self.closed.store(true, Ordering::Release);
        self.shared.health.close();
        self.streams
            .ready()
            .iter()
            .for_each(|stream| stream.close());
        let deadline = Duration::from_millis(self.shared.config.close_deadline_ms);
        if timeout(deadline, self.queue.empty()).await.is_err() {
            let (left, _) = self.queue.used();
            tracing::warn!(left, "closing before every record was written");
        }
        self.streams.end();
    }
}

/// Refuses what the stream does not take.
fn check(record: &Record, bytes_max: u64) -> Result<(), Refusal> {
    // What a key may come to at most is known without a look at it.
    let most = record.key.len().max(KEY_BYTES_OTHER) + record.value.len() + RECORD_OVERHEAD_BYTES;
    if most as u64 <= bytes_max {
        return Ok(());
    }
    let key_bytes = match record.key.is_empty() {
        true => ANY_KEY_BYTES_MAX,
        false => key_bytes(&record.key),
    };
    let bytes = (key_bytes + record.value.len()) as u64;
    // What begins like a record of many goes as one.
    let overhead = match record.value.starts_with(&MAGIC) {
        true => RECORD_OVERHEAD_BYTES as u64,
        false => 0,
    };
    let bytes_max = bytes_max.saturating_sub(overhead);
    match bytes > bytes_max {
        true => Err(Refusal::TooLarge { bytes, bytes_max }),
        false => Ok(()),
    }
}

async fn report(shared: Arc<Shared>, queue: Arc<Queue>) {
    loop {
        let (records, bytes) = queue.used();
        shared.metrics.set_queue(records, bytes);
        sleep(REPORT).await;
    }
}

impl Writer for KinesisWriter {
    fn append(&self, records: Vec<Record>) -> BoxFuture<'_, Vec<Outcome>> {
        Box::pin(async move { self.measured(&records).await })
    }

    fn health(&self) -> Health {
        self.shared.health.now()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.end())
    }
}

impl Primary for KinesisWriter {
    fn send<'a>(&'a self, records: &'a [Record]) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(self.measured(records))
    }

    fn check(&self, record: &Record) -> Result<(), Refusal> {
        let bytes_max = match self.streams.get(&record.topic) {
            Some(Ok(stream)) => stream.record_bytes_max(),
            _ => self.shared.config.record_bytes_max,
        };
        check(record, bytes_max)
    }

    fn reach(&self, topics: Vec<Topic>) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            for topic in &topics {
                let opened = self.streams.open(topic).await;
                opened.map_err(|error| error.to_string())?;
            }
            Ok(())
        })
    }

    fn find(&self, search: Search) -> BoxFuture<'_, Result<FoundValues, String>> {
        Box::pin(async move {
            let Shared { client, config, .. } = &*self.shared;
            let found = search::find(client, config, &search).await;
            found.map_err(|error| error.to_string())
        })
    }
}
