//! One load, from its plan to its row in the ledger.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{
    catalog::Catalog,
    compacted::Compacted,
    config::Config,
    files::{Kind, manifest_path},
    layouts::Layouts,
    ledger::{self, Counts, kind},
    names::{Names, lock_name},
    plan::Plan,
    prepare,
    session::{self, Rows, Session},
    statements::{self, Load, Part, Row},
};
use crate::{
    clock::Clock,
    commit,
    store::{self, Store},
    table::redshift::KeyError,
};

/// Who does one load tries again so many times where the table was not what it was taken for.
pub(super) const LOOKS_MAX: usize = 5;

/// What loads work with.
#[derive(Clone)]
pub(super) struct Worker {
    pub(super) config: Arc<Config>,
    pub(super) store: Arc<dyn Store>,
    /// The store's address, as `s3://bucket/prefix/`.
    pub(super) root: Arc<str>,
    pub(super) session: Arc<dyn Session>,
    pub(super) names: Names,
    pub(super) layouts: Arc<Layouts>,
    pub(super) catalog: Arc<Mutex<Catalog>>,
    /// Columns that could not be widened, with their table.
    pub(super) narrow: Arc<Mutex<BTreeSet<(String, String)>>>,
    /// Tables that were made or changed, and whose readers were not told yet.
    pub(super) changed: Arc<Mutex<BTreeSet<String>>>,
    /// What compactors made of files that are to be loaded.
    pub(super) compacted: Arc<tokio::sync::Mutex<Compacted>>,
    pub(super) clock: Clock,
    /// Who loads: for people.
    pub(super) loader: Arc<str>,
}

/// How a load ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// It is in the ledger.
    Loaded(Counts),
    /// Its files were older than the table keeps rows: that is in the ledger.
    Expired,
    /// The ledger has another load in its place, up to there.
    Beaten(u64),
}

/// Why a load did not end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Commit(#[from] commit::Error),
    #[error(transparent)]
    Session(#[from] session::Error),
    /// COPY refused the files.
    #[error("COPY refused the files: {0}")]
    Refused(String),
    /// The table changed meanwhile, or is not what it was taken for; what is known of it was read again.
    #[error("the table in the warehouse has changed: {0}")]
    Changed(String),
    /// What is in the warehouse cannot take what the schema says.
    #[error(
        "columns of {table} in the warehouse are of other types: {}; change them there, or reload the table",
        conflicts.join("; ")
    )]
    Columns {
        table: String,
        conflicts: Vec<String>,
    },
    /// A sink with newer schemas wrote the files.
    #[error(
        "files of {table} have the column `{column}`, which no schema here has: it is loaded once the schemas are here too"
    )]
    Schemas { table: String, column: String },
    /// The table cannot be made as its schema says.
    #[error("x-redshift of the schema: {0}")]
    Keys(#[from] KeyError),
    /// An answer that no ledger gives.
    #[error("the warehouse's answer about the ledger cannot be read")]
    Answer,
    /// The runtime ends.
    #[error("the runtime stopped the load")]
    Stopped,
}

/// What makes one kind of load different from another.
struct Transaction<'a> {
    id: &'a str,
    /// What manifests are named by: the same names are of the same files.
    manifests: &'a str,
    gate: &'a str,
    window_ms: Option<(i64, i64)>,
    token: String,
    /// What is done beside, before the ledger's row.
    more: Vec<String>,
}

/// A statement, and what its failure would mean.
struct Step {
    kind: StepKind,
    sql: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StepKind {
    Copy,
    Other,
}

impl Worker {
    /// Loads what the plan says, if it comes next. `token`: see [`Session`].
    pub(super) async fn load(&self, plan: &Plan, token: &str) -> Result<Done, Trouble> {
        let Some(kept) = self.kept(plan) else {
            return self.expire(plan).await;
        };
        let id = kept.id();
        let gate = ledger::gate(&self.names, &kept);
        let transaction = Transaction {
            id: &id,
            manifests: &id,
            gate: &gate,
            window_ms: None,
            token: token.to_owned(),
            more: Vec::new(),
        };
        let rows = self.transact(&kept, transaction, |load, row| {
            statements::enter(load, &kept, row)
        });
        done(&rows.await?)
    }

