//! Which browser, operating system and class of device a user agent's text tells of.
//!
//! Browsers and systems are known by the regular expressions of uap-core, as most who read user agents know them; the crate
//! `ua-parser` tries those alone that can match. What was found is kept for texts that come again, since most do.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use lru::LruCache;
use serde::Deserialize;
use ua_parser::{os, user_agent};

use super::class::Class;

/// `gateway/data/uap-core/README.md` says where they come from.
const REGEXES: &str = include_str!("../../data/uap-core/regexes.json");

/// Texts of which is kept what they tell: with the longest ones about 6 MB.
const KEPT: NonZeroUsize = match NonZeroUsize::new(4096) {
    Some(kept) => kept,
    None => NonZeroUsize::MIN,
};

/// Longer texts are not read: real ones are shorter, and expressions cost more with them.
const TEXT_BYTES_MAX: usize = 1000;

/// Why user agents cannot be read: a defect of the binary, as its tests would tell.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The expressions are not in the form that they should be in.
    #[error("the expressions for user agents cannot be read: {0}")]
    Form(#[from] serde_json::Error),
    /// One of them is none.
    #[error("the expressions for user agents cannot be compiled: {0}")]
    Expression(#[from] ua_parser::Error),
}

/// A browser or a system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    /// As far as it is told: numbers with dots between them.
    pub(super) version: Option<String>,
    /// Name and version, as people say them.
    pub(super) full: String,
}

impl Named {
    /// `called_by`: how many parts of the version its users call it by.
    fn new(name: &str, parts: [Option<&str>; 4], called_by: usize) -> Option<Self> {
        if name.is_empty() || name == "Other" {
            return None;
        }
        let told = parts
            .iter()
            .map_while(|part| part.filter(|part| !part.is_empty()));
        let told: Vec<&str> = told.collect();
        let joined = |count: usize| {
            let parts = &told[..count.min(told.len())];
            (!parts.is_empty()).then(|| parts.join("."))
        };
        Some(Self {
            name: name.to_owned(),
            version: joined(told.len()),
            full: match joined(called_by) {
                Some(short) => format!("{name} {short}"),
                None => name.to_owned(),
            },
        })
    }
}

/// What a text tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Agent {
    pub(super) browser: Option<Named>,
    pub(super) os: Option<Named>,
    pub(super) class: Option<Class>,
}

/// Reads user agents.
pub(crate) struct Agents {
    browsers: user_agent::Extractor<'static>,
    systems: os::Extractor<'static>,
    kept: Mutex<LruCache<Box<str>, Arc<Agent>>>,
}

impl fmt::Debug for Agents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agents").finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Regexes {
    user_agent_parsers: Vec<user_agent::Parser<'static>>,
    os_parsers: Vec<os::Parser<'static>>,
}

impl Agents {
    /// # Errors
    /// The expressions that are built in cannot be compiled.
    pub(super) fn new() -> Result<Self, Error> {
        let regexes: Regexes = serde_json::from_str(REGEXES)?;
        let (mut browsers, mut systems) = (
            regexes.user_agent_parsers.into_iter(),
            regexes.os_parsers.into_iter(),
        );
        let browsers = browsers.try_fold(user_agent::Builder::new(), user_agent::Builder::push)?;
        let systems = systems
            .try_fold(os::Builder::new(), os::Builder::push)
            .map_err(ua_parser::Error::from)?;
        Ok(Self {
            browsers: browsers.build().map_err(ua_parser::Error::from)?,
            systems: systems.build().map_err(ua_parser::Error::from)?,
            kept: Mutex::new(LruCache::new(KEPT)),
        })
    }

    /// What a text tells; nothing, if it is longer than any real one.
    pub(super) fn of(&self, text: &str) -> Arc<Agent> {
        if text.len() > TEXT_BYTES_MAX {
            return Arc::default();
        }
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept().get(text) {
            return Arc::clone(known);
        }
        // Read without the lock: a new text should not keep those waiting that are known.
        let agent = Arc::new(self.read(text));
        kept().put(text.into(), Arc::clone(&agent));
        agent
    }

    fn read(&self, text: &str) -> Agent {
        let browser = self.browsers.extract(text).and_then(|found| {
            let parts = [found.major, found.minor, found.patch, found.patch_minor];
            Named::new(&found.family, parts, 1)
        });
        let os = self.systems.extract(text).and_then(|found| {
            let parts = [
                found.major.as_deref(),
                found.minor.as_deref(),
                found.patch.as_deref(),
                found.patch_minor.as_deref(),
            ];
            Named::new(&found.os, parts, 2)
        });
        let class = Class::of(text);
        Agent { browser, os, class }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGE: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
        Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0";

    #[test]
    fn browser_system_and_class_are_told_from_the_text() {
        let agents = Agents::new().unwrap();
        let told = |text: &str| {
            let agent = agents.of(text);
            let full = |named: &Option<Named>| named.as_ref().map(|named| named.full.clone());
            (full(&agent.browser), full(&agent.os), agent.class)
        };
        let expect = |browser: &str, os: &str, class| {
            let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            (given(browser), given(os), class)
        };
        assert_eq!(
            told(EDGE),
            expect("Edge 142", "Windows 10", Some(Class::Desktop))
        );
        assert_eq!(
            told(
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                  Version/26.0 Mobile/15E148 Safari/604.1"
            ),
            expect("Mobile Safari 26", "iOS 18.6", Some(Class::Mobile))
        );
        assert_eq!(
            told(
                "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                  Version/17.5 Mobile/15E148 Safari/604.1"
            ),
            expect("Mobile Safari 17", "iOS 17.5", Some(Class::Tablet))
        );
        assert_eq!(
            told(
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 \
                  Chrome/130.0.0.0 Mobile Safari/537.36"
            ),
            expect("Samsung Internet 28", "Android 10", Some(Class::Mobile))
        );
        assert_eq!(
            told("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
            expect("Firefox 140", "Ubuntu", Some(Class::Desktop))
        );
        assert_eq!(
            told(
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)"
            ),
            expect("GPTBot 1", "", Some(Class::Robot))
        );
        assert_eq!(
            told("python-requests/2.32"),
            expect("Python Requests 2", "", None)
        );
        assert_eq!(told("analytics-node/3.1.0"), expect("", "", None));
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for_and_nothing_is_read_that_is_too_long() {
        let agents = Agents::new().unwrap();
        let first = agents.of(EDGE);
        assert!(Arc::ptr_eq(&first, &agents.of(EDGE)));
        for number in 0..KEPT.get() {
            agents.of(&format!("x{number}"));
        }
        assert_eq!(agents.kept.lock().unwrap().len(), KEPT.get());
        let again = agents.of(EDGE);
        assert!(!Arc::ptr_eq(&first, &again) && first == again);
        let long = format!("{EDGE}{}", " ".repeat(TEXT_BYTES_MAX));
        assert_eq!(*agents.of(&long), Agent::default());
    }
}
