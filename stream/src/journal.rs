//! The embedded stream: partitioned, append-only segment files on a local directory, for one process.
//!
//! ```text
//! <dir>/lock                                   held by the process that has the journal open
//! <dir>/<topic>/meta.json                      format, incarnation, number of partitions
//! <dir>/<topic>/groups/<group>.json            how far each group of readers has passed
//! <dir>/<topic>/<partition>/<first offset>.log a segment: frames, see `frame`
//! <dir>/<topic>/<partition>/durable            the mark, see `mark`
//! ```
//!
//! A [`Writer`]'s append goes to the queues of its records' partitions; each partition's committer thread writes what
//! is queued as one frame, fsyncs and answers. Readers follow what is durable. `docs/adr/0002-journal.md` says why.

mod active;
mod commit;
mod config;
mod ends;
mod error;
#[cfg(test)]
mod faults;
mod fetch;
mod files;
mod frame;
mod groups;
mod mark;
mod queue;
mod reader;
mod recovery;
mod space;
mod state;
#[cfg(test)]
mod tests;
mod times;
mod upkeep;
mod writer;

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
};

use prometheus::Registry;
use tokio::sync::{Semaphore, watch};

use self::{
    active::Active,
    commit::Committer,
    frame::Seed,
    groups::Groups,
    mark::Mark,
    reader::JournalReader,
    space::Space,
    state::{Core, PartitionLog, PartitionState, TopicLog},
    writer::JournalWriter,
};
pub use self::{
    config::Config,
    ends::{Ends, ends},
    error::Error,
    fetch::offset_after,
};
use crate::{
    log::{Reader, StreamId, Topic, Writer},
    metrics::Metrics,
};

/// An open journal. Dropping it without [`Journal::close`] also stops it, in its own time.
#[derive(Debug)]
pub struct Journal {
    core: Arc<Core>,
    upkeep: Mutex<Option<upkeep::Stop>>,
}

impl Journal {
    /// Opens the journal in `config.dir`, recovers what is there and starts its threads. Blocks on the disk.
    ///
    /// # Errors
    /// Wrong settings, a directory in use or not writable, and acknowledged records that are damaged: the error names
    /// the path, and nothing was changed.
    pub fn open(config: Config, topics: &[Topic], registry: &Registry) -> Result<Self, Error> {
        if let Some((key, reason)) = config.problems().into_iter().next() {
            return Err(Error::Config { key, reason });
        }
        topics
            .iter()
            .try_for_each(|topic| files::check_name("topic", topic.as_str()))?;
        let lock = files::lock(&config.dir)?;
        let metrics = Metrics::register(registry)?;
        let space = Space::new(config.bytes_max);
        let mut logs = HashMap::new();
        let mut ends = Vec::new();
        for topic in topics {
            let dir = config.dir.join(topic.as_str());
            let opened = open_topic(&dir, topic, config.partitions, &space, &metrics)?;
            ends.push((topic.clone(), opened.1));
            logs.insert(topic.clone(), Arc::new(opened.0));
        }
        let core = Arc::new(Core {
            room: Arc::new(Semaphore::new(
                usize::try_from(config.queue_bytes_max).unwrap_or(0),
            )),
            config,
            metrics,
            topics: logs,
            space,
            sealed: AtomicBool::new(false),
            closed: watch::Sender::new(false),
            committers: watch::Sender::new(0),
            lock: Mutex::new(Some(lock)),
        });
        let journal = Self {
            upkeep: Mutex::new(None),
            core,
        };
        journal.start(ends)?;
        Ok(journal)
    }

    fn start(&self, ends: Vec<(Topic, Vec<End>)>) -> Result<(), Error> {
        let core = &self.core;
        for (topic, ends) in ends {
            let Some(log) = core.topics.get(&topic) else {
                continue;
            };
            for (partition, (active, mark)) in log.partitions.iter().zip(ends) {
                let committer = Committer::new(core, log, partition, active, mark);
                let name = format!("journal-{topic}-{}", partition.index);
                let thread = std::thread::Builder::new().name(name);
                thread
                    .spawn(|| committer.run())
                    .map_err(Error::io("start a thread for", &partition.dir))?;
            }
        }
        let stop =
            upkeep::start(core).map_err(Error::io("start a thread for", &core.config.dir))?;
        *self.upkeep.lock().unwrap_or_else(PoisonError::into_inner) = Some(stop);
        upkeep::round(core);
        Ok(())
    }

    /// A writer to every topic.
    pub fn writer(&self) -> Arc<dyn Writer> {
        Arc::new(JournalWriter::new(Arc::clone(&self.core)))
    }

    /// A reader of every partition of `topic`. A group shares its progress; each of its readers reads everything.
    /// From now on the group holds back retention. Must be used inside a Tokio runtime.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`], [`Error::Name`] of the group, or [`Error::Closed`].
    pub fn reader(&self, topic: &Topic, group: &str) -> Result<Box<dyn Reader>, Error> {
        files::check_name("group", group)?;
        if *self.core.closed.borrow() {
            return Err(Error::Closed);
        }
        let log = self.core.topics.get(topic);
        let log = log.ok_or_else(|| Error::UnknownTopic(topic.to_string()))?;
        let (core, log) = (Arc::clone(&self.core), Arc::clone(log));
        let group = log.groups.get(group);
        Ok(Box::new(JournalReader::new(core, log, group)))
    }

    /// Refuses further appends, writes what was queued, writes down readers' progress, ends all reads and lets go of
    /// the directory.
    pub async fn close(&self) {
        self.writer().close().await;
        self.core.closed.send_replace(true);
        drop(
            self.upkeep
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let core = Arc::clone(&self.core);
        let last = tokio::task::spawn_blocking(move || {
            upkeep::round(&core);
            drop(
                core.lock
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take(),
            );
        });
        if let Err(error) = last.await {
            tracing::warn!(%error, "the journal was not closed in full");
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.core.seal();
        self.core.closed.send_replace(true);
    }
}

/// What a committer starts with.
type End = (Active, Mark);

fn open_topic(
    dir: &Path,
    topic: &Topic,
    partitions: u32,
    space: &Space,
    metrics: &Metrics,
) -> Result<(TopicLog, Vec<End>), Error> {
    let meta = files::topic_meta(dir, partitions)?;
    let groups = Groups::open(dir, meta.partitions as usize)?;
    let (mut logs, mut ends) = (Vec::new(), Vec::new());
    for index in 0..meta.partitions {
        let dir = dir.join(index.to_string());
        let seed = Seed::new(&meta.incarnation, index);
        let recovered = recovery::recover(&dir, seed)?;
        metrics.count_torn(topic.as_str(), recovered.torn_bytes);
        space.found(recovered.segments.iter().map(|segment| segment.bytes).sum());
        let bytes = recovered.segments.last().map_or(0, |segment| segment.bytes);
        let (segments, next) = (recovered.segments.into(), recovered.next);
        let state = PartitionState {
            segments,
            next,
            times: recovered.times,
        };
        let log = PartitionLog::new(index as usize, dir, seed, state);
        #[cfg(test)]
        let active = Active::new(recovered.active, bytes, log.faults.clone());
        #[cfg(not(test))]
        let active = Active::new(recovered.active, bytes);
        ends.push((active, recovered.mark));
        logs.push(Arc::new(log));
    }
    let stream = StreamId {
        name: topic.as_str().to_owned(),
        incarnation: meta.incarnation,
    };
    Ok((
        TopicLog {
            stream,
            partitions: logs,
            groups,
            changed: watch::Sender::new(()),
        },
        ends,
    ))
}
