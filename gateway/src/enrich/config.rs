//! `[sources.<name>.enrich]`: what is found out about a source's events beyond what they say.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[sources.<name>.enrich]` section: what the gateway adds to events of Segment's, RudderStack's and Snowplow's
/// SDKs. What an event says itself stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What becomes of the client's address (`context.ip`, `user_ipaddress`): `keep` adds it where the event has none;
    /// `truncate` does too, and cuts it, the event's own as well, to /24 (IPv4) or /48 (IPv6); `drop` adds none, and
    /// removes the event's own. Default: nothing is added, cut or removed.
    pub client_ip: Option<ClientIp>,
    /// Whether campaigns are read from the page's address: `utm_*` and ids of clicks. Default false.
    pub campaign: bool,
    /// Whether browser, operating system and class of device are read from the user agent. Default false.
    pub user_agent: bool,
    /// A file in MaxMind's format (`.mmdb`) that tells country, region, city, coordinates and time zone of addresses;
    /// read at the start and whenever sources are loaded again. Default: no place is looked up.
    pub geo_file: Option<PathBuf>,
}

impl Config {
    /// Whether nothing is asked for.
    pub(crate) fn is_off(&self) -> bool {
        *self == Self::default()
    }
}

/// What becomes of a client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientIp {
    /// It is added whole.
    Keep,
    /// It is added without its last part.
    Truncate,
    /// It is nowhere.
    Drop,
}
