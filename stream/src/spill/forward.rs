//! The forwarder: one task that brings what is spilled to the primary, in order, batch by batch. While the primary is
//! unavailable it is the only one that tries it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    batch::Batch,
    core::{Core, now_ms},
    cursor::Cursor,
    outcome::{self, Trouble},
    primary::Found,
};
use crate::log::{Delivery, Health, Partition, Position, Reader};

pub(super) struct Forwarder {
    pub(super) core: Arc<Core>,
    pub(super) reader: Box<dyn Reader>,
    pub(super) partition: Partition,
    pub(super) cursor: Cursor,
    /// Everything up to here is in the primary.
    pub(super) passed: Position,
    /// What was being sent when the process last ended, up to here, and since when.
    pub(super) interrupted: (Position, i64),
    pub(super) stop: watch::Receiver<bool>,
    pub(super) hand: Option<Batch>,
    /// The failures that were counted when the primary was last looked into.
    pub(super) settled: Option<u64>,
    /// Doubtful records that it was found to have.
    pub(super) found: Found,
    /// Not before then is more sent.
    pub(super) next: Instant,
}

impl Forwarder {
    /// Runs until it is told to stop.
    pub(super) async fn run(mut self) {
        self.bring_over().await;
        self.core.set_ending(false);
    }

    async fn bring_over(&mut self) {
        self.reader.seek(&self.partition, &self.passed);
        loop {
            let trouble = match self.step().await {
                Ok(()) => {
                    self.core.set_stuck(None);
                    continue;
                }
                Err(Trouble::Stopped) => break,
                Err(trouble) => trouble,
            };
            self.core.set_ending(false);
            self.core.metrics.count_failure();
            self.core.set_stuck(Some(trouble.to_string()));
            match &trouble {
                Trouble::Primary(reason) => self.core.trip(reason),
                _ => tracing::error!(%trouble, "what is spilled cannot be forwarded at present"),
            }
            if matches!(trouble, Trouble::Read(_) | Trouble::Version) {
                self.hand = None;
                self.reader.seek(&self.partition, &self.passed);
            }
            let pause = Duration::from_millis(self.core.config.probe_interval_ms);
            if self.pause(pause).await.is_err() {
                break;
            }
        }
    }

    /// Brings one batch over; or, with nothing to bring, finds out whether the primary is there again.
    async fn step(&mut self) -> Result<(), Trouble> {
        if self.hand.is_none() {
            self.hand = self.take().await?;
        }
        let failures = self.settle().await?;
        match self.hand.take() {
            Some(mut batch) => {
                let sent = self.send(&mut batch).await;
                self.hand = Some(batch);
                sent?;
                self.finish();
            }
            // It answered; the writer itself may not have noticed yet.
            None => {
                if let Health::Refusing(reason) = self.core.primary.health() {
                    return Err(Trouble::Primary(reason));
                }
            }
        }
        let left = self.core.backlog.records();
        // The next batch takes all that is left, if nothing more goes behind it.
        let last = self.core.backlog.bytes() <= self.core.config.batch_bytes_max;
        self.core.set_ending(left > 0 && last);
        if self.core.breaker.close(failures) {
            self.core.metrics.set_open(false);
            tracing::info!(left, "the stream is available again");
        }
        let wait = self.next.saturating_duration_since(Instant::now());
        self.pause(wait).await
    }

    /// The next batch; none when there is nothing but the primary to be tried.
    async fn take(&mut self) -> Result<Option<Batch>, Trouble> {
        loop {
            if self.core.backlog.records() == 0 {
                self.core.set_ending(false);
                let end = self.passed.clone();
                self.note(&end, 0).await?;
                if self.core.breaker.is_open() {
                    return Ok(None);
                }
            }
            let delivery = tokio::select! {
                biased;
                _ = self.stop.wait_for(|stop| *stop) => return Err(Trouble::Stopped),
                delivery = self.reader.next() => delivery?,
                () = self.core.wake.notified() => continue,
            };
            match delivery {
                Delivery::Records(records) => {
                    let interrupted = records.follows < self.interrupted.0;
                    let batch = Batch::new(records, interrupted).ok_or(Trouble::Version)?;
                    if interrupted {
                        self.doubt_all(&batch);
                    }
                    self.core.backlog.set_oldest(batch.began_ms());
                    return Ok(Some(batch));
                }
                Delivery::Gap { after, records, .. } => {
                    tracing::error!(%after, ?records, "spilled records are gone from the disk");
                }
                Delivery::Assigned(_) | Delivery::Revoked(_) | Delivery::Ended { .. } => {}
            }
        }
    }

