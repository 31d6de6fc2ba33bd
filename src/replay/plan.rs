//! What a generation is made of: fixed once, in the store, so that every run of the replay reads the same.

use anyhow::{Context, Result, bail, ensure};
use headgate_sink::store::{self, Store};
use headgate_sink::table::Generation;
use headgate_stream::kafka::Range;
use serde::{Deserialize, Serialize};

/// The format that this code writes and reads.
const VERSION: u32 = 1;

/// A generation's plan, at `_replays/<generation>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    version: u32,
    /// The cluster that the offsets are of.
    pub(crate) cluster: String,
    /// The schemas that the tables follow.
    schemas: String,
    asked: Asked,
    /// What is read, at most one range a partition.
    pub(crate) ranges: Vec<Range>,
    /// When it was made, in ms since the epoch. For people.
    created_ms: i64,
}

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) topics: Vec<String>,
    pub(crate) types: Vec<String>,
    pub(crate) offsets: Vec<String>,
    pub(crate) since_micros: Option<i64>,
    pub(crate) until_micros: Option<i64>,
}

impl Plan {
    pub(crate) fn new(
        cluster: String,
        schemas: u64,
        asked: Asked,
        ranges: Vec<Range>,
        created_ms: i64,
    ) -> Self {
        Self {
            version: VERSION,
            cluster,
            schemas: format!("{schemas:016x}"),
            asked,
            ranges,
            created_ms,
        }
    }

    /// The plan that a generation was begun with, if it was.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) async fn read(store: &dyn Store, generation: &Generation) -> Result<Option<Self>> {
        let path = path(generation);
        let bytes = match store.read(&path).await {
            Err(store::Error::NotFound { .. }) => return Ok(None),
            read => read?,
        };
        let plan: Self =
            serde_json::from_slice(&bytes).with_context(|| format!("{path} is no plan"))?;
        ensure!(
            plan.version == VERSION,
            "{path} is of format {}, this Headgate reads {VERSION}",
            plan.version
        );
        Ok(Some(plan))
    }

    /// Fixes the plan, unless the generation has one already: the one that holds.
    ///
    /// # Errors
    /// The store fails.
    pub(crate) async fn fix(self, store: &dyn Store, generation: &Generation) -> Result<Self> {
        let bytes = serde_json::to_vec(&self)?;
        match store.create(&path(generation), bytes.into()).await {
            Ok(()) => Ok(self),
            Err(store::Error::AlreadyExists { path }) => {
                let plan = Self::read(store, generation).await?;
                plan.with_context(|| format!("{path} is there and cannot be read"))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the plan is what is asked for now, of the same cluster, by the same schemas.
    ///
    /// # Errors
    /// What differs.
    pub(crate) fn check(
        &self,
        generation: &Generation,
        cluster: &str,
        schemas: u64,
        asked: &Asked,
    ) -> Result<()> {
        let other = "choose another generation for something else";
        if self.asked != *asked {
            let begun = serde_json::to_string(&self.asked)?;
            bail!("generation `{generation}` was begun with other arguments, {begun}: {other}");
        }
        ensure!(
            self.cluster == cluster,
            "generation `{generation}` is of the Kafka cluster {}, this one is {cluster}: {other}",
            self.cluster
        );
        ensure!(
            self.schemas == format!("{schemas:016x}"),
            "the schemas have changed since generation `{generation}` was begun: its tables would be of two kinds; {other}"
        );
        Ok(())
    }
}

fn path(generation: &Generation) -> String {
    format!("_replays/{generation}.json")
}

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
    pub(crate) fn parse(text: &str) -> Result<Self> {
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
        parse().with_context(|| {
            format!(
                "--offsets {text}: must be TOPIC-PARTITION:START..END, such as events-0:100..200"
            )
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
        let within = |text: &str| Wanted::parse(text).and_then(|wanted| wanted.within(&there));
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
            ("my-events-3", "--offsets"),
            ("my-events:1..2", "--offsets"),
            ("-3:1..2", "--offsets"),
            ("my-events-3:-1..2", "--offsets"),
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

    #[tokio::test]
    async fn the_first_plan_holds_and_another_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = headgate_sink::store::local::Local::open(dir.path()).expect("a store");
        let generation = Generation::new("g").expect("a name");
        let plan = |end| Plan::new("c".to_owned(), 7, Asked::default(), vec![range(0, end)], 1);
        assert_eq!(Plan::read(&store, &generation).await.expect("read"), None);
        let first = plan(5).fix(&store, &generation).await.expect("fixed");
        let second = plan(9).fix(&store, &generation).await.expect("found");
        assert_eq!((&second, second.ranges[0].end), (&first, 5));
        let check = |cluster, schemas, asked| first.check(&generation, cluster, schemas, &asked);
        assert!(check("c", 7, Asked::default()).is_ok());
        let other = Asked {
            types: vec!["t".to_owned()],
            ..Asked::default()
        };
        for (refused, said) in [
            (check("c", 7, other), "other arguments"),
            (check("d", 7, Asked::default()), "cluster c"),
            (check("c", 8, Asked::default()), "schemas"),
        ] {
            let error = refused.expect_err(said).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
