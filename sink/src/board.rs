//! The board of a stream's readers, in the store: what they need of each other is where the commit log is, so nothing else
//! has to be run, paid for or permitted.
//!
//! A beat is an object at `_readers/<stream>/<incarnation>/<member>/<number>`, created only where there is none, as
//! everything in a store is; with each the one before goes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use headgate_stream::{
    log::{Partition, Position, StreamId},
    share::{Beat, Board, BoardError},
};
use tokio::sync::Mutex;

use crate::{
    commit::Log,
    store::{self, Store},
};

/// The folder of all boards.
const READERS: &str = "_readers/";

/// A board in a store.
#[derive(Debug)]
pub struct StoreBoard {
    store: Arc<dyn Store>,
    /// The commit logs that were asked for, as far as they were read.
    logs: Mutex<HashMap<StreamId, Log>>,
}

impl StoreBoard {
    /// The board of the streams that land in this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            logs: Mutex::default(),
        }
    }
}

fn folder(stream: &StreamId) -> String {
    format!("{READERS}{}/{}/", stream.name, stream.incarnation)
}

fn path(stream: &StreamId, member: &str, beat: u64) -> String {
    format!("{}{member}/{beat:020}", folder(stream))
}

/// The member and the number that a path below the folder names.
fn parse(folder: &str, path: &str) -> Option<(String, u64)> {
    let (member, beat) = path.strip_prefix(folder)?.split_once('/')?;
    Some((member.to_owned(), beat.parse().ok()?))
}

impl Board for StoreBoard {
    fn post(
        &self,
        stream: &StreamId,
        member: &str,
        beat: u64,
    ) -> BoxFuture<'_, Result<(), BoardError>> {
        let (path, before) = (
            path(stream, member, beat),
            beat.checked_sub(1)
                .map(|before| path(stream, member, before)),
        );
        async move {
            let failed = |error| BoardError::new("post a beat", error);
            match self.store.create(&path, Bytes::from_static(b"{}")).await {
                // A try before whose reply was lost: members' names are their own.
                Ok(()) | Err(store::Error::AlreadyExists { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
            match before {
                Some(before) => self.store.delete(&before).await.map_err(failed),
                None => Ok(()),
            }
        }
        .boxed()
    }

    fn remove(
        &self,
        stream: &StreamId,
        member: &str,
        beat: u64,
    ) -> BoxFuture<'_, Result<(), BoardError>> {
        let path = path(stream, member, beat);
        async move {
            let removed = self.store.delete(&path).await;
            removed.map_err(|error| BoardError::new("remove a beat", error))
        }
        .boxed()
    }

    fn members(
        &self,
        stream: &StreamId,
    ) -> BoxFuture<'_, Result<BTreeMap<String, Beat>, BoardError>> {
        let folder = folder(stream);
        async move {
            let mut members: BTreeMap<String, Beat> = BTreeMap::new();
            let listed = store::each(&*self.store, &folder, "", |object| {
                let Some((member, number)) = parse(&folder, &object.path) else {
                    return;
                };
                let posted_ms = object.written_ms;
                let beat = Beat { number, posted_ms };
                // The one before may still be there.
                let newest = members.entry(member).or_insert(beat);
                if newest.number < number {
                    *newest = beat;
                }
            });
            match listed.await {
                Ok(()) => Ok(members),
                Err(error) => Err(BoardError::new("list the stream's readers", error)),
            }
        }
        .boxed()
    }

    fn tails(
        &self,
        stream: &StreamId,
    ) -> BoxFuture<'_, Result<BTreeMap<Partition, Position>, BoardError>> {
        let stream = stream.clone();
        async move {
            let failed = |error| BoardError::new("read the commit log", error);
            let mut logs = self.logs.lock().await;
            if let Some(log) = logs.get_mut(&stream) {
                log.refresh().await.map_err(failed)?;
                return Ok(log.tails());
            }
            let store = Arc::clone(&self.store);
            // Whoever lands writes the checkpoints.
            let log = Log::open(store, stream.clone(), u64::MAX).await;
            let log = log.map_err(failed)?;
            let tails = log.tails();
            logs.insert(stream, log);
            Ok(tails)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::memory::{Faults, Memory};

    fn stream() -> StreamId {
        StreamId {
            name: "events".to_owned(),
            incarnation: "1700000000000".to_owned(),
        }
    }

    fn numbers(members: &BTreeMap<String, Beat>) -> Vec<(&str, u64)> {
        let found = members.iter();
        found
            .map(|(member, beat)| (member.as_str(), beat.number))
            .collect()
    }

    #[tokio::test]
    async fn each_member_has_one_beat_that_rises_and_is_gone_when_it_leaves() {
        let store = Memory::new();
        let board = StoreBoard::new(Arc::new(store.clone()));
        let stream = stream();
        store.set_time(5_000);
        for beat in 1..4 {
            board.post(&stream, "a", beat).await.unwrap();
        }
        board.post(&stream, "b", 1).await.unwrap();
        let members = board.members(&stream).await.unwrap();
        assert_eq!(numbers(&members), [("a", 3), ("b", 1)]);
        assert_eq!(members["a"].posted_ms, 5_000);
        assert_eq!(store.paths().len(), 2);
        board.remove(&stream, "a", 3).await.unwrap();
        board.remove(&stream, "a", 3).await.unwrap();
        assert_eq!(numbers(&board.members(&stream).await.unwrap()), [("b", 1)]);
        let other = StreamId {
            incarnation: "1700000000001".to_owned(),
            ..stream
        };
        assert!(board.members(&other).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_beat_whose_reply_was_lost_is_posted_again() {
        let store = Memory::new();
        let board = StoreBoard::new(Arc::new(store.clone()));
        let lost = Faults {
            seed: 1,
            refused: 0,
            reply_lost: 1_000,
        };
        board.post(&stream(), "a", 1).await.unwrap();
        store.fail(lost);
        assert!(board.post(&stream(), "a", 2).await.is_err());
        store.fail(Faults::default());
        board.post(&stream(), "a", 2).await.unwrap();
        assert_eq!(
            numbers(&board.members(&stream()).await.unwrap()),
            [("a", 2)]
        );
        assert_eq!(store.paths().len(), 1);
    }
}
