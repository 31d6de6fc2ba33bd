//! Rows of one table and hour into Parquet files.

mod dictionary;

use bytes::Bytes;
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::{self, ZstdLevel},
    errors::ParquetError,
    file::properties::{EnabledStatistics, WriterProperties},
    schema::types::ColumnPath,
};

use crate::{
    columns::Finished,
    config::{Compression, Config},
    table::{Column, Table, Type, at},
};

/// One false positive in a hundred: a look-up by event id reads one file too many in a hundred.
const BLOOM_FALSE_POSITIVES: f64 = 0.01;

/// The first rows, by which the columns' encodings are chosen.
const SAMPLE_ROWS: u64 = 4_096;

/// zstd's own default trades three times the time of level 1 for a few percent.
const ZSTD_LEVEL: i32 = 1;

/// An encoded file.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) bytes: Bytes,
    pub(crate) rows: u64,
    pub(crate) received_ms: (i64, i64),
}

/// Writes the rows of one table and hour, beginning a new file when one is large enough.
pub(crate) struct Encoder<'c> {
    config: &'c Config,
    table: &'c Table,
    /// How many rows may come at most; sizes the bloom filter.
    rows_left: u64,
    /// The first rows, until they are enough to judge by.
    sample: Vec<Finished>,
    /// Which columns have a dictionary: known once the sample was judged.
    dictionaries: Option<Vec<bool>>,
    open: Option<Open>,
    files: Vec<Encoded>,
}

struct Open {
    writer: ArrowWriter<Vec<u8>>,
    rows: u64,
    received_ms: (i64, i64),
}

impl<'c> Encoder<'c> {
    pub(crate) fn new(config: &'c Config, table: &'c Table, rows_max: u64) -> Self {
        Self {
            config,
            table,
            rows_left: rows_max,
            sample: Vec::new(),
            dictionaries: None,
            open: None,
            files: Vec::new(),
        }
    }

    /// Takes rows: the first ones are held until the encodings can be chosen by them.
    pub(crate) fn write(&mut self, rows: Finished) -> Result<(), ParquetError> {
        if self.dictionaries.is_some() {
            return self.append(rows);
        }
        self.sample.push(rows);
        if self.sampled() < SAMPLE_ROWS {
            return Ok(());
        }
        self.judge()
    }

    /// Ends the last file.
    pub(crate) fn finish(mut self) -> Result<Vec<Encoded>, ParquetError> {
        self.judge()?;
        self.close()?;
        Ok(self.files)
    }

    fn sampled(&self) -> u64 {
        let rows = self.sample.iter().map(|rows| rows.batch.num_rows() as u64);
        rows.sum()
    }

    /// Chooses the encodings by the sample, and writes it.
    fn judge(&mut self) -> Result<(), ParquetError> {
        let sampled = self.sampled();
        let is_worth = |(index, column): (usize, &Column)| {
            let values: Vec<_> = self
                .sample
                .iter()
                .map(|rows| rows.batch.column(index))
                .collect();
            dictionary::is_worth(column.kind, &values, sampled, self.rows_left)
        };
        if self.dictionaries.is_none() {
            let columns = self.table.columns().iter().enumerate();
            self.dictionaries = Some(columns.map(is_worth).collect());
        }
        let sample = std::mem::take(&mut self.sample);
        sample.into_iter().try_for_each(|rows| self.append(rows))
    }

    fn append(&mut self, rows: Finished) -> Result<(), ParquetError> {
        let Some(received_ms) = rows.received_ms else {
            return Ok(());
        };
        let dictionaries = self.dictionaries.as_deref().unwrap_or_default();
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(Open {
                writer: writer(self.config, self.table, self.rows_left, dictionaries)?,
                rows: 0,
                received_ms,
            }),
        };
        open.writer.write(&rows.batch)?;
        open.rows += rows.batch.num_rows() as u64;
        open.received_ms.0 = open.received_ms.0.min(received_ms.0);
        open.received_ms.1 = open.received_ms.1.max(received_ms.1);
        self.rows_left = self.rows_left.saturating_sub(rows.batch.num_rows() as u64);
        let size = open.writer.bytes_written() + open.writer.in_progress_size();
        if size as u64 >= self.config.file_bytes_max {
            self.close()?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), ParquetError> {
        if let Some(open) = self.open.take() {
            self.files.push(Encoded {
                bytes: open.writer.into_inner()?.into(),
                rows: open.rows,
                received_ms: open.received_ms,
            });
        }
        Ok(())
    }
}

fn writer(
    config: &Config,
    table: &Table,
    rows_max: u64,
    dictionaries: &[bool],
) -> Result<ArrowWriter<Vec<u8>>, ParquetError> {
    let id = ColumnPath::from(table.columns()[at::EVENT_ID].name.as_str());
    let compression = match config.compression {
        Compression::Snappy => basic::Compression::SNAPPY,
        Compression::Zstd => basic::Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?),
    };
    let mut properties = WriterProperties::builder()
        .set_compression(compression)
        .set_created_by(concat!("headgate ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_max_row_group_bytes(usize::try_from(config.row_group_bytes_max).ok())
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_column_bloom_filter_enabled(id.clone(), true)
        .set_column_bloom_filter_fpp(id.clone(), BLOOM_FALSE_POSITIVES)
        .set_column_bloom_filter_max_ndv(id, rows_max.max(1));
    for (column, dictionary) in table.columns().iter().zip(dictionaries) {
        if !dictionary {
            let path = ColumnPath::from(column.name.as_str());
            properties = properties.set_column_dictionary_enabled(path.clone(), false);
            // The least and the greatest of texts that hardly repeat rule out no file for anybody.
            if matches!(column.kind, Type::Text | Type::Json) {
                properties =
                    properties.set_column_statistics_enabled(path, EnabledStatistics::None);
            }
        }
    }
    // The Parquet types say all that the Arrow schema would: without it a small file is a few KB smaller.
    let options = ArrowWriterOptions::new()
        .with_properties(properties.build())
        .with_skip_arrow_metadata(true);
    ArrowWriter::try_new_with_options(Vec::new(), table.arrow_schema(), options)
}

#[cfg(test)]
mod tests;
