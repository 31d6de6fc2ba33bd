//! Schemas that apply to the same value: each walks over it again.

use std::collections::HashMap;

use super::{Checker, NESTING_MAX, Stop, Verdict};
use crate::program::node::{Branch, Id, Kinds};
use crate::program::packed::Node;
use crate::walk::{Cursor, Kind};

/// Walks after which results are remembered: schemas that nest their branches through the levels of a value would
/// otherwise double the work with each level.
const STEPS_FREE: u32 = 4_096;

/// The result of checking one value against one node.
#[derive(Debug, Clone, Copy)]
pub(super) enum Remembered<'a> {
    /// The value is valid and ends at the cursor.
    Valid(Cursor<'a>),
    /// The value is not valid.
    Invalid,
    /// The value is not valid, which has been reported; it ends at the cursor.
    Reported(Cursor<'a>),
}

impl<'a> Checker<'a> {
    /// Checks the next value against the node's own rules and then against each of its branches.
    pub(super) fn layered<const REPORT: bool>(
        &mut self,
        id: Id,
        node: &'a Node,
        cursor: &mut Cursor<'a>,
    ) -> Verdict {
        cursor.space();
        let at = cursor.at();
        self.steps = self.steps.saturating_add(1);
        let remembered = match &mut self.remembered {
            Some(remembered) => remembered.get(&(id, at)).copied(),
            None => {
                if self.steps > STEPS_FREE {
                    self.remembered = Some(HashMap::new());
                }
                None
            }
        };
        match remembered {
            Some(Remembered::Valid(end)) => {
                *cursor = end;
                return Ok(());
            }
            Some(Remembered::Reported(end)) if REPORT => {
                *cursor = end;
                return Ok(());
            }
            Some(_) if !REPORT => return Err(Stop),
            _ => {}
        }
        if self.nesting == NESTING_MAX {
            return self.fail::<REPORT>("depth", || {
                "too many schemas apply within each other".to_owned()
            });
        }
        self.nesting += 1;
        let before = self.report.len();
        let verdict = self.layers::<REPORT>(node, cursor);
        self.nesting -= 1;
        if let Some(remembered) = &mut self.remembered {
            let result = match verdict {
                Err(Stop) => Remembered::Invalid,
                Ok(()) if self.report.len() == before => Remembered::Valid(*cursor),
                Ok(()) => Remembered::Reported(*cursor),
            };
            remembered.insert((id, at), result);
        }
        verdict
    }

    fn layers<const REPORT: bool>(&mut self, node: &'a Node, cursor: &mut Cursor<'a>) -> Verdict {
        let start = *cursor;
        self.own::<REPORT>(node, cursor)?;
        for branch in self.rules.branches(node) {
            match branch {
                Branch::All(ids) => {
                    for id in ids {
                        self.value::<REPORT>(*id, &mut { start })?;
                    }
                }
                Branch::Any(ids) => self.any_of::<REPORT>(ids, start)?,
                Branch::One(ids) => self.one_of::<REPORT>(ids, start)?,
                Branch::Not(id) => {
                    if self.holds(*id, start) {
                        let message = || "matches the schema of not".to_owned();
                        self.fail::<REPORT>("not", message)?;
                    }
                }
                Branch::If {
                    test,
                    then,
                    otherwise,
                } => {
                    let (id, keyword) = if self.holds(*test, start) {
                        (*then, "then")
                    } else {
                        (*otherwise, "else")
                    };
                    self.part::<REPORT>(id, keyword, &mut { start })?;
                }
            }
        }
        Ok(())
    }

    /// Whether the value at `start` is valid against a node.
    fn holds(&mut self, id: Id, start: Cursor<'a>) -> bool {
        self.value::<false>(id, &mut { start }).is_ok()
    }

    fn any_of<const REPORT: bool>(&mut self, ids: &'a [Id], start: Cursor<'a>) -> Verdict {
        if ids.iter().any(|id| self.holds(*id, start)) {
            return Ok(());
        }
        if let Some(only) = self.only_candidate(ids, start) {
            return self.value::<REPORT>(only, &mut { start });
        }
        self.fail::<REPORT>("anyOf", || {
            format!("matches none of the {} schemas of anyOf", ids.len())
        })
    }

    fn one_of<const REPORT: bool>(&mut self, ids: &'a [Id], start: Cursor<'a>) -> Verdict {
        match ids.iter().filter(|id| self.holds(**id, start)).count() {
            1 => Ok(()),
            0 => {
                if let Some(only) = self.only_candidate(ids, start) {
                    return self.value::<REPORT>(only, &mut { start });
                }
                self.fail::<REPORT>("oneOf", || {
                    format!("matches none of the {} schemas of oneOf", ids.len())
                })
            }
            count => self.fail::<REPORT>("oneOf", || {
                format!(
                    "matches {count} of the {} schemas of oneOf, exactly one must",
                    ids.len()
                )
            }),
        }
    }

    /// The one alternative that allows the value's type, if it is one only: its failures say more than "none of them".
    fn only_candidate(&self, ids: &[Id], start: Cursor<'a>) -> Option<Id> {
        let kinds = match { start }.kind().ok()? {
            Kind::Object => Kinds::OBJECT,
            Kind::Array => Kinds::ARRAY,
            Kind::String => Kinds::STRING,
            Kind::Number => Kinds::INTEGER.with(Kinds::FRACTION),
            Kind::Bool => Kinds::BOOLEAN,
            Kind::Null => Kinds::NULL,
        };
        let mut fitting = ids
            .iter()
            .filter(|id| self.rules.node(**id).kinds.has(kinds));
        fitting.next().filter(|_| fitting.next().is_none()).copied()
    }
}
