//! A store in memory that fails as real ones do: before anything happened, or after everything did.

mod requests;

pub use self::requests::Requests;

use std::{
    collections::BTreeMap,
    ops::{Bound, Range},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use tokio::time::sleep;

use crate::store::{Error, Object, Store, is_path};

/// How often a store fails, in thousandths of its operations.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Decides which operations fail: the same seed and operations, the same failures.
    pub seed: u64,
    /// The operation fails and does nothing.
    pub refused: u64,
    /// The operation is done, but its reply is lost.
    pub reply_lost: u64,
}

/// A store in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    state: Arc<Mutex<State>>,
    steady: bool,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Stored>,
    faults: Faults,
    random: u64,
    operations: u64,
    requests: Requests,
    dies_after: Option<u64>,
    forges: bool,
    denied: BTreeMap<String, u32>,
    now_ms: i64,
    delay: (Duration, Duration),
}

#[derive(Debug)]
struct Stored {
    bytes: Bytes,
    written_ms: i64,
}

impl Stored {
    fn object(&self, path: &str) -> Object {
        Object {
            path: path.to_owned(),
            bytes: self.bytes.len() as u64,
            written_ms: self.written_ms,
        }
    }
}

/// What happens to one operation.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Works,
    Refused,
    ReplyLost,
}

