//! The writing half: finds each record's topic, hands all records to librdkafka, and waits once for all outcomes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use tokio::time::timeout;

use super::{
    batch::Batch,
    producer::Shared,
    topics::{Found, Ready},
};
use crate::log::{Health, Outcome, Record, Refusal, Topic, Writer};

#[derive(Debug)]
pub(super) struct KafkaWriter {
    shared: Arc<Shared>,
}

impl KafkaWriter {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
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
    async fn routes(&self, records: &[Record]) -> Vec<(Topic, Found)> {
        let mut routes: Vec<(Topic, Found)> = Vec::new();
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

    async fn ensure(&self, topic: &Topic) -> Found {
        let patience = Duration::from_millis(self.shared.config.produce_deadline_ms);
        let asked = timeout(patience, self.shared.topics.ensure(topic)).await;
        asked.unwrap_or_else(|_| Err("the topic was not found within produce_deadline_ms".into()))
    }
}

fn route(routes: &[(Topic, Found)], topic: &Topic) -> Result<Arc<Ready>, Refusal> {
    let found = routes.iter().find(|(known, _)| known == topic);
    match found {
        Some((_, Ok(ready))) => Ok(Arc::clone(ready)),
        Some((_, Err(reason))) => Err(Refusal::Unavailable(Arc::clone(reason))),
        None => Err(Refusal::Unavailable("the topic was not looked for".into())),
    }
}

impl Writer for KafkaWriter {
    fn append(&self, records: Vec<Record>) -> BoxFuture<'_, Vec<Outcome>> {
        Box::pin(async move {
            let began = Instant::now();
            let outcomes = self.append_all(&records).await;
            self.shared.metrics.observe_append(began.elapsed());
            for refusal in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
                self.shared.metrics.count_refused(refusal);
            }
            outcomes
        })
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

impl Drop for KafkaWriter {
    fn drop(&mut self) {
        self.shared.stop();
    }
}
