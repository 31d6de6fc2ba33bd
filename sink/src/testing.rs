//! What tests and benchmarks, here and in other crates, stand on.

pub mod conformance;
pub mod crowd;
pub mod memory;

use std::sync::Arc;

use bytes::Bytes;
use headgate_schemas::registry::Registry;
use headgate_stream::log::{Partition, Position, Records};

use crate::{
    config::Config,
    land::encode,
    route::{Tables, route},
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
