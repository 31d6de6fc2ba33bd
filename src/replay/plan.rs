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
