//! Bad events that are valid now, as a stream for the sink.
//!
//! There is nothing to be remembered between runs but what landed: each event lands together with a row of
//! `replayed_events` that has its bad event's id, under one commit, and what is noted there is passed over for good. The
//! log of these commits is a stream's of its own with one partition. A run begins at the log's tail, reads what has landed
//! after that, and its first commit follows that tail: had another run landed anything meanwhile, it could not.

mod making;
mod reader;

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use futures_util::TryStreamExt;
use headgate_gateway::again::{self, Again, Verdict};
use headgate_gateway::clock::Clock;
use headgate_schemas::event::{BAD_EVENTS, REPLAYED_EVENTS};
use headgate_schemas::registry::Registry;
use headgate_sink::commit::{DataFile, Snapshot, landed};
use headgate_sink::store::Store;
use headgate_stream::log::{Partition, Position, Reader, Records, StreamId};
use tokio::sync::mpsc;

use self::making::{Making, date_time, received};
use self::reader::{BadEvents, Made};
use super::filter::Filter;
use super::known::Known;
use super::rows::{self, Row, Rows};
use super::tracker::Tracker;

/// A delivery is cut at this many bytes.
const DELIVERY_BYTES_MAX: usize = 1 << 20;

/// Left in place because its bytes are not the whole event.
const PARTIAL: &str = "partial";

/// Left in place because its bytes were not kept.
const WITHHELD: &str = "withheld";

/// The commit log of all replays of bad events.
pub(crate) fn stream() -> StreamId {
    StreamId {
        name: "replay.bad_events".to_owned(),
        incarnation: "1".to_owned(),
    }
}

fn partition() -> Partition {
    Partition::new(BAD_EVENTS)
}

/// What a run works with.
pub(crate) struct Run {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) schemas: Arc<Registry>,
    pub(crate) again: Again,
    pub(crate) filter: Filter,
    pub(crate) tracker: Arc<Tracker>,
    pub(crate) clock: Clock,
    /// The run's number, which its positions begin with.
    number: u64,
    /// The log's tail when it began.
    after: Position,
    files: Vec<DataFile>,
    known: Known,
    known_max: u64,
}

impl Run {
    /// Looks at what there is. At most `known_max` replayed events are held in memory.
    ///
    /// # Errors
    /// What has landed cannot be read, or too much was replayed before.
    pub(crate) async fn begin(
        store: Arc<dyn Store>,
        schemas: Arc<Registry>,
        again: Again,
        filter: Filter,
        clock: Clock,
        known_max: u64,
    ) -> Result<Self> {
        // In this order: what others commit behind this tail makes the first commit of this run impossible.
        let after = landed(Arc::clone(&store), stream(), &partition()).await?;
        let snapshot = Snapshot::read(&*store).await?;
        let files = |table| -> Vec<DataFile> {
            let all = snapshot.files(table).iter();
            all.filter(|file| filter.may_be_in(file)).cloned().collect()
        };
        let mut run = Self {
            number: number_of(&after) + 1,
            after,
            files: files(BAD_EVENTS),
            known: Known::default(),
            known_max,
            store,
            schemas,
            again,
            tracker: Arc::default(),
            clock,
            filter: Filter::default(),
        };
        for file in files(REPLAYED_EVENTS) {
            run.note(&file).await?;
        }
        run.filter = filter;
        Ok(run)
    }

    /// The log's tail when the run began.
    pub(crate) fn after(&self) -> &Position {
        &self.after
    }

    /// Rows that will be looked at.
    pub(crate) fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    async fn note(&mut self, file: &DataFile) -> Result<()> {
        let mut rows = rows::open_ids(&self.store, file).await?;
        while let Some(batch) = rows.try_next().await? {
            let ids = arrow::array::AsArray::as_string_opt::<i32>(batch.column(0));
            for id in ids.context("event ids are not text")?.iter().flatten() {
                self.known.insert(id);
            }
            self.bound()?;
        }
        Ok(())
    }

    fn bound(&self) -> Result<()> {
        ensure!(
            self.known.len() <= self.known_max,
            "more than replay.replayed_events_max, {}, events of that time were replayed: replay less of it at once, with \
             --since and --until, or raise it",
            self.known_max
        );
        Ok(())
    }

    /// Starts reading and judging. Within a Tokio runtime.
    pub(crate) fn reader(self) -> Box<dyn Reader> {
        Box::new(BadEvents::new(self))
    }

    async fn work(mut self, deliveries: &mpsc::Sender<Made>) -> Result<()> {
        let mut follows = self.after.clone();
        for (number, file) in (1_u64..).zip(std::mem::take(&mut self.files)) {
            let cannot = || {
                format!(
                    "cannot read {}; if it was compacted meanwhile, run the replay again",
                    file.path
                )
            };
            let mut rows = rows::open(&self.store, &file).await.with_context(cannot)?;
            let (mut row, mut making) = (0_u64, Making::default());
            while let Some(batch) = rows.try_next().await.with_context(cannot)? {
                let columns = Rows::of(&batch);
                for at in 0..batch.num_rows() {
                    let found = columns.row(at);
                    self.take(&found.with_context(cannot)?, &mut making)?;
                }
                row += batch.num_rows() as u64;
                if making.bytes >= DELIVERY_BYTES_MAX {
                    let end = Position::new(&format!("{}.{number}.{row}", self.number));
                    let made = std::mem::take(&mut making);
                    follows = self.hand(made, follows, end, deliveries).await;
                }
            }
            if making.events > 0 {
                let end = Position::new(&format!("{}.{number}.{row}", self.number));
                follows = self.hand(making, follows, end, deliveries).await;
            }
        }
        Ok(())
    }

    async fn hand(
        &self,
        making: Making,
        follows: Position,
        end: Position,
        deliveries: &mpsc::Sender<Made>,
    ) -> Position {
        let records = Records {
            partition: partition(),
            follows,
            end: end.clone(),
            values: making.values,
            appended_ms: (self.clock)().div_euclid(1_000),
        };
        self.tracker.handed(&partition(), &end, making.events);
        // Nobody takes it: the sink has ended.
        drop(deliveries.send(Made::Records(records)).await);
        end
    }

    /// Judges one row.
    fn take(&mut self, row: &Row<'_>, making: &mut Making) -> Result<()> {
        if !self.filter.takes(row) {
            return Ok(());
        }
        let known = self.known.contains(row.bad_event);
        self.tracker.count(|counts| {
            counts.seen += 1;
            counts.passed_over += u64::from(known);
        });
        if known {
            return Ok(());
        }
        let received = received(row);
        let sent = row.sent_micros.map(date_time);
        let protected = making::protected(row, &self.schemas);
        let rejected = again::Rejected {
            payload: &row.payload,
            kind: row.kind,
            id: row.id,
            source_default: row.source,
            receivedtime: &received,
            senttime: sent.as_deref(),
            form: row.form,
            protected: &protected,
        };
        let left = match self.again.judge(&self.schemas, &rejected) {
            Verdict::Valid(valid) => {
                self.known.insert(row.bad_event);
                self.bound()?;
                making.push(row, valid, self.number, (self.clock)());
                return Ok(());
            }
            Verdict::Invalid { reason, .. } => reason.as_str(),
            Verdict::Partial => PARTIAL,
            Verdict::Withheld => WITHHELD,
        };
        self.tracker
            .count(|counts| *counts.left.entry(left).or_default() += 1);
        Ok(())
    }
}

/// The number of the run that made the position; 0 at the start.
fn number_of(position: &Position) -> u64 {
    let number = position.as_str().split('.').next();
    number.and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
