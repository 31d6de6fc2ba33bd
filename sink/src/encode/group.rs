//! A row group growing: its columns side by side, a row at a time.

use std::sync::Arc;

use parquet::{
    errors::ParquetError, file::writer::SerializedFileWriter, schema::types::SchemaDescriptor,
};

use super::{
    codec::Codec,
    column::{ColumnWriter, Plan},
    values::Values,
};
use crate::table::{Column, Table, at};

/// By so many rows it is decided which columns are worth a dictionary.
const SAMPLE_ROWS: usize = 4_096;

/// Pages are looked at after so many rows, or so many bytes of records, whichever comes first: a page may become larger
/// than it should by that much.
const SETTLE_ROWS: usize = 256;
const SETTLE_BYTES: usize = 1 << 18;

/// A row group's columns.
pub(crate) struct RowGroup {
    columns: Vec<ColumnWriter>,
    rows: usize,
    /// How many rows may come at most.
    rows_max: u64,
    judged: bool,
    unsettled_rows: usize,
    unsettled_bytes: usize,
}

impl RowGroup {
    /// A group to which at most `rows_max` rows will come. Which columns have a dictionary is still to be found out,
    /// unless a group before it knows.
    pub(super) fn new(
        schema: &SchemaDescriptor,
        table: &Table,
        dictionaries: Option<&[bool]>,
        rows_max: u64,
    ) -> Result<Self, ParquetError> {
        let described = schema.columns().iter();
        let columns = table.columns().iter().enumerate();
        let column = |(descr, (index, column)): (_, (usize, &Column))| {
            // Ids are unique: their dictionary would be thrown away.
            let is_id = index == at::EVENT_ID;
            let known = dictionaries.and_then(|known| known.get(index).copied());
            let plan = Plan {
                kind: column.kind,
                dictionary: !is_id && known.unwrap_or(true),
                bloom_values: is_id.then_some(rows_max),
            };
            ColumnWriter::new(Arc::clone(descr), plan)
        };
        Ok(Self {
            columns: described
                .zip(columns)
                .map(column)
                .collect::<Result<_, _>>()?,
            rows: 0,
            rows_max,
            judged: dictionaries.is_some(),
            unsettled_rows: 0,
            unsettled_bytes: 0,
        })
    }

    /// The values of a column, to which the current row's may be appended.
    #[inline]
    pub(crate) fn values(&mut self, column: usize) -> &mut Values {
        self.columns[column].values()
    }

    /// Ends the current row, which has no value in the absent columns.
    #[inline]
    pub(crate) fn end_row(&mut self, absent: impl Iterator<Item = usize>) {
        for column in absent {
            self.columns[column].null(self.rows);
        }
        self.rows += 1;
        self.unsettled_rows += 1;
    }

    /// Ends pages that are full, now and then; true when it has looked. The last row's record had so many bytes.
    #[inline]
    pub(super) fn settle(&mut self, bytes: usize, codec: &mut Codec) -> Result<bool, ParquetError> {
        self.unsettled_bytes += bytes;
        if self.unsettled_rows < SETTLE_ROWS && self.unsettled_bytes < SETTLE_BYTES {
            return Ok(false);
        }
        self.settle_values();
        if !self.judged && self.rows >= SAMPLE_ROWS {
            self.judge();
        }
        for column in &mut self.columns {
            column.settle(self.rows, codec)?;
        }
        Ok(true)
    }

    fn settle_values(&mut self) {
        self.unsettled_rows = 0;
        self.unsettled_bytes = 0;
        self.columns.iter_mut().for_each(|c| c.values().settle());
    }

    fn judge(&mut self) {
        for column in &mut self.columns {
            column.judge(self.rows, self.rows_max);
        }
        self.judged = true;
    }

    /// The size so far, about.
    pub(super) fn bytes(&self) -> u64 {
        self.columns.iter().map(|c| c.bytes() as u64).sum()
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// No text in it is longer, in bytes; [`crate::commit::TEXT_WITH_NUL`] where one has a NUL character.
    pub(super) fn text_bytes_max(&mut self) -> u64 {
        self.settle_values();
        let longest = self.columns.iter_mut().map(|c| c.values().text_bytes_max());
        longest.max().unwrap_or(0)
    }

    /// Writes the group to the file; which columns had a dictionary.
    pub(super) fn close(
        mut self,
        file: &mut SerializedFileWriter<Vec<u8>>,
        codec: &mut Codec,
    ) -> Result<Vec<bool>, ParquetError> {
        self.settle_values();
        if !self.judged {
            self.judge();
        }
        let dictionaries = self
            .columns
            .iter()
            .map(ColumnWriter::has_dictionary)
            .collect();
        // Memory alone: growing by and by would touch more of it, and the estimate is near the truth.
        file.inner_mut().reserve(self.bytes() as usize);
        let mut group = file.next_row_group()?;
        for column in self.columns {
            let (bytes, closed) = column.close(self.rows, codec)?;
            group.append_column(&bytes, closed)?;
        }
        group.close()?;
        Ok(dictionaries)
    }
}
