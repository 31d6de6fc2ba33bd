//! Rows of one table and hour into Parquet files.

mod bounds;
mod chunk;
mod codec;
mod column;
mod dictionary;
mod group;
mod hybrid;
mod sample;
mod values;

pub(crate) use self::{
    codec::ZSTD_LEVEL, column::BLOOM_FALSE_POSITIVES, group::RowGroup, values::Values,
};

use std::sync::Arc;

use bytes::Bytes;
use parquet::{
    arrow::ArrowSchemaConverter,
    errors::ParquetError,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
};

use self::codec::Codec;
use crate::{config::Config, table::Table};

/// Who wrote a file, as its footer says.
pub(crate) const CREATED_BY: &str = concat!("headgate ", env!("CARGO_PKG_VERSION"));

/// An encoded file.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) bytes: Bytes,
    pub(crate) rows: u64,
    /// The oldest and the newest received time, in ms since the epoch.
    pub(crate) received_ms: (i64, i64),
    /// No text in it is longer, in bytes.
    pub(crate) text_bytes_max: u64,
    /// How many of its rows are second ones of their records.
    pub(crate) second_rows: u64,
}

/// Writes the rows of one table and hour, beginning a new file when one is large enough.
pub(crate) struct Encoder<'c> {
    config: &'c Config,
    table: &'c Table,
    codec: Codec,
    /// How many rows may come at most; sizes the bloom filter.
    rows_left: u64,
    /// Which columns have a dictionary: known after the first row group.
    dictionaries: Option<Vec<bool>>,
    writer: SerializedFileWriter<Vec<u8>>,
    group: RowGroup,
    /// Of the rows in the file's groups so far.
    rows: u64,
    text_bytes_max: u64,
    second_rows: u64,
    received_ms: Option<(i64, i64)>,
    files: Vec<Encoded>,
}

impl<'c> Encoder<'c> {
    pub(crate) fn new(
        config: &'c Config,
        table: &'c Table,
        rows_max: u64,
    ) -> Result<Self, ParquetError> {
        let writer = writer(table)?;
        Ok(Self {
            config,
            table,
            codec: Codec::new(config.compression)?,
            rows_left: rows_max,
            dictionaries: None,
            group: RowGroup::new(writer.schema_descr(), table, None, rows_max)?,
            writer,
            rows: 0,
            text_bytes_max: 0,
            second_rows: 0,
            received_ms: None,
            files: Vec::new(),
        })
    }

    /// Where the next row goes; [`Self::appended`] must be told of it.
    #[inline]
    pub(crate) fn group(&mut self) -> &mut RowGroup {
        &mut self.group
    }

    /// A row was appended to the group: when it was received, and how large its record was.
    pub(crate) fn appended(
        &mut self,
        received_micros: i64,
        record_bytes: usize,
    ) -> Result<(), ParquetError> {
        let ms = received_micros.div_euclid(1_000);
        let (oldest, newest) = self.received_ms.get_or_insert((ms, ms));
        *oldest = ms.min(*oldest);
        *newest = ms.max(*newest);
        if !self.group.settle(record_bytes, &mut self.codec)? {
            return Ok(());
        }
        let group = self.group.bytes();
        if self.writer.bytes_written() as u64 + group >= self.config.file_bytes_max {
            self.end_file()
        } else if group >= self.config.row_group_bytes_max {
            self.end_group()
        } else {
            Ok(())
        }
    }

    /// As [`Self::appended`], of a record that has another row elsewhere.
    pub(crate) fn appended_second(
        &mut self,
        received_micros: i64,
        record_bytes: usize,
    ) -> Result<(), ParquetError> {
        self.second_rows += 1;
        self.appended(received_micros, record_bytes)
    }

    /// Ends the last file.
    pub(crate) fn finish(mut self) -> Result<Vec<Encoded>, ParquetError> {
        self.end_file()?;
        Ok(self.files)
    }

    fn end_group(&mut self) -> Result<(), ParquetError> {
        let rows = self.group.rows() as u64;
        if rows == 0 {
            return Ok(());
        }
        self.rows += rows;
        self.text_bytes_max = self.text_bytes_max.max(self.group.text_bytes_max());
        self.rows_left = self.rows_left.saturating_sub(rows);
        let schema = self.writer.schema_descr();
        let known = self.dictionaries.as_deref();
        let next = RowGroup::new(schema, self.table, known, self.rows_left)?;
        let ended = std::mem::replace(&mut self.group, next);
        let dictionaries = ended.close(&mut self.writer, &mut self.codec)?;
        self.dictionaries.get_or_insert(dictionaries);
        Ok(())
    }

    fn end_file(&mut self) -> Result<(), ParquetError> {
        self.end_group()?;
        let Some(received_ms) = self.received_ms.take() else {
            return Ok(());
        };
        let ended = std::mem::replace(&mut self.writer, writer(self.table)?);
        self.files.push(Encoded {
            bytes: ended.into_inner()?.into(),
            rows: std::mem::take(&mut self.rows),
            received_ms,
            text_bytes_max: std::mem::take(&mut self.text_bytes_max),
            second_rows: std::mem::take(&mut self.second_rows),
        });
        Ok(())
    }
}

fn writer(table: &Table) -> Result<SerializedFileWriter<Vec<u8>>, ParquetError> {
    let properties = WriterProperties::builder().set_created_by(CREATED_BY.to_owned());
    // The Parquet types say all that the Arrow schema would: without it a small file is a few KB smaller.
    let schema = ArrowSchemaConverter::new().convert(&table.arrow_schema())?;
    let properties = Arc::new(properties.build());
    SerializedFileWriter::new(Vec::new(), schema.root_schema_ptr(), properties)
}

#[cfg(test)]
mod tests;
