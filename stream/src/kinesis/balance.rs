//! The task of a reader that decides which shards it reads, and has them read.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::{
    sync::{Notify, watch},
    task::{AbortHandle, JoinSet},
};

use super::{
    deliveries::{Deliveries, Wanted},
    fan_out::FanOut,
    intake::{Intake, Whose},
    poll::{Ended, Poll},
    pulse::View,
    read_config::Read,
    read_metrics::Metrics,
    room::Rooms,
    source::Source,
};
use crate::{
    log::{Partition, Position, ReadError, StreamId},
    share::assign::assign,
};

/// A reader's balancer.
pub(super) struct Balancer {
    pub(super) source: Source,
    pub(super) stream: StreamId,
    pub(super) member: String,
    pub(super) deliveries: Arc<Deliveries>,
    pub(super) rooms: Rooms,
    pub(super) settings: Read,
    pub(super) metrics: Metrics,
    /// The ARN of the consumer to which Kinesis pushes records, where shards are not read by calls.
    pub(super) consumer: Option<String>,
    /// Asks the pulse for a look at once.
    pub(super) hurry: Arc<Notify>,
}

/// What it has at present.
#[derive(Default)]
struct Held {
    /// This reader's shards, and the tasks that read those that were sought.
    shards: BTreeMap<Partition, Option<AbortHandle>>,
    /// What was passed to its end here, before the pulse has seen it in the log.
    finished: BTreeSet<Partition>,
    tasks: JoinSet<Ended>,
}

/// The reader is over.
struct Over;

impl Balancer {
    /// Until the reader is dropped, or the stream is another one.
    pub(super) async fn run(self, mut views: watch::Receiver<Option<View>>) {
        let mut held = Held::default();
        loop {
            let turned = tokio::select! {
                wanted = self.deliveries.wanted() => self.want(&mut held, wanted, &views),
                changed = views.changed() => match changed {
                    Ok(()) => self.look(&mut held, &views),
                    Err(_) => Err(Over),
                },
                Some(ended) = held.tasks.join_next() => {
                    self.ended(ended);
                    Ok(())
                }
            };
            if turned.is_err() {
                break;
            }
        }
        self.metrics
            .moved(&self.stream.name, 0, 0, held.shards.len());
        self.deliveries.end(ReadError::Closed);
    }

    fn want(
        &self,
        held: &mut Held,
        wanted: Wanted,
        views: &watch::Receiver<Option<View>>,
    ) -> Result<(), Over> {
        if wanted.close {
            return Err(Over);
        }
        for (shard, (generation, position)) in wanted.seeks {
            let keys = views
                .borrow()
                .as_ref()
                .and_then(|view| view.shards.keys(&shard));
            let whose = Whose {
                stream: self.stream.name.clone(),
                shard,
                generation,
                keys,
            };
            self.read(held, whose, position);
        }
        if wanted.finished.is_empty() {
            return Ok(());
        }
        held.finished.extend(wanted.finished);
        self.look(held, views)
    }

    /// Has a shard read from right after the position, instead of from wherever it is read.
    fn read(&self, held: &mut Held, whose: Whose, position: Position) {
        let Some(task) = held.shards.get_mut(&whose.shard) else {
            return;
        };
        if let Some(task) = task.take() {
            task.abort();
        }
        let deliveries = Arc::clone(&self.deliveries);
        let Some(intake) = Intake::new(whose, position, deliveries, self.metrics.clone()) else {
            return;
        };
        let source = self.source.clone();
        let (rooms, metrics) = (self.rooms.clone(), self.metrics.clone());
        *task = Some(match &self.consumer {
            Some(consumer) => held.tasks.spawn(
                FanOut {
                    source,
                    intake,
                    rooms,
                    metrics,
                    consumer: consumer.clone(),
                }
                .run(),
            ),
            None => held.tasks.spawn(
                Poll {
                    source,
                    intake,
                    rooms,
                    settings: self.settings.clone(),
                    metrics,
                    verified: false,
                }
                .run(),
            ),
        });
    }

    /// A task has ended by itself, or was ended.
    fn ended(&self, ended: Result<Ended, tokio::task::JoinError>) {
        match ended {
            // What continues it is listed by now.
            Ok(Ended::Shard) => self.hurry.notify_one(),
            Ok(Ended::Broken) => {}
            Err(error) if error.is_cancelled() => {}
            Err(error) => {
                tracing::error!(%error, "the task that reads a shard failed");
                self.deliveries.end(ReadError::Closed);
            }
        }
    }

    /// Takes what is this reader's now, and gives up what is not.
    fn look(&self, held: &mut Held, views: &watch::Receiver<Option<View>>) -> Result<(), Over> {
        let Some(view) = views.borrow().clone() else {
            return Ok(());
        };
        if view.recreated {
            let stream = self.stream.name.clone();
            self.deliveries.end(ReadError::Recreated { stream });
            return Err(Over);
        }
        if view.met == 0 {
            if let Some(trouble) = &view.trouble {
                self.deliveries.unavailable(trouble);
            }
            return Ok(());
        }
        // Those who have what a newcomer is to have see it with their next look: until then it would only be in the way.
        if view.met == 1 && view.alive.len() > 1 {
            return Ok(());
        }
        held.finished.retain(|shard| view.shards.contains(shard));
        let finished = &held.finished | &view.finished;
        let ready = view.shards.ready(&finished);
        let assigned = assign(&ready, &view.alive);
        let own = assigned
            .iter()
            .filter(|(_, member)| **member == self.member);
        let own: BTreeSet<Partition> = own.map(|(shard, _)| (*shard).clone()).collect();
        self.shift(held, own);
        Ok(())
    }

    fn shift(&self, held: &mut Held, own: BTreeSet<Partition>) {
        let has: BTreeSet<Partition> = held.shards.keys().cloned().collect();
        let revoked: Vec<Partition> = (&has - &own).into_iter().collect();
        let assigned: Vec<Partition> = (&own - &has).into_iter().collect();
        for shard in &revoked {
            if let Some(Some(task)) = held.shards.remove(shard) {
                task.abort();
            }
        }
        let fresh = assigned.iter().map(|shard| (shard.clone(), None));
        held.shards.extend(fresh);
        self.metrics
            .moved(&self.stream.name, own.len(), assigned.len(), revoked.len());
        if !revoked.is_empty() {
            self.deliveries.revoked(revoked);
        }
        if !assigned.is_empty() {
            self.deliveries.assigned(assigned);
        }
    }
}
