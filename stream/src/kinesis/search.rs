//! Looks into streams for values whose fate is open. What Kinesis keeps is read by time, shard by shard.

use std::time::Duration;

use aws_sdk_kinesis::{
    Client,
    operation::get_records::GetRecordsOutput,
    primitives::DateTime,
    types::{Shard as Described, ShardFilter, ShardFilterType, ShardIteratorType},
};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::{Instant, sleep_until};

use super::{
    ask::ask,
    config::Config,
    deaggregate::{Keys, deaggregate},
    error::{Error, Fault, Verdict},
    shards,
    streams::Named,
};
use crate::spill::{Digest, Found, Search};

/// A shard is asked no more often: all who read it together may ask it five times a second.
const PAUSE: Duration = Duration::from_millis(250);

/// How many shards are read at once.
const SHARDS_AT_ONCE: usize = 16;

/// Reads the streams from the search's time to where they end now.
///
/// # Errors
/// Not everything could be read.
pub(super) async fn find(
    client: &Client,
    config: &Config,
    search: &Search,
) -> Result<Found, Error> {
    let mut found = Found::new();
    for topic in &search.topics {
        let stream = Named::of(config, topic.as_str())?;
        let since = DateTime::from_millis(search.since_ms);
        let shards = since_then(client, config, &stream, since).await?;
        let reading = shards.into_iter().map(|(shard, keys)| {
            let reading = Reading {
                client,
                config,
                stream: &stream,
                shard,
                keys,
            };
            reading.run(since, search)
        });
        let mut reading = stream::iter(reading).buffer_unordered(SHARDS_AT_ONCE);
        while let Some(digests) = reading.try_next().await? {
            for digest in digests {
                *found.entry(digest).or_default() += 1;
            }
        }
    }
    Ok(found)
}

/// The shards that records of that time or later can be in.
async fn since_then(
    client: &Client,
    config: &Config,
    stream: &Named,
    since: DateTime,
) -> Result<Vec<(String, Option<Keys>)>, Error> {
    let filter = ShardFilter::builder()
        .r#type(ShardFilterType::FromTimestamp)
        .timestamp(since);
    let filter = filter.build().map_err(|error| {
        let fault = Fault::new(Verdict::Never, error.to_string());
        Error::of(&stream.name, fault)
    })?;
    let shards = shards::list(client, config, stream, Some(filter)).await?;
    let with_keys = |shard: Described| {
        let keys = shards::keys(&shard);
        (shard.shard_id, keys)
    };
    Ok(shards.into_iter().map(with_keys).collect())
}

/// One shard that is read to where it ended when it was first read: what others write meanwhile is not waited for.
struct Reading<'a> {
    client: &'a Client,
    config: &'a Config,
    stream: &'a Named,
    shard: String,
    /// What a reader takes from there; the rest counts as not written.
    keys: Option<Keys>,
}

/// Where a shard ended when it was first read, by Kinesis' own clock.
#[derive(Debug, Default)]
struct End(Option<i64>);

impl End {
    /// Whether all was read that was there at the first answer. An answer without records is no end by itself: there may
    /// be a gap in a shard.
    fn is_reached(&mut self, answer: &GetRecordsOutput) -> bool {
        let empty = answer.records.is_empty();
        let behind_ms = answer.millis_behind_latest.unwrap_or(i64::from(!empty));
        let arrived = answer
            .records
            .last()
            .and_then(|last| last.approximate_arrival_timestamp)
            .and_then(|arrived| arrived.to_millis().ok());
        let Some(arrived_ms) = arrived else {
            return behind_ms == 0;
        };
        let end_ms = *self.0.get_or_insert(arrived_ms.saturating_add(behind_ms));
        behind_ms == 0 || arrived_ms > end_ms
    }
}

impl Reading<'_> {
    /// The digests of what was wanted and is there, each as often as it is.
    async fn run(self, since: DateTime, search: &Search) -> Result<Vec<Digest>, Error> {
        let mut found = Vec::new();
        let mut end = End::default();
        let mut iterator = self.iterator(since).await?;
        while let Some(at) = iterator {
            let next = Instant::now() + PAUSE;
            let answer = ask(self.config, || {
                let request = self.client.get_records().shard_iterator(&at);
                request.set_stream_arn(self.stream.arn.clone()).send()
            });
            let answer = answer.await.map_err(|fault| self.failed(fault))?;
            for record in &answer.records {
                let data = Bytes::copy_from_slice(record.data.as_ref());
                let events = deaggregate(data, self.keys.as_ref()).values.into_iter();
                let digests = events.map(|(_, value)| Digest::of(&value));
                found.extend(digests.filter(|digest| search.wanted.contains(digest)));
            }
            if end.is_reached(&answer) {
                break;
            }
            iterator = answer.next_shard_iterator;
            sleep_until(next).await;
        }
        Ok(found)
    }

    async fn iterator(&self, since: DateTime) -> Result<Option<String>, Error> {
        let answer = ask(self.config, || {
            self.client
                .get_shard_iterator()
                .set_stream_name(self.stream.by_name())
                .set_stream_arn(self.stream.arn.clone())
                .shard_id(&self.shard)
                .shard_iterator_type(ShardIteratorType::AtTimestamp)
                .timestamp(since)
                .send()
        });
        let answer = answer.await.map_err(|fault| self.failed(fault))?;
        Ok(answer.shard_iterator)
    }

    fn failed(&self, fault: Fault) -> Error {
        Error::of(&self.stream.name, fault)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::{primitives::Blob, types::Record};

    use super::*;

    fn answer(arrived_ms: &[i64], behind_ms: i64) -> GetRecordsOutput {
        let record = |arrived_ms: &i64| {
            Record::builder()
                .sequence_number("1")
                .partition_key("k")
                .data(Blob::new("v"))
                .approximate_arrival_timestamp(DateTime::from_millis(*arrived_ms))
                .build()
                .unwrap()
        };
        GetRecordsOutput::builder()
            .set_records(Some(arrived_ms.iter().map(record).collect()))
            .millis_behind_latest(behind_ms)
            .build()
            .unwrap()
    }

    #[test]
    fn a_shard_that_is_written_to_all_the_time_is_read_to_where_it_first_ended() {
        let mut end = End::default();
        // A gap, and then an end at 1,000.
        assert!(!end.is_reached(&answer(&[], 900)));
        assert!(!end.is_reached(&answer(&[100, 300], 700)));
        assert!(!end.is_reached(&answer(&[500, 1_000], 400)));
        assert!(end.is_reached(&answer(&[1_000, 1_001], 300)));
    }

    #[test]
    fn the_tip_is_the_end_with_records_and_without() {
        assert!(End::default().is_reached(&answer(&[100], 0)));
        assert!(End::default().is_reached(&answer(&[], 0)));
    }
}
