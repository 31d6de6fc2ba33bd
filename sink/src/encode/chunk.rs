//! The bytes of a column in a row group.

use std::io::{Chain, Read};

use bytes::{Buf, Bytes, buf::Reader};
use parquet::{
    errors::ParquetError,
    file::reader::{ChunkReader, Length},
};

/// A column's bytes: its pages were written before its dictionary was known, and stand behind it.
pub(super) struct Chunk {
    pub(super) dictionary: Bytes,
    pub(super) data: Bytes,
}

impl Length for Chunk {
    fn len(&self) -> u64 {
        (self.dictionary.len() + self.data.len()) as u64
    }
}

impl ChunkReader for Chunk {
    type T = Chain<Reader<Bytes>, Reader<Bytes>>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let start = start as usize;
        let split = start.min(self.dictionary.len());
        let data = self.data.slice(start - split..);
        Ok(self.dictionary.slice(split..).reader().chain(data.reader()))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let mut bytes = Vec::with_capacity(length);
        let read = self.get_read(start)?;
        read.take(length as u64).read_to_end(&mut bytes)?;
        Ok(bytes.into())
    }
}
