//! A partition's mark: the offset after the last record that was made durable, written without an fsync of its own
//! after every group.
//!
//! An invalid frame at a segment's very end is what a crash leaves behind, and is cut off; but it could also be an
//! acknowledged frame that was damaged since. The mark tells the two apart whenever the operating system outlived
//! the process: what it covers was acknowledged, and is never cut off. After a power failure it may be older than
//! the truth, never newer: it is written only once the fsync that it speaks of has returned.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use super::{Error, frame::Seed};

const MARK_BYTES: usize = 12;

/// The open mark file of one partition.
#[derive(Debug)]
pub(super) struct Mark {
    file: File,
    seed: Seed,
}

impl Mark {
    /// Opens the mark, and tells what it says; none when it was never written, or not whole.
    pub(super) fn open(dir: &Path, seed: Seed) -> Result<(Self, Option<u64>), Error> {
        let path = dir.join("durable");
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let file = file.map_err(Error::io("open", &path))?;
        let known = told(&file, seed).map_err(Error::io("read", &path))?;
        Ok((Self { file, seed }, known))
    }

    /// Says that every record before the offset is durable.
    pub(super) fn write(&self, next: u64) -> io::Result<()> {
        self.file.write_all_at(&encode(next, self.seed), 0)
    }

    /// Makes the mark itself durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

/// What the mark of a partition says, which another process may be writing; none when there is none, or it is not whole.
pub(super) fn look(dir: &Path, seed: Seed) -> Result<Option<u64>, Error> {
    let path = dir.join("durable");
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(Error::io("open", &path))?,
    };
    told(&file, seed).map_err(Error::io("read", &path))
}

fn told(file: &File, seed: Seed) -> io::Result<Option<u64>> {
    let mut bytes = [0; MARK_BYTES];
    let whole = match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
        Err(error) => return Err(error),
    };
    let next = u64::from_le_bytes(bytes[..8].try_into().unwrap_or_default());
    Ok((whole && encode(next, seed) == bytes).then_some(next))
}

fn encode(next: u64, seed: Seed) -> [u8; MARK_BYTES] {
    let mut bytes = [0; MARK_BYTES];
    bytes[..8].copy_from_slice(&next.to_le_bytes());
    let sum = seed.sum(&bytes[..8]);
    bytes[8..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_back_and_a_damaged_one_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let seed = Seed::new("i", 0);
        let (mark, before) = Mark::open(dir.path(), seed).unwrap();
        assert_eq!(before, None);
        assert_eq!(look(&dir.path().join("none"), seed).unwrap(), None);
        mark.write(7).unwrap();
        assert_eq!(look(dir.path(), seed).unwrap(), Some(7));
        assert_eq!(Mark::open(dir.path(), seed).unwrap().1, Some(7));
        mark.file.write_all_at(b"x", 3).unwrap();
        assert_eq!(Mark::open(dir.path(), seed).unwrap().1, None);
    }
}
