//! Making a table anew from all that has landed, beside the one that is there, and putting it in its place.
//!
//! The new table is filled window by window, as a reload does it, then with what was committed meanwhile, and takes the old
//! one's name in one transaction: a reader sees the one or the other. That transaction breaks off where, by the ledger, the
//! old table has what the new one was not filled with.

use super::{
    Error, Loader, ledger,
    load::{Done, Trouble},
    names::{NAME_BYTES_MAX, quoted},
    plan::Plan,
    prepare,
    reload::{ReloadError, Reloaded},
    session,
};
use crate::{
    commit::{each_file, follow},
    table::Generation,
};

/// The generation that a table is while it is made anew.
const REBUILD: &str = "rebuild";

/// What is behind the name of a table that was replaced, until it is dropped.
const REPLACED: &str = "__replaced";

/// A gate that is open.
const OPEN: &str = "(SELECT 1 AS \"go\")";

/// Loads go on while a table is filled: it catches up with them so many times before it is given up.
const TRIES_MAX: usize = 20;

/// How far each log was read.
type Read = Vec<(String, u64)>;

impl Loader {
    /// Makes the table anew from all files that count. Running it again begins anew.
    ///
    /// # Errors
    /// The new table cannot be filled or put in place: the old one stays as it is.
    pub async fn rebuild(
        &self,
        table: &str,
        mut told: impl FnMut(&Reloaded) + Send,
    ) -> Result<Reloaded, ReloadError> {
        self.prepare().await?;
        let generation = Generation::new(REBUILD).map_err(|error| named(table, error))?;
        generation
            .check(&[table])
            .map_err(|error| named(table, error))?;
        let shadow = generation.table(table);
        self.drop_table(&shadow).await?;
        let mut read = self.read().await?;
        let mut done = Reloaded::default();
        if let Some((from_ms, to_ms)) = self.received(table).await? {
            done = self
                .fill(table, &shadow, (from_ms, to_ms), &mut told)
                .await?;
        }
        for _ in 0..TRIES_MAX {
            read = self.catch_up(table, &shadow, read).await?;
            if self.swap(table, &shadow, &read).await? {
                self.drop_table(&replaced(table)).await?;
                self.worker.tell_readers_of(table).await;
                return Ok(done);
            }
        }
        Err(named(
            table,
            format!("loads were quicker {TRIES_MAX} times"),
        ))
    }

    async fn read(&self) -> Result<Read, Error> {
        let store = &*self.worker.store;
        let mut read = Vec::new();
        for log in follow::streams(store).await? {
            let newest = follow::newest(store, &log).await?;
            read.push((log, newest));
        }
        Ok(read)
    }

    /// When the rows of a table were received, the end excluded; `None`: nothing has landed.
    async fn received(&self, table: &str) -> Result<Option<(i64, i64)>, Error> {
        let mut received: Option<(i64, i64)> = None;
        each_file(&*self.worker.store, |of, file| {
            if of == table {
                let (from, to) = received.unwrap_or((i64::MAX, i64::MIN));
                received = Some((
                    from.min(file.received_min_ms),
                    to.max(file.received_max_ms + 1),
                ));
            }
        })
        .await?;
        let kept = self.worker.oldest_kept_ms(table);
        Ok(received
            .map(|(from, to)| (from.max(kept.unwrap_or(from)), to))
            .filter(|(from, to)| from < to))
    }

    /// Loads into the new table what was committed behind `read`; how far the logs were read now.
    async fn catch_up(&self, table: &str, shadow: &str, read: Read) -> Result<Read, ReloadError> {
        let store = &*self.worker.store;
        let now = self.read().await?;
        for (log, newest) in &now {
            let known = read.iter().find(|(known, _)| known == log);
            let mut after = known.map_or(0, |(_, read)| *read);
            while after < *newest {
                let commits = follow::behind(store, log, after, *newest - after).await;
                let commits = commits.map_err(Error::from)?;
                let Some(last) = commits.last() else { break };
                let ends = last.sequence;
                let files = commits.into_iter().flat_map(|commit| commit.files);
                let plan = Plan {
                    table: shadow.to_owned(),
                    log: log.clone(),
                    follows: after,
                    ends,
                    files: files.filter(|file| file.table == table).collect(),
                    committed_min_ms: 0,
                };
                if !plan.files.is_empty() {
                    self.add(&plan).await?;
                }
                after = ends;
            }
        }
        Ok(now)
    }

    async fn add(&self, plan: &Plan) -> Result<(), ReloadError> {
        loop {
            return match self.worker.insert(plan, OPEN).await {
                Ok(Done::Loaded(_)) => Ok(()),
                Ok(_) => Err(named(&plan.table, "the ledger has no row of it")),
                Err(Trouble::Changed(_)) => continue,
                Err(trouble) => Err(named(&plan.table, trouble)),
            };
        }
    }

    /// Puts the new table in the old one's place; `false`: that one has more.
    async fn swap(&self, table: &str, shadow: &str, read: &Read) -> Result<bool, ReloadError> {
        let worker = &self.worker;
        self.drop_table(&replaced(table)).await?;
        worker.look(table).await.map_err(Error::from)?;
        worker.look(shadow).await.map_err(Error::from)?;
        if worker.held(shadow).is_none() {
            return Err(named(table, "nothing of it has landed"));
        }
        worker
            .make_lock(table)
            .await
            .map_err(|trouble| named(table, trouble))?;
        let names = &worker.names;
        let gate = ledger::gate_read(names, table, read);
        let mut statements = vec![
            format!("LOCK {}", names.lock(table)),
            // Ends the transaction where the gate is closed: no rename can depend on a condition.
            format!("SELECT 1 / \"go\" FROM {gate} AS \"g\""),
        ];
        if worker.held(table).is_some() {
            statements.push(rename(&names.table(table), &replaced(table)));
        }
        statements.push(rename(&names.table(shadow), table));
        statements.push(ledger::rebuilt(names, table, &worker.loader));
        match worker
            .session
            .transaction(&prepare::token(), &statements)
            .await
        {
            Ok(_) => Ok(true),
            Err(session::Error::Failed { message, .. })
                if message.to_ascii_lowercase().contains("zero") =>
            {
                Ok(false)
            }
            Err(error) => Err(Error::from(error).into()),
        }
    }

    async fn drop_table(&self, table: &str) -> Result<(), Error> {
        let drop = format!("DROP TABLE IF EXISTS {}", self.worker.names.table(table));
        self.worker.session.statement(&drop).await?;
        self.worker.look(table).await?;
        Ok(())
    }
}

fn rename(from: &str, to: &str) -> String {
    format!("ALTER TABLE {from} RENAME TO {}", quoted(to))
}

/// What a table is called once another has its name.
fn replaced(table: &str) -> String {
    let room = NAME_BYTES_MAX - REPLACED.len();
    format!("{}{REPLACED}", table.get(..room).unwrap_or(table))
}

fn named(table: &str, reason: impl ToString) -> ReloadError {
    ReloadError::Rebuild {
        table: table.to_owned(),
        reason: reason.to_string(),
    }
}