    /// Loads what was set aside, if it still is.
    pub(super) async fn retry(&self, plan: &Plan, id: &str) -> Result<Done, Trouble> {
        let gate = ledger::gate_set_aside(&self.names, id);
        // Other files than when it was set aside, if those were compacted.
        let manifests = plan.id();
        let transaction = Transaction {
            id,
            manifests: &manifests,
            gate: &gate,
            window_ms: None,
            token: prepare::token(),
            more: Vec::new(),
        };
        let rows = self.transact(plan, transaction, |load, _| statements::enter_retried(load));
        done(&rows.await?)
    }

    /// Adds the rows of the plan's files that are not there yet, where the gate is open, and leaves the ledger's positions
    /// as they are.
    pub(super) async fn insert(&self, plan: &Plan, gate: &str) -> Result<Done, Trouble> {
        let id = prepare::token();
        let transaction = Transaction {
            id: &id,
            manifests: &id,
            gate,
            window_ms: None,
            token: id.clone(),
            more: Vec::new(),
        };
        let rows = self.transact(plan, transaction, |load, row| {
            let row = Row {
                kind: kind::RELOAD,
                ..*row
            };
            statements::enter(load, plan, &row)
        });
        done(&rows.await?)
    }

    /// Puts the rows of a window that the plan's files have in the place of those that are there, where the gate is open.
    pub(super) async fn replace(
        &self,
        plan: &Plan,
        id: &str,
        window_ms: (i64, i64),
        (gate, more): (&str, Vec<String>),
    ) -> Result<Done, Trouble> {
        let transaction = Transaction {
            id,
            manifests: id,
            gate,
            window_ms: Some(window_ms),
            token: prepare::token(),
            more,
        };
        let rows = self.transact(plan, transaction, |load, row| {
            let row = Row {
                kind: kind::RELOAD,
                ..*row
            };
            statements::enter(load, plan, &row)
        });
        done(&rows.await?)
    }

    /// Copies the plan's files and does with their rows what the transaction says.
    async fn transact(
        &self,
        plan: &Plan,
        transaction: Transaction<'_>,
        enter: impl Fn(&Load<'_>, &Row<'_>) -> String,
    ) -> Result<Rows, Trouble> {
        let Transaction {
            id,
            manifests,
            gate,
            window_ms,
            token,
            more,
        } = transaction;
        let files = self.prepared(plan, manifests).await?;
        let target = self.table(plan, &files).await?;
        let parts: Vec<Part<'_>> = files.kinds.iter().map(Kind::part).collect();
        let load = Load {
            names: &self.names,
            id,
            table: &plan.table,
            target: &target.columns,
            iam_role: &self.config.iam_role,
            gate,
            parts: &parts,
            left_out: files.left_out.as_deref(),
            dedup_window_s: self.config.dedup_window_ms.div_ceil(1_000),
            known_from_ms: self.known_from_ms(plan, window_ms),
            window_ms,
        };
        let row = Row {
            kind: kind::LOAD,
            manifest: parts.first().map_or("", |part| part.manifest),
            loader: &self.loader,
        };
        let mut steps = vec![Step::other(load.lock())];
        steps.extend(target.add.into_iter().map(Step::other));
        steps.extend(load.rows().into_iter().map(Step::of));
        steps.extend(more.into_iter().map(Step::other));
        steps.push(Step::other(enter(&load, &row)));
        steps.push(Step::other(ledger::ask_entry(&self.names, plan, id)));
        self.run(plan, id, &token, &steps).await
    }

    /// Notes in the ledger that the plan is not loaded, and why.
    pub(super) async fn set_aside(&self, plan: &Plan, reason: &str) -> Result<Done, Trouble> {
        let id = plan.id();
        let manifest = format!("{}{}", self.root, manifest_path(&plan.table, &id, 0));
        let row = Row {
            kind: kind::SET_ASIDE,
            manifest: &manifest,
            loader: &self.loader,
        };
        self.enter_unloaded(plan, &row, reason).await
    }

    async fn expire(&self, plan: &Plan) -> Result<Done, Trouble> {
        let row = Row {
            kind: kind::EXPIRED,
            manifest: "",
            loader: &self.loader,
        };
        match self
            .enter_unloaded(plan, &row, "older than retention_days")
            .await?
        {
            Done::Loaded(_) => Ok(Done::Expired),
            done => Ok(done),
        }
    }

    async fn enter_unloaded(
        &self,
        plan: &Plan,
        row: &Row<'_>,
        reason: &str,
    ) -> Result<Done, Trouble> {
        self.make_lock(&plan.table).await?;
        let id = plan.id();
        let reason: String = reason.chars().take(1_000).collect();
        let statements = statements::enter_unloaded(&self.names, &id, plan, row, &reason);
        let rows = self
            .session
            .transaction(&prepare::token(), &statements)
            .await?;
        match ledger::entry(&rows).ok_or(Trouble::Answer)?.ends {
            ends if ends == plan.ends => Ok(Done::Loaded(Counts::default())),
            ends => Ok(Done::Beaten(ends)),
        }
    }

