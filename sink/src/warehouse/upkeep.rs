//! What a loader sees to between loads: views and grants of tables that have changed, and rows that are too old.

use std::sync::PoisonError;

use super::{
    load::Worker,
    names::instant,
    prepare,
    readers::{Readers, Step},
};

/// A transaction has at most 40 statements by the Data API, and a step two.
const STEPS_AT_ONCE: usize = 15;

impl Worker {
    /// The same, of this table.
    pub(super) async fn tell_readers_of(&self, table: &str) {
        self.has_changed(table);
        // The loaders of sinks see to it at their next start at the latest.
        drop(self.tell_readers().await);
    }

    pub(super) fn has_changed(&self, table: &str) {
        self.changed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(table.to_owned());
    }

    /// Makes the views and grants of the tables that were made or changed. What is refused is logged, and done again with the
    /// next change or start: the tables are whole without it. The tables for which it may succeed later are returned.
    pub(super) async fn tell_readers(&self) -> Vec<String> {
        let mut later = Vec::new();
        let changed =
            std::mem::take(&mut *self.changed.lock().unwrap_or_else(PoisonError::into_inner));
        let readers = Readers {
            names: &self.names,
            config: &self.config,
            layouts: &self.layouts,
        };
        for table in changed {
            // Columns that the load's own transaction added.
            if let Err(error) = self.look(&table).await {
                tracing::warn!(%error, table, "cannot see to the table's views and grants; later");
                later.push(table);
                continue;
            }
            let steps = readers.of_table(&table, |name| self.held(name));
            for some in steps.chunks(STEPS_AT_ONCE) {
                if !self.tell_steps(&table, some).await {
                    later.push(table.clone());
                }
            }
        }
        later
    }

    /// Together, so that no reader misses a view that is only made anew; where one of them is refused, each by itself.
    /// `false`: the same may succeed later.
    async fn tell_steps(&self, table: &str, steps: &[Step]) -> bool {
        let all: Vec<String> = steps
            .iter()
            .flat_map(|step| step.statements.clone())
            .collect();
        match self.session.transaction(&prepare::token(), &all).await {
            Ok(_) => return true,
            Err(error) if error.transient() => {
                tracing::warn!(%error, table, "the table's views and grants could not be made; later");
                return false;
            }
            Err(_) => {}
        }
        for step in steps {
            let told = self
                .session
                .transaction(&prepare::token(), &step.statements)
                .await;
            if let Err(error) = told {
                tracing::warn!(%error, table, "cannot make {}", step.what);
            }
        }
        true
    }

    /// Whether readers are to be told of a table.
    pub(super) fn readers_wait(&self) -> bool {
        !self
            .changed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    /// All tables of the schemas that are there are looked at as if they had changed.
    pub(super) fn all_have_changed(&self) {
        for table in self.layouts.tables() {
            if self.config.loads(table.name()) && self.held(table.name()).is_some() {
                self.has_changed(table.name());
            }
        }
    }

    /// Removes what tables do not keep any longer. What fails is logged and tried again the next time.
    pub(super) async fn expire_rows(&self) {
        for table in self.layouts.tables() {
            let name = table.name();
            let Some(oldest_ms) = self
                .oldest_kept_ms(name)
                .filter(|_| self.held(name).is_some())
            else {
                continue;
            };
            let statements = [
                format!("LOCK {}", self.names.lock(name)),
                format!(
                    "DELETE FROM {} WHERE \"received_at\" < {}",
                    self.names.table(name),
                    instant(oldest_ms)
                ),
            ];
            if let Err(error) = self
                .session
                .transaction(&prepare::token(), &statements)
                .await
            {
                tracing::warn!(%error, table = name, "cannot remove rows older than retention_days; later");
            }
        }
    }
}
