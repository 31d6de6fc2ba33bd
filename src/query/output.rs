//! Writes result rows in the format asked for.

use std::io::Write;

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::csv;
use arrow::datatypes::SchemaRef;
use arrow::json::writer::{LineDelimited, WriterBuilder};
use arrow::util::pretty::pretty_format_batches_with_schema;
use datafusion::execution::SendableRecordBatchStream;
use futures_util::TryStreamExt;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// A table with borders, for people.
    Table,
    /// Comma-separated values with a header line.
    Csv,
    /// One JSON object a line; null values included.
    Json,
}

/// Writes the rows of `stream`; a table shows at most `rows_max` of them (0: all), and says so.
pub(crate) async fn write(
    mut stream: SendableRecordBatchStream,
    format: Format,
    rows_max: usize,
    out: &mut impl Write,
) -> Result<()> {
    let schema = stream.schema();
    match format {
        Format::Table => {
            let mut shown = Vec::new();
            let mut left = if rows_max == 0 { usize::MAX } else { rows_max };
            let mut cut = false;
            while let Some(batch) = stream.try_next().await? {
                let take = batch.num_rows().min(left);
                shown.push(batch.slice(0, take));
                left -= take;
                if take < batch.num_rows() {
                    cut = true;
                    break;
                }
            }
            table(schema, &shown, out)?;
            if cut {
                writeln!(
                    out,
                    "(the first {rows_max} rows; --max-rows 0 shows all, --format csv or json writes all)"
                )?;
            }
        }
        Format::Csv => {
            let mut writer = csv::WriterBuilder::new().with_header(true).build(&mut *out);
            // A result without rows still has a header.
            writer.write(&RecordBatch::new_empty(schema))?;
            while let Some(batch) = stream.try_next().await? {
                writer.write(&batch)?;
            }
        }
        Format::Json => {
            let mut writer = json(&mut *out);
            while let Some(batch) = stream.try_next().await? {
                writer.write(&batch)?;
            }
            writer.finish()?;
        }
    }
    Ok(())
}

/// Writes rows that are all at hand.
pub(crate) fn write_batch(rows: &RecordBatch, format: Format, out: &mut impl Write) -> Result<()> {
    match format {
        Format::Table => table(rows.schema(), std::slice::from_ref(rows), out)?,
        Format::Csv => csv::Writer::new(&mut *out).write(rows)?,
        Format::Json => json(&mut *out).write(rows)?,
    }
    Ok(())
}

fn json<W: Write>(out: W) -> arrow::json::Writer<W, LineDelimited> {
    WriterBuilder::new().with_explicit_nulls(true).build(out)
}

fn table(schema: SchemaRef, batches: &[RecordBatch], out: &mut impl Write) -> Result<()> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    writeln!(
        out,
        "{}",
        pretty_format_batches_with_schema(schema, batches)?
    )?;
    writeln!(out, "{rows} {}", if rows == 1 { "row" } else { "rows" })?;
    Ok(())
}
