//! From a batch to durable files: every record becomes a row of its table, or of the bad events.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use headgate_stream::log::{Partition, Records};
use parquet::errors::ParquetError;
use tokio::time::sleep;

use super::{Lander, locked, quarantine::Quarantine};
use crate::{
    batch::Batch,
    columns::{Around, Rows},
    commit::{Duplicates, File},
    config::Config,
    encode::{Encoded, Encoder, RowGroup},
    retry::PAUSE_MIN,
    route::{At, Group, Unroutable, route, seen_as, text},
    seen::Seen,
    sink::Error,
    store,
};

/// A file of another size than was written is looked at so many times before it counts as a defect.
const FOREIGN_MAX: usize = 3;

/// A file's content could not be made. A defect: no input leads here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EncodeError {
    #[error("cannot encode Parquet: {0}")]
    Parquet(#[from] ParquetError),
    #[error("cannot write the ids of a batch: {0}")]
    Ids(serde_json::Error),
    #[error("a bad event of the sink's own has no table")]
    Quarantine,
}

/// What is durable of a batch, for its commit to name.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) files: Vec<File>,
    pub(super) duplicates: Vec<Duplicates>,
    /// The partitions of which an object named as the attempt keeps ids.
    pub(super) seen: Vec<Partition>,
}

/// One table and hour, encoded.
#[derive(Debug)]
pub(crate) struct EncodedGroup {
    pub(crate) files: Vec<Encoded>,
    pub(crate) quarantine: Quarantine,
    /// Where the records are that went there.
    quarantined: Vec<At>,
    /// How many values landed in `_rest`.
    rest_values: u64,
}

/// One table and hour, uploaded.
#[derive(Debug, Default)]
struct Work {
    files: Vec<File>,
    quarantine: Quarantine,
    quarantined: Vec<At>,
}

impl Lander {
    /// Makes the batch's files and uploads them. All are durable when this returns.
    pub(super) async fn files(
        self: &Arc<Self>,
        batch: &Arc<Batch>,
        attempt: &str,
    ) -> Result<Made, Error> {
        let tables = self.tables();
        let (lander, source) = (Arc::clone(self), Arc::clone(batch));
        let (groups, mut quarantine) = blocking(move || {
            let mut seen = lander.seen.as_deref().map(locked);
            let routed = route(source.records(), &tables, seen.as_deref_mut());
            let mut quarantine = Quarantine::default();
            for (at, reason) in routed.unroutable {
                let delivery = &source.records()[at.records as usize];
                let record = &delivery.values[at.value as usize];
                quarantine.add(record, reason, lander.now_micros());
            }
            (routed.groups, quarantine)
        })
        .await?;
        let mut made = Made {
            duplicates: groups.iter().filter_map(duplicates).collect(),
            ..Made::default()
        };
        // Numbers are groups', whether or not a file comes of each: behind them no name is taken.
        let number = groups.len();
        let work = self
            .work(batch, groups, attempt, 0, &mut quarantine)
            .await?;
        made.files = work.files;
        if !quarantine.is_empty() {
            quarantine.count(&self.metrics);
            let bad = self.quarantined(quarantine, attempt, number).await?;
            made.files.extend(bad);
        }
        if let Some(seen) = &self.seen {
            let seen = Arc::clone(seen);
            made.seen = self.keep(seen, batch, work.quarantined, attempt).await?;
        }
        Ok(made)
    }

    /// Keeps the ids of what has a row, for who reads the partitions next; returns of which partitions there are some. An
    /// event that is no row may be one when it comes again: it is not remembered.
    async fn keep(
        &self,
        seen: Arc<std::sync::Mutex<Seen>>,
        batch: &Arc<Batch>,
        quarantined: Vec<At>,
        attempt: &str,
    ) -> Result<Vec<Partition>, Error> {
        let path = locked(&seen).path(attempt);
        let batch = Arc::clone(batch);
        let keep = blocking(move || {
            let mut seen = locked(&seen);
            for at in quarantined {
                let delivery = &batch.records()[at.records as usize];
                if let Some(id) = seen_as(&delivery.values[at.value as usize]) {
                    seen.window(&delivery.partition).take_back(id);
                }
            }
            seen.keep()
        });
        let Some(keep) = keep.await?.map_err(EncodeError::Ids)? else {
            return Ok(Vec::new());
        };
        self.upload(&path, keep.bytes).await?;
        Ok(keep.partitions)
    }

