//! One column of a row group: pages, compressed as they fill up, and what the footer says of them.
//!
//! Parquet-rs has an encoder for any column of any program. This one knows a few types, no nesting, and by the sample
//! which columns are worth a dictionary; it looks at a value once and copies it once, which halves the sink's work.
//! Headers, footer and file are parquet-rs'.

use std::io::{Chain, Read};

use arrow::array::{Array, ArrayRef, AsArray, BooleanBufferBuilder};
use bytes::{Buf, Bytes, buf::Reader};
use parquet::{
    basic::{Encoding, PageType},
    bloom_filter::Sbbf,
    column::{
        page::{CompressedPage, Page, PageWriter},
        writer::ColumnCloseResult,
    },
    errors::ParquetError,
    file::{
        metadata::{ColumnChunkMetaData, OffsetIndexBuilder, PageEncodingStats},
        reader::{ChunkReader, Length},
        writer::{SerializedPageWriter, TrackedWrite},
    },
    schema::types::ColumnDescPtr,
};

use super::{bounds, codec::Codec, hybrid, values::Values};
use crate::table::Type;

/// A page ends at so many bytes of values: readers decompress pages whole.
const PAGE_BYTES_MAX: usize = 1 << 20;
/// A page ends at so many rows: readers skip pages by their rows.
const PAGE_ROWS_MAX: usize = 20_000;

/// One false positive in a hundred: a look-up by event id reads one file too many in a hundred.
const BLOOM_FALSE_POSITIVES: f64 = 0.01;

/// How a column is to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) kind: Type,
    /// Begins with a dictionary.
    pub(super) dictionary: bool,
    /// Has a bloom filter of so many values at most.
    pub(super) bloom_values: Option<u64>,
}

/// A column growing.
pub(super) struct ColumnWriter {
    descr: ColumnDescPtr,
    kind: Type,
    values: Values,
    /// Which of the page's rows have a value; a required column has no such levels.
    present: BooleanBufferBuilder,
    page_rows: usize,
    page_nulls: usize,
    rows: usize,
    nulls: usize,
    written: TrackedWrite<Vec<u8>>,
    pages: Vec<PageAt>,
    uncompressed_bytes: usize,
}

/// A data page that is written.
struct PageAt {
    offset: u64,
    bytes: usize,
    rows: usize,
    encoding: Encoding,
}

impl ColumnWriter {
    pub(super) fn new(descr: ColumnDescPtr, plan: Plan) -> Result<Self, ParquetError> {
        let bloom = |values: u64| Sbbf::new_with_ndv_fpp(values.max(1), BLOOM_FALSE_POSITIVES);
        let bloom = plan.bloom_values.map(bloom).transpose()?;
        Ok(Self {
            descr,
            kind: plan.kind,
            values: Values::new(plan.kind, plan.dictionary, bloom),
            present: BooleanBufferBuilder::new(0),
            page_rows: 0,
            page_nulls: 0,
            rows: 0,
            nulls: 0,
            written: TrackedWrite::new(Vec::new()),
            pages: Vec::new(),
            uncompressed_bytes: 0,
        })
    }

    /// The size so far, about.
    pub(super) fn bytes(&self) -> usize {
        let dictionary = self.values.dictionary().map_or(0, |d| d.page().len());
        self.written.bytes_written() + self.values.page_bytes() + dictionary
    }

    /// Appends rows, ending pages as they fill up.
    pub(super) fn append(
        &mut self,
        array: &ArrayRef,
        codec: &mut Codec,
    ) -> Result<(), ParquetError> {
        let mut from = 0;
        while from < array.len() {
            let rest = array.slice(from, array.len() - from);
            let rows = self.room_for(&rest);
            self.append_to_page(&rest.slice(0, rows));
            from += rows;
            let full =
                self.page_rows >= PAGE_ROWS_MAX || self.values.page_bytes() >= PAGE_BYTES_MAX;
            let last = self.values.dictionary_fills();
            if full || last {
                self.end_page(codec)?;
            }
            if last {
                self.values.end_dictionary();
            }
        }
        Ok(())
    }

    /// How many of these rows the page takes: at least one.
    fn room_for(&self, array: &ArrayRef) -> usize {
        let rows = array.len().min(PAGE_ROWS_MAX - self.page_rows);
        let (Type::Text | Type::Json) = self.kind else {
            return rows;
        };
        let room = PAGE_BYTES_MAX.saturating_sub(self.values.page_bytes());
        let offsets = &array.as_string::<i32>().value_offsets()[..=rows];
        let fits = |end: &i32| (*end - offsets[0]) as usize <= room;
        if offsets.last().is_some_and(fits) {
            return rows;
        }
        offsets.partition_point(fits).saturating_sub(1).max(1)
    }

    fn append_to_page(&mut self, array: &ArrayRef) {
        if self.descr.max_def_level() > 0 {
            match array.nulls() {
                Some(nulls) => self.present.append_buffer(nulls.inner()),
                None => self.present.append_n(array.len(), true),
            }
        }
        self.page_rows += array.len();
        self.page_nulls += array.null_count();
        self.values.append(array);
    }

