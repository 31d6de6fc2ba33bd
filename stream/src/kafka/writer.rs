//! The writing half: finds each record's topic, hands all records to librdkafka, and waits once for all outcomes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use tokio::time::timeout;

use super::{
    producer::Shared,
    search,
    topics::{self, Ready},
};
use crate::{
    log::{Health, Outcome, Record, Refusal, Topic, Writer},
    outcomes::Batch,
    spill::{Found, Primary, Search},
};

#[derive(Debug)]
pub(super) struct KafkaWriter {
    shared: Arc<Shared>,
}

impl KafkaWriter {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
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
        if self.shared.stopped() {
            return records.iter().map(|_| Err(Refusal::Closed)).collect();
        }
        let routes = self.routes(records).await;
        let batch = Batch::new();
        self.shared
            .send(records, |record| route(&routes, &record.topic), &batch);
        batch.outcomes(records.len()).await
    }

    /// The topics that the records name, each once: most appends name one or two.
    async fn routes(&self, records: &[Record]) -> Vec<(Topic, topics::Found)> {
        let mut routes: Vec<(Topic, topics::Found)> = Vec::new();
        for Record { topic, .. } in records {
            if routes.iter().any(|(known, _)| known == topic) {
                continue;
            }
            let found = match self.shared.topics.get(topic) {
                Some(found) => found,
                None => self.ensure(topic).await,
            };
            routes.push((topic.clone(), found));
        }
        routes
    }

    async fn ensure(&self, topic: &Topic) -> topics::Found {
        let patience = Duration::from_millis(self.shared.config.produce_deadline_ms);
        let asked = timeout(patience, self.shared.topics.ensure(topic)).await;
        asked.unwrap_or_else(|_| {
            let reason = "the topic was not found within produce_deadline_ms";
            Err(Refusal::Unsent(reason.into()))
        })
    }
}

fn route(routes: &[(Topic, topics::Found)], topic: &Topic) -> Result<Arc<Ready>, Refusal> {
    let found = routes.iter().find(|(known, _)| known == topic);
    match found {
        Some((_, Ok(ready))) => Ok(Arc::clone(ready)),
        Some((_, Err(refusal))) => Err(refusal.clone()),
        None => Err(Refusal::Unsent("the topic was not looked for".into())),
    }
}

impl Writer for KafkaWriter {
    fn append(&self, records: Vec<Record>) -> BoxFuture<'_, Vec<Outcome>> {
        Box::pin(async move { self.measured(&records).await })
    }

    fn health(&self) -> Health {
        self.shared.health.now()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.shared.stop();
            self.shared.ended().await;
        })
    }
}

impl Primary for KafkaWriter {
    fn send<'a>(&'a self, records: &'a [Record]) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(self.measured(records))
    }

    fn check(&self, record: &Record) -> Result<(), Refusal> {
        let bytes = (record.key.len() + record.value.len()) as u64;
        let bytes_max = match self.shared.topics.get(&record.topic) {
            Some(Ok(ready)) => ready.limits.record_bytes_max,
            _ => self.shared.config.record_bytes_max,
        };
        match bytes > bytes_max {
            true => Err(Refusal::TooLarge { bytes, bytes_max }),
            false => Ok(()),
        }
    }

    fn reach(&self, topics: Vec<Topic>) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            for topic in &topics {
                let found = match self.shared.topics.get(topic) {
                    Some(found) => found,
                    None => self.ensure(topic).await,
                };
                found.map_err(|refusal| refusal.to_string())?;
            }
            let config = Arc::clone(&self.shared.config);
            blocking(move || search::reach(&config, &topics)).await
        })
    }

    fn find(&self, search: Search) -> BoxFuture<'_, Result<Found, String>> {
        let config = Arc::clone(&self.shared.config);
        Box::pin(blocking(move || search::find(&config, &search)))
    }
}

async fn blocking<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, search::Error> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(ask).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("the process is ending".to_owned()),
    }
}

impl Drop for KafkaWriter {
    fn drop(&mut self) {
        self.shared.stop();
    }
}
