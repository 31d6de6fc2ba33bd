//! Parts of partitions as they are asked for, held against what is there.

use std::fmt;

use anyhow::{Context, Result, ensure};
use headgate_stream::kafka::Range;

/// A range as it was asked for; a side that was left out is as far as there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    start: Option<i64>,
    end: Option<i64>,
}

impl Wanted {
    /// Reads `events-0:100..200`.
    ///
    /// # Errors
    /// The text has another form.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parse = || {
            let (place, offsets) = text.rsplit_once(':')?;
            let (topic, partition) = place.rsplit_once('-')?;
            let (start, end) = offsets.split_once("..")?;
            let side = |text: &str| match text {
                "" => Some(None),
                text => text.parse().ok().filter(|offset| *offset >= 0).map(Some),
            };
            Some(Self {
                topic: Some(topic).filter(|t| !t.is_empty())?.to_owned(),
                partition: partition.parse().ok()?,
                start: side(start)?,
                end: side(end)?,
            })
        };
        parse().ok_or_else(|| {
            "must be TOPIC-PARTITION:START..END, such as events-0:100..200".to_owned()
        })
    }

    /// The range within what there is.
    ///
    /// # Errors
    /// There is no such partition, or it does not reach so far.
    pub(crate) fn within(&self, extents: &[Range]) -> Result<Range> {
        let Self {
            topic, partition, ..
        } = self;
        let is_it = |range: &&Range| range.topic == *topic && range.partition == *partition;
        let found = extents.iter().find(is_it);
        let there = found.with_context(|| format!("there is no partition {topic}-{partition}"))?;
        let end = self.end.unwrap_or(there.end);
        let start = self.start.unwrap_or(there.start);
        ensure!(
            start <= end && end <= there.end,
            "{topic}-{partition}:{start}..{end} is not there: {there} is"
        );
        Ok(Range {
            start,
            end,
            ..there.clone()
        })
    }
}

/// As [`Wanted::parse`] reads it.
impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |side: Option<i64>| side.map_or(String::new(), |offset| offset.to_string());
        let (start, end) = (side(self.start), side(self.end));
        write!(f, "{}-{}:{start}..{end}", self.topic, self.partition)
    }
}

/// Leaves out of the ranges what is not there any more.
///
/// # Errors
/// Something is gone, and `allow_missing` is not set.
pub(crate) fn present(
    ranges: Vec<Range>,
    extents: &[Range],
    allow_missing: bool,
) -> Result<Vec<Range>> {
    let clamp = |mut range: Range| {
        let same =
            |there: &&Range| there.topic == range.topic && there.partition == range.partition;
        let there = extents.iter().find(same);
        let Some(there) =
            there.filter(|there| range.start < there.start && range.start < range.end)
        else {
            return Ok(range);
        };
        ensure!(
            allow_missing,
            "retention has removed a part of {range}: {there} is there; --allow-missing takes that"
        );
        range.start = there.start.min(range.end);
        Ok(range)
    };
    ranges.into_iter().map(clamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: i64, end: i64) -> Range {
        Range {
            topic: "my-events".to_owned(),
            partition: 3,
            start,
            end,
        }
    }

    #[test]
    fn offsets_are_read_and_held_against_what_is_there() {
        let there = [range(100, 200)];
        let within = |text: &str| {
            let wanted = Wanted::parse(text).map_err(anyhow::Error::msg)?;
            assert_eq!(wanted.to_string(), text);
            wanted.within(&there)
        };
        assert_eq!(
            within("my-events-3:120..130").expect("there"),
            range(120, 130)
        );
        assert_eq!(within("my-events-3:..").expect("there"), range(100, 200));
        assert_eq!(
            within("my-events-3:5..200").expect("for `present`"),
            range(5, 200)
        );
        for (text, said) in [
            ("my-events-3:120..201", "my-events-3:100..200 is"),
            ("my-events-3:130..120", "my-events-3:100..200 is"),
            ("my-events-4:120..130", "no partition my-events-4"),
            ("my-events-3", "TOPIC-PARTITION"),
            ("my-events:1..2", "TOPIC-PARTITION"),
            ("-3:1..2", "TOPIC-PARTITION"),
            ("my-events-3:-1..2", "TOPIC-PARTITION"),
        ] {
            let error = within(text).expect_err(text).to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn what_retention_removed_is_an_error_or_left_out() {
        let there = [range(100, 200)];
        let error = present(vec![range(50, 150)], &there, false).expect_err("gone");
        assert!(
            error.to_string().contains("my-events-3:100..200"),
            "{error}"
        );
        assert_eq!(
            present(vec![range(50, 150)], &there, true).expect("ok"),
            [range(100, 150)]
        );
        assert_eq!(
            present(vec![range(50, 80)], &there, true).expect("ok"),
            [range(80, 80)]
        );
        assert_eq!(
            present(vec![range(100, 150)], &there, false).expect("ok"),
            [range(100, 150)]
        );
    }
}
