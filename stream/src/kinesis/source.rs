//! What is asked of Kinesis about one stream in order to read it. Each call that reads is one request; whoever asks
//! decides whether to try again.

use std::sync::Arc;

use aws_sdk_kinesis::{
    Client,
    operation::get_records::GetRecordsOutput,
    types::{Shard as Described, ShardIteratorType, StreamDescriptionSummary},
};

use super::{
    config::Config,
    error::{Error, Fault, Verdict},
    intake::Begin,
    lineage::{Lineage, Shard},
    shards,
    streams::{self, Named},
};
use crate::log::Partition;

/// More in one reply is not possible.
const RECORDS_MAX: i32 = 10_000;

/// A stream that is read.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) client: Client,
    pub(super) config: Arc<Config>,
    pub(super) stream: Named,
    /// When the stream was made: see [`incarnation`].
    pub(super) incarnation: String,
}

/// When the stream was made, in ms since the epoch: one that is deleted and made anew is another.
pub(super) fn incarnation(found: &StreamDescriptionSummary) -> String {
    let made = found.stream_creation_timestamp.to_millis();
    made.unwrap_or(0).to_string()
}

impl Source {
    /// Whether the stream of that name is still this one. Asked where something was missing: what there is of another
    /// stream must not be read as what comes next in this one.
    ///
    /// # Errors
    /// The stream cannot be asked, or there is none.
    pub(super) async fn is_same(&self) -> Result<bool, Fault> {
        let found = streams::describe(&self.client, &self.config, &self.stream).await;
        match found {
            Ok(Some(found)) => Ok(incarnation(&found) == self.incarnation),
            Ok(None) => Err(Fault::new(Verdict::Missing, "the stream does not exist")),
            Err(error) => Err(Fault::new(Verdict::Unclear, error.to_string())),
        }
    }

    /// All shards that Kinesis still has, closed ones included.
    ///
    /// # Errors
    /// The stream cannot be asked.
    pub(super) async fn shards(&self) -> Result<Lineage, Error> {
        let listed = shards::list(&self.client, &self.config, &self.stream, None).await?;
        let shard = |shard: Described| {
            let keys = shards::keys(&shard);
            let parents = shard.parent_shard_id.into_iter();
            let parents = parents.chain(shard.adjacent_parent_shard_id);
            let range = shard.sequence_number_range;
            let about = Shard {
                parents: parents.map(|name| Partition::new(&name)).collect(),
                starts: range.map_or_else(String::new, |range| range.starting_sequence_number),
                keys,
            };
            (Partition::new(&shard.shard_id), about)
        };
        Ok(Lineage::of(listed.into_iter().map(shard)))
    }

    /// An iterator for the shard.
    pub(super) async fn iterator(&self, shard: &str, begin: &Begin) -> Result<String, Fault> {
        let asked = self.client.get_shard_iterator().shard_id(shard);
        let asked = asked
            .set_stream_name(self.stream.by_name())
            .set_stream_arn(self.stream.arn.clone());
        let asked = match begin {
            Begin::Oldest => asked.shard_iterator_type(ShardIteratorType::TrimHorizon),
            Begin::At(sequence) => asked
                .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
                .starting_sequence_number(sequence),
        };
        let reply = asked.send().await.map_err(|error| Fault::of(&error))?;
        let missing = || Fault::new(Verdict::Unclear, "Kinesis gave no iterator");
        reply.shard_iterator.ok_or_else(missing)
    }

    /// What comes at the iterator.
    pub(super) async fn records(&self, iterator: &str) -> Result<GetRecordsOutput, Fault> {
        self.records_at(iterator, RECORDS_MAX).await
    }

    async fn records_at(&self, iterator: &str, most: i32) -> Result<GetRecordsOutput, Fault> {
        let asked = self.client.get_records().shard_iterator(iterator);
        let asked = asked.set_stream_arn(self.stream.arn.clone()).limit(most);
        asked.send().await.map_err(|error| Fault::of(&error))
    }

    /// The sequence number of the oldest record that there is in the shard, if there is one.
    pub(super) async fn oldest(&self, shard: &str) -> Result<Option<String>, Fault> {
        let iterator = self.iterator(shard, &Begin::Oldest).await?;
        let reply = self.records_at(&iterator, 1).await?;
        let mut records = reply.records.into_iter();
        Ok(records.next().map(|record| record.sequence_number))
    }
}
