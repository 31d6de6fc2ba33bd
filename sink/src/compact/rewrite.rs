//! Some Parquet files into one (or a few, should they grow too large): row by row the same, in the same columns.
//!
//! A file is read whole, since its checksum is over all of it, and decoded some rows at a time; what is written is held
//! until it is uploaded. So memory is bounded by one input, one output and one row group.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use parquet::{
    arrow::{
        ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder,
        arrow_writer::ArrowWriterOptions,
    },
    basic::{Compression as Codec, ZstdLevel},
    errors::ParquetError,
    file::properties::{EnabledStatistics, WriterProperties},
    schema::types::{ColumnPath, TypePtr},
};

use crate::{
    commit::DataFile,
    config::{Compression, Config},
    encode::{BLOOM_FALSE_POSITIVES, CREATED_BY, ZSTD_LEVEL},
};

/// So many rows are decoded at once.
const BATCH_ROWS: usize = 4_096;

/// The column that has a bloom filter.
const EVENT_ID: &str = "event_id";

/// Why files could not be put together. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// What was read is not what was committed.
    #[error("{path} is not what its commit says: {what}")]
    Differs { path: String, what: String },
    /// It cannot be decoded.
    #[error("{path} cannot be decoded: {source}")]
    Decode {
        path: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Files of one fingerprint have different columns.
    #[error("{path} has other columns than the files before it")]
    Columns { path: String },
    #[error("cannot encode Parquet: {0}")]
    Encode(#[from] ParquetError),
    /// What was written is not what was read.
    #[error("{written} rows were written of {read} read: a defect, nothing is replaced")]
    Rows { read: u64, written: u64 },
}

/// What is written, as one file.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) bytes: Bytes,
    pub(super) rows: u64,
}

/// Files on their way into others.
pub(super) struct Rewriter {
    properties: Arc<WriterProperties>,
    file_bytes_max: u64,
    /// Of the inputs: what is written is mostly smaller.
    bytes: u64,
    columns: Option<(SchemaRef, TypePtr)>,
    writer: Option<ArrowWriter<Vec<u8>>>,
    read: u64,
    written: Vec<Written>,
}

impl Rewriter {
    /// For inputs of so many rows and bytes in all.
    pub(super) fn new(config: &Config, rows: u64, bytes: u64) -> Result<Self, Error> {
        let codec = match config.compression {
            Compression::Snappy => Codec::SNAPPY,
            Compression::Zstd => Codec::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?),
        };
        let id = ColumnPath::from(EVENT_ID);
        let group_bytes = usize::try_from(config.row_group_bytes_max).unwrap_or(usize::MAX);
        let properties = WriterProperties::builder()
            .set_created_by(CREATED_BY.to_owned())
            .set_compression(codec)
            .set_max_row_group_row_count(None)
            .set_max_row_group_bytes(Some(group_bytes))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            // Ids are unique: looked for by the bloom filter, and no dictionary pays.
            .set_column_dictionary_enabled(id.clone(), false)
            .set_column_statistics_enabled(id.clone(), EnabledStatistics::None)
            .set_column_bloom_filter_enabled(id.clone(), true)
            .set_column_bloom_filter_fpp(id.clone(), BLOOM_FALSE_POSITIVES)
            .set_column_bloom_filter_max_ndv(id, rows.max(1))
            .build();
        Ok(Self {
            properties: Arc::new(properties),
            file_bytes_max: config.compact.file_bytes_max,
            bytes,
            columns: None,
            writer: None,
            read: 0,
            written: Vec::new(),
        })
    }

    /// Appends all rows of a file, if it is what its commit says.
    pub(super) fn add(&mut self, file: &DataFile, bytes: Bytes) -> Result<(), Error> {
        let differs = |what: String| Error::Differs {
            path: file.path.clone(),
            what,
        };
        if bytes.len() as u64 != file.bytes {
            return Err(differs(format!(
                "{} bytes, not {}",
                bytes.len(),
                file.bytes
            )));
        }
        let crc32c = crc32c::crc32c(&bytes);
        if crc32c != file.crc32c {
            return Err(differs(format!(
                "CRC-32C {crc32c:08x}, not {:08x}",
                file.crc32c
            )));
        }
        let decode = |source: Box<dyn std::error::Error + Send + Sync>| Error::Decode {
            path: file.path.clone(),
            source,
        };
        let reader =
            ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(|e| decode(e.into()))?;
        let root = reader.parquet_schema().root_schema_ptr();
        let arrow = Arc::clone(reader.schema());
        let (_, known) = self
            .columns
            .get_or_insert_with(|| (arrow, Arc::clone(&root)));
        if *known != root {
            return Err(Error::Columns {
                path: file.path.clone(),
            });
        }
        let reader = reader.with_batch_size(BATCH_ROWS).build();
        let mut rows = 0;
        for batch in reader.map_err(|e| decode(e.into()))? {
            let batch = batch.map_err(|e| decode(e.into()))?;
            rows += batch.num_rows() as u64;
            self.write(&batch)?;
        }
        if rows != file.rows {
            return Err(differs(format!("{rows} rows, not {}", file.rows)));
        }
        self.read += rows;
        Ok(())
    }

    fn write(&mut self, batch: &arrow::array::RecordBatch) -> Result<(), Error> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.begin(batch.schema())?,
        };
        writer.write(batch)?;
        let size = writer.bytes_written() + writer.in_progress_size();
        if size as u64 >= self.file_bytes_max {
            self.end(writer)
        } else {
            self.writer = Some(writer);
            Ok(())
        }
    }

    fn begin(&self, schema: SchemaRef) -> Result<ArrowWriter<Vec<u8>>, Error> {
        // Room at once: a vector that grows by and by holds twice as much while it does.
        let room = self.bytes.min(self.file_bytes_max);
        let out = Vec::with_capacity(usize::try_from(room).unwrap_or_default());
        let options = ArrowWriterOptions::new()
            .with_properties(self.properties.as_ref().clone())
            .with_skip_arrow_metadata(true);
        Ok(ArrowWriter::try_new_with_options(out, schema, options)?)
    }

    fn end(&mut self, mut writer: ArrowWriter<Vec<u8>>) -> Result<(), Error> {
        let footer = writer.finish()?;
        let root = footer.file_metadata().schema_descr().root_schema_ptr();
        if self
            .columns
            .as_ref()
            .is_none_or(|(_, known)| *known != root)
        {
            let reason = "the columns written are not those read: a defect";
            return Err(ParquetError::General(reason.to_owned()).into());
        }
        self.written.push(Written {
            rows: u64::try_from(footer.file_metadata().num_rows()).unwrap_or_default(),
            // All of it is there: into_inner would want to finish once more.
            bytes: std::mem::take(writer.inner_mut()).into(),
        });
        Ok(())
    }

    /// The files, which have as many rows as were read.
    pub(super) fn finish(mut self) -> Result<Vec<Written>, Error> {
        if let Some(writer) = self.writer.take() {
            self.end(writer)?;
        }
        let written = self.written.iter().map(|file| file.rows).sum();
        match written == self.read {
            true => Ok(self.written),
            false => Err(Error::Rows {
                read: self.read,
                written,
            }),
        }
    }
}
