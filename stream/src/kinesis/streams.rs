//! Streams that are there: looked for, and made where they are missing and may be.

use std::time::Duration;

use aws_sdk_kinesis::{
    Client,
    types::{StreamDescriptionSummary, StreamMode, StreamModeDetails, StreamStatus},
};
use tokio::time::{Instant, sleep};

use super::{
    ask::ask,
    config::{self, Config, Mode, RECORD_BYTES_USUAL},
    error::{Error, Fault, Verdict},
};

/// How often a stream that is being made is asked whether it is ready.
const READY_INTERVAL: Duration = Duration::from_millis(200);

/// How a stream is called in requests: by its name, or by its ARN where that is what is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    /// The name.
    pub(super) name: String,
    /// The ARN, where the settings have one.
    pub(super) arn: Option<String>,
}

impl Named {
    /// The stream of a topic.
    ///
    /// # Errors
    /// The topic is no name for a stream.
    pub(super) fn of(config: &Config, topic: &str) -> Result<Self, Error> {
        let stream = config.stream_of(topic);
        let name = config::stream_name(stream).filter(|name| config::is_stream_name(name));
        Ok(Self {
            name: name
                .ok_or_else(|| Error::Name(stream.to_owned()))?
                .to_owned(),
            arn: config::is_arn(stream).then(|| stream.to_owned()),
        })
    }

    /// The name, where there is no ARN.
    pub(super) fn by_name(&self) -> Option<String> {
        self.arn.is_none().then(|| self.name.clone())
    }
}

/// Describes the stream once it can be written to and read; makes it if it is missing and may be made.
///
/// # Errors
/// It is missing and may not be made, cannot be asked or made, or is being deleted.
pub(super) async fn ensure(
    client: &Client,
    config: &Config,
    stream: &Named,
) -> Result<StreamDescriptionSummary, Error> {
    let deadline = Instant::now() + Duration::from_millis(config.streams.create_deadline_ms);
    let mut made = false;
    loop {
        let Some(found) = describe(client, config, stream).await? else {
            // A stream that was just made may not be seen everywhere yet.
            match made {
                false => create(client, config, stream).await?,
                true if Instant::now() < deadline => sleep(READY_INTERVAL).await,
                true => return Err(Error::Missing(stream.name.clone())),
            }
            made = true;
            continue;
        };
        match found.stream_status {
            StreamStatus::Active | StreamStatus::Updating => return Ok(found),
            StreamStatus::Creating if Instant::now() < deadline => sleep(READY_INTERVAL).await,
            status => {
                return Err(Error::Status {
                    stream: stream.name.clone(),
                    status: status.to_string(),
                });
            }
        }
    }
}

/// Describes the stream; none when it does not exist.
///
/// # Errors
/// It cannot be asked.
pub(super) async fn describe(
    client: &Client,
    config: &Config,
    stream: &Named,
) -> Result<Option<StreamDescriptionSummary>, Error> {
    let asked = ask(config, || {
        client
            .describe_stream_summary()
            .set_stream_name(stream.by_name())
            .set_stream_arn(stream.arn.clone())
            .send()
    });
    match asked.await {
        Ok(answer) => Ok(answer.stream_description_summary),
        Err(fault) if fault.verdict == Verdict::Missing => Ok(None),
        Err(fault) => Err(Error::of(&stream.name, fault)),
    }
}

/// The largest record that the stream takes, in bytes: its partition key and data together.
pub(super) fn record_bytes_max(found: &StreamDescriptionSummary) -> u64 {
    let kib = found.max_record_size_in_kib.map(u64::try_from);
    match kib {
        Some(Ok(kib)) if kib > 0 => kib << 10,
        _ => RECORD_BYTES_USUAL,
    }
}

async fn create(client: &Client, config: &Config, stream: &Named) -> Result<(), Error> {
    let settings = &config.streams;
    if !settings.create_missing || stream.arn.is_some() {
        return Err(Error::Missing(stream.name.clone()));
    }
    let (mode, shards, provided) = match settings.mode {
        Mode::OnDemand => (StreamMode::OnDemand, None, "on demand".to_owned()),
        Mode::Provisioned => {
            let shards = i32::try_from(settings.shards).unwrap_or(i32::MAX);
            let provided = format!("with {shards} shards");
            (StreamMode::Provisioned, Some(shards), provided)
        }
    };
    let failed = |reason: String| Error::Create {
        stream: stream.name.clone(),
        provided,
        reason,
    };
    let mode = StreamModeDetails::builder().stream_mode(mode).build();
    let mode = match mode {
        Ok(mode) => mode,
        Err(error) => return Err(failed(error.to_string())),
    };
    let large = config.record_bytes_max > RECORD_BYTES_USUAL;
    let kib = large.then(|| config.record_bytes_max.div_ceil(1 << 10));
    let kib = kib.and_then(|kib| i32::try_from(kib).ok());
    let asked = ask(config, || {
        client
            .create_stream()
            .stream_name(&stream.name)
            .set_shard_count(shards)
            .stream_mode_details(mode.clone())
            .set_max_record_size_in_kib(kib)
            .send()
    });
    match asked.await {
        Ok(_) => {
            tracing::info!(stream = %stream.name, "made the stream");
            Ok(())
        }
        // Whoever was quicker, both have it.
        Err(Fault {
            verdict: Verdict::Exists,
            ..
        }) => Ok(()),
        Err(fault) => Err(failed(fault.to_string())),
    }
}
