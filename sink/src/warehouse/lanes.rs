//! What waits to be loaded, table by table and log by log, and when each is tried next.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    config::Config,
    ledger::{EVERY_TABLE, Position},
    plan::{Plan, Queue},
    prepare,
};
use crate::{
    backoff::Backoff,
    commit::{File, follow::Followed},
};

/// The first pause after a load that failed.
const PAUSE_MIN: Duration = Duration::from_millis(500);

/// A table in one log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) table: String,
    pub(super) log: String,
}

/// What waits of a table in one log.
#[derive(Debug)]
struct Lane {
    queue: Queue,
    /// How far it is loaded, by the ledger.
    follows: u64,
    /// Not to be tried before.
    not_before: Option<Instant>,
    backoff: Backoff,
    /// The token of its next load. The same as long as it is not known what became of that; another once a try can never
    /// take effect, as the warehouse would answer with what became of that one.
    token: String,
    /// Its next load has at most so many commits.
    commits_max: usize,
    /// What is not in the queue, as there was no room.
    beyond: Option<Beyond>,
}

/// Commits that were read, and are to be read again for one table.
#[derive(Debug, Clone, Copy)]
struct Beyond {
    /// The first of them.
    first: u64,
    /// About so many files of the table they name.
    files: usize,
    /// About so many rows are in them.
    rows: u64,
}

/// A log, as far as it was read.
#[derive(Debug, Default)]
struct Reading {
    read: u64,
    /// What the ledger says is loaded of all tables.
    watermark: u64,
}

/// What waits of a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) files: usize,
    pub(super) rows: u64,
    /// When the oldest file was committed, in ms since the epoch.
    pub(super) oldest_ms: Option<i64>,
}

/// All that waits.
#[derive(Debug)]
pub(super) struct Lanes {
    pause_max: Duration,
    lanes: BTreeMap<Key, Lane>,
    logs: BTreeMap<String, Reading>,
    positions: BTreeMap<Key, u64>,
    /// Tables that are being loaded.
    running: BTreeSet<String>,
}

/// How a load ended, for its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The table is loaded up to there.
    Loaded(u64),
    /// Another loader has loaded it up to there: leave the table to it for a while.
    Beaten(u64, Duration),
    /// The same load is to be tried again.
    Again {
        /// The last try can never take effect.
        failed: bool,
    },
    /// The files were refused: a smaller load is to be tried.
    Smaller(usize),
}

impl Lanes {
    /// Nothing read yet; the ledger says how far everything is loaded.
    pub(super) fn new(config: &Config, positions: Vec<Position>) -> Self {
        let mut lanes = Self {
            pause_max: Duration::from_millis(config.retry_pause_max_ms),
            lanes: BTreeMap::new(),
            logs: BTreeMap::new(),
            positions: BTreeMap::new(),
            running: BTreeSet::new(),
        };
        lanes.learn(positions);
        lanes
    }

