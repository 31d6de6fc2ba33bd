//! What landed lately, so that an event that a client sends again lands once.
//!
//! Each partition has a window of the ids of its events. A batch's events are held against it when the batch is routed, and
//! belong to it once the batch is committed. The ids of a batch are kept in an object of the store that its commit names:
//! whoever reads the partition next begins with the same window. `docs/adr/0019-duplicates.md`.

mod load;
mod object;
mod sweep;
mod window;

use std::collections::BTreeMap;

use bytes::Bytes;
use headgate_stream::log::{Partition, StreamId};
use twox_hash::XxHash3_128;

pub(crate) use self::{
    load::{Loaded, load},
    sweep::sweep,
    window::{Id, Window},
};
use crate::config::Config;

/// The folder of all objects that keep ids.
pub(crate) const SEEN: &str = "_seen/";

/// The windows of a stream's partitions that this sink reads.
#[derive(Debug)]
pub(crate) struct Seen {
    window_ms: u64,
    events_max: usize,
    folder: String,
    windows: BTreeMap<Partition, Window>,
}

/// What keeps a batch's ids.
#[derive(Debug)]
pub(crate) struct Keep {
    pub(crate) bytes: Bytes,
    /// The partitions that it has ids of.
    pub(crate) partitions: Vec<Partition>,
}

/// What the windows of a stream come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
    /// From the oldest event to the newest of the partition where they are furthest apart.
    pub(crate) span_ms: i64,
}

impl Seen {
    /// Empty windows; `None` where duplicates are to land.
    pub(crate) fn new(config: &Config, stream: &StreamId) -> Option<Self> {
        (config.dedup_window_ms > 0).then(|| Self {
            window_ms: config.dedup_window_ms,
            events_max: usize::try_from(config.dedup_events_max).unwrap_or(usize::MAX),
            folder: format!("{SEEN}{}/{}/", stream.name, stream.incarnation),
            windows: BTreeMap::new(),
        })
    }

    /// The path of the object of that name.
    pub(crate) fn path(&self, name: &str) -> String {
        format!("{}{name}", self.folder)
    }

    /// The folder of the stream's objects.
    pub(crate) fn folder(&self) -> &str {
        &self.folder
    }

    /// How many events are remembered at most.
    pub(crate) fn events_max(&self) -> usize {
        self.events_max
    }

    /// The partition's window.
    pub(crate) fn window(&mut self, partition: &Partition) -> &mut Window {
        self.windows.entry(partition.clone()).or_default()
    }

    /// What keeps the ids of the batch that is landing; `None` when it brought none.
    ///
    /// # Errors
    /// None that any input leads to.
    pub(crate) fn keep(&self) -> Result<Option<Keep>, serde_json::Error> {
        let grown = self.windows.iter().filter(|(_, window)| window.grows());
        let parts: Vec<_> = grown
            .map(|(partition, window)| (partition.clone(), window.part()))
            .collect();
        if parts.is_empty() {
            return Ok(None);
        }
        let partitions = parts.iter().map(|(partition, _)| partition.clone());
        Ok(Some(Keep {
            partitions: partitions.collect(),
            bytes: object::write(parts)?,
        }))
    }

    /// The batch has landed, and the object of that name has its ids.
    pub(crate) fn landed(&mut self, name: &str, now_ms: i64) {
        for window in self.windows.values_mut() {
            match window.grows() {
                true => window.landed(name, now_ms, self.window_ms),
                false => window.undo(),
            }
        }
        self.shed();
    }

    /// The batch did not land.
    pub(crate) fn undo(&mut self) {
        self.windows.values_mut().for_each(Window::undo);
    }

    /// Forgets a partition: another sink may read it meanwhile.
    pub(crate) fn forget(&mut self, partition: &Partition) {
        self.windows.remove(partition);
    }

    /// Takes up what was kept of a partition, which has been forgotten.
    pub(crate) fn restore(&mut self, loaded: Loaded) {
        let mut window = Window::default();
        for (kept, ids, slices) in loaded.objects {
            window.load(kept, ids.into_iter(), &slices, self.window_ms);
        }
        window.expire(self.window_ms);
        self.windows.insert(loaded.partition, window);
        self.shed();
    }

    pub(crate) fn extent(&self) -> Extent {
        let windows = self.windows.values();
        let spans = windows.clone().filter_map(Window::span_ms);
        Extent {
            events: windows.clone().map(Window::len).sum(),
            bytes: windows.map(Window::bytes).sum(),
            span_ms: spans.map(|(from, to)| to - from).max().unwrap_or(0),
        }
    }

    /// Forgets the oldest events of all, until there are no more than are allowed.
    fn shed(&mut self) {
        let mut events: usize = self.windows.values().map(Window::len).sum();
        while events > self.events_max {
            let dated = self.windows.values_mut().filter_map(|window| {
                let (oldest_ms, _) = window.span_ms()?;
                Some((oldest_ms, window))
            });
            let Some((_, oldest)) = dated.min_by_key(|(oldest_ms, _)| *oldest_ms) else {
                break;
            };
            match oldest.shed(events - self.events_max) {
                0 => break,
                shed => events -= shed,
            }
        }
    }
}

/// What an event is known by: producers make source and id together name one event, and send it again under the same type.
pub(crate) fn id_of(source: &str, kind: &str, id: &str, scratch: &mut Vec<u8>) -> Id {
    scratch.clear();
    for text in [source, kind, id] {
        scratch.extend_from_slice(text.as_bytes());
        // In no text.
        scratch.push(0xFF);
    }
    XxHash3_128::oneshot(scratch)
}

#[cfg(test)]
mod tests;
