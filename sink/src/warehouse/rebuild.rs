//! Making a table anew from all that has landed, beside the one that is there, and putting it in its place.
//!
//! The new table is filled window by window, as a reload does it, then with what was committed meanwhile, and takes the old
//! one's name in one transaction: a reader sees the one or the other. That transaction breaks off where, by the ledger, the
//! old table has what the new one was not filled with.

use std::collections::BTreeSet;

use super::{
    Error, Loader, ledger,
    load::{Done, LOOKS_MAX, Trouble},
    names::{NAME_BYTES_MAX, literal, quoted},
    plan::{FINGERPRINTS_MAX, Plan},
    prepare,
    reload::{ReloadError, Reloaded},
    session,
};
use crate::{
    commit::{File, each_file, follow},
    table::Generation,
};

/// The generation that a table is while it is made anew.
const REBUILD: &str = "rebuild_";

/// What is behind the name of a table that was replaced, until it is dropped.
const REPLACED: &str = "__replaced";

/// A gate that is open.
const OPEN: &str = "(SELECT 1 AS \"go\")";

/// Loads go on while a table is filled: it catches up with them so many times before it is given up.
const TRIES_MAX: usize = 20;

/// How far each log was read.
pub(super) type Read = Vec<(String, u64)>;

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
        // Each run has a table of its own: two that fill one would put a part in place.
        let run = prepare::token();
        let run = run.get(run.len().saturating_sub(8)..).unwrap_or_default();
        let generation = Generation::new(&format!("{REBUILD}{run}"));
        let generation = generation.map_err(|error| named(table, error))?;
        generation
            .check(&[table])
            .map_err(|error| named(table, error))?;
        let shadow = generation.table(table);
        let done = self.rebuild_in(table, &shadow, &mut told).await;
        if done.is_err()
            && let Err(error) = self.drop_table(&shadow).await
        {
            tracing::warn!(%error, table = shadow, "the unfinished table cannot be dropped: drop it by hand");
        }
        done
    }

    /// The same, with a table of that name to be filled.
    async fn rebuild_in(
        &self,
        table: &str,
        shadow: &str,
        told: &mut (dyn FnMut(&Reloaded) + Send),
    ) -> Result<Reloaded, ReloadError> {
        let mut read = self.read().await?;
        let mut done = Reloaded::default();
        if let Some((from_ms, to_ms)) = self.received(table).await? {
            done = self.fill(table, shadow, (from_ms, to_ms), told).await?;
        }
        for _ in 0..TRIES_MAX {
            read = self.catch_up(table, shadow, read).await?;
            if self.swap(table, shadow, &read).await? {
                self.worker.tell_readers_of(table).await;
                if let Err(error) = self.drop_table(&replaced(table)).await {
                    let table = replaced(table);
                    tracing::warn!(%error, table, "the table that was replaced cannot be dropped: drop it by hand");
                }
                return Ok(done);
            }
        }
        Err(named(
            table,
            format!("loads were quicker {TRIES_MAX} times"),
        ))
    }

    /// How far each log goes now.
    pub(super) async fn read(&self) -> Result<Read, Error> {
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
                let files: Vec<File> = files.filter(|file| file.table == table).collect();
                let current = self
                    .worker
                    .in_place_of(table, &files)
                    .await
                    .map_err(Error::from)?;
                for files in few_fingerprints(current.unwrap_or(files)) {
                    let plan = Plan {
                        table: shadow.to_owned(),
                        log: log.clone(),
                        follows: after,
                        ends,
                        files,
                        commits: 1,
                        committed_min_ms: 0,
                    };
                    self.add(&plan).await?;
                }
                after = ends;
            }
        }
        Ok(now)
    }

    async fn add(&self, plan: &Plan) -> Result<(), ReloadError> {
        let mut looks = 0;
        loop {
            looks += 1;
            return match self.worker.insert(plan, OPEN).await {
                Ok(Done::Loaded(_)) => Ok(()),
                Ok(_) => Err(named(&plan.table, "the ledger has no row of it")),
                Err(Trouble::Changed(_)) if looks < LOOKS_MAX => continue,
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
        statements.extend(self.discards_of(table, shadow));
        statements.push(ledger::settle_set_aside(names, table, None, read, &gate));
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
            Err(error) => Err(named(table, error)),
        }
    }

    /// What the new table's rows had lost takes the place of what the old one's had.
    fn discards_of(&self, table: &str, shadow: &str) -> [String; 2] {
        let discards = self.worker.names.discards();
        let (table, shadow) = (literal(table), literal(shadow));
        [
            format!("DELETE FROM {discards} WHERE \"table\" = {table}"),
            format!("UPDATE {discards} SET \"table\" = {table} WHERE \"table\" = {shadow}"),
        ]
    }

    async fn drop_table(&self, table: &str) -> Result<(), Error> {
        let drop = format!("DROP TABLE IF EXISTS {}", self.worker.names.table(table));
        self.worker.session.statement(&drop).await?;
        self.worker.look(table).await?;
        Ok(())
    }
}

/// The files in their order, in parts of few fingerprints: a transaction has room for no more.
fn few_fingerprints(files: Vec<File>) -> Vec<Vec<File>> {
    let mut parts: Vec<(BTreeSet<String>, Vec<File>)> = Vec::new();
    for file in files {
        match parts.last_mut() {
            Some((known, part))
                if known.contains(&file.fingerprint) || known.len() < FINGERPRINTS_MAX =>
            {
                known.insert(file.fingerprint.clone());
                part.push(file);
            }
            _ => parts.push((BTreeSet::from([file.fingerprint.clone()]), vec![file])),
        }
    }
    parts.into_iter().map(|(_, files)| files).collect()
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
