//! One column of a row group: pages, compressed as they fill up, and what the footer says of them.
//!
//! Parquet-rs has an encoder for any column of any program. This one knows a few types, no nesting, and by the sample
//! which columns are worth a dictionary; it looks at a value once and copies it once, which halves the sink's work.
//! Headers, footer and file are parquet-rs'.

use arrow::array::{Array, ArrayRef, AsArray, BooleanBufferBuilder};
use bytes::Bytes;
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
        let mut body = Vec::with_capacity(self.values.page_bytes() + self.page_rows / 8 + 64);
        if self.descr.max_def_level() > 0 {
            body.extend_from_slice(&[0; 4]);
            let bits = self.present.as_slice();
            hybrid::write_levels(bits, self.page_rows, self.page_nulls, &mut body);
            let levels = (body.len() - 4) as u32;
            body[..4].copy_from_slice(&levels.to_le_bytes());
            self.present.truncate(0);
        }
        let encoding = self.values.take_page(&mut body);
        let page = Page::DataPage {
            buf: Bytes::copy_from_slice(codec.compress(&body)?),
            num_values: self.page_rows as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let page = CompressedPage::new(page, body.len());
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

    /// Ends the column: its bytes, the dictionary first, and what the footer says of it.
    pub(super) fn close(
        mut self,
        codec: &mut Codec,
    ) -> Result<(Bytes, ColumnCloseResult), ParquetError> {
        if self.page_rows > 0 {
            self.end_page(codec)?;
        }
        let mut chunk = TrackedWrite::new(Vec::new());
        if let Some(dictionary) = self.values.dictionary() {
            let page = Page::DictionaryPage {
                buf: Bytes::copy_from_slice(codec.compress(dictionary.page())?),
                num_values: dictionary.len() as u32,
                encoding: Encoding::PLAIN,
                is_sorted: false,
            };
            let page = CompressedPage::new(page, dictionary.page().len());
            let spec = SerializedPageWriter::new(&mut chunk).write_page(page)?;
            self.uncompressed_bytes += spec.uncompressed_size;
        }
        let dictionary_bytes = chunk.bytes_written();
        let data = std::mem::replace(&mut self.written, TrackedWrite::new(Vec::new()));
        let mut bytes = chunk.into_inner()?;
        bytes.extend_from_slice(&data.into_inner()?);
        let metadata = self.metadata(codec, dictionary_bytes, bytes.len())?;
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
            bytes_written: bytes.len() as u64,
            rows_written: self.rows as u64,
            bloom_filter,
            metadata,
            column_index: None,
            offset_index: Some(index.build()),
        };
        Ok((bytes.into(), closed))
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
