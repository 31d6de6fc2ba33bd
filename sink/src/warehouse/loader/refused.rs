//! What becomes of files that the warehouse refuses.

use std::time::Duration;

use super::Running;
use crate::warehouse::{lanes::Ended, load::Done, plan::Plan};

/// Files that were refused even one commit at a time are set aside after so many tries.
const REFUSED_MAX: u32 = 2;

impl Running {
    /// COPY refused the files. Where compactors replaced some, what replaced them is loaded; else fewer of them are tried,
    /// until it is one commit's; those are set aside.
    pub(super) async fn refused(&mut self, plan: &Plan, message: String) -> Ended {
        match self.worker.found_replaced(plan).await {
            Ok(Some(current)) => {
                let (table, files, by) = (&plan.table, plan.files.len(), current.files.len());
                tracing::info!(
                    table,
                    files,
                    by,
                    "files were compacted before they were loaded: what replaced them is"
                );
                return Ended::Again { failed: true };
            }
            Ok(None) => {}
            Err(error) => return self.failed(plan, &error.into()),
        }
        let (id, lane) = (plan.id(), (plan.table.clone(), plan.log.clone()));
        let paths: Vec<&str> = plan.files.iter().map(|file| file.path.as_str()).collect();
        let known = self.refused.get(&lane).filter(|(known, _)| *known == id);
        let tries = known.map_or(0, |(_, tries)| *tries);
        self.refused.insert(lane.clone(), (id.clone(), tries + 1));
        tracing::warn!(
            table = plan.table,
            files = paths.len(),
            message,
            "the warehouse refused files"
        );
        if plan.commits > 1 {
            return Ended::Smaller(plan.commits / 2);
        }
        if tries < REFUSED_MAX {
            return Ended::Again { failed: true };
        }
        self.refused.remove(&lane);
        match self.worker.set_aside(plan, &message).await {
            Ok(Done::Loaded(_) | Done::Expired) => {
                self.metrics.unloaded(plan, "set_aside");
                tracing::error!(
                    table = plan.table,
                    id,
                    files = ?paths,
                    message,
                    "files are set aside: the warehouse refuses them; see `headgate warehouse retry`"
                );
                Ended::Loaded(plan.ends)
            }
            Ok(Done::Beaten(ends)) => Ended::Beaten(ends, Duration::ZERO),
            Err(trouble) => self.failed(plan, &trouble),
        }
    }
}
