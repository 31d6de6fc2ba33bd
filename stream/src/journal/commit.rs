//! The committer: one thread for each partition, which turns what is queued into one frame, one write and one fsync,
//! and answers everybody in it. What arrives during an fsync shares the next one.

use std::{
    fs::{self, File},
    io::{self, Write},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::{
    active::Active,
    files,
    frame::{Builder, HEADER_BYTES},
    mark::Mark,
    queue::{Item, Taken},
    recovery::Segment,
    state::{Core, PartitionLog, TopicLog},
};
use crate::log::Refusal;

/// A probe of a failed disk writes at least this much.
const PROBE_BYTES_MIN: usize = 64 << 10;
/// How long an idle committer sleeps when nobody wakes it.
const IDLE: Duration = Duration::from_secs(3600);

/// What the committer thread owns.
#[derive(Debug)]
pub(super) struct Committer {
    core: Arc<Core>,
    topic: Arc<TopicLog>,
    log: Arc<PartitionLog>,
    active: Active,
    mark: Mark,
    builder: Builder,
    /// Since when the disk fails, or when it was last tried again.
    tried: Option<Instant>,
    probe_bytes: usize,
    /// The frame buffer's size between groups: a full group's, so that it neither grows nor shrinks under load.
    keep_bytes: usize,
}

impl Committer {
    pub(super) fn new(
        core: &Arc<Core>,
        topic: &Arc<TopicLog>,
        log: &Arc<PartitionLog>,
        active: Active,
        mark: Mark,
    ) -> Self {
        core.committers.send_modify(|running| *running += 1);
        Self {
            core: Arc::clone(core),
            topic: Arc::clone(topic),
            log: Arc::clone(log),
            active,
            mark,
            builder: Builder::new(log.seed),
            tried: None,
            probe_bytes: PROBE_BYTES_MIN,
            keep_bytes: usize::try_from(core.config.group_bytes_max)
                .map_or(usize::MAX, |bytes| bytes.saturating_mul(2)),
        }
    }

    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let config = &self.core.config;
        let bytes_max = config.group_bytes_max;
        let delay = Duration::from_micros(config.group_delay_max_us);
        let probe = Duration::from_millis(config.probe_interval_ms);
        loop {
            let wait = if self.tried.is_some() { probe } else { IDLE };
            let taken = self.log.queue.take(bytes_max, delay, wait);
            if self.tried.is_some_and(|tried| tried.elapsed() >= probe) {
                self.probe();
            }
            match taken {
                Taken::Group(items) => self.commit(items),
                Taken::Pressed => self.make_room(),
                Taken::Idle => {}
                Taken::Closed => break,
            }
        }
        if let Err(error) = self.mark.sync() {
            tracing::warn!(%error, dir = %self.log.dir.display(), "cannot sync the mark");
        }
    }

    fn commit(&mut self, items: Vec<Item>) {
        if let Some(reason) = self.log.trouble() {
            return refuse(items, &Refusal::Unavailable(reason));
        }
        let (items, reserved) = self.admit(items);
        if items.is_empty() {
            return;
        }
        self.builder.clear(self.keep_bytes);
        for record in items.iter().flat_map(|item| &item.records) {
            self.builder.push(&record.value);
        }
        match self.write() {
            Ok(()) => items.into_iter().for_each(|item| {
                // Who no longer waits does not want to know.
                drop(item.room);
                item.done.send(Ok(())).ok();
            }),
            Err(error) => {
                self.core.space.release(reserved);
                let reason = format!("cannot write to {}: {error}", self.log.dir.display());
                self.fail(reason, reserved);
                let reason = self
                    .log
                    .trouble()
                    .unwrap_or_else(|| "the disk failed".into());
                refuse(items, &Refusal::Unavailable(reason));
            }
        }
    }

    /// Leaves out the items that the disk bound has no room for; the rest, and what was reserved for them.
    fn admit(&mut self, items: Vec<Item>) -> (Vec<Item>, u64) {
        let mut admitted = Vec::with_capacity(items.len());
        let mut reserved = 0;
        let mut pressed = false;
        for item in items {
            let header = if admitted.is_empty() {
                HEADER_BYTES as u64
            } else {
                0
            };
            let bytes = item.bytes + header;
            let mut room = self.core.space.reserve(bytes);
            if !room && !pressed {
                pressed = true;
                self.make_room();
                room = self.core.space.reserve(bytes);
            }
            if room {
                reserved += bytes;
                admitted.push(item);
            } else {
                let space = &self.core.space;
                space.refused(bytes);
                let (used_bytes, bytes_max) = (space.used_bytes(), space.bytes_max());
                refuse(
                    vec![item],
                    &Refusal::Full {
                        used_bytes,
                        bytes_max,
                    },
                );
            }
        }
        (admitted, reserved)
    }

    /// Writes what the builder holds, durably, and lets readers see it.
    fn write(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let base = self.log.state().next;
        if self.active.bytes() > 0 && self.active.bytes() >= self.core.config.segment_bytes_max {
            self.roll(base)?;
        }
        let appended_ms = now_ms();
        let count = self.builder.count();
        let frame = self.builder.finish(base, appended_ms);
        let bytes = frame.len() as u64;
        let began = Instant::now();
        self.active.append(frame)?;
        let took = began.elapsed();
        let next = base + u64::from(count);
        // The records are durable already; without the mark only damage would be harder to tell.
        if let Err(error) = self.mark.write(next) {
            tracing::warn!(%error, dir = %self.log.dir.display(), "cannot write the mark");
        }
        let mut state = self.log.state();
        state.next = next;
        state.times.push(base, appended_ms);
        if let Some(segment) = state.segments.back_mut() {
            segment.bytes = self.active.bytes();
        }
        drop(state);
        self.core
            .metrics
            .observe_group(&self.topic.stream.name, count, bytes, took);
        self.topic.changed.send_replace(());
        Ok(())
    }

    fn roll(&mut self, base: u64) -> Result<(), super::Error> {
        self.active.roll(&self.log.dir, base)?;
        self.log
            .state()
            .segments
            .push_back(Segment { base, bytes: 0 });
        Ok(())
    }

    /// Frees what every group has passed, the newest segment too if it was passed whole.
    fn make_room(&mut self) {
        let next = self.log.state().next;
        let passed = self.topic.groups.floor(self.log.index) >= next;
        let rolls = passed && self.active.bytes() > 0 && self.log.trouble().is_none();
        if rolls && let Err(error) = self.roll(next) {
            tracing::warn!(%error, "cannot begin a segment to free a passed one");
        }
        self.core.reclaim(&self.topic, &self.log, true);
    }

    fn fail(&mut self, reason: String, frame_bytes: u64) {
        tracing::error!(
            reason,
            "the journal refuses appends until the disk takes writes again"
        );
        self.core
            .metrics
            .count_disk_failure(&self.topic.stream.name);
        self.probe_bytes =
            usize::try_from(frame_bytes).map_or(PROBE_BYTES_MIN, |b| b.max(PROBE_BYTES_MIN));
        self.log.set_trouble(Some(reason.into()));
        self.tried = Some(Instant::now());
        // At once, so that what is refused is not found by a later start, as far as the disk still lets us.
        if let Err(error) = self.roll_back() {
            tracing::warn!(%error, "cannot roll back a failed write yet");
        }
    }

    /// Tries whether the disk works again.
    fn probe(&mut self) {
        self.tried = Some(Instant::now());
        match self.roll_back().and_then(|()| self.write_probe()) {
            Ok(()) => {
                tracing::info!(dir = %self.log.dir.display(), "the disk takes writes again");
                self.tried = None;
                self.log.set_trouble(None);
            }
            Err(error) => {
                self.core
                    .metrics
                    .count_disk_failure(&self.topic.stream.name);
                let reason = format!("cannot write to {}: {error}", self.log.dir.display());
                self.log.set_trouble(Some(reason.into()));
            }
        }
    }

    fn roll_back(&mut self) -> io::Result<()> {
        let base = self
            .log
            .state()
            .segments
            .back()
            .map_or(0, |segment| segment.base);
        self.active
            .roll_back(&files::segment_path(&self.log.dir, base))
    }

    fn write_probe(&self) -> io::Result<()> {
        let path = self.log.dir.join("probe");
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(&vec![0; self.probe_bytes])?;
            file.sync_all()
        });
        let removed = fs::remove_file(&path);
        // A file that could not even be created cannot be removed either: the first error is the reason.
        written.and(removed)
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        // Nothing is left after a close; after a panic, those who wait must not wait for ever.
        self.log.queue.abandon();
        self.log
            .set_trouble(Some("the committer has stopped".into()));
        self.core
            .committers
            .send_modify(|running| *running = running.saturating_sub(1));
    }
}

fn refuse(items: Vec<Item>, refusal: &Refusal) {
    for item in items {
        // Who no longer waits does not want to know.
        item.done.send(Err(refusal.clone())).ok();
    }
}

pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
