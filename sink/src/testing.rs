//! What tests and benchmarks, here and in other crates, stand on.

pub mod conformance;
pub mod crowd;
pub mod memory;

use std::sync::Arc;

use bytes::Bytes;
use headgate_schemas::registry::Registry;
use headgate_stream::log::{Partition, Position, Records, StreamId};

use crate::{
    config::Config,
    land::encode,
    route::{Tables, route},
    seen::{self, Seen},
};

/// A file as it would be uploaded.
#[derive(Debug, Clone)]
pub struct Landed {
    /// The table.
    pub table: String,
    /// The rows in it.
    pub rows: u64,
    /// The Parquet file.
    pub bytes: Bytes,
}

/// Records as a stream's reader hands them over.
pub fn delivery(values: Vec<Bytes>) -> Records {
    Records {
        partition: Partition::new("0"),
        follows: Position::start(),
        end: Position::from_number(values.len() as u64),
        values,
        appended_ms: 0,
    }
}

/// Routes, decodes and encodes these records on the calling thread: all of the sink's work but reading and storing.
///
/// # Panics
/// When a record is no row of a table.
pub fn land(registry: &Arc<Registry>, config: &Config, records: &[Records]) -> Vec<Landed> {
    let tables = Tables::of(Arc::clone(registry), None);
    let routed = route(records, &tables, None);
    assert!(routed.unroutable.is_empty(), "{:?}", routed.unroutable);
    let mut landed = Vec::new();
    for group in &routed.groups {
        let encoded = match encode(config, records, group, 0) {
            Ok(encoded) => encoded,
            Err(error) => panic!("{error}"),
        };
        assert!(encoded.quarantine.is_empty(), "{:?}", encoded.quarantine);
        landed.extend(encoded.files.into_iter().map(|file| Landed {
            table: group.table.name().to_owned(),
            rows: file.rows,
            bytes: file.bytes,
        }));
    }
    landed
}

/// What a sink remembers of one partition's events, to know those that come again.
#[derive(Debug)]
pub struct Remembered {
    seen: Seen,
    partition: Partition,
    scratch: Vec<u8>,
}

impl Remembered {
    /// Nothing yet. `None`: the settings say that duplicates land.
    pub fn new(config: &Config) -> Option<Self> {
        let stream = StreamId {
            name: "events".to_owned(),
            incarnation: "0".to_owned(),
        };
        Some(Self {
            seen: Seen::new(config, &stream)?,
            partition: Partition::new("0"),
            scratch: Vec::new(),
        })
    }

    /// Takes a batch's events, given by their ids; how many had not come before.
    pub fn take<'a>(&mut self, ids: impl Iterator<Item = &'a str>, received_ms: i64) -> usize {
        let window = self.seen.window(&self.partition);
        let (source, kind, scratch) = ("web", "order_completed", &mut self.scratch);
        ids.filter(|id| window.take(seen::id_of(source, kind, id, scratch), received_ms))
            .count()
    }

    /// The batch has landed under that name; the bytes of the object that keeps its ids.
    pub fn landed(&mut self, name: &str, now_ms: i64) -> usize {
        let keep = self.seen.keep().ok().flatten();
        self.seen.landed(name, now_ms);
        keep.map_or(0, |keep| keep.bytes.len())
    }

    /// Events that are remembered, and the memory that takes, in bytes.
    pub fn extent(&self) -> (usize, usize) {
        let extent = self.seen.extent();
        (extent.events, extent.bytes)
    }
}
