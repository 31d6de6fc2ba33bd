//! Pages, compressed: one compressor and one buffer for all columns of a file.

use std::io;

use bytes::Bytes;
use parquet::{
    basic::{self, ZstdLevel},
    errors::ParquetError,
};

use crate::config::Compression;

/// zstd's own default trades three times the time of level 1 for a few percent.
pub(crate) const ZSTD_LEVEL: i32 = 1;

/// A compressor with its output buffer.
pub(super) struct Codec {
    compressor: Compressor,
    /// The page as it is put together, kept for its memory.
    page: Vec<u8>,
    out: Vec<u8>,
}

enum Compressor {
    Snappy(Box<snap::raw::Encoder>),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Codec {
    pub(super) fn new(compression: Compression) -> io::Result<Self> {
        let compressor = match compression {
            Compression::Snappy => Compressor::Snappy(Box::new(snap::raw::Encoder::new())),
            Compression::Zstd => Compressor::Zstd(zstd::bulk::Compressor::new(ZSTD_LEVEL)?),
        };
        Ok(Self {
            compressor,
            page: Vec::new(),
            out: Vec::new(),
        })
    }

    /// What Parquet calls it.
    pub(super) fn name(&self) -> Result<basic::Compression, ParquetError> {
        Ok(match self.compressor {
            Compressor::Snappy(_) => basic::Compression::SNAPPY,
            Compressor::Zstd(_) => basic::Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?),
        })
    }

    /// Puts a page together and compresses it: its size before, and what it came to.
    pub(super) fn page(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(usize, Bytes), ParquetError> {
        let mut page = std::mem::take(&mut self.page);
        page.clear();
        write(&mut page);
        let compressed = self.compress(&page).map(Bytes::copy_from_slice);
        self.page = page;
        Ok((self.page.len(), compressed?))
    }

    /// The page, compressed.
    fn compress(&mut self, page: &[u8]) -> Result<&[u8], ParquetError> {
        let room = match self.compressor {
            Compressor::Snappy(_) => snap::raw::max_compress_len(page.len()),
            Compressor::Zstd(_) => zstd::zstd_safe::compress_bound(page.len()),
        };
        if self.out.len() < room {
            self.out.resize(room, 0);
        }
        let out = &mut self.out[..];
        let size = match &mut self.compressor {
            Compressor::Snappy(encoder) => encoder
                .compress(page, out)
                .map_err(|error| ParquetError::External(Box::new(error)))?,
            Compressor::Zstd(encoder) => encoder.compress_to_buffer(page, out)?,
        };
        Ok(&self.out[..size])
    }
}
