//! A board in memory, for tests: with a commit log that is nothing but tails.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use futures_util::future::{BoxFuture, FutureExt};

use crate::{
    log::{Partition, Position, StreamId},
    share::{Beat, Board, BoardError},
};

/// A board in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryBoard {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    members: BTreeMap<String, Beat>,
    tails: BTreeMap<Partition, Position>,
    fails: bool,
}

impl MemoryBoard {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether every call fails from now on.
    pub fn fail(&self, fails: bool) {
        self.state().fails = fails;
    }

    /// Lands the partition from one position to another, as the commit log does: only if it had landed up to there.
    pub fn land(&self, partition: &Partition, follows: &Position, end: &Position) -> bool {
        let mut state = self.state();
        let tail = state.tails.entry(partition.clone());
        let tail = tail.or_insert_with(Position::start);
        let fits = tail == follows;
        if fits {
            tail.clone_from(end);
        }
        fits
    }

    /// How far the partition has landed.
    pub fn tail(&self, partition: &Partition) -> Position {
        let tail = self.state().tails.get(partition).cloned();
        tail.unwrap_or_else(Position::start)
    }

    /// The members that have posted something.
    pub fn posted(&self) -> Vec<String> {
        self.state().members.keys().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut State) -> T,
    ) -> BoxFuture<'static, Result<T, BoardError>> {
        let mut state = self.state();
        let answer = match state.fails {
            true => Err(BoardError::new(doing, "refused by the test")),
            false => Ok(work(&mut state)),
        };
        async move { answer }.boxed()
    }
}

impl Board for MemoryBoard {
    fn post(
        &self,
        _: &StreamId,
        member: &str,
        number: u64,
    ) -> BoxFuture<'_, Result<(), BoardError>> {
        self.answer("post a beat", |state| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            let posted_ms = i64::try_from(since.unwrap_or_default().as_millis());
            let posted_ms = posted_ms.unwrap_or(i64::MAX);
            let beat = Beat { number, posted_ms };
            state.members.insert(member.to_owned(), beat);
        })
    }

    fn remove(
        &self,
        _: &StreamId,
        member: &str,
        beat: u64,
    ) -> BoxFuture<'_, Result<(), BoardError>> {
        self.answer("remove a beat", |state| {
            if state
                .members
                .get(member)
                .is_some_and(|at| at.number == beat)
            {
                state.members.remove(member);
            }
        })
    }

    fn members(&self, _: &StreamId) -> BoxFuture<'_, Result<BTreeMap<String, Beat>, BoardError>> {
        self.answer("list members", |state| state.members.clone())
    }

    fn tails(
        &self,
        _: &StreamId,
    ) -> BoxFuture<'_, Result<BTreeMap<Partition, Position>, BoardError>> {
        self.answer("read tails", |state| state.tails.clone())
    }
}
