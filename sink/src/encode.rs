//! Rows of one table and hour into Parquet files.

mod bounds;
mod codec;
mod column;
mod dictionary;
mod hybrid;
mod sample;
mod values;

use std::sync::Arc;

use bytes::Bytes;
use parquet::{
    arrow::ArrowSchemaConverter,
    errors::ParquetError,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
};

use self::{
    codec::Codec,
    column::{ColumnWriter, Plan},
};
use crate::{
    columns::Finished,
    config::Config,
    table::{Column, Table, at},
};

/// The first rows, by which the columns' encodings are chosen.
const SAMPLE_ROWS: u64 = 4_096;

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
    codec: Codec,
    /// How many rows may come at most; sizes the bloom filter.
    rows_left: u64,
    /// The first rows, until they are enough to judge by.
    sample: Vec<Finished>,
    /// Which columns have a dictionary: known once the sample was judged.
    dictionaries: Option<Vec<bool>>,
    open: Option<Open>,
    files: Vec<Encoded>,
}

/// A file growing.
struct Open {
    writer: SerializedFileWriter<Vec<u8>>,
    /// The row group's columns; none between two row groups.
    columns: Vec<ColumnWriter>,
    rows: u64,
    received_ms: (i64, i64),
}

impl<'c> Encoder<'c> {
    pub(crate) fn new(
        config: &'c Config,
        table: &'c Table,
        rows_max: u64,
    ) -> Result<Self, ParquetError> {
        Ok(Self {
            config,
            table,
            codec: Codec::new(config.compression)?,
            rows_left: rows_max,
            sample: Vec::new(),
            dictionaries: None,
            open: None,
            files: Vec::new(),
        })
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
            sample::is_worth(column.kind, &values, sampled, self.rows_left)
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
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(Open::new(self.table, received_ms)?),
        };
        if open.columns.is_empty() {
            let dictionaries = self.dictionaries.as_deref().unwrap_or_default();
            open.columns = columns(&open.writer, self.table, dictionaries, self.rows_left)?;
        }
        for (column, array) in open.columns.iter_mut().zip(rows.batch.columns()) {
            column.append(array, &mut self.codec)?;
        }
        let count = rows.batch.num_rows() as u64;
        open.rows += count;
        open.received_ms.0 = open.received_ms.0.min(received_ms.0);
        open.received_ms.1 = open.received_ms.1.max(received_ms.1);
        self.rows_left = self.rows_left.saturating_sub(count);
        let group = open.columns.iter().map(|c| c.bytes() as u64).sum::<u64>();
        if open.writer.bytes_written() as u64 + group >= self.config.file_bytes_max {
            self.close()
        } else if group >= self.config.row_group_bytes_max {
            open.end_group(&mut self.codec)
        } else {
            Ok(())
        }
    }

    fn close(&mut self) -> Result<(), ParquetError> {
        if let Some(mut open) = self.open.take() {
            open.end_group(&mut self.codec)?;
            self.files.push(Encoded {
                bytes: open.writer.into_inner()?.into(),
                rows: open.rows,
                received_ms: open.received_ms,
            });
        }
        Ok(())
    }
}

impl Open {
    fn new(table: &Table, received_ms: (i64, i64)) -> Result<Self, ParquetError> {
        let properties = WriterProperties::builder()
            .set_created_by(concat!("headgate ", env!("CARGO_PKG_VERSION")).to_owned());
        // The Parquet types say all that the Arrow schema would: without it a small file is a few KB smaller.
        let schema = ArrowSchemaConverter::new().convert(&table.arrow_schema())?;
        let (root, properties) = (schema.root_schema_ptr(), Arc::new(properties.build()));
        Ok(Self {
            writer: SerializedFileWriter::new(Vec::new(), root, properties)?,
            columns: Vec::new(),
            rows: 0,
            received_ms,
        })
    }

    fn end_group(&mut self, codec: &mut Codec) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for column in self.columns.drain(..) {
            let (bytes, closed) = column.close(codec)?;
            group.append_column(&bytes, closed)?;
        }
        group.close().map(drop)
    }
}

/// The columns of a row group to which at most `rows_max` rows will come.
fn columns(
    file: &SerializedFileWriter<Vec<u8>>,
    table: &Table,
    dictionaries: &[bool],
    rows_max: u64,
) -> Result<Vec<ColumnWriter>, ParquetError> {
    let described = file.schema_descr().columns().iter();
    let planned = table.columns().iter().zip(dictionaries).enumerate();
    let column = |(descr, (index, (column, dictionary))): (_, (usize, (&Column, &bool)))| {
        let plan = Plan {
            kind: column.kind,
            dictionary: *dictionary,
            bloom_values: (index == at::EVENT_ID).then_some(rows_max),
        };
        ColumnWriter::new(Arc::clone(descr), plan)
    };
    described.zip(planned).map(column).collect()
}

#[cfg(test)]
mod tests;
