//! `pattern`: ECMA-262 regular expressions that run in time linear in the input.
//!
//! A pattern becomes, in this order of preference, a sequence of byte classes (most patterns of event schemas are one:
//! `^sku-[0-9]{6}$`), a dense automaton, or a lazy one. Look-around and back-references, which no automaton has, are
//! refused when the schema is loaded.

mod ecma;
mod sequence;

use regex_automata::Input;
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::meta;
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;

use sequence::Sequence;

/// Memory that one compiled pattern's state machine may take.
const NFA_BYTES_MAX: usize = 1 << 20;
/// Memory up to which a pattern is compiled ahead into a dense automaton.
const DFA_BYTES_MAX: usize = 1 << 18;

/// Why a pattern is not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Not a regular expression of ECMA-262 in unicode mode.
    #[error("not an ECMA-262 regular expression: {0}")]
    Syntax(String),
    /// A feature that needs backtracking.
    #[error("{0} cannot run in linear time and is not supported")]
    Unsupported(&'static str),
    /// The state machine would exceed [`NFA_BYTES_MAX`].
    #[error("too large: compiled it would take more than {NFA_BYTES_MAX} bytes")]
    Size,
}

/// One compiled pattern.
#[derive(Debug)]
pub(crate) struct Pattern {
    source: Box<str>,
    matcher: Matcher,
}

#[derive(Debug)]
enum Matcher {
    Sequence(Sequence),
    Dense(Box<dense::DFA<Vec<u32>>>),
    Lazy(Box<meta::Regex>),
}

impl Pattern {
    pub(crate) fn new(source: &str) -> Result<Self, Error> {
        let translated = ecma::translate(source)?;
        if let Some(feature) = translated.unsupported {
            return Err(Error::Unsupported(feature));
        }
        let config = syntax::Config::new().utf8(false);
        let hir = syntax::parse_with(&translated.rust, &config)
            .map_err(|error| Error::Syntax(error.to_string()))?;
        let matcher = match Sequence::of(&hir) {
            Some(sequence) => Matcher::Sequence(sequence),
            None => automaton(&translated.rust, config)?,
        };
        Ok(Self {
            source: source.into(),
            matcher,
        })
    }

    /// The pattern as the schema has it.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Whether the pattern matches anywhere in the text.
    #[inline]
    pub(crate) fn matches(&self, text: &str) -> bool {
        match &self.matcher {
            Matcher::Sequence(sequence) => sequence.matches(text.as_bytes()),
            // A search fails only on bytes that make an automaton quit: these have none.
            Matcher::Dense(dfa) => dfa
                .try_search_fwd(&Input::new(text).earliest(true))
                .is_ok_and(|found| found.is_some()),
            Matcher::Lazy(regex) => regex.is_match(text),
        }
    }
}

fn automaton(pattern: &str, syntax: syntax::Config) -> Result<Matcher, Error> {
    let nfa = thompson::Config::new().nfa_size_limit(Some(NFA_BYTES_MAX));
    let dense = dense::Builder::new()
        .syntax(syntax)
        .thompson(nfa)
        .configure(
            dense::Config::new()
                .start_kind(StartKind::Unanchored)
                .dfa_size_limit(Some(DFA_BYTES_MAX))
                .determinize_size_limit(Some(4 * DFA_BYTES_MAX)),
        )
        .build(pattern);
    if let Ok(dfa) = dense {
        return Ok(Matcher::Dense(Box::new(dfa)));
    }
    meta::Builder::new()
        .syntax(syntax)
        .configure(
            meta::Config::new()
                .nfa_size_limit(Some(NFA_BYTES_MAX))
                .utf8_empty(false),
        )
        .build(pattern)
        .map(|regex| Matcher::Lazy(Box::new(regex)))
        .map_err(|_| Error::Size)
}

/// Whether the text is a regular expression of ECMA-262, supported as a `pattern` or not.
pub(crate) fn is_regex(text: &str) -> bool {
    ecma::translate(text).is_ok_and(|translated| {
        let config = syntax::Config::new().utf8(false);
        syntax::parse_with(&translated.rust, &config).is_ok()
    })
}

#[cfg(test)]
mod tests;
