//! The violations found so far and the path to the value that is being checked.

use std::fmt::Write as _;

use super::{Stop, VIOLATIONS_MAX, Verdict};
use crate::event::Violation;
use crate::program::escape;
use crate::walk::Str;

/// Most characters of a value that a message shows.
const SHOWN_CHARS_MAX: usize = 60;

/// One step into a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'a> {
    Key(Str<'a>),
    Name(&'a str),
    Index(usize),
}

/// Where the walk is, and what it has found.
#[derive(Debug, Default)]
pub(super) struct Report<'a> {
    path: Vec<Step<'a>>,
    violations: Vec<Violation>,
}

impl<'a> Report<'a> {
    pub(super) fn enter(&mut self, step: Step<'a>) {
        self.path.push(step);
    }

    pub(super) fn leave(&mut self) {
        self.path.pop();
    }

    /// Notes a violation at the current place; stops the walk when there are enough.
    pub(super) fn push(&mut self, keyword: &'static str, message: String) -> Verdict {
        self.violations.push(Violation {
            pointer: self.pointer(),
            keyword,
            message,
        });
        if self.violations.len() < VIOLATIONS_MAX {
            Ok(())
        } else {
            Err(Stop)
        }
    }

    /// Drops what was found so far.
    pub(super) fn forget(&mut self) {
        self.violations.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.violations.len()
    }

    pub(super) fn into_violations(self) -> Vec<Violation> {
        self.violations
    }

    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for step in &self.path {
            pointer.push('/');
            match step {
                Step::Key(key) => pointer.push_str(&escape(&key.decode())),
                Step::Name(name) => pointer.push_str(&escape(name)),
                // Writing to a string cannot fail.
                Step::Index(index) => write!(pointer, "{index}").unwrap_or(()),
            }
        }
        pointer
    }
}

/// A value's text for a message, cut when it is long.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
