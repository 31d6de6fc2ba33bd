//! The streams that a writer writes to. Each is ensured once, at the start or when its first record comes, and is looked
//! up from then on.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex as Guarded, PoisonError, RwLock},
    time::{Duration, Instant},
};

use tokio::{sync::Mutex, task::JoinSet};

use super::{
    error::Error,
    shards::{self, Map},
    stream::{Shared, Stream},
    streams::{self, Named},
};
use crate::log::{Refusal, Topic};

#[derive(Debug)]
enum Known {
    Ready(Arc<Stream>),
    /// Asked for in vain; not again before that time.
    Failed(Refusal, Instant),
}

/// A topic's stream, or why it cannot be written to at present.
pub(super) type Found = Result<Arc<Stream>, Refusal>;

#[derive(Debug)]
pub(super) struct KnownStreams {
    shared: Arc<Shared>,
    known: RwLock<HashMap<Topic, Known>>,
    /// One question at a time: a service that does not answer is not asked by every request at once.
    asking: Mutex<()>,
    /// What sends and follows, for each stream; ends with the writer.
    tasks: Guarded<JoinSet<()>>,
}

impl KnownStreams {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            known: RwLock::default(),
            asking: Mutex::new(()),
            tasks: Guarded::default(),
        }
    }

    /// The topic's stream if it is known; none when it has to be asked for.
    pub(super) fn get(&self, topic: &Topic) -> Option<Found> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        match known.get(topic)? {
            Known::Ready(stream) => (!stream.is_stale()).then(|| Ok(Arc::clone(stream))),
            Known::Failed(refusal, until) => {
                (Instant::now() < *until).then(|| Err(refusal.clone()))
            }
        }
    }

    /// All streams that are there.
    pub(super) fn ready(&self) -> Vec<Arc<Stream>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let ready = known.values().filter_map(|known| match known {
            Known::Ready(stream) => Some(Arc::clone(stream)),
            Known::Failed(..) => None,
        });
        ready.collect()
    }

    /// The topic's stream, asked for and made where it is missing.
    ///
    /// # Errors
    /// Why it cannot be written to.
    pub(super) async fn open(&self, topic: &Topic) -> Result<Arc<Stream>, Error> {
        let _one = self.asking.lock().await;
        self.ask(topic).await
    }

    /// The same for a record: what fails is remembered for a while.
    pub(super) async fn ensure(&self, topic: &Topic) -> Found {
        let _one = self.asking.lock().await;
        if let Some(found) = self.get(topic) {
            return found;
        }
        match self.ask(topic).await {
            Ok(stream) => Ok(stream),
            Err(error) => {
                tracing::warn!(%topic, %error, "cannot write to the topic");
                let refusal = error.refusal();
                self.put_failed(topic, refusal.clone());
                Err(refusal)
            }
        }
    }

    /// Ends everything: what still waits is refused.
    pub(super) fn end(&self) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.abort_all();
        drop(tasks);
        self.ready().iter().for_each(|stream| stream.end());
    }

    async fn ask(&self, topic: &Topic) -> Result<Arc<Stream>, Error> {
        let Shared { client, config, .. } = &*self.shared;
        let named = Named::of(config, topic.as_str())?;
        self.check_count(topic)?;
        let described = streams::ensure(client, config, &named).await?;
        let limit = streams::record_bytes_max(&described);
        let map = shards::map(client, config, &named).await?;
        Ok(self.put(topic, named, map, limit))
    }

    fn check_count(&self, topic: &Topic) -> Result<(), Error> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let count_max = self.shared.config.streams.count_max;
        let ready =
            |(other, known): &(&Topic, &Known)| *other != topic && matches!(known, Known::Ready(_));
        if known.iter().filter(ready).count() < count_max {
            return Ok(());
        }
        Err(Error::TooMany {
            stream: topic.to_string(),
            count_max,
        })
    }

    fn put(&self, topic: &Topic, named: Named, map: Map, limit: u64) -> Arc<Stream> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(Known::Ready(stream)) = known.get(topic) {
            stream.renew(map, limit);
            return Arc::clone(stream);
        }
        let shared = Arc::clone(&self.shared);
        let stream = Arc::new(Stream::new(shared, topic.as_str(), named, map, limit));
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(Arc::clone(&stream).run());
        tasks.spawn(Arc::clone(&stream).follow());
        known.insert(topic.clone(), Known::Ready(Arc::clone(&stream)));
        stream
    }

    fn put_failed(&self, topic: &Topic, refusal: Refusal) {
        let config = &self.shared.config;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(
            |_, known| !matches!(known, Known::Failed(_, until) if *until < Instant::now()),
        );
        // Names of topics that are not there must not fill the memory. A stream that had been there keeps its lanes.
        let was_there = matches!(known.get(topic), Some(Known::Ready(_)));
        if !was_there && known.len() < 2 * config.streams.count_max {
            let until = Instant::now() + Duration::from_millis(config.probe_interval_ms);
            known.insert(topic.clone(), Known::Failed(refusal, until));
        }
    }
}
