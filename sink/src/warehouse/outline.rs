//! What a load would come to, as SQL.

use super::{
    Error, Planned,
    catalog::{self, Columns},
    files::{Kind, manifest_path},
    layouts,
    ledger::{self, kind},
    load::Worker,
    plan::Plan,
    prepare,
    statements::{self, Load, Part, Row},
};
use crate::{commit, table::redshift::RedshiftType};

impl Worker {
    /// What loading the plan would come to, as SQL. Nothing is written anywhere; files that have to be fitted are taken as
    /// they are.
    pub(super) async fn outline(&self, plan: Plan) -> Result<Planned, Error> {
        let id = plan.id();
        let mut kinds = Vec::new();
        for (index, (_, files)) in plan.by_fingerprint().into_iter().enumerate() {
            let Some(first) = files.first() else { continue };
            let columns = match self.layouts.columns(&*self.store, first).await {
                Ok(columns) => columns,
                Err(layouts::Error::Store(error)) => return Err(commit::Error::from(error).into()),
                Err(broken) => {
                    let changes = vec![format!("-- cannot be loaded: {broken}")];
                    return Ok(Planned {
                        plan,
                        changes,
                        transaction: Vec::new(),
                    });
                }
            };
            kinds.push(Kind {
                columns,
                manifest: format!("{}{}", self.root, manifest_path(&plan.table, &id, index)),
            });
        }
        let newest = self.layouts.table(&plan.table);
        let wanted = catalog::wanted(
            newest.as_deref(),
            kinds.iter().flat_map(|kind| kind.columns.iter()),
        );
        let (mut changes, mut columns) = (Vec::new(), Columns::new());
        match self.held(&plan.table) {
            None => {
                changes =
                    match prepare::create(&self.names, &plan.table, newest.as_deref(), &wanted) {
                        Ok(made) => made,
                        Err(error) => vec![format!(
                            "-- cannot be loaded: x-redshift of the schema: {error}"
                        )],
                    };
                columns.extend(wanted.iter().map(|w| (w.name.clone(), Some(w.kind))));
            }
            Some(held) => {
                let found = catalog::changes(&held, &wanted);
                columns = held;
                for (column, bytes) in found.widen {
                    changes.push(prepare::widen(&self.names, &plan.table, &column, bytes));
                    columns.insert(column, Some(RedshiftType::Varchar { bytes }));
                }
                changes.extend(
                    found
                        .add
                        .iter()
                        .map(|add| prepare::add(&self.names, &plan.table, add)),
                );
                columns.extend(found.add.into_iter().map(|add| (add.name, Some(add.kind))));
                let conflict = |text: String| format!("-- cannot be loaded: {text}");
                changes.extend(found.conflicts.into_iter().map(conflict));
            }
        }
        let gate = ledger::gate(&self.names, &plan);
        let parts: Vec<Part<'_>> = kinds.iter().map(Kind::part).collect();
        let load = Load {
            names: &self.names,
            id: &id,
            table: &plan.table,
            target: &columns,
            iam_role: &self.config.iam_role,
            gate: &gate,
            parts: &parts,
            left_out: None,
            dedup_window_s: self.config.dedup_window_ms.div_ceil(1_000),
            known_from_ms: self.known_from_ms(&plan, None),
            window_ms: None,
        };
        let row = Row {
            kind: kind::LOAD,
            manifest: parts.first().map_or("", |part| part.manifest),
            loader: &self.loader,
        };
        let mut transaction = vec![load.lock()];
        transaction.extend(load.rows());
        transaction.push(statements::enter(&load, &plan, &row));
        Ok(Planned {
            plan,
            changes,
            transaction,
        })
    }
}