    /// What the ledger says now.
    pub(super) fn learn(&mut self, positions: Vec<Position>) {
        for Position { table, log, ends } in positions {
            if table == EVERY_TABLE {
                let known = self.logs.entry(log).or_default();
                known.watermark = known.watermark.max(ends);
                known.read = known.read.max(ends);
                continue;
            }
            let key = Key { table, log };
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.loaded(ends);
            }
            self.positions.insert(key, ends);
        }
    }

    /// How far a log was read.
    pub(super) fn read(&self, log: &str) -> u64 {
        self.logs.get(log).map_or(0, |log| log.read)
    }

    /// Takes in a commit that follows what was read. `wanted`: whether a table is loaded.
    pub(super) fn add(&mut self, log: &str, commit: Followed, wanted: impl Fn(&str) -> bool) {
        self.logs.entry(log.to_owned()).or_default().read = commit.sequence;
        let mut tables: BTreeMap<String, Vec<File>> = BTreeMap::new();
        for file in commit.files {
            if wanted(&file.table) {
                tables.entry(file.table.clone()).or_default().push(file);
            }
        }
        for (table, files) in tables {
            let key = Key {
                table,
                log: log.to_owned(),
            };
            let follows = self.positions.get(&key).copied().unwrap_or(0);
            if commit.sequence <= follows {
                continue;
            }
            let pause_max = self.pause_max;
            let lane = self.lanes.entry(key).or_insert_with(|| Lane {
                queue: Queue::default(),
                follows,
                not_before: None,
                backoff: Backoff::new(PAUSE_MIN, pause_max),
                token: prepare::token(),
                commits_max: usize::MAX,
                beyond: None,
            });
            match &mut lane.beyond {
                Some(beyond) => {
                    beyond.files += files.len();
                    beyond.rows += rows(&files);
                }
                None => lane.queue.add(commit.sequence, commit.committed_ms, files),
            }
        }
    }

    /// How many files wait in memory.
    pub(super) fn files(&self) -> usize {
        self.lanes.values().map(|lane| lane.queue.files()).sum()
    }

    /// Whether anything waits.
    pub(super) fn waits(&self) -> bool {
        self.lanes.values().any(Lane::waits)
    }

    /// Forgets the newest files of the tables that have most, until no more than so many wait in memory: a table that cannot
    /// be loaded keeps no other from being read on.
    pub(super) fn shed(&mut self, files_max: usize) {
        while self.files() > files_max {
            let fullest = self
                .lanes
                .values_mut()
                .max_by_key(|lane| lane.queue.files());
            if !fullest.is_some_and(Lane::shed) {
                return;
            }
        }
    }

    /// The tables of which something was forgotten and less waits than one load has, with the commit behind which their log
    /// is to be read for them.
    pub(super) fn forgotten(&self, files_max: usize) -> Vec<(Key, u64)> {
        let lanes = self.lanes.iter();
        let forgotten = lanes.filter(|(_, lane)| lane.queue.files() < files_max);
        let after = |(key, lane): (&Key, &Lane)| Some((key.clone(), lane.beyond?.first - 1));
        forgotten.filter_map(after).collect()
    }

    /// Takes in for one table what was forgotten of it: the commits behind that one which follow.
    pub(super) fn recall(&mut self, key: &Key, commits: Vec<Followed>) {
        let read = self.read(&key.log);
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        for commit in commits {
            let files = commit.files.into_iter();
            let files: Vec<File> = files.filter(|file| file.table == key.table).collect();
            let (files_left, rows_left) = lane
                .beyond
                .map_or((0, 0), |beyond| (beyond.files, beyond.rows));
            lane.beyond = (commit.sequence < read).then_some(Beyond {
                first: commit.sequence + 1,
                files: files_left.saturating_sub(files.len()),
                rows: rows_left.saturating_sub(rows(&files)),
            });
            if commit.sequence > lane.follows && !files.is_empty() {
                lane.queue.add(commit.sequence, commit.committed_ms, files);
            }
        }
    }

    /// What waits of each table.
    pub(super) fn waiting(&self) -> BTreeMap<&str, Waiting> {
        let mut tables: BTreeMap<&str, Waiting> = BTreeMap::new();
        for (key, lane) in &self.lanes {
            let waiting = tables.entry(&key.table).or_default();
            waiting.files += lane.queue.files() + lane.beyond.map_or(0, |beyond| beyond.files);
            waiting.rows += rows(lane.queue.each()) + lane.beyond.map_or(0, |beyond| beyond.rows);
            waiting.oldest_ms = match (waiting.oldest_ms, lane.queue.oldest_ms()) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        tables
    }

    /// Every file that waits, with its table.
    pub(super) fn waiting_files(&self) -> impl Iterator<Item = (&str, &File)> {
        let lanes = self.lanes.iter();
        lanes.flat_map(|(key, lane)| lane.queue.each().map(|file| (key.table.as_str(), file)))
    }

    /// The tables that the ledger or a log tells of.
    pub(super) fn tables(&self) -> BTreeSet<&str> {
        let keys = self.lanes.keys().chain(self.positions.keys());
        keys.map(|key| key.table.as_str()).collect()
    }

    /// The loads that are due, one a table, the ones that wait longest first; each is running from now on. `all`: whether
    /// or not they are due.
    pub(super) fn due(
        &mut self,
        config: &Config,
        now_ms: i64,
        most: usize,
        all: bool,
    ) -> Vec<(Plan, String)> {
        let (limits, now) = (config.limits(), Instant::now());
        let mut due: Vec<(i64, Key)> = Vec::new();
        for (key, lane) in &self.lanes {
            let rests = lane.not_before.is_some_and(|until| until > now);
            let waits = lane.queue.due_in_ms(&limits, now_ms);
            if !rests && waits.is_some_and(|ms| ms == 0 || all) {
                due.push((lane.queue.oldest_ms().unwrap_or(now_ms), key.clone()));
            }
        }
        due.sort();
        let mut plans = Vec::new();
        for (_, key) in due {
            if plans.len() >= most {
                break;
            }
            if let Some(plan) = self.plan(&key, config, now_ms)
                && self.running.insert(key.table)
            {
                plans.push(plan);
            }
        }
        plans
    }

    fn plan(&self, key: &Key, config: &Config, now_ms: i64) -> Option<(Plan, String)> {
        let lane = self.lanes.get(key)?;
        let cut = lane.queue.cut(&config.limits(), now_ms, lane.commits_max)?;
        let plan = Plan {
            table: key.table.clone(),
            log: key.log.clone(),
            follows: lane.follows,
            ends: cut.ends,
            files: cut.files,
            commits: cut.commits,
            committed_min_ms: cut.committed_min_ms,
        };
        Some((plan, lane.token.clone()))
    }

    /// A load has ended.
    pub(super) fn ended(&mut self, plan: &Plan, ended: Ended) {
        self.running.remove(&plan.table);
        let key = Key {
            table: plan.table.clone(),
            log: plan.log.clone(),
        };
        let Some(lane) = self.lanes.get_mut(&key) else {
            return;
        };
        match ended {
            Ended::Loaded(ends) => {
                lane.commits_max = lane.commits_max.saturating_mul(2);
                lane.begin_anew(self.pause_max);
                lane.loaded(ends);
                self.positions.insert(key, ends);
            }
            Ended::Beaten(ends, rest) => {
                lane.begin_anew(self.pause_max);
                lane.not_before = Some(Instant::now() + rest);
                lane.loaded(ends);
                self.positions.insert(key, ends);
            }
            Ended::Again { failed } => {
                if failed {
                    lane.token = prepare::token();
                }
                lane.not_before = Some(Instant::now() + lane.backoff.next());
            }
            Ended::Smaller(commits) => {
                lane.token = prepare::token();
                lane.commits_max = commits.max(1);
            }
        }
    }

    /// Logs whose commits are all loaded, up to where, if that is further than the ledger's watermark by `least`.
    pub(super) fn watermarks(&self, least: u64) -> Vec<(String, u64)> {
        let mut reached: BTreeMap<&str, u64> = BTreeMap::new();
        for (name, log) in &self.logs {
            reached.insert(name, log.read);
        }
        for (key, lane) in &self.lanes {
            if let (Some(first), Some(reached)) = (lane.first(), reached.get_mut(key.log.as_str()))
            {
                *reached = (*reached).min(first - 1);
            }
        }
        let further = |(name, reached): (&str, u64)| {
            let watermark = self.logs.get(name).map_or(0, |log| log.watermark);
            (reached >= watermark + least).then(|| (name.to_owned(), reached))
        };
        reached.into_iter().filter_map(further).collect()
    }

    /// The ledger has this watermark.
    pub(super) fn marked(&mut self, log: &str, ends: u64) {
        self.logs.entry(log.to_owned()).or_default().watermark = ends;
    }

    /// How long until a table that waits may be tried again; `None`: none waits but those that are `hopeless`.
    pub(super) fn rest(&self, hopeless: impl Fn(&str) -> bool) -> Option<Duration> {
        let now = Instant::now();
        let waits = self
            .lanes
            .iter()
            .filter(|(key, lane)| lane.waits() && !hopeless(&key.table));
        let rest = waits.map(|(_, lane)| {
            lane.not_before
                .map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
        });
        rest.min()
    }

    /// When something is due next, if nothing more comes.
    pub(super) fn due_in(&self, config: &Config, now_ms: i64) -> Option<Duration> {
        let (limits, now) = (config.limits(), Instant::now());
        let due = self
            .lanes
            .iter()
            .filter(|(key, _)| !self.running.contains(&key.table));
        let due = due.filter_map(|(_, lane)| {
            let by_age = Duration::from_millis(lane.queue.due_in_ms(&limits, now_ms)?);
            let rest = lane
                .not_before
                .map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
            Some(by_age.max(rest))
        });
        due.min()
    }
}

