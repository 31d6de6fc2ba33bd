//! Which JSON types a value may have, and which one it gets.

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use serde_json::Value;

use super::facets::Facets;

/// A JSON Schema type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

const NAMES: [(&str, Kind); 7] = [
    ("null", Kind::Null),
    ("boolean", Kind::Boolean),
    ("integer", Kind::Integer),
    ("number", Kind::Number),
    ("string", Kind::String),
    ("array", Kind::Array),
    ("object", Kind::Object),
];

/// Keywords that only say something about one kind: without a `type`, they tell which kind is meant.
const HINTS: [(Kind, &[&str]); 4] = [
    (
        Kind::Object,
        &[
            "properties",
            "required",
            "additionalProperties",
            "patternProperties",
            "minProperties",
        ],
    ),
    (
        Kind::Array,
        &[
            "items",
            "prefixItems",
            "minItems",
            "contains",
            "uniqueItems",
        ],
    ),
    (
        Kind::String,
        &["pattern", "format", "minLength", "maxLength"],
    ),
    (
        Kind::Number,
        &[
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "multipleOf",
        ],
    ),
];

/// Nulls where another type is allowed too: rare, as in real events.
const NULL_SHARE: f64 = 0.1;

impl Kind {
    fn named(name: &str) -> Option<Kind> {
        NAMES
            .iter()
            .find(|(other, _)| *other == name)
            .map(|(_, kind)| *kind)
    }

    /// Whether a value of this kind is also one of `other`, as integers are numbers.
    fn is(self, other: Kind) -> bool {
        self == other || (self == Kind::Integer && other == Kind::Number)
    }
}

/// The kind of one value to be made; none when the constraints leave none.
pub(super) fn choose(facets: &Facets<'_>, rng: &mut Xoshiro256PlusPlus) -> Option<Kind> {
    let mut allowed: Option<Vec<Kind>> = None;
    for types in facets.each("type") {
        let listed: Vec<Kind> = match types {
            Value::String(name) => Kind::named(name).into_iter().collect(),
            Value::Array(names) => names
                .iter()
                .filter_map(Value::as_str)
                .filter_map(Kind::named)
                .collect(),
            _ => return None,
        };
        allowed = Some(match allowed {
            None => listed,
            Some(before) => both(&before, &listed),
        });
    }
    let allowed = match allowed {
        Some(allowed) => allowed,
        None => return Some(hinted(facets).unwrap_or_else(|| any_scalar(rng))),
    };
    let null = allowed.contains(&Kind::Null);
    let others: Vec<Kind> = allowed
        .into_iter()
        .filter(|kind| *kind != Kind::Null)
        .collect();
    if null && (others.is_empty() || rng.random_bool(NULL_SHARE)) {
        return Some(Kind::Null);
    }
    if others.is_empty() {
        None
    } else {
        Some(others[rng.random_range(0..others.len())])
    }
}

fn both(left: &[Kind], right: &[Kind]) -> Vec<Kind> {
    let narrower = |one: &[Kind], other: &[Kind]| -> Vec<Kind> {
        one.iter()
            .copied()
            .filter(|kind| other.iter().any(|wide| kind.is(*wide)))
            .collect()
    };
    let mut kinds = narrower(left, right);
    kinds.extend(
        narrower(right, left)
            .into_iter()
            .filter(|kind| !left.contains(kind)),
    );
    kinds
}

fn hinted(facets: &Facets<'_>) -> Option<Kind> {
    let hints = |keywords: &[&'static str]| keywords.iter().any(|keyword| facets.has(keyword));
    HINTS
        .iter()
        .find(|(_, keywords)| hints(keywords))
        .map(|(kind, _)| *kind)
}

fn any_scalar(rng: &mut Xoshiro256PlusPlus) -> Kind {
    [Kind::Boolean, Kind::Integer, Kind::Number, Kind::String][rng.random_range(0..4)]
}
