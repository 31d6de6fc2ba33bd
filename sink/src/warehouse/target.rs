//! The table that a load goes to: made, widened, and known.

use std::sync::PoisonError;

use super::{
    catalog::{self, Catalog, Columns},
    files::Prepared,
    load::{Trouble, Worker},
    names::lock_name,
    plan::Plan,
    prepare, session,
};

/// So many columns are added in a load's own transaction: it may have 40 statements.
const ADD_MAX: usize = 8;

/// So many are added in one of their own.
const ADD_AT_ONCE: usize = 30;

/// The table that a load goes to.
pub(super) struct Target {
    pub(super) columns: Columns,
    /// What the load's own transaction adds.
    pub(super) add: Vec<String>,
}

impl Worker {
    /// Makes the table where it is missing, widens its texts, and says what is still to be added.
    pub(super) async fn table(&self, plan: &Plan, files: &Prepared) -> Result<Target, Trouble> {
        let newest = self.layouts.table(&plan.table);
        let staged = files.kinds.iter().flat_map(|kind| kind.columns.iter());
        let wanted = catalog::wanted(newest.as_deref(), staged);
        if self.held(&plan.table).is_none() {
            let made = prepare::create(&self.names, &plan.table, newest.as_deref(), &wanted)?;
            let made = self.session.transaction(&prepare::token(), &made).await;
            made.map_err(Trouble::from)?;
            self.has_changed(&plan.table);
            self.look(&plan.table).await?;
        }
        self.make_lock(&plan.table).await?;
        let missing = || Trouble::Changed(format!("{} is not there", plan.table));
        let mut columns = self.held(&plan.table).ok_or_else(missing)?;
        let mut changes = catalog::changes(&columns, &wanted);
        if !changes.conflicts.is_empty() {
            // Someone may have changed it there meanwhile.
            self.look(&plan.table).await?;
            columns = self.held(&plan.table).ok_or_else(missing)?;
            changes = catalog::changes(&columns, &wanted);
        }
        if !changes.conflicts.is_empty() {
            return Err(Trouble::Columns {
                table: plan.table.clone(),
                conflicts: changes.conflicts,
            });
        }
        if newest.is_some()
            && let Some(unknown) = changes.add.iter().find(|column| !column.known)
        {
            // Whether a text is JSON is for the schema to say that is still to come here.
            return Err(Trouble::Schemas {
                table: plan.table.clone(),
                column: unknown.name.clone(),
            });
        }
        if !changes.widen.is_empty() {
            columns = self.widen(&plan.table, &changes.widen, columns).await?;
        }
        let add = |wanted: &catalog::Wanted| prepare::add(&self.names, &plan.table, wanted);
        let mut add: Vec<String> = changes.add.iter().map(add).collect();
        if !add.is_empty() {
            self.has_changed(&plan.table);
        }
        if add.len() > ADD_MAX {
            // Each is there once it is there: no harm if the load that follows fails.
            let lock = format!("LOCK {}", self.names.lock(&plan.table));
            for some in add.chunks(ADD_AT_ONCE) {
                let statements: Vec<String> = std::iter::once(lock.clone())
                    .chain(some.iter().cloned())
                    .collect();
                let added = self
                    .session
                    .transaction(&prepare::token(), &statements)
                    .await;
                self.changed(&plan.table, added.map(drop)).await?;
            }
            add.clear();
            self.look(&plan.table).await?;
        }
        columns.extend(
            changes
                .add
                .into_iter()
                .map(|added| (added.name, Some(added.kind))),
        );
        Ok(Target { columns, add })
    }

    /// No transaction may widen a text. What cannot be widened stays as it is: values that do not fit are discarded.
    async fn widen(
        &self,
        table: &str,
        widen: &[(String, u32)],
        held: Columns,
    ) -> Result<Columns, Trouble> {
        let mut widened = held;
        for (column, bytes) in widen {
            let known = (table.to_owned(), column.clone());
            if self
                .narrow
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .contains(&known)
            {
                continue;
            }
            let statement = prepare::widen(&self.names, table, column, *bytes);
            match self.session.statement(&statement).await {
                Ok(_) => {}
                Err(session::Error::Failed { message, .. }) => {
                    tracing::warn!(
                        table,
                        column,
                        bytes,
                        message,
                        "a column cannot be widened: longer values go to headgate_discards"
                    );
                    // Not tried again until the next start: it would fail before each load.
                    self.narrow
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(known);
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.look(table).await?;
        if let Some(columns) = self.held(table) {
            widened = columns;
        }
        Ok(widened)
    }

    pub(super) async fn make_lock(&self, table: &str) -> Result<(), Trouble> {
        if self.held(&lock_name(table)).is_none() {
            self.session
                .statement(&prepare::create_lock(&self.names, table))
                .await?;
        }
        Ok(())
    }

    /// What the warehouse's catalogue says of a table; `None`: it is not there.
    pub(super) fn held(&self, table: &str) -> Option<Columns> {
        let catalog = self.catalog.lock().unwrap_or_else(PoisonError::into_inner);
        catalog.table(table).cloned()
    }

    /// Reads again what the catalogue says of a table.
    pub(super) async fn look(&self, table: &str) -> Result<(), session::Error> {
        let rows = self
            .session
            .statement(&catalog::ask(&self.names, Some(table)))
            .await?;
        let mut catalog = self.catalog.lock().unwrap_or_else(PoisonError::into_inner);
        catalog.put(table, Catalog::read(rows));
        Ok(())
    }

    /// Reads what the catalogue says of all tables.
    pub(super) async fn look_all(&self) -> Result<(), session::Error> {
        let rows = self
            .session
            .statement(&catalog::ask(&self.names, None))
            .await?;
        let mut catalog = self.catalog.lock().unwrap_or_else(PoisonError::into_inner);
        *catalog = Catalog::read(rows);
        Ok(())
    }
}
