//! What a commit costs in requests to the store, counted by the sinks themselves: what a bill is computed from.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::page::Page;
use super::{Error, KIND, Server, Setup, apart};
use crate::bench::closed::{Bodies, measure};

/// How it is measured.
#[derive(Debug, Clone)]
pub struct Sizing {
    /// Commits that are counted; checkpoints every 64 of them are part of it. Default 192.
    pub commits: u64,
    /// Numbers of sinks. Default 1 and 2.
    pub sinks: Vec<u32>,
    /// How long the commits may take. Default 5 minutes.
    pub deadline: Duration,
}

impl Default for Sizing {
    fn default() -> Sizing {
        Sizing {
            commits: 192,
            sinks: vec![1, 2],
            deadline: Duration::from_secs(300),
        }
    }
}

/// What was counted, over all sinks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sized {
    /// Sinks.
    pub sinks: u32,
    /// Commits.
    pub commits: f64,
    /// Data files in them, each small enough to be put by one request.
    pub files: f64,
    /// Requests that put objects: files, records, checkpoints.
    pub put: f64,
    /// Requests that got objects.
    pub get: f64,
    /// Requests that looked whether an object is there.
    pub head: f64,
    /// Requests that listed.
    pub list: f64,
}

/// Batches are cut so soon, that many commits take little time.
const BATCH_AGE_MS: &str = "150";

/// Commits before the counting begins: what a start costs is no part of it.
const FIRST_COMMITS: f64 = 4.0;

const POLL: Duration = Duration::from_millis(20);

impl Sizing {
    /// Starts a gateway and sinks, and counts.
    ///
    /// # Errors
    /// [`Error`] when a server fails or takes too long.
    pub async fn run(&self, setup: &Setup) -> Result<Vec<Sized>, Error> {
        let schemas = setup.cluster_schemas()?;
        let gateway = setup.gateway("sizing", &schemas).await?;
        let mut all = Vec::new();
        for sinks in &self.sinks {
            all.push(self.count(setup, &schemas, &gateway, *sinks).await?);
        }
        Ok(all)
    }

    async fn count(
        &self,
        setup: &Setup,
        schemas: &Path,
        gateway: &Server,
        count: u32,
    ) -> Result<Sized, Error> {
        let mut environment = apart(&format!("sizing-{count}"));
        environment.push((
            "HEADGATE__SINK__BATCH_AGE_MAX_MS".to_owned(),
            BATCH_AGE_MS.to_owned(),
        ));
        let mut sinks = Vec::new();
        for at in 0..count {
            let name = format!("sizing-{count}-{at}");
            sinks.push(setup.sink(&name, schemas, &environment).await?);
        }
        // One event after the other: each partition of each sink has something to land soon.
        let bodies = Bodies::keyed(1, 500, KIND);
        let start = Instant::now();
        let mut before: Option<Sized> = None;
        loop {
            measure(gateway, &bodies, 4, 20).await?;
            sleep(POLL).await;
            let now = counted(&sinks).await?;
            match before {
                None if now.commits >= FIRST_COMMITS * f64::from(count) => before = Some(now),
                Some(before) if now.commits - before.commits >= self.commits as f64 => {
                    return Ok(now.less(&before));
                }
                _ => {}
            }
            if start.elapsed() > self.deadline {
                return Err(Error::Watched {
                    what: format!("{} commits", self.commits),
                    reason: format!("{} after {:?}", now.commits, self.deadline),
                });
            }
        }
    }
}

async fn counted(sinks: &[Server]) -> Result<Sized, Error> {
    let mut all = Sized {
        sinks: u32::try_from(sinks.len()).unwrap_or(u32::MAX),
        commits: 0.0,
        files: 0.0,
        put: 0.0,
        get: 0.0,
        head: 0.0,
        list: 0.0,
    };
    for sink in sinks {
        let page = Page::of(sink.address()).await?;
        let requests = |kind: &str| {
            let label = format!("request=\"{kind}\"");
            page.sum_where("headgate_sink_store_requests_total", &label)
        };
        all.commits += page.sum("headgate_sink_commit_seconds_count");
        all.files += page.sum("headgate_sink_files_total");
        all.put += requests("put");
        all.get += requests("get");
        all.head += requests("head");
        all.list += requests("list");
    }
    Ok(all)
}

impl Sized {
    fn less(&self, before: &Sized) -> Sized {
        Sized {
            sinks: self.sinks,
            commits: self.commits - before.commits,
            files: self.files - before.files,
            put: self.put - before.put,
            get: self.get - before.get,
            head: self.head - before.head,
            list: self.list - before.list,
        }
    }
}