    /// The plan without what the table would not keep; `None`: that is all of it.
    fn kept(&self, plan: &Plan) -> Option<Plan> {
        let Some(oldest_ms) = self.oldest_kept_ms(&plan.table) else {
            return Some(plan.clone());
        };
        let mut kept = plan.clone();
        kept.files.retain(|file| file.received_max_ms >= oldest_ms);
        (!kept.files.is_empty()).then_some(kept)
    }

    /// Rows received before then, in ms since the epoch, are not kept in the table; `None`: all are.
    pub(super) fn oldest_kept_ms(&self, table: &str) -> Option<i64> {
        let days = self.config.retention_days(table)?;
        Some((self.clock)().div_euclid(1_000) - i64::from(days) * 86_400_000)
    }

    pub(super) fn known_from_ms(&self, plan: &Plan, window_ms: Option<(i64, i64)>) -> i64 {
        let oldest = plan.files.iter().map(|file| file.received_min_ms).min();
        let oldest = window_ms.map(|(from_ms, _)| from_ms).or(oldest);
        let window = i64::try_from(self.config.dedup_window_ms).unwrap_or(i64::MAX);
        oldest.unwrap_or_default().saturating_sub(window)
    }

    /// Runs the statements; where it is not known whether they took effect, the ledger is asked.
    async fn run(
        &self,
        plan: &Plan,
        id: &str,
        token: &str,
        steps: &[Step],
    ) -> Result<Rows, Trouble> {
        let statements: Vec<String> = steps.iter().map(|step| step.sql.clone()).collect();
        let ran = self.session.transaction(token, &statements).await;
        let error = match ran {
            Ok(rows) => return Ok(rows),
            Err(error) => error,
        };
        match &error {
            session::Error::Unavailable { .. } => {
                let rows = self
                    .session
                    .statement(&ledger::ask_entry(&self.names, plan, id))
                    .await?;
                match ledger::entry(&rows) {
                    Some(entry) if entry.counts.is_some() || entry.ends > plan.follows => Ok(rows),
                    _ => Err(error.into()),
                }
            }
            session::Error::Failed { statement, message } => {
                let step = statement.and_then(|index| steps.get(index));
                let copied = step.is_some_and(|step| step.kind == StepKind::Copy);
                match copied && !error.transient() && !access(message) {
                    true => Err(Trouble::Refused(message.clone())),
                    false => self
                        .changed(&plan.table, Err(error))
                        .await
                        .map(|()| Rows::new()),
                }
            }
        }
    }

    /// Where a statement failed for what is or is not there, that is looked at again.
    pub(super) async fn changed(
        &self,
        table: &str,
        ran: Result<(), session::Error>,
    ) -> Result<(), Trouble> {
        match ran {
            Err(session::Error::Failed { message, .. })
                if ["already exists", "does not exist", "not found"]
                    .iter()
                    .any(|text| message.contains(text)) =>
            {
                self.look(table).await?;
                self.look(&lock_name(table)).await?;
                Err(Trouble::Changed(message))
            }
            Err(error) => Err(error.into()),
            Ok(()) => Ok(()),
        }
    }

    /// How long statements may run.
    pub(super) fn deadline(&self) -> Duration {
        Duration::from_millis(self.config.statements_deadline_ms)
    }
}

/// Whether COPY failed because it may not read at all: no fault of a file.
fn access(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    [
        "accessdenied",
        "access denied",
        "forbidden",
        "not authorized",
        "assume role",
        "iam role",
    ]
    .iter()
    .any(|text| message.contains(text))
}

fn done(rows: &Rows) -> Result<Done, Trouble> {
    let entry = ledger::entry(rows).ok_or(Trouble::Answer)?;
    Ok(match entry.counts {
        Some(counts) => Done::Loaded(counts),
        None => Done::Beaten(entry.ends),
    })
}

impl Step {
    fn other(sql: String) -> Self {
        Self {
            kind: StepKind::Other,
            sql,
        }
    }

    fn of(sql: String) -> Self {
        let kind = match sql.starts_with("COPY ") {
            true => StepKind::Copy,
            false => StepKind::Other,
        };
        Self { kind, sql }
    }
}
