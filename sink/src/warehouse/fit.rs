//! Files whose texts COPY would refuse: longer than a VARCHAR can be, or with a NUL character.
//!
//! One such value would keep the whole file out, so the load takes a copy without it, and a second file with what was left
//! out, as the table of discards has it. The landed file stays as it is.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, RecordBatch, StringArray, TimestampMicrosecondArray},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType},
    error::ArrowError,
};
use bytes::Bytes;
use parquet::{
    arrow::{
        ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder,
        arrow_writer::ArrowWriterOptions,
    },
    basic::Compression,
    errors::ParquetError,
    file::properties::WriterProperties,
};

use super::statements::Staged;
use crate::table::Type;

/// Redshift's longest VARCHAR, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 65_535;

/// So many rows are looked at at once.
const BATCH_ROWS: usize = 4_096;

/// Why a file cannot be copied.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}

/// A copy of a file, and what it lacks.
#[derive(Debug)]
pub(super) struct Fitted {
    pub(super) copy: Bytes,
    pub(super) lost: Bytes,
}

/// The columns of the file of what was left out, as [`Staged`] ones.
pub(super) fn lost_columns() -> Vec<Staged> {
    let column = |name: &str, kind, required| Staged {
        name: name.to_owned(),
        kind,
        required,
    };
    vec![
        column("event_id", Type::Text, true),
        column("column", Type::Text, true),
        column("value", Type::Text, false),
        column("reason", Type::Text, true),
        column("received_at", Type::Timestamp, true),
    ]
}

/// A copy that fits; `None`: the file does as it is.
///
/// # Errors
/// The file is no Parquet file of events, or cannot be written anew.
pub(super) fn fit(file: Bytes) -> Result<Option<Fitted>, Error> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)?;
    let schema = Arc::clone(reader.schema());
    let mut lost = Lost::default();
    let mut batches = Vec::new();
    for batch in reader.with_batch_size(BATCH_ROWS).build()? {
        batches.push(fitting(&batch?, &mut lost)?);
    }
    if lost.ids.is_empty() {
        return Ok(None);
    }
    Ok(Some(Fitted {
        copy: written(schema, &batches)?,
        lost: lost.written()?,
    }))
}

fn fitting(batch: &RecordBatch, lost: &mut Lost) -> Result<RecordBatch, Error> {
    let schema = batch.schema();
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| match column.as_string_opt::<i32>() {
        Some(texts) if texts.iter().flatten().any(|text| unfit(text).is_some()) => {
            let texts = texts.iter().enumerate();
            let texts =
                texts.map(|(row, text)| text.and_then(|text| lost.take(batch, row, field, text)));
            Arc::new(texts.collect::<StringArray>())
        }
        _ => Arc::clone(column),
    });
    Ok(RecordBatch::try_new(
        Arc::clone(&schema),
        columns.collect(),
    )?)
}

/// Why a text does not fit.
fn unfit(text: &str) -> Option<String> {
    if text.len() > TEXT_BYTES_MAX {
        return Some(format!(
            "{} bytes, longer than {TEXT_BYTES_MAX}",
            text.len()
        ));
    }
    memchr::memchr(0, text.as_bytes()).map(|_| "has a NUL character".to_owned())
}

/// What of a text fits: its beginning, without NUL characters.
fn cut(text: &str) -> String {
    let plain = text.replace('\0', "\u{fffd}");
    let mut end = plain.len().min(TEXT_BYTES_MAX);
    while !plain.is_char_boundary(end) {
        end -= 1;
    }
    plain[..end].to_owned()
}

/// What was left out, column by column.
#[derive(Default)]
struct Lost {
    ids: Vec<String>,
    columns: Vec<String>,
    values: Vec<String>,
    reasons: Vec<String>,
    received: Vec<i64>,
}