    fn end_page(&mut self, codec: &mut Codec) -> Result<(), ParquetError> {
        let mut encoding = Encoding::PLAIN;
        let (bytes, compressed) = codec.page(|page| {
            self.take_levels(page);
            encoding = self.values.take_page(page);
        })?;
        let page = Page::DataPage {
            buf: compressed,
            num_values: self.page_rows as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let page = CompressedPage::new(page, bytes);
        let spec = SerializedPageWriter::new(&mut self.written).write_page(page)?;
        self.uncompressed_bytes += spec.uncompressed_size;
        self.pages.push(PageAt {
            offset: spec.offset,
            bytes: spec.compressed_size,
            rows: self.page_rows,
            encoding,
        });
        self.rows += self.page_rows;
        self.nulls += self.page_nulls;
        self.page_rows = 0;
        self.page_nulls = 0;
        Ok(())
    }

    /// Appends the page's definition levels, if the column may have nulls, behind their size.
    fn take_levels(&mut self, page: &mut Vec<u8>) {
        if self.descr.max_def_level() == 0 {
            return;
        }
        page.extend_from_slice(&[0; 4]);
        let bits = self.present.as_slice();
        hybrid::write_levels(bits, self.page_rows, self.page_nulls, page);
        let levels = (page.len() - 4) as u32;
        page[..4].copy_from_slice(&levels.to_le_bytes());
        self.present.truncate(0);
    }

    /// Ends the column: its bytes, the dictionary first, and what the footer says of it.
    pub(super) fn close(
        mut self,
        codec: &mut Codec,
    ) -> Result<(Chunk, ColumnCloseResult), ParquetError> {
        if self.page_rows > 0 {
            self.end_page(codec)?;
        }
        let mut dictionary = TrackedWrite::new(Vec::new());
        if let Some(values) = self.values.dictionary() {
            let (bytes, compressed) = codec.page(|page| page.extend_from_slice(values.page()))?;
            let page = Page::DictionaryPage {
                buf: compressed,
                num_values: values.len() as u32,
                encoding: Encoding::PLAIN,
                is_sorted: false,
            };
            let page = CompressedPage::new(page, bytes);
            let spec = SerializedPageWriter::new(&mut dictionary).write_page(page)?;
            self.uncompressed_bytes += spec.uncompressed_size;
        }
        let dictionary_bytes = dictionary.bytes_written();
        let data = std::mem::replace(&mut self.written, TrackedWrite::new(Vec::new()));
        let chunk = Chunk {
            dictionary: dictionary.into_inner()?.into(),
            data: data.into_inner()?.into(),
        };
        let bytes = dictionary_bytes + chunk.data.len();
        let metadata = self.metadata(codec, dictionary_bytes, bytes)?;
        let mut bloom_filter = self.values.take_bloom();
        if let Some(bloom) = &mut bloom_filter {
            bloom.fold_to_target_fpp(BLOOM_FALSE_POSITIVES);
        }
        let mut index = OffsetIndexBuilder::new();
        for page in &self.pages {
            index.append_row_count(page.rows as i64);
            index.append_offset_and_size(
                page.offset as i64 + dictionary_bytes as i64,
                page.bytes as i32,
            );
        }
        let closed = ColumnCloseResult {
            bytes_written: bytes as u64,
            rows_written: self.rows as u64,
            bloom_filter,
            metadata,
            column_index: None,
            offset_index: Some(index.build()),
        };
        Ok((chunk, closed))
    }

    fn metadata(
        &self,
        codec: &Codec,
        dictionary_bytes: usize,
        bytes: usize,
    ) -> Result<ColumnChunkMetaData, ParquetError> {
        let mut encodings = vec![Encoding::RLE, Encoding::PLAIN];
        let mut pages = Vec::new();
        if self.values.dictionary().is_some() {
            encodings.push(Encoding::RLE_DICTIONARY);
            pages.push(PageEncodingStats {
                page_type: PageType::DICTIONARY_PAGE,
                encoding: Encoding::PLAIN,
                count: 1,
            });
        }
        for encoding in [Encoding::RLE_DICTIONARY, Encoding::PLAIN] {
            let count = self.pages.iter().filter(|p| p.encoding == encoding).count();
            if count > 0 {
                pages.push(PageEncodingStats {
                    page_type: PageType::DATA_PAGE,
                    encoding,
                    count: count as i32,
                });
            }
        }
        let mut metadata = ColumnChunkMetaData::builder(self.descr.clone())
            .set_compression(codec.name()?)
            .set_encodings(encodings)
            .set_page_encoding_stats(pages)
            .set_num_values(self.rows as i64)
            .set_total_compressed_size(bytes as i64)
            .set_total_uncompressed_size(self.uncompressed_bytes as i64)
            .set_data_page_offset(dictionary_bytes as i64)
            .set_dictionary_page_offset((dictionary_bytes > 0).then_some(0));
        let nulls = self.nulls as u64;
        let statistics = if self.nulls == self.rows {
            Some(bounds::of_nulls(self.kind, nulls))
        } else {
            let (bounds, all) = (self.values.bounds(), self.values.all_values());
            bounds.statistics(self.kind, nulls, all)
        };
        if let Some(statistics) = statistics {
            metadata = metadata.set_statistics(statistics);
        }
        metadata.build()
    }
}

/// A column's bytes: its pages were written before its dictionary was known, and stand behind it.
pub(super) struct Chunk {
    dictionary: Bytes,
    data: Bytes,
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
