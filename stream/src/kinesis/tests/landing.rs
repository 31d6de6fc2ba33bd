//! Readers that land what they read, in a log that fences as the commit log does.

use std::{collections::BTreeSet, sync::Mutex};

use futures_util::future::BoxFuture;
use tokio::{sync::watch, task::JoinHandle};

use super::*;
use crate::{
    log::{Delivery, Partition, Position, ReadError, Reader, StreamId},
    share::{Beat, Board, BoardError},
    testing::board::MemoryBoard,
};

/// What has landed, in order, by whom.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) values: Mutex<Vec<Bytes>>,
    /// How often a reader was too late and read again.
    pub(super) lost: Mutex<u32>,
}

impl Ledger {
    /// What has landed is what is in the stream's shards for its consumers, as often as it is there (a writer's second try
    /// may be there too): every value of so many keys up to that number, and each key's in order.
    pub(super) fn assert_balances(&self, stream: Vec<Bytes>, keys: u32, numbers: u32) {
        let landed = self.values.lock().unwrap().clone();
        let sorted = |mut values: Vec<Bytes>| {
            values.sort();
            values
        };
        assert_eq!(sorted(landed.clone()), sorted(stream));
        let by_key = by_key(landed);
        assert_eq!(by_key.len(), keys as usize);
        for (key, found) in by_key {
            let mut seen = BTreeSet::new();
            let firsts = found.iter().copied();
            let firsts = firsts.filter(|number| seen.insert(*number));
            assert!(firsts.eq(0..numbers), "{key}: {found:?}");
        }
    }

    pub(super) async fn has(&self, count: usize) {
        until("all has landed", || {
            self.values.lock().unwrap().len() >= count
        })
        .await;
    }
}

/// A reader that lands.
pub(super) struct Landing {
    task: JoinHandle<()>,
    board: Arc<Cut>,
    /// What it has.
    pub(super) shards: watch::Receiver<BTreeSet<Partition>>,
}

impl Landing {
    pub(super) async fn start(
        kinesis: &Kinesis,
        topic: &Topic,
        board: &MemoryBoard,
        ledger: &Arc<Ledger>,
    ) -> Self {
        let cut = Arc::new(Cut {
            board: board.clone(),
            dead: watch::Sender::new(false),
        });
        let shared = Arc::clone(&cut) as Arc<dyn Board>;
        let readers = kinesis.readers(shared, &Registry::new()).unwrap();
        let reader = readers.open("events", topic).await.unwrap();
        let (held, shards) = watch::channel(BTreeSet::new());
        let task = tokio::spawn(land(reader, board.clone(), Arc::clone(ledger), held));
        Self {
            task,
            board: cut,
            shards,
        }
    }

    /// Ends as a process that is told to.
    pub(super) async fn leave(self) {
        self.task.abort();
        drop(self.task.await);
    }

    /// Ends as a process that is killed: nobody is told.
    pub(super) async fn kill(self) {
        self.board.dead.send_replace(true);
        self.leave().await;
    }

    /// Goes on reading, and its beats reach nobody any more, nor do others' reach it.
    pub(super) fn cut_off(&self) {
        self.board.dead.send_replace(true);
    }

    pub(super) fn count(&self) -> usize {
        self.shards.borrow().len()
    }
}

async fn land(
    mut reader: Box<dyn Reader>,
    board: MemoryBoard,
    ledger: Arc<Ledger>,
    held: watch::Sender<BTreeSet<Partition>>,
) {
    loop {
        let (partition, follows, end, values) = match reader.next().await {
            Ok(Delivery::Assigned(shards)) => {
                for shard in shards {
                    reader.seek(&shard, &board.tail(&shard));
                    held.send_modify(|held| held.extend([shard]));
                }
                continue;
            }
            Ok(Delivery::Revoked(shards)) => {
                held.send_modify(|held| held.retain(|shard| !shards.contains(shard)));
                continue;
            }
            Ok(Delivery::Records(r)) => (r.partition, r.follows, r.end, r.values),
            Ok(Delivery::Ended {
                partition,
                follows,
                end,
            }) => (partition, follows, end, Vec::new()),
            Err(ReadError::Unavailable(_)) => continue,
            other => panic!("{other:?}"),
        };
        let mut landed = ledger.values.lock().unwrap();
        if board.land(&partition, &follows, &end) {
            landed.extend(values);
            reader.passed(&partition, &end);
        } else {
            *ledger.lost.lock().unwrap() += 1;
            reader.seek(&partition, &board.tail(&partition));
        }
    }
}

/// A board that a reader can be cut off from.
#[derive(Debug)]
struct Cut {
    board: MemoryBoard,
    dead: watch::Sender<bool>,
}

impl Cut {
    fn reached<'a, T: Send + 'a>(
        &'a self,
        call: impl FnOnce() -> BoxFuture<'a, Result<T, BoardError>>,
    ) -> BoxFuture<'a, Result<T, BoardError>> {
        match *self.dead.borrow() {
            true => Box::pin(async { Err(BoardError::new("reach the board", "cut off")) }),
            false => call(),
        }
    }
}

impl Board for Cut {
    fn post(&self, s: &StreamId, member: &str, beat: u64) -> BoxFuture<'_, Result<(), BoardError>> {
        self.reached(|| self.board.post(s, member, beat))
    }

    fn remove(
        &self,
        s: &StreamId,
        member: &str,
        beat: u64,
    ) -> BoxFuture<'_, Result<(), BoardError>> {
        self.reached(|| self.board.remove(s, member, beat))
    }

    fn members(&self, s: &StreamId) -> BoxFuture<'_, Result<BTreeMap<String, Beat>, BoardError>> {
        self.reached(|| self.board.members(s))
    }

    fn tails(
        &self,
        s: &StreamId,
    ) -> BoxFuture<'_, Result<BTreeMap<Partition, Position>, BoardError>> {
        self.reached(|| self.board.tails(s))
    }
}
