//! What the journal's writers, committers, readers and upkeep share.

use std::{
    collections::{HashMap, VecDeque},
    fs::{self, File},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::{Semaphore, watch};

use super::{
    Config, Error, files, frame::Seed, groups::Groups, queue::Queue, recovery::Segment,
    space::Space, times::Times,
};
use crate::{
    log::{Partition, StreamId, Topic},
    metrics::Metrics,
};

/// The whole journal.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) config: Config,
    pub(super) metrics: Metrics,
    pub(super) topics: HashMap<Topic, Arc<TopicLog>>,
    pub(super) space: Space,
    /// A permit for each byte that may wait to be written.
    pub(super) room: Arc<Semaphore>,
    /// Appends are refused from now on.
    pub(super) sealed: AtomicBool,
    /// Reads end, and upkeep stops.
    pub(super) closed: watch::Sender<bool>,
    /// Committer threads that still run.
    pub(super) committers: watch::Sender<usize>,
    /// Held while the directory is this process's.
    pub(super) lock: Mutex<Option<File>>,
}

/// One topic.
#[derive(Debug)]
pub(super) struct TopicLog {
    pub(super) stream: StreamId,
    pub(super) partitions: Vec<Arc<PartitionLog>>,
    pub(super) groups: Groups,
    /// Sent to when records became durable, or segments went.
    pub(super) changed: watch::Sender<()>,
}

/// One partition.
#[derive(Debug)]
pub(super) struct PartitionLog {
    pub(super) index: usize,
    pub(super) name: Partition,
    pub(super) dir: PathBuf,
    pub(super) seed: Seed,
    pub(super) queue: Queue,
    state: Mutex<PartitionState>,
    /// Why appends are refused at present: what the disk said.
    trouble: Mutex<Option<Arc<str>>>,
    troubled: AtomicBool,
    #[cfg(test)]
    pub(super) faults: super::faults::Faults,
}

/// What is durable in a partition.
#[derive(Debug)]
pub(super) struct PartitionState {
    /// Ascending; the last one is being appended to. Never empty.
    pub(super) segments: VecDeque<Segment>,
    /// The offset after the last durable record.
    pub(super) next: u64,
    pub(super) times: Times,
}

impl Core {
    /// Stops appends; what was queued is still written.
    pub(super) fn seal(&self) {
        self.sealed.store(true, Ordering::Release);
        self.partitions().for_each(|(_, log)| log.queue.close());
    }

    pub(super) fn partitions(&self) -> impl Iterator<Item = (&Arc<TopicLog>, &Arc<PartitionLog>)> {
        let topics = self.topics.values();
        topics.flat_map(|topic| topic.partitions.iter().map(move |log| (topic, log)))
    }

    /// Deletes the partition's oldest segments that every group has passed, except for what is kept for another look;
    /// with `pressed`, all of them.
    pub(super) fn reclaim(&self, topic: &TopicLog, log: &PartitionLog, pressed: bool) {
        let keep = if pressed { 0 } else { self.config.retain_bytes };
        let floor = topic.groups.floor(log.index);
        for segment in log.state().take_passed(floor, keep) {
            let path = files::segment_path(&log.dir, segment.base);
            let removed = fs::remove_file(&path).map_err(Error::io("remove", &path));
            // One after the other, so that no crash leaves a hole between those that are left.
            match removed.and_then(|()| files::sync_parent(&path)) {
                Ok(()) => tracing::debug!(path = %path.display(), "removed a passed segment"),
                Err(error) => tracing::warn!(%error, "a passed segment stays until the next start"),
            }
            self.space.release(segment.bytes);
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.closed.send_replace(true);
    }
}

impl PartitionLog {
    pub(super) fn new(index: usize, dir: PathBuf, seed: Seed, state: PartitionState) -> Self {
        Self {
            index,
            name: Partition::new(&index.to_string()),
            dir,
            seed,
            queue: Queue::default(),
            state: Mutex::new(state),
            trouble: Mutex::default(),
            troubled: AtomicBool::new(false),
            #[cfg(test)]
            faults: super::faults::Faults::default(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, PartitionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the disk said, while appends are refused for it.
    pub(super) fn trouble(&self) -> Option<Arc<str>> {
        if !self.troubled.load(Ordering::Acquire) {
            return None;
        }
        self.trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn set_trouble(&self, trouble: Option<Arc<str>>) {
        self.troubled.store(trouble.is_some(), Ordering::Release);
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

impl PartitionState {
    /// The offset of the oldest record that is still there.
    pub(super) fn first(&self) -> u64 {
        self.segments
            .front()
            .map_or(self.next, |segment| segment.base)
    }

    /// The segment that holds the offset, if it is between the first and the next.
    pub(super) fn segment_of(&self, offset: u64) -> Option<&Segment> {
        let after = self
            .segments
            .partition_point(|segment| segment.base <= offset);
        self.segments.get(after.checked_sub(1)?)
    }

    /// Takes out the oldest segments before `floor`, as long as what is left of them is over `keep_bytes`.
    fn take_passed(&mut self, floor: u64, keep_bytes: u64) -> Vec<Segment> {
        let nexts = self.segments.iter().skip(1).map(|segment| segment.base);
        let passed = nexts.take_while(|next| *next <= floor).count();
        let mut bytes: u64 = self
            .segments
            .iter()
            .take(passed)
            .map(|segment| segment.bytes)
            .sum();
        let mut count = 0;
        while count < passed && bytes > keep_bytes {
            bytes -= self.segments[count].bytes;
            count += 1;
        }
        let taken = self.segments.drain(..count).collect();
        let first = self.first();
        self.times.forget_before(first);
        taken
    }
}
