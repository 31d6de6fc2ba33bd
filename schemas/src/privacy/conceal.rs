//! What is told of a value that fails its schema, where nobody is to see the value; and what is not held against values
//! that are hidden already.

use super::plan::{Node, Plan};
use super::step;
use crate::event::Violation;
use crate::program::unescape;

/// What is told instead of what was found.
const CONCEALED: &str =
    "the value is not allowed; it is not shown, for x-pii is said of it or of what is in it";

/// Keywords whose messages never repeat a value.
const SILENT: [&str; 17] = [
    "additionalItems",
    "additionalProperties",
    "anyOf",
    "contains",
    "dependentRequired",
    "depth",
    "duplicateKey",
    "items",
    "maxContains",
    "maxItems",
    "maxProperties",
    "minContains",
    "minItems",
    "minProperties",
    "oneOf",
    "required",
    "uniqueItems",
];

/// Takes what is annotated out of the messages.
pub(crate) fn conceal(plan: &Plan, violations: &mut [Violation]) {
    for violation in violations {
        let shows = match find(&plan.root, &violation.pointer) {
            Found::Nothing => false,
            Found::Annotated => true,
            Found::Around => !SILENT.contains(&violation.keyword),
        };
        if shows {
            violation.message = CONCEALED.to_owned();
        }
    }
}

/// Drops what is found wrong with values to which a plan was applied before: a hash is no e-mail address, and what was
/// dropped is missing. `done` are the places where that was.
pub(crate) fn forgive(done: &[String], violations: &mut Vec<Violation>) {
    violations.retain(|violation| {
        let at = steps(&violation.pointer);
        let hidden = |at: &[String]| done.iter().any(|path| is_at(path, at));
        let missing = || {
            matches!(violation.keyword, "required" | "dependentRequired")
                && done.iter().any(|path| {
                    let Some(name) = path.rsplit('/').next() else {
                        return false;
                    };
                    let name = unescape(name).replace("~2", "*");
                    let is_told = violation
                        .message
                        .starts_with(&format!("the property {name:?} is missing"));
                    is_told && hidden(&[&at[..], &[step(&name)]].concat())
                })
        };
        !hidden(&at) && !missing()
    });
}

enum Found {
    Nothing,
    /// The value itself or one that it is in is annotated.
    Annotated,
    /// Something in the value is.
    Around,
}

fn find(root: &Node, pointer: &str) -> Found {
    let mut node = root;
    for step in pointer.split('/').skip(1) {
        match node.below(&unescape(step)) {
            Some(below) if below.action.is_some() => return Found::Annotated,
            Some(below) => node = below,
            None => return Found::Nothing,
        }
    }
    Found::Around
}

/// The steps of a JSON pointer, as paths have them.
fn steps(pointer: &str) -> Vec<String> {
    let each = pointer.split('/').skip(1);
    each.map(|name| step(&unescape(name))).collect()
}

/// Whether a value is at a path's place or in it.
pub(super) fn is_at(path: &str, at: &[String]) -> bool {
    let path: Vec<&str> = path.split('/').skip(1).collect();
    path.len() <= at.len()
        && path
            .iter()
            .zip(at)
            .all(|(step, at)| *step == "*" || step == at)
}
