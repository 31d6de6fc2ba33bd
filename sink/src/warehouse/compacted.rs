//! Files that compactors replaced before they were loaded: what replaced them is loaded in their place.
//!
//! A file that was replaced holds rows of other commits too, which may be loaded already or may be still to come. No row
//! comes twice of it: the same row has the same `event_id` and the same time of receipt, so whichever load is second finds
//! it there, whatever `dedup_window_ms` is.

use std::collections::BTreeSet;

use super::{load::Worker, plan::Plan};
use crate::{
    commit::{self, File, replaced::Replaced},
    store::Store,
};

/// The compactors' log, while tables need it.
#[derive(Debug, Default)]
pub(super) struct Compacted {
    log: Option<Replaced>,
    /// Tables of which the last load had files that were replaced.
    tables: BTreeSet<String>,
}

impl Compacted {
    /// The files that hold the rows of these now; `None`: they do. Reads what was compacted since the last time.
    async fn in_place_of(
        &mut self,
        store: &dyn Store,
        table: &str,
        files: &[File],
    ) -> Result<Option<Vec<File>>, commit::Error> {
        if files.is_empty() {
            return Ok(None);
        }
        let log = self.log.get_or_insert_default();
        log.read_on(store).await?;
        let files = log.in_place_of(files);
        match &files {
            Some(_) => {
                self.tables.insert(table.to_owned());
            }
            None => {
                self.tables.remove(table);
            }
        }
        Ok(files)
    }
}

impl Worker {
    /// The plan with the files that are there now, where it is known that some were replaced.
    ///
    /// # Errors
    /// The compactors' log cannot be read.
    pub(super) async fn as_known(&self, plan: &Plan) -> Result<Plan, commit::Error> {
        let mut compacted = self.compacted.lock().await;
        if compacted.log.is_none() {
            return Ok(plan.clone());
        }
        let store = &*self.store;
        let files = compacted.in_place_of(store, &plan.table, &plan.files);
        let plan = with(plan, files.await?);
        if compacted.tables.is_empty() {
            compacted.log = None;
        }
        Ok(plan)
    }

    /// The same, where it is not known; from then on it is, until a load of the table has files that were not replaced.
    /// `None`: the plan's were not.
    ///
    /// # Errors
    /// The compactors' log cannot be read.
    pub(super) async fn found_replaced(&self, plan: &Plan) -> Result<Option<Plan>, commit::Error> {
        let files = self.in_place_of(&plan.table, &plan.files).await?;
        Ok(files.map(|files| with(plan, Some(files))))
    }

    /// The files that hold the rows of these of a table now; `None`: they do.
    ///
    /// # Errors
    /// The compactors' log cannot be read.
    pub(super) async fn in_place_of(
        &self,
        table: &str,
        files: &[File],
    ) -> Result<Option<Vec<File>>, commit::Error> {
        let mut compacted = self.compacted.lock().await;
        compacted.in_place_of(&*self.store, table, files).await
    }
}

fn with(plan: &Plan, files: Option<Vec<File>>) -> Plan {
    let mut plan = plan.clone();
    if let Some(files) = files {
        plan.files = files;
    }
    plan
}
