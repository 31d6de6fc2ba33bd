//! What settings of one section demand of another's.

use headgate_sink::table::redshift::ATTRIBUTE_BYTES_MAX;

use super::{Config, StreamKind};

/// Each rule that is broken: its dotted key, and what is wrong.
pub(super) fn problems(config: &Config) -> Vec<(String, String)> {
    let depth = depth(config).map(|reason| ("sink.data_depth_max", reason));
    let drain = drain(config).map(|reason| ("shutdown.deadline_ms", reason));
    let width = width(config).map(|reason| ("gateway.limits.attribute_bytes_max", reason));
    let broken = depth.into_iter().chain(drain).chain(width);
    broken
        .map(|(key, reason)| (key.to_owned(), reason))
        .collect()
}

/// What the gateway accepts the sink must decode: else it would land as a bad event that no replay can mend.
fn depth(config: &Config) -> Option<String> {
    let (taken, decoded) = (config.gateway.limits.depth_max, config.sink.data_depth_max);
    (decoded < taken).then(|| {
        format!("{decoded} is not allowed: must not be below gateway.limits.depth_max ({taken})")
    })
}

/// An event's id is cut in the warehouse where it is longer than its column: two could be taken for one then.
fn width(config: &Config) -> Option<String> {
    let taken = config.gateway.limits.attribute_bytes_max;
    let follows = config.warehouse.kind != headgate_sink::warehouse::Kind::None;
    (follows && taken > ATTRIBUTE_BYTES_MAX).then(|| {
        format!("{taken} is not allowed with a warehouse: at most {ATTRIBUTE_BYTES_MAX}, which its columns have room for")
    })
}

/// The parts end one after the other, and the process ends them by force at the deadline: what the last one is given
/// must still be left by then.
fn drain(config: &Config) -> Option<String> {
    let timeouts = &config.gateway.timeouts;
    let mut steps = vec![
        (
            "gateway.timeouts.drain_unready_ms",
            timeouts.drain_unready_ms,
        ),
        (
            "gateway.timeouts.drain_deadline_ms",
            timeouts.drain_deadline_ms,
        ),
        ("sink.drain_deadline_ms", config.sink.drain_deadline_ms),
    ];
    match config.stream.kind {
        StreamKind::Journal => {}
        StreamKind::Kafka => {
            steps.push(("kafka.close_deadline_ms", config.kafka.close_deadline_ms));
        }
        StreamKind::Kinesis => {
            let close_deadline_ms = config.kinesis.close_deadline_ms;
            steps.push(("kinesis.close_deadline_ms", close_deadline_ms));
        }
    }
    let sum = steps
        .iter()
        .fold(0_u64, |sum, (_, ms)| sum.saturating_add(*ms));
    let deadline_ms = config.shutdown.deadline_ms;
    (deadline_ms <= sum).then(|| {
        let steps: Vec<String> = steps
            .iter()
            .map(|(key, ms)| format!("{key} ({ms})"))
            .collect();
        format!(
            "{deadline_ms} is not allowed: must be above {sum}, the sum of {}",
            steps.join(", ")
        )
    })
}
