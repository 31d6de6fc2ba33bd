//! What a set says of the built-in schemas' data: the file that annotates them.

use super::LoadError;
use super::files::{Found, Role};
use crate::privacy::Extra;

/// Takes the file out of what was found, and reads it.
pub(super) fn take(found: &mut Vec<Found>, errors: &mut Vec<LoadError>) -> Extra {
    let at = found
        .iter()
        .position(|found| matches!(found.role, Role::Privacy));
    let Some(at) = at else {
        return Extra::default();
    };
    let file = found.remove(at);
    let extra = Extra::of(&file.document.value).unwrap_or_else(|problems| {
        errors.extend(super::placed(&file.file, problems));
        Extra::default()
    });
    for found in found.iter() {
        if let Role::Event { name, .. } = &found.role
            && extra.names().any(|annotated| annotated == &**name)
        {
            let reason = format!(
                "the set has a schema `{name}` of its own, which takes the place of the built-in one: annotate it in its \
                 own file"
            );
            errors.push(LoadError {
                file: file.file.clone(),
                pointer: String::new(),
                reason,
            });
        }
    }
    extra
}