    /// Lands the sink's own bad events: the same way as all others.
    async fn quarantined(
        self: &Arc<Self>,
        quarantine: Quarantine,
        attempt: &str,
        number: usize,
    ) -> Result<Vec<File>, Error> {
        let mut batch = Batch::default();
        batch.push(quarantine.into_records(), std::time::Instant::now());
        let batch = Arc::new(batch);
        let (tables, source) = (self.tables(), Arc::clone(&batch));
        let routed = blocking(move || route(source.records(), &tables, None)).await?;
        let mut again = Quarantine::default();
        let work = self
            .work(&batch, routed.groups, attempt, number, &mut again)
            .await?;
        if routed.unroutable.is_empty() && again.is_empty() {
            Ok(work.files)
        } else {
            Err(EncodeError::Quarantine.into())
        }
    }

    /// Encodes and uploads group by group, some at once.
    async fn work(
        self: &Arc<Self>,
        batch: &Arc<Batch>,
        groups: Vec<Group>,
        attempt: &str,
        number: usize,
        quarantine: &mut Quarantine,
    ) -> Result<Work, Error> {
        let one =
            |(index, group)| self.group(batch, group, format!("{attempt}-{:05}", number + index));
        let mut done = stream::iter(groups.into_iter().enumerate().map(one))
            .buffer_unordered(self.config.uploads_max);
        let mut all = Work::default();
        while let Some(work) = done.try_next().await? {
            all.files.extend(work.files);
            all.quarantined.extend(work.quarantined);
            quarantine.append(work.quarantine);
        }
        all.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(all)
    }

    async fn group(
        self: &Arc<Self>,
        batch: &Arc<Batch>,
        group: Group,
        name: String,
    ) -> Result<Work, Error> {
        let (table, hour) = (Arc::clone(&group.table), group.hour);
        let permit = Arc::clone(&self.encode).acquire_owned().await;
        let (lander, batch) = (Arc::clone(self), Arc::clone(batch));
        let encoded = blocking(move || {
            let _permit = permit;
            let now_micros = lander.now_micros();
            encode(&lander.config, batch.records(), &group, now_micros)
        })
        .await??;
        self.metrics.rest(table.name(), encoded.rest_values);
        let mut work = Work {
            files: Vec::new(),
            quarantine: encoded.quarantine,
            quarantined: encoded.quarantined,
        };
        for (part, file) in encoded.files.into_iter().enumerate() {
            let path = format!(
                "{}/{}/{}-{name}-{}-{part}.parquet",
                table.name(),
                hour_folder(hour),
                self.stream,
                table.fingerprint()
            );
            let described = File {
                table: table.name().to_owned(),
                bytes: file.bytes.len() as u64,
                rows: file.rows,
                crc32c: crc32c::crc32c(&file.bytes),
                fingerprint: table.fingerprint().to_owned(),
                received_min_ms: file.received_ms.0,
                received_max_ms: file.received_ms.1,
                text_bytes_max: Some(file.text_bytes_max),
                second_rows: file.second_rows,
                path,
            };
            self.upload(&described.path, file.bytes).await?;
            work.files.push(described);
        }
        Ok(work)
    }

    /// Tries until the file is there. Its name is this attempt's alone: if it exists, an earlier try made it, and it
    /// has the same size.
    async fn upload(&self, path: &str, bytes: Bytes) -> Result<(), Error> {
        let size = bytes.len() as u64;
        for _ in 0..FOREIGN_MAX {
            let transient = |_: &store::Error| true;
            let create = || async {
                match self.store.create(path, bytes.clone()).await {
                    Ok(()) => Ok(size),
                    Err(store::Error::AlreadyExists { .. }) => {
                        self.store.head(path).await.map(|found| found.bytes)
                    }
                    Err(error) => Err(error),
                }
            };
            let done = self.retry.until("upload", transient, create).await;
            match done.map_err(|error| Error::Commit(error.into()))? {
                found if found == size => return Ok(()),
                found => tracing::error!(
                    path,
                    bytes = size,
                    found,
                    "a file has another size than was written"
                ),
            }
            sleep(PAUSE_MIN).await;
        }
        let found = self.store.head(path).await;
        Err(Error::Foreign {
            path: path.to_owned(),
            bytes: size,
            found_bytes: found.map_or(0, |found| found.bytes),
        })
    }

