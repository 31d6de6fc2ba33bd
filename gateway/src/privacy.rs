//! The annotation `x-pii` carried out: values are dropped, hashed or masked before an event leaves the gateway, taken or
//! rejected. `docs/privacy.md` says what that covers.

use std::{fmt, fs, io, path::PathBuf};

use headgate_schemas::{
    event::{Data, Event},
    privacy::{Apply, Hasher},
    registry::Registry,
    schema::Schema,
    sdk::{PROPERTIES, SNOWPLOW_EVENT},
    walk::{Cursor, Syntax},
};
use hmac::{Hmac, KeyInit, Mac};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::protocol::{self, snowplow};

pub(crate) mod described;
mod rejected;

pub(crate) use self::described::Described;
pub(crate) use self::rejected::Kept;

/// The shortest key, in bytes: as many as a hash has.
pub const HASH_KEY_BYTES_MIN: usize = 32;

/// The mask as a JSON text.
const MASKED: &str = "\"***\"";

/// The `[privacy]` section.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The secret that values with `"x-pii": "hash"` are hashed with (HMAC-SHA-256), at least 32 bytes. Schemas that hash
    /// are refused without one. All gateways need the same. With another key all hashes are others.
    pub hash_key: Option<Secret>,
    /// A file with that secret, read at the start; white space at its end does not count.
    pub hash_key_file: Option<PathBuf>,
    /// Rejected events whose payload is not kept, where any schema has `x-pii`: `nothing`; `unreadable`, those that are no
    /// JSON or say twice what they are, so that nobody can tell what is in them; `unknown`, those and the ones that no
    /// schema describes. Default `unreadable`.
    pub withhold: Withhold,
}

/// Rejected events whose payload is not kept.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Withhold {
    /// None.
    Nothing,
    /// Those that are no JSON.
    #[default]
    Unreadable,
    /// Those, and the ones that no schema describes.
    Unknown,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

impl Config {
    /// What is wrong with these settings: the key below the section, and what is allowed.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if let Some(Secret(key)) = &self.hash_key {
            if key.len() < HASH_KEY_BYTES_MIN {
                let reason = format!(
                    "has {} bytes, must have at least {HASH_KEY_BYTES_MIN}",
                    key.len()
                );
                problems.push(("hash_key", reason));
            }
            if self.hash_key_file.is_some() {
                let reason = "and `hash_key` are both set: leave one of them out";
                problems.push(("hash_key_file", reason.to_owned()));
            }
        }
        problems
    }
}

/// Why values cannot be hidden as the schemas say.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key's file cannot be read.
    #[error("privacy.hash_key_file: cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file's key can be guessed.
    #[error(
        "privacy.hash_key_file: {path} has {bytes} bytes, must have at least {HASH_KEY_BYTES_MIN}"
    )]
    Short {
        /// The file.
        path: String,
        /// As many as it has.
        bytes: usize,
    },
    /// Schemas hash, and there is nothing to hash with.
    #[error(
        "{schemas} {} \"x-pii\": \"hash\", which needs a key: set privacy.hash_key or privacy.hash_key_file, at least \
         {HASH_KEY_BYTES_MIN} bytes",
        if *.more { "have" } else { "has" }
    )]
    NoKey {
        /// Their names.
        schemas: String,
        /// There are several.
        more: bool,
    },
}

/// Hides values.
#[derive(Clone, Default)]
pub struct Privacy {
    key: Option<Hmac<Sha256>>,
    withhold: Withhold,
}

impl fmt::Debug for Privacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Privacy")
            .field("withhold", &self.withhold)
            .finish_non_exhaustive()
    }
}

impl Privacy {
    /// By settings that have no [`problems`](Config::problems).
    ///
    /// # Errors
    /// The key's file cannot be read, or its key is too short.
    pub fn open(config: &Config) -> Result<Self, Error> {
        let key = match (&config.hash_key, &config.hash_key_file) {
            (Some(Secret(key)), _) => Some(key.clone().into_bytes()),
            (None, None) => None,
            (None, Some(path)) => {
                let (read, path) = (fs::read(path), path.display().to_string());
                let key = match read {
                    Ok(key) => key.trim_ascii_end().to_vec(),
                    Err(source) => return Err(Error::Read { path, source }),
                };
                if key.len() < HASH_KEY_BYTES_MIN {
                    let bytes = key.len();
                    return Err(Error::Short { path, bytes });
                }
                Some(key)
            }
        };
        Ok(Self {
            // HMAC takes keys of any length.
            key: key.and_then(|key| Hmac::new_from_slice(&key).ok()),
            withhold: config.withhold,
        })
    }

