//! The rows of landed `bad_events` and `replayed_events`, read by columns.

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::TimestampMicrosecondType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use headgate_sink::commit::DataFile;
use headgate_sink::store::Store;
use parquet::arrow::async_reader::ParquetRecordBatchStream;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};

use crate::lake::LandedFile;

/// Rows in memory at a time. Few: each may be as large as an event may be.
const BATCH_ROWS: usize = 64;

/// The columns that a replay needs.
const COLUMNS: [&str; 12] = [
    "event_id",
    "source",
    "received_at",
    "reason",
    "rejected_type",
    "rejected_id",
    "rejected_source",
    "payload",
    "payload_base64",
    "payload_form",
    "sent_at",
    "payload_protected",
];

/// A bad event as it landed.
#[derive(Debug, Clone)]
pub(crate) struct Row<'a> {
    /// Its own id, which names it for good.
    pub(crate) bad_event: &'a str,
    /// The gateway or sink that refused it.
    pub(crate) source: &'a str,
    /// When it was refused.
    pub(crate) received_micros: i64,
    pub(crate) reason: &'a str,
    /// The refused event's type, id and source, where known.
    pub(crate) kind: Option<&'a str>,
    pub(crate) id: Option<&'a str>,
    pub(crate) origin: Option<&'a str>,
    /// The refused event.
    pub(crate) payload: Cow<'a, [u8]>,
    /// How it is to be read, where it is not an event in CloudEvents' JSON format.
    pub(crate) form: Option<&'a str>,
    /// Places whose values were hidden when it was kept.
    pub(crate) protected: Vec<String>,
    /// When the client sent it, by its own clock.
    pub(crate) sent_micros: Option<i64>,
}

/// Opens a file of bad events.
pub(crate) async fn open(
    store: &Arc<dyn Store>,
    file: &DataFile,
) -> Result<ParquetRecordBatchStream<LandedFile>> {
    read(store, file, &COLUMNS, BATCH_ROWS).await
}

/// Opens a file for its column of event ids.
pub(crate) async fn open_ids(
    store: &Arc<dyn Store>,
    file: &DataFile,
) -> Result<ParquetRecordBatchStream<LandedFile>> {
    read(store, file, &COLUMNS[..1], 8_192).await
}

async fn read(
    store: &Arc<dyn Store>,
    file: &DataFile,
    columns: &[&str],
    batch_rows: usize,
) -> Result<ParquetRecordBatchStream<LandedFile>> {
    let landed = LandedFile::new(store, file);
    let builder = ParquetRecordBatchStreamBuilder::new(landed).await;
    let builder = builder.with_context(|| format!("cannot open {}", file.path))?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    Ok(builder
        .with_batch_size(batch_rows)
        .with_projection(mask)
        .build()?)
}

/// The columns of some rows.
pub(crate) struct Rows<'b> {
    batch: &'b RecordBatch,
    texts: [Option<&'b StringArray>; COLUMNS.len()],
}

impl<'b> Rows<'b> {
    pub(crate) fn of(batch: &'b RecordBatch) -> Self {
        let text = |name| batch.column_by_name(name)?.as_string_opt::<i32>();
        Self {
            batch,
            texts: COLUMNS.map(text),
        }
    }

    /// A row.
    ///
    /// # Errors
    /// It lacks what every bad event has.
    pub(crate) fn row(&self, at: usize) -> Result<Row<'b>> {
        let text = |column: usize| {
            let values = self.texts[column].filter(|values| values.is_valid(at))?;
            Some(values.value(at))
        };
        let needed =
            |column: usize| text(column).with_context(|| format!("no {}", COLUMNS[column]));
        let times = |column: usize| {
            let times = self.batch.column_by_name(COLUMNS[column])?;
            times.as_primitive_opt::<TimestampMicrosecondType>()
        };
        let payload = match (text(7), text(8)) {
            (Some(text), _) => Cow::Borrowed(text.as_bytes()),
            (None, Some(base64)) => Cow::Owned(BASE64.decode(base64)?),
            (None, None) => bail!("neither payload nor payload_base64"),
        };
        Ok(Row {
            bad_event: needed(0)?,
            source: needed(1)?,
            received_micros: times(2).context("no received_at")?.value(at),
            reason: needed(3)?,
            kind: text(4),
            id: text(5),
            origin: text(6),
            payload,
            form: text(9),
            protected: match text(11) {
                Some(places) => serde_json::from_str(places).context("payload_protected")?,
                None => Vec::new(),
            },
            sent_micros: times(10)
                .filter(|times| times.is_valid(at))
                .map(|times| times.value(at)),
        })
    }
}