    fn now_micros(&self) -> i64 {
        (self.clock)()
    }
}

/// Decodes and encodes the group's records.
pub(crate) fn encode(
    config: &Config,
    records: &[Records],
    group: &Group,
    now_micros: i64,
) -> Result<EncodedGroup, EncodeError> {
    let table = &*group.table;
    let mut quarantine = Quarantine::default();
    let mut quarantined = Vec::new();
    let rows_max = group.rows.len() + group.second_rows.len() + group.entities.len();
    let mut encoder = Encoder::new(config, table, rows_max as u64)?;
    let mut rows = Rows::new(table, config.data_depth_max);
    for at in &group.rows {
        let (record, appended_ms) = record(records, *at);
        let group = encoder.group();
        match append(&mut rows, record, appended_ms, group) {
            Ok(received_micros) => encoder.appended(received_micros, record.len())?,
            Err(reason) => {
                quarantine.add(record, reason, now_micros);
                quarantined.push(*at);
            }
        }
    }
    for at in &group.second_rows {
        let (record, appended_ms) = record(records, *at);
        // One that is no row becomes a bad event where it has its own.
        let Ok(text) = text(record) else { continue };
        if let Ok(received_micros) = rows.append_second(text, appended_ms, encoder.group()) {
            encoder.appended_second(received_micros, record.len())?;
        }
    }
    entities(config, records, group, &mut rows, &mut encoder)?;
    Ok(EncodedGroup {
        files: encoder.finish()?,
        quarantine,
        quarantined,
        rest_values: rows.rest_values(),
    })
}

fn duplicates(group: &Group) -> Option<Duplicates> {
    (group.duplicates > 0).then(|| Duplicates {
        table: group.table.name().to_owned(),
        hour: group.hour,
        events: group.duplicates,
    })
}

/// Decodes and encodes the entities that are the group's, record by record.
fn entities(
    config: &Config,
    records: &[Records],
    group: &Group,
    rows: &mut Rows<'_>,
    encoder: &mut Encoder<'_>,
) -> Result<(), EncodeError> {
    for of_record in group.entities.chunk_by(|(one, _), (next, _)| one == next) {
        let Some((at, _)) = of_record.first() else {
            continue;
        };
        let (record, appended_ms) = record(records, *at);
        let indices: Vec<u32> = of_record.iter().map(|(_, index)| *index).collect();
        // One that is no row becomes a bad event where it has its own, and has none here.
        let Ok(text) = text(record) else { continue };
        let Ok(around) = Around::find(text, &indices, config.data_depth_max) else {
            continue;
        };
        for entity in &around.entities {
            let appended = rows.append_entity(&around, entity, appended_ms, encoder.group());
            if let Ok(received_micros) = appended {
                encoder.appended_second(received_micros, entity.data.len())?;
            }
        }
    }
    Ok(())
}

fn record(records: &[Records], at: At) -> (&Bytes, i64) {
    let delivery = &records[at.records as usize];
    (&delivery.values[at.value as usize], delivery.appended_ms)
}

fn append(
    rows: &mut Rows<'_>,
    record: &[u8],
    appended_ms: i64,
    group: &mut RowGroup,
) -> Result<i64, Unroutable> {
    let received = rows.append(text(record)?, appended_ms, group);
    received.map_err(Into::into)
}

/// `dt=2026-11-22/hr=07`
fn hour_folder(hour: i64) -> String {
    let start = jiff::Timestamp::from_second(hour.saturating_mul(3_600)).unwrap_or_default();
    start.strftime("dt=%Y-%m-%d/hr=%H").to_string()
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Error::Stopped)
}
