//! The topics that a writer writes to. Each is ensured once, at the start or when its first record comes, and is
//! looked up from then on.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use super::{
    cluster::{Cluster, Limits},
    config::Config,
    error::Error,
    metrics::{Metrics, TopicMetrics},
};
use crate::log::{Refusal, Topic};

/// A topic that is there.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) limits: Limits,
    pub(super) metrics: TopicMetrics,
    /// Something contradicted what is known: it is to be asked for anew.
    stale: AtomicBool,
}

impl Ready {
    pub(super) fn doubt(&self) {
        self.stale.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug)]
enum Known {
    Ready(Arc<Ready>),
    /// Asked for in vain; not again before that time.
    Failed(Refusal, Instant),
}

/// A topic, or why it cannot be written to at present.
pub(super) type Found = Result<Arc<Ready>, Refusal>;

#[derive(Debug)]
pub(super) struct Topics {
    config: Arc<Config>,
    metrics: Metrics,
    known: RwLock<HashMap<Topic, Known>>,
    /// One question at a time: a cluster that does not answer is not asked by every request at once.
    asking: Mutex<()>,
}

impl Topics {
    pub(super) fn new(config: Arc<Config>, metrics: Metrics) -> Self {
        Self {
            config,
            metrics,
            known: RwLock::default(),
            asking: Mutex::new(()),
        }
    }

    /// Makes sure of topics that are known at the start. Blocks.
    pub(super) fn ensure_all(&self, topics: &[Topic]) -> Result<(), Error> {
        let cluster = Cluster::open(&self.config, &self.metrics)?;
        for topic in topics {
            self.check_count(topic)?;
            let limits = cluster.ensure(topic.as_str())?;
            self.put(topic, limits);
        }
        Ok(())
    }

    /// The topic if it is known; none when it has to be asked for.
    pub(super) fn get(&self, topic: &Topic) -> Option<Found> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        match known.get(topic)? {
            Known::Ready(ready) => {
                let fresh = !ready.stale.load(Ordering::Relaxed);
                fresh.then(|| Ok(Arc::clone(ready)))
            }
            Known::Failed(refusal, until) => {
                (Instant::now() < *until).then(|| Err(refusal.clone()))
            }
        }
    }

    /// The topic, asked for and made where it is missing.
    pub(super) async fn ensure(self: &Arc<Self>, topic: &Topic) -> Found {
        let _one = self.asking.lock().await;
        if let Some(found) = self.get(topic) {
            return found;
        }
        let (topics, topic) = (Arc::clone(self), topic.clone());
        let asked = tokio::task::spawn_blocking(move || topics.ask(&topic)).await;
        asked.unwrap_or_else(|_| Err(Refusal::Unsent("the process is ending".into())))
    }

    /// The smallest batch that some topic takes at most.
    pub(super) fn batch_bytes_max(&self) -> u64 {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let limits = known.values().filter_map(|known| match known {
            Known::Ready(ready) => Some(ready.limits.batch_bytes_max),
            Known::Failed(..) => None,
        });
        limits
            .min()
            .unwrap_or(u64::MAX)
            .min(self.config.batch_bytes_max)
    }

    fn ask(&self, topic: &Topic) -> Found {
        let asked = self
            .check_count(topic)
            .and_then(|()| Cluster::open(&self.config, &self.metrics)?.ensure(topic.as_str()));
        match asked {
            Ok(limits) => Ok(self.put(topic, limits)),
            Err(error) => {
                tracing::warn!(%topic, %error, "cannot write to the topic");
                let refusal = error.refusal();
                self.put_failed(topic, refusal.clone());
                Err(refusal)
            }
        }
    }

    fn check_count(&self, topic: &Topic) -> Result<(), Error> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let count_max = self.config.topics.count_max;
        let ready =
            |(other, known): &(&Topic, &Known)| *other != topic && matches!(known, Known::Ready(_));
        if known.iter().filter(ready).count() < count_max {
            return Ok(());
        }
        Err(Error::TooManyTopics {
            topic: topic.to_string(),
            count_max,
        })
    }

    fn put(&self, topic: &Topic, limits: Limits) -> Arc<Ready> {
        let ready = Arc::new(Ready {
            limits,
            metrics: self.metrics.topic(topic.as_str()),
            stale: AtomicBool::new(false),
        });
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(topic.clone(), Known::Ready(Arc::clone(&ready)));
        ready
    }

    fn put_failed(&self, topic: &Topic, refusal: Refusal) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(
            |_, known| !matches!(known, Known::Failed(_, until) if *until < Instant::now()),
        );
        // Names of topics that are not there must not fill the memory.
        if known.len() < 2 * self.config.topics.count_max {
            let until = Instant::now() + Duration::from_millis(self.config.probe_interval_ms);
            known.insert(topic.clone(), Known::Failed(refusal, until));
        }
    }
}
