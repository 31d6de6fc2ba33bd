//! The log in memory, counting what it is asked, and answering as a test says.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;

use super::super::{Found, Primary, Search};
use crate::{
    log::{Health, Outcome, Record, Refusal, Topic, Writer},
    testing::memory::Memory,
};

pub(super) struct Scripted {
    inner: Arc<dyn Primary>,
    sent: AtomicU64,
    asked: AtomicU64,
    answer: Mutex<Option<Refusal>>,
    silent: AtomicBool,
    slow_ms: AtomicU64,
}

impl Scripted {
    pub(super) fn new(memory: &Memory) -> Arc<Self> {
        Arc::new(Self {
            inner: memory.primary(),
            sent: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            answer: Mutex::default(),
            silent: AtomicBool::new(false),
            slow_ms: AtomicU64::new(0),
        })
    }

    /// The same, to be spilled for.
    pub(super) fn handle(self: &Arc<Self>) -> Arc<dyn Primary> {
        let same: Arc<Self> = Arc::clone(self);
        same
    }

    /// Appends so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// How often it was asked whether it can be reached.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Refuses every record this way.
    pub(super) fn answer(&self, refusal: Option<Refusal>) {
        *self.answer.lock().unwrap() = refusal;
    }

    /// Takes that long for every append.
    pub(super) fn slow_down(&self, ms: u64) {
        self.slow_ms.store(ms, Ordering::Relaxed);
    }

    /// Takes what is sent, and never says so.
    pub(super) fn fall_silent(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }
}

impl Writer for Scripted {
    fn append(&self, records: Vec<Record>) -> BoxFuture<'_, Vec<Outcome>> {
        self.inner.append(records)
    }

    fn health(&self) -> Health {
        self.inner.health()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }
}

impl Primary for Scripted {
    fn send<'a>(&'a self, records: &'a [Record]) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let answer = self.answer.lock().unwrap().clone();
            if let Some(refusal) = answer {
                return vec![Err(refusal); records.len()];
            }
            let slow_ms = self.slow_ms.load(Ordering::Relaxed);
            if slow_ms > 0 {
                tokio::time::sleep(Duration::from_millis(slow_ms)).await;
            }
            let outcomes = self.inner.send(records).await;
            self.sent.fetch_add(1, Ordering::Relaxed);
            if self.silent.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            outcomes
        })
    }

    fn check(&self, record: &Record) -> Result<(), Refusal> {
        self.inner.check(record)
    }

    fn reach(&self, topics: Vec<Topic>) -> BoxFuture<'_, Result<(), String>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.inner.reach(topics)
    }

    fn find(&self, search: Search) -> BoxFuture<'_, Result<Found, String>> {
        self.inner.find(search)
    }
}
