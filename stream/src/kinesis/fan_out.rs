//! Reads one shard by a subscription of a consumer with enhanced fan-out: Kinesis pushes what comes, with 2 MB a second for
//! this consumer alone, and ends the subscription after five minutes.

use std::time::Duration;

use aws_sdk_kinesis::{
    operation::subscribe_to_shard::SubscribeToShardOutput,
    types::{
        ConsumerStatus, ShardIteratorType, StartingPosition, SubscribeToShardEvent,
        SubscribeToShardEventStream as Event,
    },
};
use tokio::time::{Instant, sleep, timeout};

use super::{
    ask::ask,
    error::{Error, Fault, Verdict, chain},
    intake::{Begin, Intake},
    poll::{Ended, Troubles, is_beyond, is_other},
    read_metrics::Metrics,
    room::Rooms,
    source::Source,
};

/// A subscription without a word for so long is dead: Kinesis says something every few seconds, also of an idle shard.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How often a consumer that is being registered is asked for.
const READY_INTERVAL: Duration = Duration::from_millis(200);

/// A shard that is read.
pub(super) struct FanOut {
    pub(super) source: Source,
    pub(super) intake: Intake,
    pub(super) rooms: Rooms,
    pub(super) metrics: Metrics,
    /// The consumer's ARN.
    pub(super) consumer: String,
}

impl FanOut {
    /// Until the shard ends, or this is dropped.
    pub(super) async fn run(mut self) -> Ended {
        let mut troubles = Troubles::none();
        // Where the last subscription stood, as Kinesis tells it.
        let mut stood: Option<String> = None;
        // Whether the record to begin at is known to be gone.
        let mut gone = false;
        loop {
            let begin = self.begin(stood.take(), gone);
            let oldest = begin.0 == ShardIteratorType::TrimHorizon;
            let subscribed = self.subscribe(begin).await;
            self.metrics
                .count_call(&self.source.stream.name, &subscribed);
            let failed = match subscribed {
                Ok(subscription) => {
                    (troubles, gone) = (Troubles::none(), false);
                    match self.follow(subscription, &mut stood).await {
                        Ok(Some(ended)) => return ended,
                        // The five minutes are over.
                        Ok(None) => continue,
                        Err(fault) => fault,
                    }
                }
                Err(fault) if !oldest && fault.verdict.is_no_place() => {
                    // From now on that record is looked for among all that there are.
                    self.intake.begin_at();
                    match self.is_gone().await {
                        Ok(false) => return Ended::Broken,
                        Ok(true) => {
                            gone = true;
                            continue;
                        }
                        Err(fault) => fault,
                    }
                }
                Err(fault) => fault,
            };
            troubles.wait(&self.intake, &failed).await;
        }
    }

    /// Whether the record to begin at is gone, and it is still the same stream; what is wrong otherwise was told.
    async fn is_gone(&self) -> Result<bool, Fault> {
        let wrong = is_other(&self.source, &self.intake).await?
            || is_beyond(&self.source, &self.intake).await?;
        Ok(!wrong)
    }

    /// Behind where the last subscription stood, or else at the record that was read last, unless it is gone.
    fn begin(&mut self, stood: Option<String>, gone: bool) -> (ShardIteratorType, Option<String>) {
        if let Some(sequence) = stood.filter(|_| !self.intake.resumes()) {
            return (ShardIteratorType::AfterSequenceNumber, Some(sequence));
        }
        match self.intake.begin_at() {
            Begin::At(sequence) if !gone => (ShardIteratorType::AtSequenceNumber, Some(sequence)),
            _ => (ShardIteratorType::TrimHorizon, None),
        }
    }

    async fn subscribe(
        &self,
        (kind, sequence): (ShardIteratorType, Option<String>),
    ) -> Result<SubscribeToShardOutput, Fault> {
        let begin = StartingPosition::builder().r#type(kind);
        let begin = begin.set_sequence_number(sequence).build();
        let begin = begin.map_err(|error| Fault::new(Verdict::Never, chain(&error)))?;
        let asked = self.source.client.subscribe_to_shard();
        let asked = asked
            .consumer_arn(&self.consumer)
            .shard_id(self.intake.shard.as_str())
            .starting_position(begin);
        asked.send().await.map_err(|error| Fault::of(&error))
    }

    /// Takes what is pushed. None when the subscription is over and the shard is not.
    async fn follow(
        &mut self,
        mut subscription: SubscribeToShardOutput,
        stood: &mut Option<String>,
    ) -> Result<Option<Ended>, Fault> {
        loop {
            let pushed = timeout(SILENCE_MAX, subscription.event_stream.recv()).await;
            let event = match pushed {
                Ok(Ok(Some(Event::SubscribeToShardEvent(event)))) => event,
                Ok(Ok(Some(_))) => continue,
                Ok(Ok(None)) => return Ok(None),
                Ok(Err(error)) => return Err(Fault::new(Verdict::Unclear, chain(&error))),
                Err(_) => return Err(Fault::new(Verdict::Unclear, "the subscription is silent")),
            };
            let over = event.child_shards.as_ref().is_some_and(|c| !c.is_empty());
            *stood = Some(event.continuation_sequence_number.clone()).filter(|at| !at.is_empty());
            self.take(event).await;
            if over {
                self.intake.end();
                return Ok(Some(Ended::Shard));
            }
        }
    }

    /// What was pushed is here already: the next one is not asked for before there was room for this one.
    async fn take(&mut self, event: SubscribeToShardEvent) {
        let bytes = event
            .records
            .iter()
            .map(|record| record.data.as_ref().len());
        let mut room = self.rooms.reserve(bytes.sum::<usize>() as u64).await;
        let latest = Duration::from_millis(event.millis_behind_latest.unsigned_abs());
        self.intake.take(event.records, latest, &mut room);
    }
}

/// The ARN of the stream's consumer of that name, once it takes subscriptions; it is registered if it is not there.
///
/// # Errors
/// It cannot be asked for or registered.
pub(super) async fn consumer(
    source: &Source,
    stream_arn: &str,
    name: &str,
) -> Result<String, Error> {
    let failed = |fault| Error::of(&source.stream.name, fault);
    let (client, config) = (&source.client, &source.config);
    let registered = ask(config, || {
        let asked = client.register_stream_consumer();
        asked.stream_arn(stream_arn).consumer_name(name).send()
    });
    match registered.await {
        Ok(_) => tracing::info!(stream = source.stream.name, name, "registered the consumer"),
        Err(fault) if fault.verdict == Verdict::Exists => {}
        Err(fault) => return Err(failed(fault)),
    }
    let deadline = Instant::now() + Duration::from_millis(config.streams.create_deadline_ms);
    loop {
        let asked = ask(config, || {
            let asked = client.describe_stream_consumer();
            asked.stream_arn(stream_arn).consumer_name(name).send()
        });
        let answer = asked.await.map_err(failed)?;
        match answer.consumer_description {
            Some(found) if found.consumer_status == ConsumerStatus::Active => {
                return Ok(found.consumer_arn);
            }
            _ if Instant::now() < deadline => sleep(READY_INTERVAL).await,
            _ => {
                let reason = format!("its consumer {name:?} is still being registered");
                return Err(failed(Fault::new(Verdict::Unsent, reason)));
            }
        }
    }
}

#[cfg(test)]
mod tests;