    /// Whether everything that the schemas hash can be hashed.
    ///
    /// # Errors
    /// The schemas that hash, when there is no key.
    pub fn check(&self, schemas: &Registry) -> Result<(), Error> {
        let hashing = schemas.hashing();
        match hashing.is_empty() || self.key.is_some() {
            true => Ok(()),
            false => Err(Error::NoKey {
                more: hashing.len() > 1,
                schemas: hashing.join(", "),
            }),
        }
    }

    /// An event's data without what nobody is to see; `None`: it may stay as it is. Attributes that are called like an
    /// annotated property, and were most likely meant for the data, are masked.
    pub(crate) fn accepted(
        &self,
        reading: &protocol::Rules<'_>,
        schema: &Schema,
        event: &mut Event<'_>,
    ) -> Option<String> {
        let iglu = reading.schemas.iglu();
        let describes = iglu.private() && schema.name() == SNOWPLOW_EVENT;
        if schema.privacy().is_none() && !describes {
            return None;
        }
        if let Some(plan) = schema.privacy() {
            let extensions = event.extensions.iter_mut();
            for (_, value) in extensions.filter(|(name, _)| plan.concerns(name)) {
                *value = MASKED;
            }
        }
        let Data::Json(data) = event.data else {
            return None;
        };
        let plan = schema.privacy().and_then(|plan| plan.without(reading.done));
        let plan = plan.as_deref();
        let hash = |value: &[u8]| self.hash(value);
        let hash = self.hasher(&hash);
        let mut apply = Apply::new(data, hash);
        // The schemas that are built in refuse nothing.
        apply.doubt(schema.sdk_call() || schema.track());
        let mut cursor = Cursor::new(data, u32::MAX);
        let applied = if schema.name() == SNOWPLOW_EVENT {
            let mut described = Described::new(iglu, reading.done);
            snowplow::hide_event(&mut apply, &mut cursor, plan, &mut described, hash)
        } else if schema.track() {
            apply.object(&mut cursor, |apply, name, cursor| {
                apply.doubt(name != PROPERTIES);
                apply.member(plan, name, cursor)
            })
        } else {
            plan.map_or(Ok(()), |plan| apply.data(plan, &mut cursor))
        };
        // It was found to be JSON before. Were it none, nothing of it should be seen.
        applied.map_or_else(|_: Syntax| Some("{}".to_owned()), |()| apply.finish())
    }

    /// 64 hexadecimal digits.
    fn hash(&self, value: &[u8]) -> String {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let Some(mut mac) = self.key.clone() else {
            return String::new();
        };
        mac.update(value);
        let hash = mac.finalize().into_bytes();
        let digits = hash.iter().flat_map(|byte| [byte >> 4, byte & 0xF]);
        digits
            .map(|digit| char::from(HEX[usize::from(digit)]))
            .collect()
    }

    /// Without a key values are masked: [`Privacy::check`] was not asked, as in a test.
    fn hasher<'h>(&self, hash: &'h dyn Fn(&[u8]) -> String) -> Hasher<'h> {
        self.key.is_some().then_some(hash)
    }
}

/// What was hidden in an event when a gateway took it: the places that the schema in its envelope annotates.
pub fn hidden(schemas: &Registry, event: &Event<'_>) -> Vec<String> {
    let schema = event
        .dataschema
        .as_deref()
        .and_then(|name| schemas.resolve(&event.kind, Some(name)).ok());
    let plan = schema.and_then(|schema| schema.privacy());
    let own = plan.into_iter().flat_map(|plan| plan.places());
    let mut paths: Vec<String> = own.map(|place| place.path.clone()).collect();
    if event.kind == SNOWPLOW_EVENT {
        paths.extend(schemas.iglu().places());
    }
    paths
}
