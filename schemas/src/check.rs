//! Checking an event's bytes against a program, in one pass and without a tree wherever the schema allows.
//!
//! The same walk runs in two modes. The first only decides: it stops at the first failure and keeps no path. Only when
//! it fails does the walk run again to report, after [`sound`] has told that the text is sound JSON at all.
//! Schemas that apply to the same value (`anyOf`, `not`, ...) walk over that value again; results are remembered
//! once there are many such walks, so that the work stays within schema size times text size.

mod arrays;
mod branches;
pub(crate) mod canonical;
mod objects;
mod report;
mod scalars;
mod sound;
mod strangers;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::event::Violation;
use crate::program::Program;
use crate::program::node::{Id, Kinds};
use crate::program::packed::{Constants, Node, Rules};
use crate::walk::{Cursor, Kind, Syntax};

use branches::Remembered;
use report::Report;

/// Most violations that are reported for one text.
pub(crate) const VIOLATIONS_MAX: usize = 20;
/// Deepest nesting whatever the caller allows: the walk recurses, and this keeps it within a small thread's stack.
const DEPTH_MAX: u32 = 128;
/// Most schemas that apply within each other at one place, for the same reason.
const NESTING_MAX: u32 = 384;

/// The walk ends here: the value has failed or, when reporting, there is no use in going on.
#[derive(Debug, Clone, Copy)]
struct Stop;

impl From<Syntax> for Stop {
    fn from(_: Syntax) -> Self {
        Self
    }
}

type Verdict = Result<(), Stop>;

/// Checks a text; see [`Program::check`].
pub(crate) fn check(program: &Program, text: &str, depth_max: u32) -> Result<(), Vec<Violation>> {
    let depth_max = depth_max.min(DEPTH_MAX);
    let mut checker = Checker::new(program, depth_max);
    if checker.whole::<false>(text).is_ok() {
        return Ok(());
    }
    let faults = sound::faults(text, depth_max);
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut checker = Checker::new(program, depth_max);
    // Stopped or not, what counts is what was found until then.
    let stopped = checker.whole::<true>(text).is_err();
    let found = checker.report.into_violations();
    debug_assert!(
        !found.is_empty(),
        "the two modes of the walk disagree (stopped: {stopped})"
    );
    Err(found)
}

/// Checks the next value where it stands in a longer text. When it passes, the cursor is behind it; else, whether it
/// fails or is not even JSON, the cursor has not moved.
pub(crate) fn passes(program: &Program, cursor: &mut Cursor<'_>, depth_max: u32) -> bool {
    let depth_max = depth_max.min(DEPTH_MAX);
    let mut ahead = cursor.within(depth_max);
    let mut checker = Checker::new(program, depth_max);
    let passed = checker.value::<false>(program.root(), &mut ahead).is_ok();
    if passed {
        *cursor = cursor.moved(ahead.at());
    }
    passed
}

/// One walk over one text.
struct Checker<'a> {
    rules: &'a Rules,
    root: Id,
    depth_max: u32,
    nesting: u32,
    /// Schemas applied by branches so far.
    steps: u32,
    /// None until there are many steps: most texts need no such memory.
    remembered: Option<HashMap<(Id, usize), Remembered<'a>>>,
    report: Report<'a>,
}

impl<'a> Checker<'a> {
    fn new(program: &'a Program, depth_max: u32) -> Self {
        Self {
            rules: program.rules(),
            root: program.root(),
            depth_max,
            nesting: 0,
            steps: 0,
            remembered: None,
            report: Report::default(),
        }
    }

    fn whole<const REPORT: bool>(&mut self, text: &'a str) -> Verdict {
        let mut cursor = Cursor::new(text, self.depth_max);
        self.value::<REPORT>(self.root, &mut cursor)?;
        Ok(cursor.end()?)
    }

    /// Checks the next value against a node and leaves the cursor behind it.
    #[inline]
    fn value<const REPORT: bool>(&mut self, id: Id, cursor: &mut Cursor<'a>) -> Verdict {
        let node = self.rules.node(id);
        if node.has_branches() {
            self.layered::<REPORT>(id, node, cursor)
        } else {
            self.own::<REPORT>(node, cursor)
        }
    }

    /// Checks a part of a value that stands under `keyword`: `false` there is that keyword's failure.
    #[inline]
    fn part<const REPORT: bool>(
        &mut self,
        id: Id,
        keyword: &'static str,
        cursor: &mut Cursor<'a>,
    ) -> Verdict {
        if REPORT && id == Id::NEVER {
            self.fail::<REPORT>(keyword, || "is not allowed here".to_owned())?;
            return self.value::<REPORT>(Id::ANY, cursor);
        }
        self.value::<REPORT>(id, cursor)
    }

    /// Checks the next value against the node's own rules.
    #[inline]
    fn own<const REPORT: bool>(&mut self, node: &'a Node, cursor: &mut Cursor<'a>) -> Verdict {
        let kind = cursor.kind()?;
        self.own_of::<REPORT>(node, kind, cursor)
    }

    /// Checks the next value, which is of this kind, against the node's own rules.
    #[inline]
    fn own_of<const REPORT: bool>(
        &mut self,
        node: &'a Node,
        kind: Kind,
        cursor: &mut Cursor<'a>,
    ) -> Verdict {
        match kind {
            Kind::String => {
                let found = cursor.string()?;
                self.string::<REPORT>(node, found)
            }
            Kind::Number => {
                let found = cursor.number()?;
                self.number::<REPORT>(node, found)
            }
            Kind::Bool => {
                let value = cursor.boolean()?;
                self.kind::<REPORT>(node, Kinds::BOOLEAN, || value.to_string())?;
                let is_one = |one: &Constants| if value { one.yes } else { one.no };
                self.constants::<REPORT>(node, is_one, || value.to_string())
            }
            Kind::Null => {
                cursor.null()?;
                self.kind::<REPORT>(node, Kinds::NULL, || "null".to_owned())?;
                self.constants::<REPORT>(node, |one| one.null, || "null".to_owned())
            }
            Kind::Object => self.object::<REPORT>(node, cursor),
            Kind::Array => self.array::<REPORT>(node, cursor),
        }
    }

    /// Fails unless the node allows the type.
    #[inline]
    fn kind<const REPORT: bool>(
        &mut self,
        node: &Node,
        kind: Kinds,
        found: impl FnOnce() -> String,
    ) -> Verdict {
        if node.kinds.has(kind) {
            return Ok(());
        }
        if node.kinds == Kinds::NONE {
            return self.fail::<REPORT>("false", || "no value is allowed here".to_owned());
        }
        let wanted = || node.kinds.names().join(" or ");
        self.fail::<REPORT>("type", || {
            format!("expected {}, found {}", wanted(), found())
        })
    }

    /// Fails: ends the walk when it only decides, notes the violation when it reports.
    #[inline]
    fn fail<const REPORT: bool>(
        &mut self,
        keyword: &'static str,
        message: impl FnOnce() -> String,
    ) -> Verdict {
        if REPORT {
            self.report.push(keyword, message())
        } else {
            Err(Stop)
        }
    }
}
