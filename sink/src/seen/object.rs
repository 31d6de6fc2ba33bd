//! The form of an object that keeps the ids of a batch: four bytes of length, a header as JSON, the ids of each partition
//! in the header's order as 16 bytes each (all numbers little-endian), and the CRC-32C of all that.

use bytes::{BufMut, Bytes, BytesMut};
use headgate_stream::log::Partition;
use serde::{Deserialize, Serialize};

use super::window::{Id, Kept, Part, Slice};

/// The format that this code writes, and the only one that it reads.
const VERSION: u32 = 1;

const ID_BYTES: usize = size_of::<Id>();

/// What an object holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    version: u32,
    /// Each partition that it has ids of.
    pub(crate) partitions: Vec<Section>,
}

/// A partition's ids in an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Section {
    pub(crate) partition: Partition,
    pub(crate) ids: usize,
    /// When they came: until when, in ms since the epoch, and how many.
    slices: Vec<(i64, usize)>,
    /// The objects that have the partition's ids before these, oldest first, with how many those are.
    older: Vec<(String, usize)>,
}

impl Section {
    pub(crate) fn slices(&self) -> Vec<Slice> {
        let slice = |(newest_ms, ids): &(i64, usize)| Slice {
            newest_ms: *newest_ms,
            ids: *ids,
        };
        self.slices.iter().map(slice).collect()
    }

    pub(crate) fn older(&self) -> impl Iterator<Item = Kept> {
        self.older.iter().map(|(name, ids)| Kept {
            name: name.clone(),
            ids: *ids,
        })
    }
}

/// An object as it was read.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) header: Header,
    ids: Bytes,
}

impl Object {
    /// A partition's section, and its ids.
    pub(crate) fn of(&self, partition: &Partition) -> Option<(&Section, impl Iterator<Item = Id>)> {
        let mut before = 0;
        for section in &self.header.partitions {
            if section.partition == *partition {
                let (from, to) = (before * ID_BYTES, (before + section.ids) * ID_BYTES);
                let ids = self.ids.get(from..to)?.chunks_exact(ID_BYTES);
                let id = |bytes: &[u8]| bytes.try_into().map_or(0, Id::from_le_bytes);
                return Some((section, ids.map(id)));
            }
            before += section.ids;
        }
        None
    }
}

/// The object's bytes.
pub(crate) fn write(parts: Vec<(Partition, Part)>) -> Result<Bytes, serde_json::Error> {
    let section = |(partition, part): &(Partition, Part)| Section {
        partition: partition.clone(),
        ids: part.ids.len(),
        slices: part.slices.iter().map(|s| (s.newest_ms, s.ids)).collect(),
        older: part.older.iter().map(|o| (o.name.clone(), o.ids)).collect(),
    };
    let header = serde_json::to_vec(&Header {
        version: VERSION,
        partitions: parts.iter().map(section).collect(),
    })?;
    let ids: usize = parts.iter().map(|(_, part)| part.ids.len()).sum();
    let mut out = BytesMut::with_capacity(8 + header.len() + ids * ID_BYTES);
    out.put_u32_le(u32::try_from(header.len()).unwrap_or(u32::MAX));
    out.put_slice(&header);
    for id in parts.iter().flat_map(|(_, part)| &part.ids) {
        out.put_u128_le(*id);
    }
    out.put_u32_le(crc32c::crc32c(&out));
    Ok(out.freeze())
}

/// Reads an object's bytes, or says what is wrong with them.
pub(crate) fn read(bytes: &Bytes) -> Result<Object, String> {
    let short = || "it is too short".to_owned();
    let (content, sum) = bytes.split_last_chunk::<4>().ok_or_else(short)?;
    if crc32c::crc32c(content) != u32::from_le_bytes(*sum) {
        return Err("its checksum differs".to_owned());
    }
    let (length, rest) = content.split_first_chunk::<4>().ok_or_else(short)?;
    let length = u32::from_le_bytes(*length) as usize;
    let (header, ids) = rest.split_at_checked(length).ok_or_else(short)?;
    let header: Header = serde_json::from_slice(header).map_err(|error| error.to_string())?;
    if header.version != VERSION {
        return Err(format!("it is in format {}", header.version));
    }
    let told: usize = header.partitions.iter().map(|section| section.ids).sum();
    if told.checked_mul(ID_BYTES) != Some(ids.len()) {
        return Err("it has another number of ids than it says".to_owned());
    }
    Ok(Object {
        header,
        ids: bytes.slice_ref(ids),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(ids: &[Id]) -> Part {
        Part {
            ids: ids.to_vec(),
            slices: vec![Slice {
                newest_ms: 5,
                ids: ids.len(),
            }],
            older: vec![Kept {
                name: "older".to_owned(),
                ids: 3,
            }],
        }
    }

    fn parts() -> Vec<(Partition, Part)> {
        vec![
            (Partition::new("0"), part(&[1, Id::MAX])),
            (Partition::new("1"), part(&[7])),
        ]
    }

    #[test]
    fn what_is_written_is_read() {
        let object = read(&write(parts()).unwrap()).unwrap();
        for (partition, part) in parts() {
            let (section, ids) = object.of(&partition).unwrap();
            assert_eq!(ids.collect::<Vec<_>>(), part.ids);
            assert_eq!(section.slices(), part.slices);
            assert_eq!(section.older().collect::<Vec<_>>(), part.older);
        }
        assert!(object.of(&Partition::new("2")).is_none());
    }

    #[test]
    fn bytes_that_are_cut_or_changed_are_refused_wherever_it_is() {
        let whole = write(parts()).unwrap();
        for end in 0..whole.len() {
            assert!(read(&whole.slice(..end)).is_err(), "cut at {end}");
            let mut changed = whole.to_vec();
            changed[end] ^= 1;
            assert!(read(&changed.into()).is_err(), "changed at {end}");
        }
    }
}
