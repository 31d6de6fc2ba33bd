//! What a loader sees to between loads: views and grants of tables that have changed, and rows that are too old.

use std::sync::PoisonError;

use super::{load::Worker, names::instant, prepare, readers::Readers};

impl Worker {
    /// The same, of this table.
    pub(super) async fn tell_readers_of(&self, table: &str) {
        self.has_changed(table);
        self.tell_readers().await;
    }

    pub(super) fn has_changed(&self, table: &str) {
        self.changed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(table.to_owned());
    }

    /// Makes the views and grants of the tables that were made or changed. What fails is logged, and done again with the next
    /// change or start: the tables are whole without it.
    pub(super) async fn tell_readers(&self) {
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
                tracing::warn!(%error, table, "cannot see to the table's views and grants");
                continue;
            }
            let statements = readers.of_table(&table, |name| self.held(name));
            // Together, so that no reader misses a view that is only made anew; a transaction has at most 40.
            for some in statements.chunks(30) {
                if let Err(error) = self.session.transaction(&prepare::token(), some).await {
                    tracing::warn!(%error, table, "the table's views and grants could not be made");
                }
            }
        }
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
