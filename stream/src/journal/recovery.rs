//! What a partition's directory holds after a stop of any kind.
//!
//! A frame is written only once the one before it was fsynced. So an invalid frame with nothing valid after it is
//! the torn end of a write that nobody was told of, and is cut off; an invalid frame with a valid one, or another
//! segment, after it was acknowledged and then damaged, and is an error: nothing is dropped silently. The newest
//! segment is read whole; of older ones the chain of frame headers is followed, and readers check the payloads.

#[cfg(test)]
mod tests;

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use super::{
    Error, files,
    frame::{HEADER_BYTES, Header, Seed, find_header},
    mark::Mark,
    times::Times,
};

/// Bytes that the search for a later frame looks at together.
const WINDOW_BYTES: usize = 1 << 20;

/// One segment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    /// The offset of its first record.
    pub(super) base: u64,
    /// Its durable length in bytes.
    pub(super) bytes: u64,
}

/// A partition, ready to be appended to.
#[derive(Debug)]
pub(super) struct Recovered {
    /// Ascending; the last one is the one to append to.
    pub(super) segments: Vec<Segment>,
    /// The last segment, open for reading and writing.
    pub(super) active: File,
    /// The mark, brought up to date.
    pub(super) mark: Mark,
    /// The offset that the next record gets.
    pub(super) next: u64,
    /// Bytes of a torn write that were cut off.
    pub(super) torn_bytes: u64,
    /// When the records were appended.
    pub(super) times: Times,
}

/// Recovers the partition in `dir`; makes it when it is not there.
pub(super) fn recover(dir: &Path, seed: Seed) -> Result<Recovered, Error> {
    files::make_dir(dir)?;
    let (mark, marked) = Mark::open(dir, seed)?;
    let bases = files::segment_bases(dir)?;
    let mut times = Times::default();
    let mut segments = Vec::with_capacity(bases.len().max(1));
    for pair in bases.windows(2) {
        segments.push(older(dir, pair[0], pair[1], seed, &mut times)?);
    }
    let base = bases.last().copied().unwrap_or(0);
    let active = files::create_segment(dir, base)?;
    let path = files::segment_path(dir, base);
    let mut scan = Scan::new(&active, &path, seed, base)?;
    while scan.step(true, &mut times)? {}
    if let Some(marked) = marked.filter(|marked| *marked > scan.next) {
        let reason = format!(
            "records {} to {} were acknowledged and are not whole",
            scan.next,
            marked - 1
        );
        return Err(scan.corrupt(reason));
    }
    let torn_bytes = scan.len - scan.at;
    if torn_bytes > 0 {
        cut_off(&scan)?;
        tracing::warn!(path = %path.display(), at = scan.at, torn_bytes, "cut off a torn write");
    }
    segments.push(Segment {
        base,
        bytes: scan.at,
    });
    let next = scan.next;
    mark.write(next)
        .map_err(Error::io("write the mark in", dir))?;
    Ok(Recovered {
        segments,
        active,
        mark,
        next,
        torn_bytes,
        times,
    })
}

/// A segment that another one follows: whole, from its own base to the other's.
fn older(
    dir: &Path,
    base: u64,
    next: u64,
    seed: Seed,
    times: &mut Times,
) -> Result<Segment, Error> {
    let path = files::segment_path(dir, base);
    let file = OpenOptions::new()
        .read(true)
        .open(&path)
        .map_err(Error::io("open", &path))?;
    let mut scan = Scan::new(&file, &path, seed, base)?;
    while scan.step(false, times)? {}
    if scan.at < scan.len {
        return Err(scan.corrupt("a frame is damaged, and a later segment follows".to_owned()));
    }
    if scan.next != next {
        let reason = format!(
            "it ends before record {}, the next segment begins with {next}",
            scan.next
        );
        return Err(scan.corrupt(reason));
    }
    Ok(Segment {
        base,
        bytes: scan.len,
    })
}

