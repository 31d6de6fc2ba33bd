//! Random events from the schemas themselves: valid ones, and ones that are invalid in a known way.
//!
//! An instance is built from the schema's document and then verified with the very check that the gateway
//! makes, so that no event leaves here whose verdict is not known. The same seed gives the same events.

use headgate_schemas::event::Violation;
use headgate_schemas::registry::Registry;
use headgate_schemas::schema::Schema;
use headgate_schemas::sdk;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use self::documents::{Documents, Node};
use self::value::{Maker, Mood};

pub use self::spoil::Spoil;

mod documents;
mod facets;
mod kinds;
mod number;
mod spoil;
#[cfg(test)]
mod tests;
mod text;
mod value;

/// Nesting that events are checked with: no generated event comes near it.
const DEPTH_MAX: u32 = 128;
const ATTEMPTS_MAX: u32 = 400;
const SPOIL_TRIES: u32 = 16;

/// Why no event could be made from a schema.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Every attempt at a valid event failed its check.
    #[error("no valid event of {dataschema} found in {attempts} attempts: {last}")]
    Unsatisfied {
        /// The schema.
        dataschema: String,
        /// How many were tried.
        attempts: u32,
        /// What was wrong with the last of them.
        last: String,
    },
    /// Nothing that was tried makes an event invalid.
    #[error("no invalid event of {dataschema} found: it seems to allow everything")]
    Unspoilable {
        /// The schema.
        dataschema: String,
    },
}

/// Makes events for the schemas of one registry.
pub struct Generator<'a> {
    documents: Documents<'a>,
    rng: Xoshiro256PlusPlus,
}

impl<'a> Generator<'a> {
    /// A generator over all of the registry's documents.
    pub fn new(registry: &'a Registry, seed: u64) -> Generator<'a> {
        let mut documents = Documents::default();
        for schema in registry.schemas() {
            documents.add(&uri(schema), schema.document());
        }
        Generator {
            documents,
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
        }
    }

    /// A random valid `data` for an event of `schema`, as JSON text.
    ///
    /// # Errors
    /// [`Error::Unsatisfied`] when no attempt met the schema.
    pub fn valid(&mut self, schema: &'a Schema) -> Result<String, Error> {
        self.valid_value(schema).map(|(_, text)| text)
    }

    /// A random invalid `data` for an event of `schema`, and in which way it is invalid.
    ///
    /// # Errors
    /// [`Error::Unsatisfied`] when there is no valid event to start from, [`Error::Unspoilable`] when the
    /// schema objects to nothing.
    pub fn invalid(&mut self, schema: &'a Schema) -> Result<(String, Spoil), Error> {
        let first = self.rng.random_range(0..Spoil::OF_DATA.len());
        let mut fallback = None;
        for turn in 0..Spoil::OF_DATA.len() {
            let spoil = Spoil::OF_DATA[(first + turn) % Spoil::OF_DATA.len()];
            let (valid, _) = self.valid_value(schema)?;
            for _ in 0..SPOIL_TRIES {
                let Some(value) = spoil.apply(&valid, &mut self.rng) else {
                    break;
                };
                let text = value.to_string();
                let Err(violations) = schema.check(&text, DEPTH_MAX) else {
                    continue;
                };
                if violations
                    .iter()
                    .any(|v| spoil.keywords().contains(&v.keyword))
                {
                    return Ok((text, spoil));
                }
                fallback.get_or_insert((text, Spoil::Other));
            }
        }
        fallback.ok_or_else(|| Error::Unspoilable {
            dataschema: schema.dataschema().to_owned(),
        })
    }

    fn valid_value(&mut self, schema: &'a Schema) -> Result<(Value, String), Error> {
        let mut last = "its constraints leave no value".to_owned();
        for attempt in 0..ATTEMPTS_MAX {
            let Some(value) = self.attempt(schema, mood(attempt)) else {
                continue;
            };
            // Such a schema describes a part of the event's data.
            let value = match schema.track() {
                true => json!({ "type": sdk::TRACK, "event": schema.name(), "properties": value }),
                false => value,
            };
            let text = value.to_string();
            match schema.check(&text, DEPTH_MAX) {
                Ok(()) => return Ok((value, text)),
                Err(violations) => last = first_of(&violations),
            }
        }
        let dataschema = schema.dataschema().to_owned();
        Err(Error::Unsatisfied {
            dataschema,
            attempts: ATTEMPTS_MAX,
            last,
        })
    }

    fn attempt(&mut self, schema: &'a Schema, mood: Mood) -> Option<Value> {
        // References are already followed there, also those to documents that are no events' schemas.
        let root = Node {
            schema: schema.expanded(),
            base: uri(schema).into(),
        };
        Maker {
            documents: &self.documents,
            rng: &mut self.rng,
            mood,
        }
        .value(vec![root], 0)
    }
}

fn uri(schema: &Schema) -> String {
    format!(
        "headgate:///events/{}/{}.json",
        schema.name(),
        schema.version()
    )
}

/// Rich events first; what keeps failing is tried plainer, then fuller.
fn mood(attempt: u32) -> Mood {
    match attempt % 4 {
        0 | 1 if attempt < 4 => Mood {
            optional: 0.8,
            examples: 0.15,
        },
        0 | 1 => Mood {
            optional: 0.6,
            examples: 0.0,
        },
        2 => Mood {
            optional: 0.0,
            examples: 0.0,
        },
        _ => Mood {
            optional: 1.0,
            examples: 0.0,
        },
    }
}

fn first_of(violations: &[Violation]) -> String {
    violations
        .first()
        .map_or_else(|| "no reason given".to_owned(), Violation::to_string)
}
