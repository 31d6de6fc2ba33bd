//! Where a topic's partitions end, told from their marks: for who looks on, beside a process that has the journal open or
//! without one. Nothing is locked, made or changed.

use std::path::Path;

use super::{Error, files, frame::Seed, mark};
use crate::log::{Partition, StreamId, Topic};

/// A topic as it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ends {
    /// The stream.
    pub stream: StreamId,
    /// Each partition with the offset behind its last durable record; after a power failure it may have more. `None`: its
    /// mark tells nothing.
    pub partitions: Vec<(Partition, Option<u64>)>,
}

/// Looks at a topic of the journal in that directory; `None`: it has no such topic.
///
/// # Errors
/// What is there cannot be read.
pub fn ends(dir: &Path, topic: &Topic) -> Result<Option<Ends>, Error> {
    let dir = dir.join(topic.as_str());
    let Some(meta) = files::found_meta(&dir)? else {
        return Ok(None);
    };
    let end = |index: u32| {
        let seed = Seed::new(&meta.incarnation, index);
        let told = mark::look(&dir.join(index.to_string()), seed)?;
        Ok((Partition::new(&index.to_string()), told))
    };
    let partitions: Result<Vec<_>, Error> = (0..meta.partitions).map(end).collect();
    Ok(Some(Ends {
        partitions: partitions?,
        stream: StreamId {
            name: topic.to_string(),
            incarnation: meta.incarnation,
        },
    }))
}
