//! One column of a row group: pages, compressed as they fill up, and what the footer says of them.
//!
//! Parquet-rs has an encoder for any column of any program, which takes Arrow arrays. This one knows a few types, no
//! nesting, and by the first rows which columns are worth a dictionary; the decoder appends to its pages, without arrays
//! between. Page headers, footer and file are parquet-rs'.

use std::sync::Arc;

use arrow::array::BooleanBufferBuilder;
use parquet::{
    basic::{Encoding, PageType},
    bloom_filter::Sbbf,
    column::{
        page::{CompressedPage, Page},
        writer::ColumnCloseResult,
    },
    errors::ParquetError,
    file::metadata::{ColumnChunkMetaData, OffsetIndexBuilder, PageEncodingStats},
    schema::types::ColumnDescPtr,
};

use super::{bounds, chunk::Chunk, codec::Codec, hybrid, values::Values};
use crate::table::Type;

/// A page ends at so many bytes of values: readers decompress pages whole.
const PAGE_BYTES_MAX: usize = 1 << 20;
/// A page ends at so many rows: readers skip pages by their rows.
const PAGE_ROWS_MAX: usize = 20_000;

/// One false positive in a hundred: a look-up by event id reads one file too many in a hundred.
pub(crate) const BLOOM_FALSE_POSITIVES: f64 = 0.01;

/// How a column is to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) kind: Type,
    /// Begins with a dictionary, at least until it was judged.
    pub(super) dictionary: bool,
    /// Has a bloom filter of so many values at most.
    pub(super) bloom_values: Option<u64>,
}

/// A column growing.
pub(super) struct ColumnWriter {
    descr: ColumnDescPtr,
    kind: Type,
    values: Values,
    /// Which of the page's rows have a value, up to its last null.
    present: BooleanBufferBuilder,
    page_nulls: usize,
    /// Rows of the pages that are written, and nulls among them.
    rows: usize,
    nulls: usize,
    written: Chunk,
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
            page_nulls: 0,
            rows: 0,
            nulls: 0,
            written: Chunk::default(),
            pages: Vec::new(),
            uncompressed_bytes: 0,
        })
    }

    /// The size so far, about.
    pub(super) fn bytes(&self) -> usize {
        let dictionary = self.values.dictionary().map_or(0, |d| d.page().len());
        self.written.bytes() + self.values.page_bytes() + dictionary
    }

    #[inline]
    pub(super) fn values(&mut self) -> &mut Values {
        &mut self.values
    }

    /// The column has no value in this row of the group.
    #[inline]
    pub(super) fn null(&mut self, row: usize) {
        self.fill_present(row - self.rows);
        self.present.append(false);
        self.page_nulls += 1;
    }

    /// All rows of the page up to this one that are not null have a value.
    #[inline]
    fn fill_present(&mut self, page_rows: usize) {
        self.present.append_n(page_rows - self.present.len(), true);
    }

    /// Decides by the group's first rows, of `rows_max` at most, whether the column keeps its dictionary.
    pub(super) fn judge(&mut self, rows: usize, rows_max: u64) {
        // A page of very long values may have ended before: then it is too late.
        if self.rows == 0 {
            self.values.judge(rows as u64, rows_max);
        }
    }

    pub(super) fn has_dictionary(&self) -> bool {
        self.values.has_dictionary()
    }

    /// Ends the page if it is full; the values must be settled. The group has so many rows by now.
    pub(super) fn settle(&mut self, rows: usize, codec: &mut Codec) -> Result<(), ParquetError> {
        let last = self.values.dictionary_fills();
        let rows_full = rows - self.rows >= PAGE_ROWS_MAX;
        if rows_full || last || self.values.page_bytes() >= PAGE_BYTES_MAX {
            self.end_page(rows, codec)?;
        }
        if last {
            self.values.end_dictionary();
        }
        Ok(())
    }

    fn end_page(&mut self, rows: usize, codec: &mut Codec) -> Result<(), ParquetError> {
        let page_rows = rows - self.rows;
        let mut encoding = Encoding::PLAIN;
        let (bytes, compressed) = codec.page(|page| {
            self.take_levels(page_rows, page);
            encoding = self.values.take_page(page);
        })?;
        let page = Page::DataPage {
            buf: compressed,
            num_values: page_rows as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let page = CompressedPage::new(page, bytes);
        let spec = self.written.add(page)?;
        self.uncompressed_bytes += spec.uncompressed_size;
        self.pages.push(PageAt {
            offset: spec.offset,
            bytes: spec.compressed_size,
            rows: page_rows,
            encoding,
        });
        self.rows = rows;
        self.nulls += self.page_nulls;
        self.page_nulls = 0;
        Ok(())
    }

    /// Appends the page's definition levels, if the column may have nulls, behind their size.
    fn take_levels(&mut self, page_rows: usize, page: &mut Vec<u8>) {
        if self.descr.max_def_level() == 0 {
            return;
        }
        page.extend_from_slice(&[0; 4]);
        self.fill_present(page_rows);
        let bits = self.present.as_slice();
        hybrid::write_levels(bits, page_rows, self.page_nulls, page);
        let levels = (page.len() - 4) as u32;
        page[..4].copy_from_slice(&levels.to_le_bytes());
        self.present.truncate(0);
    }

    /// Ends the column: its bytes, the dictionary first, and what the footer says of it.
    pub(super) fn close(
        mut self,
        rows: usize,
        codec: &mut Codec,
    ) -> Result<(Chunk, ColumnCloseResult), ParquetError> {
        if rows > self.rows {
            self.end_page(rows, codec)?;
        }
        let mut chunk = Chunk::default();
        if let Some(dictionary) = self.values.dictionary() {
            let (bytes, compressed) =
                codec.page(|page| page.extend_from_slice(dictionary.page()))?;
            let page = Page::DictionaryPage {
                buf: compressed,
                num_values: dictionary.len() as u32,
                encoding: Encoding::PLAIN,
                is_sorted: false,
            };
            self.uncompressed_bytes += chunk
                .add(CompressedPage::new(page, bytes))?
                .uncompressed_size;
        }
        let dictionary_bytes = chunk.bytes();
        chunk.append(std::mem::take(&mut self.written));
        let metadata = self.metadata(codec, dictionary_bytes, chunk.bytes())?;
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
            bytes_written: chunk.bytes() as u64,
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
        let mut metadata = ColumnChunkMetaData::builder(Arc::clone(&self.descr))
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
