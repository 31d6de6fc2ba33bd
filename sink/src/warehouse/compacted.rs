//! Files that compactors replaced before they were loaded: what replaced them is loaded in their place.
//!
//! A file that was replaced holds rows of other commits too, which may be loaded already or may be still to come. No row
//! comes twice of it: the same row has the same `event_id` and the same time of receipt, so whichever load is second finds
//! it there, whatever `dedup_window_ms` is.

use super::{load::Worker, plan::Plan};
use crate::commit::{self, File, replaced::Replaced};

impl Worker {
    /// The plan with the files that are there now, where it is known that some were replaced.
    ///
    /// # Errors
    /// The compactors' log cannot be read.
    pub(super) async fn as_known(&self, plan: &Plan) -> Result<Plan, commit::Error> {
        let mut replaced = self.replaced.lock().await;
        let Some(replaced) = replaced.as_mut() else {
            return Ok(plan.clone());
        };
        replaced.read_on(&*self.store).await?;
        Ok(with(plan, replaced.in_place_of(&plan.files)))
    }

    /// The same, where it is not known; from then on it is, until it is forgotten. `None`: the plan's files were not replaced.
    ///
    /// # Errors
    /// The compactors' log cannot be read.
    pub(super) async fn found_replaced(&self, plan: &Plan) -> Result<Option<Plan>, commit::Error> {
        let files = self.in_place_of(&plan.files).await?;
        Ok(files.map(|files| with(plan, Some(files))))
    }

    /// The files that hold the rows of these now; `None`: they do.
    ///
    /// # Errors
    /// The compactors' log cannot be read.
    pub(super) async fn in_place_of(
        &self,
        files: &[File],
    ) -> Result<Option<Vec<File>>, commit::Error> {
        let mut replaced = self.replaced.lock().await;
        let replaced = replaced.get_or_insert_with(Replaced::default);
        replaced.read_on(&*self.store).await?;
        Ok(replaced.in_place_of(files))
    }

    /// Gives the memory back.
    pub(super) async fn forget_replaced(&self) {
        *self.replaced.lock().await = None;
    }
}

fn with(plan: &Plan, files: Option<Vec<File>>) -> Plan {
    let mut plan = plan.clone();
    if let Some(files) = files {
        plan.files = files;
    }
    plan
}
