//! How far the spill was forwarded, durably: what was acknowledged, and what is being sent. After a crash the latter may
//! be in the primary or not.
//!
//! One file with two places that are written in turn: a torn write leaves the other. It is written in place, so that a
//! full disk does not stop the forwarding that would free it.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::log::Position;

/// What one place takes: a block of the disk, so that one torn write never touches both.
const PLACE_BYTES: usize = 4_096;
const HEADER_BYTES: usize = 8;

/// What is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Written {
    number: u64,
    /// Everything up to here is in the primary.
    pub(super) passed: Position,
    /// What follows up to here may be.
    pub(super) sending: Position,
    /// When its sending began.
    pub(super) began_ms: i64,
}

/// The file.
#[derive(Debug)]
pub(super) struct Cursor {
    file: Arc<File>,
    pub(super) written: Written,
}

impl Cursor {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path)?;
        if file.metadata()?.len() < 2 * PLACE_BYTES as u64 {
            // Never whole before anything was forwarded.
            file.write_all_at(&[0; 2 * PLACE_BYTES], 0)?;
            file.sync_all()?;
            let above = path.parent().unwrap_or(Path::new("."));
            File::open(above)?.sync_all()?;
        }
        let places = [read(&file, 0)?, read(&file, 1)?];
        let newest = places
            .into_iter()
            .flatten()
            .max_by_key(|found| found.number);
        let none = || Written {
            number: 0,
            passed: Position::start(),
            sending: Position::start(),
            began_ms: 0,
        };
        Ok(Self {
            file: Arc::new(file),
            written: newest.unwrap_or_else(none),
        })
    }

    /// Writes down, durably, what is about to be sent. Nothing when that stands there already.
    pub(super) async fn write(
        &mut self,
        passed: &Position,
        sending: &Position,
        began_ms: i64,
    ) -> io::Result<()> {
        if self.written.passed == *passed && self.written.sending == *sending {
            return Ok(());
        }
        let written = Written {
            number: self.written.number + 1,
            passed: passed.clone(),
            sending: sending.clone(),
            began_ms,
        };
        let (file, place) = (Arc::clone(&self.file), encode(&written)?);
        let at = (written.number % 2) * PLACE_BYTES as u64;
        let wrote = tokio::task::spawn_blocking(move || {
            file.write_all_at(&place, at)?;
            file.sync_data()
        });
        wrote.await.map_err(io::Error::other)??;
        self.written = written;
        Ok(())
    }
}

fn encode(written: &Written) -> io::Result<Vec<u8>> {
    let text = serde_json::to_vec(written)?;
    let mut place = Vec::with_capacity(HEADER_BYTES + text.len());
    place.extend_from_slice(&crc32c::crc32c(&text).to_le_bytes());
    place.extend_from_slice(&u32::try_from(text.len()).unwrap_or(0).to_le_bytes());
    place.extend_from_slice(&text);
    Ok(place)
}

/// None when the place was never written, or not whole.
fn read(file: &File, place: u64) -> io::Result<Option<Written>> {
    let mut bytes = [0; PLACE_BYTES];
    file.read_exact_at(&mut bytes, place * PLACE_BYTES as u64)?;
    let number = |at: usize| bytes[at..at + 4].try_into().map_or(0, u32::from_le_bytes);
    let text = bytes.get(HEADER_BYTES..HEADER_BYTES + number(4) as usize);
    let whole = text.filter(|text| !text.is_empty() && crc32c::crc32c(text) == number(0));
    Ok(whole.and_then(|text| serde_json::from_slice(text).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_whole_place_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("forwarded");
        let mut cursor = Cursor::open(&path).unwrap();
        assert_eq!(cursor.written.passed, Position::start());
        let at = Position::from_number;
        cursor.write(&at(1), &at(2), 10).await.unwrap();
        cursor.write(&at(2), &at(3), 20).await.unwrap();
        let again = Cursor::open(&path).unwrap().written;
        assert_eq!(
            (again.passed, again.sending, again.began_ms),
            (at(2), at(3), 20)
        );
        // The second write went to the first place; torn, it leaves the one before.
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(b"torn", 6).unwrap();
        let before = Cursor::open(&path).unwrap().written;
        assert_eq!((before.passed, before.sending), (at(1), at(2)));
    }
}