impl Lane {
    fn waits(&self) -> bool {
        self.queue.files() > 0 || self.beyond.is_some()
    }

    /// The first commit that is not loaded, as far as is known.
    fn first(&self) -> Option<u64> {
        let beyond = self.beyond.map(|beyond| beyond.first);
        self.queue.first().or(beyond)
    }

    /// Forgets the newer half; `false`: there is nothing to forget.
    fn shed(&mut self) -> bool {
        let Some((first, files)) = self.queue.shed(self.queue.files() / 2) else {
            return false;
        };
        let (more_files, more_rows) = self
            .beyond
            .map_or((0, 0), |beyond| (beyond.files, beyond.rows));
        self.beyond = Some(Beyond {
            first,
            files: files.len() + more_files,
            rows: rows(&files) + more_rows,
        });
        true
    }

    fn loaded(&mut self, ends: u64) {
        self.follows = self.follows.max(ends);
        self.queue.loaded(ends);
    }

    fn begin_anew(&mut self, pause_max: Duration) {
        self.token = prepare::token();
        self.not_before = None;
        self.backoff = Backoff::new(PAUSE_MIN, pause_max);
    }
}

fn rows<'a>(files: impl IntoIterator<Item = &'a File>) -> u64 {
    files.into_iter().map(|file| file.rows).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(sequence: u64, tables: &[&str]) -> Followed {
        let file = |table: &&str| File {
            table: (*table).to_owned(),
            path: format!("{table}/{sequence}"),
            bytes: 10,
            rows: 1,
            crc32c: 0,
            fingerprint: "f".to_owned(),
            received_min_ms: 0,
            received_max_ms: 0,
            text_bytes_max: Some(1),
            second_rows: 0,
        };
        Followed {
            sequence,
            committed_ms: 0,
            files: tables.iter().map(file).collect(),
            replaces: Vec::new(),
        }
    }

    fn position(table: &str, ends: u64) -> Position {
        Position {
            table: table.to_owned(),
            log: "l/1".to_owned(),
            ends,
        }
    }

    fn lanes(positions: Vec<Position>, commits: &[(u64, &[&str])]) -> Lanes {
        let mut lanes = Lanes::new(&Config::default(), positions);
        for (sequence, tables) in commits {
            lanes.add("l/1", commit(*sequence, tables), |table| table != "not");
        }
        lanes
    }

    fn due(lanes: &mut Lanes) -> Vec<(String, u64, u64)> {
        let plans = lanes.due(&Config::default(), 40_000, 10, false);
        let told = plans
            .into_iter()
            .map(|(plan, _)| (plan.table, plan.follows, plan.ends));
        told.collect()
    }

    #[test]
    fn a_table_goes_on_where_the_ledger_says_that_it_is() {
        let mut lanes = lanes(
            vec![position("*", 1), position("a", 3)],
            &[(2, &["a", "b"]), (3, &["a", "not"]), (4, &["a"])],
        );
        assert_eq!(lanes.read("l/1"), 4);
        assert_eq!(
            due(&mut lanes),
            [("a".to_owned(), 3, 4), ("b".to_owned(), 0, 2)]
        );
        assert_eq!(due(&mut lanes), [], "both are running");
    }

    #[test]
    fn the_watermark_is_behind_all_that_waits() {
        let mut lanes = lanes(vec![], &[(1, &["a"]), (2, &["b"]), (3, &["not"])]);
        assert_eq!(lanes.watermarks(1), []);
        let plans = lanes.due(&Config::default(), 40_000, 10, false);
        lanes.ended(&plans[0].0, Ended::Loaded(1));
        assert_eq!(lanes.watermarks(1), [("l/1".to_owned(), 1)]);
        lanes.ended(&plans[1].0, Ended::Loaded(2));
        assert_eq!(lanes.watermarks(1), [("l/1".to_owned(), 3)]);
        lanes.marked("l/1", 3);
        assert_eq!(lanes.watermarks(1), []);
    }

    #[test]
    fn a_table_with_too_many_files_forgets_the_newest_and_reads_them_again_when_it_has_room() {
        let many: Vec<(u64, &[&str])> = (1..=40).map(|n| (n, &["stuck"][..])).collect();
        let mut lanes = lanes(vec![], &many);
        lanes.add("l/1", commit(41, &["a"]), |_| true);
        lanes.shed(11);
        assert_eq!(lanes.files(), 11, "10 of the one and the other one");
        lanes.add("l/1", commit(42, &["stuck", "a"]), |_| true);
        let waiting = |lanes: &Lanes| {
            let waiting = lanes.waiting();
            (waiting["stuck"].files, waiting["a"].files)
        };
        assert_eq!(waiting(&lanes), (41, 2), "what was forgotten waits too");
        assert_eq!(lanes.forgotten(5), [], "there is a load's worth");
        let mut loaded = Vec::new();
        loop {
            let plans = lanes.due(&Config::default(), 40_000, 10, true);
            if plans.is_empty() {
                break;
            }
            for (plan, _) in plans {
                if plan.table == "stuck" {
                    loaded.extend(plan.files.iter().map(|file| file.path.clone()));
                    assert!(
                        lanes
                            .watermarks(1)
                            .iter()
                            .all(|(_, ends)| *ends <= plan.follows)
                    );
                }
                lanes.ended(&plan, Ended::Loaded(plan.ends));
            }
            for (key, after) in lanes.forgotten(5) {
                let more = (after + 1..=42).take(7);
                let tables = |n| if n == 41 { &["a"][..] } else { &["stuck", "a"] };
                lanes.recall(&key, more.map(|n| commit(n, tables(n))).collect());
            }
        }
        let expected = (1..=42).filter(|n| *n != 41).map(|n| format!("stuck/{n}"));
        assert_eq!(loaded, expected.collect::<Vec<_>>());
        assert!(!lanes.waits());
        assert_eq!(lanes.watermarks(1), [("l/1".to_owned(), 42)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_load_that_failed_rests_and_one_that_was_refused_gets_smaller() {
        let mut lanes = lanes(
            vec![],
            &[(1, &["a"]), (2, &["a"]), (3, &["a"]), (4, &["a"])],
        );
        let plans = lanes.due(&Config::default(), 40_000, 10, false);
        assert_eq!(plans[0].0.ends, 4);
        let token = plans[0].1.clone();
        lanes.ended(&plans[0].0, Ended::Again { failed: true });
        tokio::time::advance(Duration::from_secs(61)).await;
        let plans = lanes.due(&Config::default(), 40_000, 10, false);
        assert_eq!(plans[0].0.ends, 4);
        assert_ne!(plans[0].1, token, "the last try can never take effect");
        lanes.ended(&plans[0].0, Ended::Smaller(2));
        assert_eq!(due(&mut lanes), [("a".to_owned(), 0, 2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_beaten_loader_leaves_the_table_alone_for_a_while() {
        let mut lanes = lanes(vec![], &[(1, &["a"]), (2, &["a"]), (3, &["a"])]);
        let plans = lanes.due(&Config::default(), 40_000, 10, false);
        lanes.ended(&plans[0].0, Ended::Beaten(2, Duration::from_secs(60)));
        assert_eq!(due(&mut lanes), []);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(due(&mut lanes), [("a".to_owned(), 2, 3)]);
    }
}
