//! Who sends: a source for each write key, and what holds for its events. Reloads replace all sources at once; what was
//! counted of a source stays.

pub mod config;
mod limit;

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};

pub use self::config::{Config, PartitionBy, Policy};
pub(crate) use self::limit::Limited;
use self::limit::Limiter;
use crate::enrich::{self, Enricher, Opener};

/// A key's SHA-256. Keys are looked up by it, so that how long that takes tells nothing of a key.
type KeyHash = [u8; 32];

/// Why a request is not taken from whoever sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    #[error(
        "no write key: it is the user's name in Authorization: Basic, the token in Authorization: Bearer, the header \
         X-Write-Key, the parameter writeKey, or in the body where the protocol has it there"
    )]
    Missing,
    #[error("the write key is not known")]
    Unknown,
    #[error("the write key is not for this protocol")]
    Protocol,
    #[error("the write key is not for pages of this origin")]
    Origin,
    #[error("the write key is of another source than the path")]
    Source,
}

/// A source of events.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its name: the `source` of its events that name none themselves.
    pub(crate) name: Arc<str>,
    pub(crate) policy: Policy,
    pub(crate) partition_by: PartitionBy,
    /// Finds out more about its events, if it asks for that.
    pub(crate) enricher: Option<Enricher>,
    protocols: Option<Vec<String>>,
    origins: Origins,
    limiter: Arc<Limiter>,
}

/// Where browsers may send from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origins {
    Any,
    These(Vec<String>),
}

impl Origins {
    fn of<'a>(listed: impl Iterator<Item = &'a String>) -> Self {
        let listed: Vec<String> = listed.cloned().collect();
        match listed.iter().any(|origin| origin == "*") {
            true => Self::Any,
            false => Self::These(listed),
        }
    }

    fn have(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::These(listed) => listed.iter().any(|listed| listed == origin),
        }
    }
}

impl Source {
    fn new(
        name: &str,
        config: &config::Source,
        limiter: Arc<Limiter>,
        enricher: Option<Enricher>,
    ) -> Self {
        Self {
            name: name.into(),
            policy: config.policy,
            partition_by: config.partition_by,
            enricher,
            protocols: Some(config.protocols.clone()),
            origins: Origins::of(config.origins.iter()),
            limiter,
        }
    }

    /// The source of everything, where none are set up.
    pub(crate) fn anonymous(name: &str) -> Self {
        Self {
            name: name.into(),
            policy: Policy::Capture,
            partition_by: PartitionBy::Identity,
            enricher: None,
            protocols: None,
            origins: Origins::Any,
            limiter: Arc::default(),
        }
    }

    /// Whether it may send by this protocol, from a page of this origin.
    pub(crate) fn admits(&self, protocol: &str, origin: Option<&str>) -> Result<(), Denied> {
        let named = |protocols: &Vec<String>| protocols.iter().any(|named| named == protocol);
        if !self.protocols.as_ref().is_none_or(named) {
            return Err(Denied::Protocol);
        }
        match origin {
            Some(origin) if !self.origins.have(origin) => Err(Denied::Origin),
            _ => Ok(()),
        }
    }

    /// Counts events that it has sent; an error: they are too many, and none of them counts.
    pub(crate) fn spend(&self, events: usize, now_micros: i64) -> Result<(), Limited> {
        self.limiter.spend(events as u64, now_micros)
    }

    /// Uncounts events that could not be taken after all: they come again.
    pub(crate) fn give_back(&self, events: u64) {
        self.limiter.give_back(events);
    }
}

/// All sources at one time.
#[derive(Debug)]
pub(crate) struct Sources {
    /// Where there are none: everyone is this one.
    anonymous: Option<Arc<Source>>,
    by_key: HashMap<KeyHash, Arc<Source>>,
    by_name: HashMap<Arc<str>, Arc<Source>>,
    /// Of all sources together: what a preflight, which shows no key, is held against.
    origins: Origins,
    opener: Opener,
}

impl Sources {
    fn new(
        config: &Config,
        source_default: &str,
        before: Option<&Self>,
    ) -> Result<Self, enrich::Error> {
        let (mut by_key, mut by_name) = (HashMap::new(), HashMap::new());
        let mut opener = before.map_or_else(Opener::default, |before| before.opener.next());
        for (name, source) in config {
            let known = before.and_then(|before| before.by_name.get(name.as_str()));
            let counted = known.map(|known| &*known.limiter);
            let limiter = Arc::new(Limiter::new(source, counted));
            let enricher = opener.open(name, &source.enrich)?;
            let made = Arc::new(Source::new(name, source, limiter, enricher));
            for key in &source.keys {
                by_key.insert(hash(key), Arc::clone(&made));
            }
            by_name.insert(Arc::clone(&made.name), made);
        }
        Ok(Self {
            opener,
            anonymous: config
                .is_empty()
                .then(|| Arc::new(Source::anonymous(source_default))),
            by_key,
            by_name,
            origins: match config.is_empty() {
                true => Origins::Any,
                false => Origins::of(config.values().flat_map(|source| &source.origins)),
            },
        })
    }

    /// Whose key that is; without one, and where sources are not set up, it may be anyone.
    pub(crate) fn of(&self, key: Option<&str>) -> Result<&Arc<Source>, Denied> {
        match (&self.anonymous, key) {
            (Some(anyone), _) => Ok(anyone),
            (None, None) => Err(Denied::Missing),
            (None, Some(key)) => self.by_key.get(&hash(key)).ok_or(Denied::Unknown),
        }
    }

    /// Whether anyone may send, without a key.
    pub(crate) fn open(&self) -> bool {
        self.anonymous.is_some()
    }

    /// The source of that name.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Source>> {
        self.by_name.get(name).or(self.anonymous.as_ref())
    }

    /// Whether a page of this origin may send at all.
    pub(crate) fn have_origin(&self, origin: &str) -> bool {
        self.origins.have(origin)
    }
}

fn hash(key: &str) -> KeyHash {
    Sha256::digest(key.as_bytes()).into()
}

/// The sources that requests are held against, and that a reload replaces.
#[derive(Debug)]
pub struct SharedSources {
    source_default: String,
    current: ArcSwap<Sources>,
}

impl SharedSources {
    /// Sources as configured, without [`problems`](config::problems); `source_default` is the name of everyone where there
    /// are none.
    ///
    /// # Errors
    /// What a source asks for cannot be had.
    pub fn new(config: &Config, source_default: &str) -> Result<Self, enrich::Error> {
        Ok(Self {
            source_default: source_default.to_owned(),
            current: ArcSwap::from_pointee(Sources::new(config, source_default, None)?),
        })
    }

    /// Replaces all of them; requests that have begun end with the ones they began with. Files that sources name are read
    /// again.
    ///
    /// # Errors
    /// What a source asks for cannot be had: all stay as they are.
    pub fn replace(&self, config: &Config) -> Result<(), enrich::Error> {
        let new = Sources::new(config, &self.source_default, Some(&self.load()))?;
        self.current.store(Arc::new(new));
        Ok(())
    }

    pub(crate) fn load(&self) -> Arc<Sources> {
        self.current.load_full()
    }
}

#[cfg(test)]
mod tests;