/// Cuts off what follows the last valid frame, unless something valid comes after.
fn cut_off(scan: &Scan<'_>) -> Result<(), Error> {
    if let Some(at) = scan.later_frame()? {
        let reason = format!("a frame is damaged, and a valid one follows at byte {at}");
        return Err(scan.corrupt(reason));
    }
    let cut = scan
        .file
        .set_len(scan.at)
        .and_then(|()| scan.file.sync_all());
    cut.map_err(Error::io("truncate", scan.path))
}

/// A walk over a segment's frames.
struct Scan<'a> {
    file: &'a File,
    path: &'a Path,
    seed: Seed,
    len: u64,
    /// Where the next frame begins; everything before is valid.
    at: u64,
    /// The offset of the next frame's first record.
    next: u64,
    payload: Vec<u8>,
}

impl<'a> Scan<'a> {
    fn new(file: &'a File, path: &'a Path, seed: Seed, base: u64) -> Result<Self, Error> {
        let len = file
            .metadata()
            .map_err(Error::io("read the length of", path))?
            .len();
        Ok(Self {
            file,
            path,
            seed,
            len,
            at: 0,
            next: base,
            payload: Vec::new(),
        })
    }

    /// Goes past the next frame, if it is valid.
    fn step(&mut self, with_payload: bool, times: &mut Times) -> Result<bool, Error> {
        let header =
            header_at(self.file, self.at, self.len, self.seed).map_err(self.unreadable())?;
        let Some(header) = header else {
            return Ok(false);
        };
        if header.base != self.next || header.count == 0 {
            let reason = format!(
                "a frame begins with record {}, not {}",
                header.base, self.next
            );
            return Err(self.corrupt(reason));
        }
        if self.at.saturating_add(header.frame_bytes()) > self.len {
            return Ok(false);
        }
        if with_payload {
            self.payload.resize(header.payload_bytes as usize, 0);
            let at = self.at + HEADER_BYTES as u64;
            self.file
                .read_exact_at(&mut self.payload, at)
                .map_err(self.unreadable())?;
            if !header.matches(&self.payload, self.seed) {
                return Ok(false);
            }
        }
        times.push(header.base, header.appended_ms);
        self.at += header.frame_bytes();
        self.next = header.next();
        Ok(true)
    }

    /// Where a frame begins that was written after the invalid one.
    fn later_frame(&self) -> Result<Option<u64>, Error> {
        let mut from = self.at + 1;
        let mut window = Vec::new();
        while from + (HEADER_BYTES as u64) <= self.len {
            let bytes = (self.len - from).min(WINDOW_BYTES as u64);
            window.resize(usize::try_from(bytes).unwrap_or(WINDOW_BYTES), 0);
            self.file
                .read_exact_at(&mut window, from)
                .map_err(self.unreadable())?;
            if let Some(found) = find_header(&window, self.seed, self.next.saturating_add(1)) {
                return Ok(Some(from + found as u64));
            }
            // A header that starts in a window's last bytes is looked at again from its start.
            from += bytes - (HEADER_BYTES as u64 - 1).min(bytes - 1);
        }
        Ok(None)
    }

    fn corrupt(&self, reason: String) -> Error {
        Error::Corrupt {
            path: self.path.to_owned(),
            at: self.at,
            reason,
        }
    }

    fn unreadable(&self) -> impl FnOnce(io::Error) -> Error + use<> {
        let path: PathBuf = self.path.to_owned();
        move |source| Error::Io {
            action: "read",
            path,
            source,
        }
    }
}

/// The valid header at the place, if one is there before `len`.
pub(super) fn header_at(file: &File, at: u64, len: u64, seed: Seed) -> io::Result<Option<Header>> {
    let mut bytes = [0; HEADER_BYTES];
    if at.saturating_add(HEADER_BYTES as u64) > len {
        return Ok(None);
    }
    file.read_exact_at(&mut bytes, at)?;
    Ok(Header::read(&bytes, seed))
}
