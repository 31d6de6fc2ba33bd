//! Reads one delivery's worth of a partition from disk. Blocking; called off the async threads.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use bytes::Bytes;

use super::{
    files,
    frame::{HEADER_BYTES, Header},
    recovery::header_at,
    state::PartitionLog,
};
use crate::log::{Delivery, Position, ReadError, Records};

/// Where a reader is in a partition.
#[derive(Debug, Clone)]
pub(super) struct Cursor {
    /// The offset of the next record.
    pub(super) next: u64,
    /// What the next delivery follows.
    pub(super) follows: Position,
    place: Option<Place>,
}

/// Where a cursor is on disk.
#[derive(Debug, Clone)]
struct Place {
    /// The segment.
    base: u64,
    file: Arc<File>,
    /// A frame's beginning, at or before the cursor's next record.
    at: u64,
}

/// The offset of the first record behind a position, 0 at the start: what an audit counts records by. `None`: no position
/// of a journal.
pub fn offset_after(position: &Position) -> Option<u64> {
    match position.as_str() {
        "" => Some(0),
        text => text.parse::<u64>().ok()?.checked_add(1),
    }
}

impl Cursor {
    /// Right after the position.
    pub(super) fn after(position: &Position) -> Self {
        Self {
            next: offset_after(position).unwrap_or(0),
            follows: position.clone(),
            place: None,
        }
    }

    /// The next delivery of at most `bytes_max`, or one frame; none when everything durable was delivered.
    pub(super) fn fetch(
        &mut self,
        log: &PartitionLog,
        bytes_max: u64,
    ) -> Result<Option<Delivery>, ReadError> {
        loop {
            let (first, next, segment) = {
                let state = log.state();
                (
                    state.first(),
                    state.next,
                    state.segment_of(self.next).cloned(),
                )
            };
            if self.next > next {
                let reason = format!("the partition ends before this position, at {next} records");
                return Err(self.corrupt(log, reason));
            }
            if self.next == next {
                return Ok(None);
            }
            let Some(segment) = segment else {
                let records = Some(first - self.next);
                self.next = first;
                let (partition, after) = (log.name.clone(), self.follows.clone());
                return Ok(Some(Delivery::Gap {
                    partition,
                    after,
                    records,
                }));
            };
            match self.read(log, segment.base, segment.bytes, bytes_max) {
                // Retention came first: the next round finds the gap.
                Err(Failure::Io(error))
                    if error.kind() == io::ErrorKind::NotFound && gone(log, segment.base) => {}
                Err(Failure::Io(error)) => {
                    let path = files::segment_path(&log.dir, segment.base);
                    let reason = format!("cannot read {}: {error}", path.display());
                    return Err(ReadError::Unavailable(reason.into()));
                }
                Err(Failure::Corrupt(at, reason)) => {
                    let path = files::segment_path(&log.dir, segment.base);
                    let reason = format!("{} at byte {at}: {reason}", path.display());
                    return Err(self.corrupt(log, reason));
                }
                Ok(records) => return Ok(Some(Delivery::Records(records))),
            }
        }
    }

    fn read(
        &mut self,
        log: &PartitionLog,
        base: u64,
        len: u64,
        bytes_max: u64,
    ) -> Result<Records, Failure> {
        let mut place = match self.place.take().filter(|place| place.base == base) {
            Some(place) => place,
            None => {
                let path = files::segment_path(&log.dir, base);
                let file = Arc::new(File::open(&path)?);
                Place { base, file, at: 0 }
            }
        };
        let header = loop {
            let header = header_at(&place.file, place.at, len, log.seed)?;
            let Some(header) = header.filter(|header| place.at + header.frame_bytes() <= len)
            else {
                return Err(Failure::Corrupt(place.at, "a frame's header is damaged"));
            };
            if header.next() > self.next {
                break header;
            }
            place.at += header.frame_bytes();
        };
        if header.base > self.next {
            return Err(Failure::Corrupt(
                place.at,
                "records are missing before this frame",
            ));
        }
        let bytes = bytes_max.max(header.frame_bytes()).min(len - place.at);
        let mut chunk = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
        place.file.read_exact_at(&mut chunk, place.at)?;
        let records = self.take_frames(log, &Bytes::from(chunk), &mut place)?;
        self.place = Some(place);
        Ok(records)
    }

    /// All whole and valid frames of the chunk; an error when not even the first is.
    fn take_frames(
        &mut self,
        log: &PartitionLog,
        chunk: &Bytes,
        place: &mut Place,
    ) -> Result<Records, Failure> {
        let mut values = Vec::new();
        let mut appended_ms = 0;
        let mut next = self.next;
        let mut at = 0;
        while let Some(header) = Header::read(&chunk[at..], log.seed) {
            let start = at + HEADER_BYTES;
            let end = start.saturating_add(header.payload_bytes as usize);
            if end > chunk.len() || header.base > next {
                break;
            }
            let payload = chunk.slice(start..end);
            if !header.values(&payload, log.seed, next - header.base, &mut values) {
                break;
            }
            (next, at, appended_ms) = (header.next(), end, header.appended_ms);
        }
        if values.is_empty() {
            return Err(Failure::Corrupt(place.at, "a frame's payload is damaged"));
        }
        place.at += at as u64;
        self.next = next;
        let end = Position::from_number(next - 1);
        let follows = std::mem::replace(&mut self.follows, end.clone());
        Ok(Records {
            partition: log.name.clone(),
            follows,
            end,
            values,
            appended_ms,
        })
    }

    fn corrupt(&self, log: &PartitionLog, reason: String) -> ReadError {
        let (partition, after) = (log.name.clone(), self.follows.clone());
        ReadError::Corrupt {
            partition,
            after,
            reason: reason.into(),
        }
    }
}

/// Whether retention took the segment away.
fn gone(log: &PartitionLog, base: u64) -> bool {
    log.state()
        .segments
        .iter()
        .all(|segment| segment.base != base)
}

enum Failure {
    Io(io::Error),
    /// At which byte, and what is wrong.
    Corrupt(u64, &'static str),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
