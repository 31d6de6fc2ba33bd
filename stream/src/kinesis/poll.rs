//! Reads one shard by calls, at the pace that Kinesis allows to all who read the shard together: 5 calls and 2 MB a second
//! (<https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html>).

use std::time::Duration;

use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    error::{Fault, Verdict},
    intake::{Begin, Intake},
    read_config::Read,
    read_metrics::Metrics,
    room::{self, Room, Rooms},
    source::Source,
};
use crate::backoff::Backoff;

/// What may be read of a shard in a second, in bytes, by all its readers.
const SHARD_BYTES_PER_S: u32 = 2_000_000;

/// So many failures in a row are told.
const FAILURES_TOLD: u32 = 3;

/// The first and the longest pause after a failure.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How reading a shard ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The shard is closed; what continues it is listed.
    Shard,
    /// It cannot be read on, which was told.
    Broken,
}

/// A shard that is read.
pub(super) struct Poll {
    pub(super) source: Source,
    pub(super) intake: Intake,
    pub(super) rooms: Rooms,
    pub(super) settings: Read,
    pub(super) metrics: Metrics,
    /// The position is known not to be beyond the shard's end.
    pub(super) verified: bool,
}

/// Failures in a row.
pub(super) struct Troubles {
    count: u32,
    backoff: Backoff,
}

impl Troubles {
    pub(super) fn none() -> Self {
        Self {
            count: 0,
            backoff: Backoff::new(PAUSE_MIN, PAUSE_MAX),
        }
    }

    pub(super) async fn wait(&mut self, intake: &Intake, fault: &Fault) {
        self.count += 1;
        tracing::debug!(shard = %intake.shard, %fault, "a shard could not be read; trying again");
        if self.count >= FAILURES_TOLD {
            intake.unavailable(&fault.to_string());
        }
        sleep(self.backoff.next()).await;
    }
}

impl Poll {
    /// Until the shard ends, or this is dropped.
    pub(super) async fn run(mut self) -> Ended {
        let interval = Duration::from_millis(self.settings.interval_ms);
        let mut troubles = Troubles::none();
        let mut iterator: Option<String> = None;
        // When the shard was last read to its tip.
        let mut caught_up: Option<Instant> = None;
        let mut next = Instant::now();
        // Something was missing: the stream may be another one.
        let mut doubted = false;
        loop {
            sleep_until(next).await;
            if doubted {
                match is_other(&self.source, &self.intake).await {
                    Ok(false) => doubted = false,
                    Ok(true) => return Ended::Broken,
                    Err(fault) => {
                        troubles.wait(&self.intake, &fault).await;
                        continue;
                    }
                }
            }
            let at = match iterator.take() {
                Some(at) => at,
                None => match self.iterator().await {
                    Ok(Some(at)) => at,
                    Ok(None) => return Ended::Broken,
                    Err(fault) => {
                        doubted = fault.verdict == Verdict::Missing;
                        troubles.wait(&self.intake, &fault).await;
                        continue;
                    }
                },
            };
            let expected = room::expected_bytes(caught_up.map(|at| at.elapsed()));
            let mut room = self.rooms.reserve(expected).await;
            next = Instant::now() + interval;
            let read = self.source.records(&at).await;
            self.metrics.count_call(&self.source.stream.name, &read);
            match read {
                Ok(reply) => {
                    troubles = Troubles::none();
                    next = next.max(Instant::now() + pause_after(&reply));
                    caught_up = is_tip(&reply).then(Instant::now);
                    iterator.clone_from(&reply.next_shard_iterator);
                    if !self.take(reply, &mut room).await {
                        return Ended::Broken;
                    }
                    if iterator.is_none() {
                        self.intake.end();
                        return Ended::Shard;
                    }
                }
                // Nothing was taken for five minutes.
                Err(fault) if fault.verdict == Verdict::Expired => {}
                Err(fault) => {
                    doubted = fault.verdict == Verdict::Missing;
                    iterator = Some(at).filter(|_| !doubted);
                    drop(room);
                    troubles.wait(&self.intake, &fault).await;
                }
            }
        }
    }

    /// None when there is no such position in the shard, or another stream, which was told.
    async fn iterator(&mut self) -> Result<Option<String>, Fault> {
        let begin = self.intake.begin_at();
        let shard = self.intake.shard.as_str();
        let asked = self.source.iterator(shard, &begin).await;
        match asked {
            Err(fault) if begin != Begin::Oldest && fault.verdict.is_no_place() => {}
            asked => return asked.map(Some),
        }
        if is_other(&self.source, &self.intake).await? {
            return Ok(None);
        }
        match is_beyond(&self.source, &self.intake).await? {
            true => Ok(None),
            false => self.source.iterator(shard, &Begin::Oldest).await.map(Some),
        }
    }

    /// Whether reading goes on.
    async fn take(&mut self, reply: GetRecordsOutput, room: &mut Room) -> bool {
        let tip = is_tip(&reply);
        let latest = Duration::from_millis(reply.millis_behind_latest.unwrap_or(0).unsigned_abs());
        let empty = reply.records.is_empty();
        self.intake.take(reply.records, latest, room);
        if empty && tip && self.intake.resumes() && !self.verified {
            // What cannot be asked now is asked with the next reply.
            let beyond = is_beyond(&self.source, &self.intake).await;
            self.verified = beyond.is_ok();
            return !beyond.unwrap_or(false);
        }
        true
    }
}

/// Whether there is another stream under that name now, which is told.
///
/// # Errors
/// The stream cannot be asked, or there is none at present.
pub(super) async fn is_other(source: &Source, intake: &Intake) -> Result<bool, Fault> {
    let other = !source.is_same().await?;
    if other {
        intake.recreated();
    }
    Ok(other)
}

/// The record that reading begins at is not there: it must be older than all that is left. Should it not, the position is
/// beyond the shard's end, which is told: it would be waited for in silence, and all until there passed over.
///
/// # Errors
/// The shard cannot be read.
pub(super) async fn is_beyond(source: &Source, intake: &Intake) -> Result<bool, Fault> {
    let oldest = source.oldest(intake.shard.as_str()).await?;
    let beyond = oldest.is_some_and(|oldest| intake.is_beyond(&oldest));
    if beyond {
        intake.corrupt("the shard has no such record, and older ones".to_owned());
    }
    Ok(beyond)
}

/// Whether there was nothing more to be read.
fn is_tip(reply: &GetRecordsOutput) -> bool {
    reply.millis_behind_latest == Some(0)
}

/// How long a reply of that size takes from the shard's rate.
fn pause_after(reply: &GetRecordsOutput) -> Duration {
    let bytes = reply
        .records
        .iter()
        .map(|record| record.data.as_ref().len());
    let bytes = u32::try_from(bytes.sum::<usize>()).unwrap_or(u32::MAX);
    Duration::from_secs(1) * bytes / SHARD_BYTES_PER_S
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::{primitives::Blob, types::Record};

    use super::*;

    #[test]
    fn a_large_reply_is_paid_for_by_the_rate_of_two_megabytes_a_second() {
        let record = Record::builder()
            .sequence_number("1")
            .partition_key("k")
            .data(Blob::new(vec![0; 1_000_000]))
            .build()
            .unwrap();
        let reply = |count| {
            let records = vec![record.clone(); count];
            let reply = GetRecordsOutput::builder().set_records(Some(records));
            reply.build().unwrap()
        };
        assert_eq!(pause_after(&reply(0)), Duration::ZERO);
        assert_eq!(pause_after(&reply(1)), Duration::from_millis(500));
        assert_eq!(pause_after(&reply(10)), Duration::from_secs(5));
    }
}