    /// Records that came after the start may share a delivery with what was being sent when the process ended. The count
    /// at the start did not see them; from now on they are looked for like the others.
    fn doubt_all(&self, batch: &Batch) {
        let doubts = &self.core.doubts;
        for item in &batch.items {
            if let Some(digest) = item.digest.filter(|digest| !doubts.contains(*digest)) {
                let entry = &item.entry;
                doubts.add(digest, &entry.record.topic, entry.began_ms, u32::MAX);
            }
        }
    }

    /// Makes sure that the primary answers, and, when something is doubtful, looks for it there: once after each
    /// failure. How many failures there were by then.
    async fn settle(&mut self) -> Result<u64, Trouble> {
        let core = Arc::clone(&self.core);
        let failures = core.breaker.failures();
        if self.settled == Some(failures) {
            return Ok(failures);
        }
        let mut topics = core.topics.clone();
        if let Some(batch) = &self.hand {
            topics.extend(batch.topics());
        }
        let search = core.doubts.search(core.config.clock_slack_ms);
        topics.extend(
            search
                .iter()
                .flat_map(|search| search.topics.iter().cloned()),
        );
        topics.sort_unstable();
        topics.dedup();
        self.unless_stopped(core.primary.reach(topics)).await?;
        self.found.clear();
        if search.is_some() {
            // What was under way when the primary came back must have arrived before it is looked for.
            self.pause(Duration::from_millis(core.config.settle_ms))
                .await?;
        }
        // Others may have come into doubt meanwhile, for the same failure.
        if let Some(search) = core.doubts.search(core.config.clock_slack_ms) {
            let doubtful = search.wanted.len();
            self.found = self.unless_stopped(core.primary.find(search)).await?;
            let found = self.found.len();
            tracing::info!(
                doubtful,
                found,
                "looked for records of open fate in the stream"
            );
        }
        self.settled = Some(failures);
        Ok(failures)
    }

    /// Sends what is left of the batch, but for what is there already.
    async fn send(&mut self, batch: &mut Batch) -> Result<(), Trouble> {
        self.pass_over(batch);
        if !batch.is_done() {
            self.note(&batch.end.clone(), now_ms()).await?;
        }
        let at_once = self.core.config.batch_records_max as usize;
        while let Some((places, records)) = batch.next(at_once) {
            let began_ms = now_ms();
            let outcomes = self.core.primary.send(&records).await;
            let mut failed = None;
            for (place, outcome) in places.into_iter().zip(outcomes) {
                let item = &mut batch.items[place];
                if let Err(trouble) = outcome::settle(&self.core, item, outcome, began_ms).await {
                    failed.get_or_insert(trouble);
                }
            }
            if let Some(trouble) = failed {
                return Err(trouble);
            }
        }
        Ok(())
    }

    /// Takes note of doubtful records that were found.
    fn pass_over(&mut self, batch: &mut Batch) {
        let mut passed = 0;
        for item in batch.items.iter_mut().filter(|item| !item.done) {
            let Some(digest) = item.digest else { continue };
            if let Some(count) = self.found.get_mut(&digest).filter(|count| **count > 0) {
                *count -= 1;
                item.done = true;
                passed += 1;
            }
        }
        self.core.metrics.count_found(passed);
    }

    /// The whole batch is in the primary.
    fn finish(&mut self) {
        let Some(batch) = self.hand.take() else {
            return;
        };
        self.core
            .backlog
            .remove(batch.items.iter().map(|item| &item.entry.record));
        for digest in batch.items.iter().filter_map(|item| item.digest) {
            self.core.doubts.remove(digest);
        }
        let bytes: u64 = batch.items.iter().map(|item| item.entry.bytes()).sum();
        self.passed = batch.end;
        let rate = self.core.config.forward_bytes_per_s_max.max(1);
        let cost = Duration::from_secs_f64(bytes as f64 / rate as f64);
        self.next = self.next.max(Instant::now()) + cost;
    }

    /// Writes down what is passed and what is about to be sent; what is passed may then be forgotten.
    async fn note(&mut self, sending: &Position, began_ms: i64) -> Result<(), Trouble> {
        self.cursor.write(&self.passed, sending, began_ms).await?;
        self.reader.passed(&self.partition, &self.passed);
        Ok(())
    }

    async fn unless_stopped<T>(
        &mut self,
        asked: impl Future<Output = Result<T, String>>,
    ) -> Result<T, Trouble> {
        tokio::select! {
            _ = self.stop.wait_for(|stop| *stop) => Err(Trouble::Stopped),
            answer = asked => answer.map_err(Trouble::Primary),
        }
    }

    pub(super) async fn pause(&mut self, pause: Duration) -> Result<(), Trouble> {
        tokio::select! {
            _ = self.stop.wait_for(|stop| *stop) => Err(Trouble::Stopped),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }
}
