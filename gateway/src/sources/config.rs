//! `[sources.<name>]`: who may send, with which write keys, and what holds for their events.

use std::collections::{BTreeMap, HashMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{enrich, protocol};

/// The `[sources]` section: the sources by their names. With none, everyone may send, with any write key or none.
pub type Config = BTreeMap<String, Source>;

/// The `[sources.<name>]` section: one app, site or service that sends events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Source {
    /// Its write keys, at least one. To rotate, add the new one, change the clients, and remove the old one. Snowplow's
    /// trackers show none: for them the id of their application (`appId`) is one.
    pub keys: Vec<String>,
    /// Protocols that it may send by: `native`, `segment` (RudderStack's SDKs too), `snowplow`, `webhook`. Default: all of them.
    pub protocols: Vec<String>,
    /// Origins that browsers may send from, as `https://shop.example`, or `*` for all. Default `["*"]`. Requests without
    /// an `Origin`, which are no browser's, are not held against it.
    pub origins: Vec<String>,
    /// What becomes of SDKs' track calls that no schema describes: `capture` lands them in `tracks`, with their
    /// properties as JSON, `strict` rejects them; so too of self-describing events and entities of Snowplow's trackers, where
    /// the schemas have a folder `_iglu`. Default `capture`.
    pub policy: Policy,
    /// Events a second that one gateway takes of it, for bursts twice as many; over it requests get a 429 with
    /// `Retry-After`. 0: as many as come. Default 0.
    pub events_per_s_max: u32,
    /// Events a day (UTC) that one gateway takes of it, counted from its start; over it requests get a 429 until the
    /// next day. 0: as many as come. Default 0.
    pub events_per_day_max: u64,
    /// What the stream's records are partitioned by: `identity` (the user, else the anonymous user, else the subject,
    /// else the event's id), `anonymous_id` (else as `identity`) or `event_id`. Default `identity`.
    pub partition_by: PartitionBy,
    /// What is found out about its events beyond what they say. Default: nothing.
    pub enrich: enrich::Config,
}

impl Default for Source {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            protocols: protocol::ALL
                .iter()
                .map(|protocol| protocol.name().to_owned())
                .collect(),
            origins: vec!["*".to_owned()],
            policy: Policy::Capture,
            events_per_s_max: 0,
            events_per_day_max: 0,
            partition_by: PartitionBy::Identity,
            enrich: enrich::Config::default(),
        }
    }
}

/// What becomes of events that no schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// They land with their properties as JSON.
    Capture,
    /// They are rejected.
    Strict,
}

/// What the stream's records are partitioned by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartitionBy {
    /// Whose event it is.
    Identity,
    /// The device or browser.
    AnonymousId,
    /// Nothing that events share.
    EventId,
}

/// The longest key, in bytes.
const KEY_BYTES_MAX: usize = 256;
/// The shortest: a key that can be guessed is none.
const KEY_BYTES_MIN: usize = 8;

/// What is wrong with these settings: the key, dotted below `sources`, and what is allowed. Write keys are not repeated.
pub fn problems(config: &Config) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    let mut keys: HashMap<&str, &str> = HashMap::new();
    for (name, source) in config {
        if !source_name(name) {
            let reason = "a source's name has 1 to 64 lower-case letters, digits, `_` and `-`";
            problems.push((name.clone(), reason.to_owned()));
        }
        let mut problem = |setting: &str, reason: String| {
            problems.push((format!("{name}.{setting}"), reason));
        };
        if source.keys.is_empty() {
            problem(
                "keys",
                "is empty: a source without a key cannot send".to_owned(),
            );
        }
        for (at, key) in source.keys.iter().enumerate() {
            // Keys are told by their place: nobody's log should have them.
            let number = at + 1;
            if !(KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&key.len()) {
                let length = key.len();
                let reason = format!(
                    "key {number} has {length} bytes, must have {KEY_BYTES_MIN} to {KEY_BYTES_MAX}"
                );
                problem("keys", reason);
            } else if !key
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b':')
            {
                let reason = format!(
                    "key {number} must be printable ASCII without spaces and colons: it is a user's name in HTTP's \
                     authentication"
                );
                problem("keys", reason);
            }
            if let Some(other) = keys.insert(key, name) {
                let reason = format!("key {number} is a key of the source {other} already");
                problem("keys", reason);
            }
        }
        let mut seen = HashSet::new();
        for named in &source.protocols {
            if protocol::named(named).is_none() {
                let known: Vec<&str> = protocol::ALL.iter().map(|known| known.name()).collect();
                let reason = format!("has {named:?}, may have {}", known.join(", "));
                problem("protocols", reason);
            } else if !seen.insert(named) {
                problem("protocols", format!("has {named:?} twice"));
            }
        }
        for origin in &source.origins {
            if !is_origin(origin) {
                let reason = format!(
                    "has {origin:?}; an origin is scheme and host as browsers send them, like https://shop.example, or *"
                );
                problem("origins", reason);
            }
        }
    }
    problems
}

/// Whether a source may be called so.
pub(crate) fn source_name(name: &str) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-'
    };
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

/// RFC 6454, 6.2: scheme, host, port unless it is the scheme's own, nothing behind it.
fn is_origin(origin: &str) -> bool {
    let Some((scheme, host)) = origin.split_once("://") else {
        return origin == "*" || origin == "null";
    };
    let lower = |text: &str| !text.is_empty() && !text.bytes().any(|b| b.is_ascii_uppercase());
    lower(scheme) && lower(host) && !host.contains(['/', '?', '#', '@', '*'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_names_its_setting_and_no_key_is_repeated() {
        let source = |keys: &[&str]| Source {
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            ..Source::default()
        };
        let mut config = Config::new();
        config.insert("web".into(), source(&["secret-of-web", "short"]));
        config.insert("app".into(), source(&["secret-of-web", "with space in it"]));
        config.insert("Bad Name".into(), source(&[]));
        let web = config.get_mut("web").unwrap();
        web.protocols = vec!["segment".into(), "smoke".into(), "segment".into()];
        web.origins = vec![
            "https://shop.example".into(),
            "*".into(),
            "shop.example".into(),
            "https://shop.example/".into(),
        ];
        let found = problems(&config);
        let keys: Vec<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "Bad Name",
                "Bad Name.keys",
                "app.keys",
                "web.keys",
                "web.keys",
                "web.protocols",
                "web.protocols",
                "web.origins",
                "web.origins",
            ]
        );
        let said: Vec<&str> = found.iter().map(|(_, reason)| reason.as_str()).collect();
        assert!(!said.concat().contains("secret"), "{said:?}");
    }
}