impl Memory {
    /// An empty store that works.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same objects, seen without faults and without counting as an operation.
    pub fn steady(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
            steady: true,
        }
    }

    /// Fails from now on as told.
    pub fn fail(&self, faults: Faults) {
        let mut state = self.state();
        state.random = faults.seed;
        state.faults = faults;
    }

    /// After this many more operations every one fails, and of the one at which it dies only the reply is lost, as
    /// when a process is killed. `None`: works again.
    pub fn die_after(&self, operations: Option<u64>) {
        let mut state = self.state();
        state.operations = 0;
        state.dies_after = operations;
    }

    /// Whether another writer is always quicker with data files, and writes one byte.
    pub fn forge(&self, forges: bool) {
        self.state().forges = forges;
    }

    /// Says, so many times more, that the object is not there when it is looked at. It is listed and read as ever.
    pub fn deny(&self, path: &str, times: u32) {
        self.state().denied.insert(path.to_owned(), times);
    }

    /// Whether it has died.
    pub fn is_dead(&self) -> bool {
        let state = self.state();
        state
            .dies_after
            .is_some_and(|after| state.operations >= after)
    }

    /// The time that objects are written at from now on, in ms since the epoch.
    pub fn set_time(&self, now_ms: i64) {
        self.state().now_ms = now_ms;
    }

    /// Every object's path, in order.
    pub fn paths(&self) -> Vec<String> {
        self.state().objects.keys().cloned().collect()
    }

    /// How many operations there have been since the last `die_after`, steady ones apart.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// How many requests there have been.
    pub fn requests(&self) -> Requests {
        self.state().requests
    }

    /// How long operations take from now on: anything between these two, drawn anew for each.
    pub fn delay(&self, least: Duration, most: Duration) {
        self.state().delay = (least, most);
    }

    /// An object's bytes, without a fault.
    pub fn bytes(&self, path: &str) -> Option<Bytes> {
        let state = self.state();
        state.objects.get(path).map(|stored| stored.bytes.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run<T: Send + 'static>(
        &self,
        doing: &'static str,
        path: &str,
        work: impl FnOnce(&mut State) -> Result<T, Error> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Error>> {
        let (store, path) = (self.clone(), path.to_owned());
        async move {
            // Others come in between here, as they would over a network.
            match store.way() {
                Duration::ZERO => tokio::task::yield_now().await,
                way => sleep(way).await,
            }
            let done = store.done(doing, &path, work);
            sleep_unless_zero(store.way()).await;
            done
        }
        .boxed()
    }

    /// How long one way to the store takes, this time.
    fn way(&self) -> Duration {
        let mut state = self.state();
        let (least, most) = state.delay;
        if most.is_zero() {
            return most;
        }
        let part = state.draw() % 1_000;
        (least + (most - least) * u32::try_from(part).unwrap_or(0) / 1_000) / 2
    }

    fn done<T>(
        &self,
        doing: &'static str,
        path: &str,
        work: impl FnOnce(&mut State) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let store = self;
        let mut state = store.state();
        let fate = if store.steady {
            Fate::Works
        } else {
            state.requests.count(doing);
            state.fate()
        };
        if fate == Fate::Refused {
            return Err(Error::failed(doing, path, "refused by the test"));
        }
        let done = work(&mut state);
        if fate == Fate::ReplyLost {
            return Err(Error::failed(doing, path, "reply lost by the test"));
        }
        done
    }
}

impl State {
    fn fate(&mut self) -> Fate {
        self.operations += 1;
        match self.dies_after {
            Some(after) if self.operations == after => return Fate::ReplyLost,
            Some(after) if self.operations > after => return Fate::Refused,
            _ => {}
        }
        let drawn = self.draw() % 1_000;
        if drawn < self.faults.refused {
            Fate::Refused
        } else if drawn < self.faults.refused + self.faults.reply_lost {
            Fate::ReplyLost
        } else {
            Fate::Works
        }
    }

    fn denies(&mut self, path: &str) -> bool {
        let left = self.denied.get_mut(path).filter(|left| **left > 0);
        left.map(|left| *left -= 1).is_some()
    }

    /// The next number of SplitMix64.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

async fn sleep_unless_zero(pause: Duration) {
    if !pause.is_zero() {
        sleep(pause).await;
    }
}

impl Store for Memory {
    fn create(&self, path: &str, bytes: Bytes) -> BoxFuture<'_, Result<(), Error>> {
        let name = path.to_owned();
        self.run("create", path, move |state| {
            let written_ms = state.now_ms;
            if !is_path(&name) {
                return Err(Error::failed("create", &name, "not an object's path"));
            }
            if state.forges && name.ends_with(".parquet") {
                let bytes = Bytes::from_static(b"?");
                state
                    .objects
                    .insert(name.clone(), Stored { bytes, written_ms });
            }
            if state.objects.contains_key(&name) {
                return Err(Error::AlreadyExists { path: name });
            }
            state.objects.insert(name, Stored { bytes, written_ms });
            Ok(())
        })
    }

    fn read(&self, path: &str) -> BoxFuture<'_, Result<Bytes, Error>> {
        let name = path.to_owned();
        self.run("read", path, move |state| match state.objects.get(&name) {
            Some(stored) => Ok(stored.bytes.clone()),
            None => Err(Error::NotFound { path: name }),
        })
    }

    fn read_range(&self, path: &str, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, Error>> {
        let name = path.to_owned();
        self.run("read", path, move |state| {
            if range.is_empty() {
                return Ok(Bytes::new());
            }
            let Some(Stored { bytes, .. }) = state.objects.get(&name) else {
                return Err(Error::NotFound { path: name });
            };
            let within =
                |at: u64| usize::try_from(at).map_or(bytes.len(), |at| at.min(bytes.len()));
            Ok(bytes.slice(within(range.start)..within(range.end)))
        })
    }

    fn head(&self, path: &str) -> BoxFuture<'_, Result<Object, Error>> {
        let name = path.to_owned();
        self.run("look at", path, move |state| {
            let denied = state.denies(&name);
            match state.objects.get(&name) {
                Some(stored) if !denied => Ok(stored.object(&name)),
                _ => Err(Error::NotFound { path: name }),
            }
        })
    }

    fn list(
        &self,
        folder: &str,
        after: &str,
        objects_max: usize,
    ) -> BoxFuture<'_, Result<Vec<Object>, Error>> {
        let (folder, after) = (folder.to_owned(), after.to_owned());
        self.run("list", &folder.clone(), move |state| {
            let from = match after.as_str() < folder.as_str() {
                true => Bound::Included(folder.as_str()),
                false => Bound::Excluded(after.as_str()),
            };
            let found = state.objects.range::<str, _>((from, Bound::Unbounded));
            Ok(found
                .take_while(|(path, _)| path.starts_with(&folder))
                .take(objects_max)
                .map(|(path, stored)| stored.object(path))
                .collect())
        })
    }

    fn delete(&self, path: &str) -> BoxFuture<'_, Result<(), Error>> {
        let name = path.to_owned();
        self.run("delete", path, move |state| {
            state.objects.remove(&name);
            Ok(())
        })
    }

    fn sweep_partial(&self, _: i64) -> BoxFuture<'_, Result<u64, Error>> {
        self.run("sweep", "", |_| Ok(0))
    }
}

#[cfg(test)]
mod tests;
