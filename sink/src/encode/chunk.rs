//! The bytes of a column in a row group.

use std::{
    io::{self, Read},
    vec,
};

use bytes::{Buf, Bytes};
use parquet::{
    column::page::{CompressedPage, PageWriteSpec, PageWriter},
    errors::ParquetError,
    file::{
        reader::{ChunkReader, Length},
        writer::{SerializedPageWriter, TrackedWrite},
    },
};

/// A page's header takes less.
const HEADER_BYTES: usize = 64;

/// A column's pages with their headers, each in memory of its own: growing one buffer would copy them again and again.
#[derive(Default)]
pub(super) struct Chunk {
    pages: Vec<Bytes>,
    bytes: usize,
}

impl Chunk {
    /// Adds a page; its offset is that within this chunk.
    pub(super) fn add(&mut self, page: CompressedPage) -> Result<PageWriteSpec, ParquetError> {
        let room = Vec::with_capacity(page.compressed_size() + HEADER_BYTES);
        let mut written = TrackedWrite::new(room);
        let mut spec = SerializedPageWriter::new(&mut written).write_page(page)?;
        spec.offset = self.bytes as u64;
        let written = written.into_inner()?;
        self.bytes += written.len();
        self.pages.push(written.into());
        Ok(spec)
    }

    /// Adds another chunk's pages behind this one's.
    pub(super) fn append(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.pages.extend(other.pages);
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Length for Chunk {
    fn len(&self) -> u64 {
        self.bytes as u64
    }
}

impl ChunkReader for Chunk {
    type T = Pages;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let mut pages = Pages {
            current: Bytes::new(),
            rest: self.pages.clone().into_iter(),
        };
        io::copy(&mut pages.by_ref().take(start), &mut io::sink())?;
        Ok(pages)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let mut bytes = Vec::with_capacity(length);
        let read = self.get_read(start)?;
        read.take(length as u64).read_to_end(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// Pages, read one after the other.
pub(super) struct Pages {
    current: Bytes,
    rest: vec::IntoIter<Bytes>,
}

impl Read for Pages {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.rest.next() {
                Some(page) => self.current = page,
                None => return Ok(0),
            }
        }
        let count = out.len().min(self.current.len());
        out[..count].copy_from_slice(&self.current[..count]);
        self.current.advance(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_as_one_text_from_anywhere() {
        let chunk = Chunk {
            pages: ["abc", "", "d", "ef"].map(Bytes::from).to_vec(),
            bytes: 6,
        };
        for start in 0..=6 {
            let read = chunk.get_bytes(start, 6 - start as usize).unwrap();
            assert_eq!(read, b"abcdef"[start as usize..]);
        }
        assert_eq!(chunk.get_bytes(1, 3).unwrap(), &b"bcd"[..]);
    }
}
