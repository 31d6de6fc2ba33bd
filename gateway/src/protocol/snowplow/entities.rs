//! A self-describing event and the entities around it, held against the schemas that they name.

use std::borrow::Cow;

use headgate_schemas::{
    event::Violation,
    walk::{Cursor, Kind, Syntax},
};

use super::super::{Rules, draft::Draft};
use crate::sources::Policy;

/// Violations reported for one event.
const FOUND_MAX: usize = 20;

/// Holds them against a set's schemas of Iglu, where it has any: what is wrong is noted in the draft. What names a schema
/// that the set does not have is taken, unless the source is strict.
pub(super) fn check(
    unstruct: Option<&str>,
    contexts: Option<&str>,
    rules: &Rules<'_>,
    draft: &mut Draft<'_>,
) {
    if rules.schemas.iglu().is_empty() {
        return;
    }
    let mut checking = Checking { rules, draft };
    let read = |text| Cursor::new(text, u32::MAX);
    let event = unstruct.map(|event| checking.one(&mut read(event), "/unstruct_event"));
    let around = contexts.map(|entities| checking.all(&mut read(entities)));
    // Both were read before: neither is broken.
    for syntax in [event, around]
        .into_iter()
        .flatten()
        .filter_map(Result::err)
    {
        checking.draft.invalid.push(Violation {
            pointer: String::new(),
            keyword: "syntax",
            message: syntax.to_string(),
        });
    }
}

/// Places of that schema's data whose values were hidden before.
fn done(rules: &Rules<'_>, schema: &str) -> Vec<String> {
    let places = rules.done.iter();
    let own = places.filter_map(|place| place.strip_prefix(schema)?.strip_prefix('#'));
    own.map(str::to_owned).collect()
}

struct Checking<'r, 'd, 'a, 'e> {
    rules: &'r Rules<'a>,
    draft: &'d mut Draft<'e>,
}

impl Checking<'_, '_, '_, '_> {
    fn all(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Syntax> {
        let mut more = cursor.array()?;
        let mut number = 0;
        while more {
            self.one(cursor, &format!("/contexts/{number}"))?;
            number += 1;
            more = cursor.next_element()?;
        }
        Ok(())
    }

    fn one(&mut self, cursor: &mut Cursor<'_>, at: &str) -> Result<(), Syntax> {
        let (mut schema, mut data) = (Cow::Borrowed(""), "");
        let mut more = cursor.object()?;
        while more {
            let key = cursor.key()?;
            if key.is("schema") && cursor.kind()? == Kind::String {
                schema = cursor.string()?.decode();
            } else {
                let value = cursor.skip()?;
                if key.is("data") {
                    data = value;
                }
            }
            more = cursor.next_member()?;
        }
        self.against(&schema, data, at);
        Ok(())
    }

    fn against(&mut self, schema: &str, data: &str, at: &str) {
        let rules = self.rules;
        let checked =
            rules
                .schemas
                .iglu()
                .check(schema, data, rules.bounds.depth_max, &done(rules, schema));
        match checked {
            Some(Ok(())) => {}
            Some(Err(found)) => {
                let room = FOUND_MAX.saturating_sub(self.draft.invalid.len());
                let found = found.into_iter().take(room).map(|violation| Violation {
                    pointer: format!("{at}/data{}", violation.pointer),
                    ..violation
                });
                self.draft.invalid.extend(found);
            }
            None if rules.source.policy == Policy::Strict && self.draft.unknown.is_none() => {
                self.draft.unknown = Some(Violation {
                    pointer: format!("{at}/schema"),
                    keyword: "schema",
                    message: format!(
                        "{schema} is not among the schemas of Iglu, and the source {} is strict",
                        rules.source.name
                    ),
                });
            }
            None => {}
        }
    }
}
