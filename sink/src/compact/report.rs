//! What is asked of a compactor, and what it tells.

use super::plan::Set;

/// Which tables and hours are compacted; the default is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// This table alone.
    pub table: Option<String>,
    /// Hours that begin then or later, in ms since the epoch.
    pub from_ms: Option<i64>,
    /// Hours that end then or earlier, in ms since the epoch.
    pub to_ms: Option<i64>,
    /// Also hours that have not ended, or not long enough ago.
    pub open_hours: bool,
}

impl Filter {
    pub(super) fn wants(&self, table: &str, begins_ms: i64, ends_ms: i64) -> bool {
        self.table.as_ref().is_none_or(|wanted| wanted == table)
            && self.from_ms.is_none_or(|from| begins_ms >= from)
            && self.to_ms.is_none_or(|to| ends_ms <= to)
    }
}

/// Files of one table and hour, of one set of columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The table.
    pub table: String,
    /// The hour's folder in the store.
    pub folder: String,
    /// How many files there were.
    pub files_before: usize,
    /// Their bytes.
    pub bytes_before: u64,
    /// Their rows.
    pub rows: u64,
    /// How it ended.
    pub result: StepResult,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepResult {
    /// The files are replaced.
    Compacted {
        /// By so many.
        files: usize,
        /// Of so many bytes.
        bytes: u64,
    },
    /// Another compactor was quicker with this table; the next round sees what it did.
    Beaten,
    /// The files stay as they are, for this reason. The next round tries again.
    Left(String),
}

/// What a round came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    /// Files that are replaced.
    pub files_before: u64,
    /// Files that replace them.
    pub files_after: u64,
    /// Steps that another compactor was quicker with.
    pub beaten: u64,
    /// Steps that failed.
    pub failed: u64,
}

impl Round {
    pub(super) fn add(&mut self, step: &Step) {
        match &step.result {
            StepResult::Compacted { files, .. } => {
                self.files_before += step.files_before as u64;
                self.files_after += *files as u64;
            }
            StepResult::Beaten => self.beaten += 1,
            StepResult::Left(_) => self.failed += 1,
        }
    }
}

impl Step {
    pub(super) fn of(set: &Set, result: StepResult) -> Self {
        Self {
            table: set.table.clone(),
            folder: set.folder.clone(),
            files_before: set.files.len(),
            bytes_before: set.bytes(),
            rows: set.rows(),
            result,
        }
    }
}