impl Lost {
    /// The text if it fits; else what the column gets in its place, and the text is noted.
    fn take(
        &mut self,
        batch: &RecordBatch,
        row: usize,
        field: &Field,
        text: &str,
    ) -> Option<String> {
        let Some(reason) = unfit(text) else {
            return Some(text.to_owned());
        };
        let id = batch
            .column_by_name("event_id")
            .and_then(|ids| ids.as_string_opt::<i32>());
        let received = batch.column_by_name("received_at");
        let received = received.and_then(|at| at.as_primitive_opt::<TimestampMicrosecondType>());
        self.ids
            .push(id.map_or_else(String::new, |ids| cut(ids.value(row))));
        self.columns.push(field.name().clone());
        self.values.push(cut(text));
        self.reasons.push(reason);
        self.received
            .push(received.map_or(0, |received| received.value(row)));
        // A column that has no nulls gets what fits.
        (!field.is_nullable()).then(|| cut(text))
    }

    fn written(self) -> Result<Bytes, Error> {
        let field = |column: Staged| {
            let kind = match column.kind {
                Type::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                _ => DataType::Utf8,
            };
            Field::new(column.name, kind, !column.required)
        };
        let schema = Schema::new(lost_columns().into_iter().map(field).collect::<Vec<_>>());
        let texts = |texts: Vec<String>| -> ArrayRef { Arc::new(StringArray::from(texts)) };
        let received = TimestampMicrosecondArray::from(self.received).with_timezone("UTC");
        let columns = vec![
            texts(self.ids),
            texts(self.columns),
            texts(self.values),
            texts(self.reasons),
            Arc::new(received),
        ];
        let schema = Arc::new(schema);
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
        written(schema, &[batch])
    }
}

fn written(schema: SchemaRef, batches: &[RecordBatch]) -> Result<Bytes, Error> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .build();
    let options = ArrowWriterOptions::new()
        .with_properties(properties)
        .with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), schema, options)?;
    for batch in batches {
        writer.write(batch)?;
    }
    Ok(writer.into_inner()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(texts: Vec<Option<&str>>) -> Bytes {
        let schema = Arc::new(Schema::new(vec![
            Field::new("event_id", DataType::Utf8, false),
            Field::new(
                "received_at",
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                false,
            ),
            Field::new("text", DataType::Utf8, true),
        ]));
        let rows = texts.len() as i64;
        let ids: StringArray = (0..rows).map(|n| Some(format!("e{n}"))).collect();
        let received = TimestampMicrosecondArray::from_iter_values(0..rows).with_timezone("UTC");
        let texts: StringArray = texts.into_iter().collect();
        let columns: Vec<ArrayRef> = vec![Arc::new(ids), Arc::new(received), Arc::new(texts)];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
        written(schema, &[batch]).unwrap()
    }

    fn read(bytes: Bytes) -> RecordBatch {
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
            .unwrap()
            .build()
            .unwrap();
        reader.map(Result::unwrap).next().unwrap()
    }

    #[test]
    fn a_file_that_fits_stays_as_it_is() {
        let longest = "x".repeat(TEXT_BYTES_MAX);
        assert!(
            fit(file(vec![Some("a"), None, Some(&longest)]))
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_noted() {
        let long = "é".repeat(40_000);
        let fitted = fit(file(vec![Some("a"), Some(&long), None, Some("b\0c")]))
            .unwrap()
            .unwrap();
        let copy = read(fitted.copy);
        let texts = copy.column_by_name("text").unwrap().as_string::<i32>();
        assert_eq!(
            texts.iter().collect::<Vec<_>>(),
            [Some("a"), None, None, None]
        );
        let lost = read(fitted.lost);
        let column = |name: &str| {
            let texts = lost.column_by_name(name).unwrap().as_string::<i32>();
            texts
                .iter()
                .flatten()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(column("event_id"), ["e1", "e3"]);
        assert_eq!(column("column"), ["text", "text"]);
        assert_eq!(
            column("value"),
            ["é".repeat(32_767), "b\u{fffd}c".to_owned()]
        );
        assert_eq!(
            column("reason"),
            ["80000 bytes, longer than 65535", "has a NUL character"]
        );
    }
}
