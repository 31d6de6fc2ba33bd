//! The sink's loop: read, batch, land, and go on from where the commit log ends.
//!
//! While one batch lands the next one fills; when that is full too, reading stops until there is room. Where to
//! read from is the commit log's to say, never memory's and never the stream's: on every assignment, and after
//! every batch that was lost to another sink, reading goes to the log's tail.

use std::{collections::BTreeSet, future::pending, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt};
use headgate_stream::log::{Delivery, Partition, Position, ReadError, Reader, StreamId};
use tokio::{
    sync::Mutex,
    time::{Instant, Interval, MissedTickBehavior, interval, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    ages::Ages,
    batch::{Batch, Cause},
    commit::{self, Gap, Log, Range},
    config::Config,
    land::{Landed, Lander},
    metrics::Metrics,
    retry::Retry,
    sink::Error,
};

/// How often the lag is looked at.
const LAG_INTERVAL: Duration = Duration::from_secs(1);

/// How long an unavailable stream is left alone.
const READ_PAUSE: Duration = Duration::from_millis(500);

/// A stream that did not say again for so long that it is unavailable is taken to be well: an idle one delivers nothing
/// that would show it.
const UNAVAILABLE: Duration = Duration::from_secs(60);

/// A batch on its way, and what the log covers once it is there.
struct Landing {
    work: BoxFuture<'static, Result<Landed, Error>>,
    ranges: Vec<Range>,
}

/// One stream's loop.
pub(crate) struct Consumer {
    lander: Arc<Lander>,
    config: Arc<Config>,
    metrics: Metrics,
    retry: Retry,
    stream: StreamId,
    reader: Box<dyn Reader>,
    ages: Ages,
    /// Locked by the batch that lands; free when none does.
    log: Arc<Mutex<Log>>,
    filling: Batch,
    landing: Option<Landing>,
    assigned: BTreeSet<Partition>,
    /// What retention removed right before what comes next of a partition.
    gaps: Vec<Gap>,
    /// No longer this sink's, and perhaps still remembered.
    gone: Vec<Partition>,
    /// Assigned, and waiting to be told where to start.
    to_seek: Vec<Partition>,
    lag: Interval,
    /// When the stream last said that it is unavailable.
    unavailable: Option<Instant>,
}

impl Consumer {
    /// A loop that has read nothing yet; the reader's stream is the lander's.
    pub(crate) fn new(lander: Lander, reader: Box<dyn Reader>) -> Self {
        let mut lag = interval(LAG_INTERVAL);
        lag.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            ages: Ages::new(&lander.config),
            config: Arc::clone(&lander.config),
            metrics: lander.metrics.clone(),
            retry: lander.retry.clone(),
            stream: reader.stream().clone(),
            reader,
            log: Arc::clone(&lander.log),
            lander: Arc::new(lander),
            filling: Batch::default(),
            landing: None,
            assigned: BTreeSet::new(),
            gaps: Vec::new(),
            gone: Vec::new(),
            to_seek: Vec::new(),
            lag,
            unavailable: None,
        }
    }

    /// Reads and lands until `shutdown`, until the stream is closed or until it cannot go on; then lands what was
    /// read, within `drain_deadline_ms`. With `to_the_end` that time begins with `shutdown` only, however the reading
    /// ended.
    pub(crate) async fn run(
        mut self,
        shutdown: CancellationToken,
        to_the_end: bool,
    ) -> Result<(), Error> {
        // Dropped halfway, `read` leaves everything in `self`, the batch that lands included.
        let read = tokio::select! {
            biased;
            () = shutdown.cancelled() => Ok(()),
            ended = self.read() => ended,
        };
        let deadline = Duration::from_millis(self.config.drain_deadline_ms);
        let late = async {
            if to_the_end {
                shutdown.cancelled().await;
            }
            sleep(deadline).await;
        };
        tokio::select! {
            drained = self.drain() => read.and(drained),
            () = late => {
                tracing::warn!(
                    "stopping before the last batch landed; it is read again at the next start"
                );
                read
            }
        }
    }

    async fn read(&mut self) -> Result<(), Error> {
        loop {
            if self.landing.is_none() {
                self.seek().await?;
                let now = Instant::now().into_std();
                if let Some(cause) = self.filling.due(&self.config.limits(), now) {
                    self.cut(cause);
                }
            }
            let limits = self.config.limits();
            let room = !self.filling.full(&limits);
            let due = self.filling.deadline();
            let due = due.filter(|_| self.landing.is_none());
            tokio::select! {
                biased;
                landed = ended(&mut self.landing) => self.landed(landed?),
                _ = self.lag.tick() => {
                    self.metrics.lag(&self.stream.name, &self.reader.lag());
                    if self.unavailable.is_some_and(|last| last.elapsed() > UNAVAILABLE) {
                        self.readable();
                    }
                }
                () = at(due) => {}
                delivery = self.reader.next(), if room => match delivery {
                    Ok(delivery) => {
                        self.readable();
                        self.take(delivery);
                    }
                    Err(ReadError::Closed) => return Ok(()),
                    Err(ReadError::Unavailable(reason)) => {
                        tracing::error!(%reason, "stream is unavailable; trying again");
                        self.unavailable = Some(Instant::now());
                        self.lander.health.begin(&self.unreadable());
                        sleep(READ_PAUSE).await;
                    }
                    Err(error @ (ReadError::Corrupt { .. } | ReadError::Recreated { .. })) => {
                        return Err(error.into());
                    }
                },
            }
        }
    }

    fn take(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Assigned(partitions) => {
                tracing::info!(?partitions, "assigned");
                self.assigned.extend(partitions.iter().cloned());
                self.to_seek.extend(partitions);
            }
            Delivery::Revoked(partitions) => {
                tracing::info!(?partitions, "revoked");
                self.filling.drop_partitions(&partitions);
                self.to_seek.retain(|p| !partitions.contains(p));
                self.gaps.retain(|gap| !partitions.contains(&gap.partition));
                for partition in &partitions {
                    self.assigned.remove(partition);
                    self.metrics.revoked(&self.stream.name, partition);
                }
                self.gone.extend(partitions);
            }
            Delivery::Records(records) => {
                let age = self.ages.of(&records.values, || self.lander.tables());
                let partition = records.partition.clone();
                self.filling.push(records, Instant::now().into_std() + age);
                let of_it = self.gaps.extract_if(.., |gap| gap.partition == partition);
                of_it.for_each(|gap| self.filling.lacks(gap));
            }
            Delivery::Ended {
                partition,
                follows,
                end,
            } => {
                tracing::info!(%partition, "the partition has ended");
                // At once: what continues the partition is read by nobody before this has landed.
                let due = Instant::now().into_std();
                self.filling.push_end(partition, &follows, &end, due);
            }
            Delivery::Gap {
                partition,
                after,
                records,
            } => {
                tracing::error!(%partition, %after, ?records, "retention removed records that never landed");
                self.metrics.gap(&self.stream.name, &partition, records);
                self.gaps.push(Gap {
                    partition,
                    after,
                    records,
                });
            }
        }
        self.metrics.filling(&self.filling);
    }

    /// Starts newly assigned partitions at the log's tail, as it is now.
    async fn seek(&mut self) -> Result<(), Error> {
        if self.to_seek.is_empty() {
            return Ok(());
        }
        let log = Arc::clone(&self.log);
        let refresh = || async { log.lock().await.refresh().await };
        let doing = "read the commit log";
        self.retry
            .until(doing, commit::Error::transient, refresh)
            .await?;
        let log = self.log.lock().await;
        let newest = self.to_seek.iter().map(|partition| {
            let name = log.seen(partition).map(str::to_owned);
            (partition.clone(), name)
        });
        self.lander.recall(&self.gone, newest.collect()).await?;
        self.gone.clear();
        for partition in self.to_seek.drain(..) {
            let tail = log.tail(&partition);
            tracing::debug!(%partition, %tail, "reading from the log's tail");
            self.reader.seek(&partition, &tail);
            // What is missing behind the tail is told again.
            self.gaps.retain(|gap| gap.partition != partition);
            if tail != Position::start() {
                self.reader.passed(&partition, &tail);
            }
        }
        Ok(())
    }

    fn cut(&mut self, cause: Cause) {
        let batch = Arc::new(std::mem::take(&mut self.filling));
        self.metrics.cut(cause, &batch);
        self.metrics.filling(&self.filling);
        self.lander.health.begin(&self.stuck());
        self.landing = Some(Landing {
            ranges: batch.ranges(),
            work: Arc::clone(&self.lander).land(batch).boxed(),
        });
    }

    fn landed(&mut self, (landed, ranges): (Landed, Vec<Range>)) {
        self.metrics.landing_ended();
        self.lander.health.end(&self.stuck());
        match landed {
            Landed::Committed => {
                for range in ranges
                    .iter()
                    .filter(|r| self.assigned.contains(&r.partition))
                {
                    self.reader.passed(&range.partition, &range.ends);
                }
            }
            // What fills now follows what was lost: all of it is read again from the log's tail.
            Landed::Lost => {
                tracing::warn!(
                    "another sink landed these partitions; reading again from the log's tail"
                );
                self.filling = Batch::default();
                self.metrics.filling(&self.filling);
                self.to_seek = self.assigned.iter().cloned().collect();
            }
        }
    }

    fn readable(&mut self) {
        if self.unavailable.take().is_some() {
            self.lander.health.end(&self.unreadable());
        }
    }

    fn unreadable(&self) -> String {
        format!("the stream `{}` cannot be read", self.stream.name)
    }

    fn stuck(&self) -> String {
        format!(
            "a batch of the stream `{}` has been landing",
            self.stream.name
        )
    }

    /// Lands what was read.
    async fn drain(&mut self) -> Result<(), Error> {
        while self.landing.is_some() || !self.filling.is_empty() {
            if self.landing.is_none() {
                self.cut(Cause::Drain);
            }
            let landed = ended(&mut self.landing).await?;
            self.landed(landed);
        }
        Ok(())
    }
}

/// Waits for the batch that lands; forever when none does.
async fn ended(landing: &mut Option<Landing>) -> Result<(Landed, Vec<Range>), Error> {
    let Some(under_way) = landing else {
        return pending().await;
    };
    let landed = under_way.work.as_mut().await;
    let ranges = landing.take().map(|done| done.ranges);
    Ok((landed?, ranges.unwrap_or_default()))
}

async fn at(instant: Option<std::time::Instant>) {
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
        None => pending().await,
    }
}
