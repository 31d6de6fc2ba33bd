//! Bounds on numbers, lengths and counts: a bound that moves outwards widens, one that moves inwards narrows.

use std::cmp::Ordering;

use serde_json::Value;

use super::{Comparison, Flat, Kind};

/// Upper bounds on counts; absent means none.
const UPPER: [&str; 3] = ["maxLength", "maxItems", "maxProperties"];

/// Lower bounds on counts; absent means 0.
const LOWER: [&str; 3] = ["minLength", "minItems", "minProperties"];

/// Whether a keyword is compared by a rule of its own; all others must be equal.
pub(super) fn has_rule(keyword: &str) -> bool {
    UPPER.contains(&keyword)
        || LOWER.contains(&keyword)
        || matches!(
            keyword,
            "type"
                | "enum"
                | "const"
                | "minimum"
                | "maximum"
                | "exclusiveMinimum"
                | "exclusiveMaximum"
                | "multipleOf"
                | "uniqueItems"
                | "pattern"
                | "format"
                | "items"
                | "prefixItems"
                | "additionalItems"
                | "additionalProperties"
        )
}

/// A bound in force: the keyword that sets it, where, and its value.
struct Bound<'a> {
    keyword: &'a str,
    at: String,
    value: f64,
    exclusive: bool,
}

impl Comparison<'_> {
    pub(super) fn limits(&mut self, old: &Flat<'_>, new: &Flat<'_>) {
        for keyword in UPPER {
            self.bound(count(old, keyword), count(new, keyword), Ordering::Less);
        }
        for keyword in LOWER {
            let positive = |flat| count(flat, keyword).filter(|bound| bound.value > 0.0);
            self.bound(positive(old), positive(new), Ordering::Greater);
        }
        let upper = |flat| tighter(flat, ["maximum", "exclusiveMaximum"], Ordering::Less);
        self.bound(upper(old), upper(new), Ordering::Less);
        let lower = |flat| tighter(flat, ["minimum", "exclusiveMinimum"], Ordering::Greater);
        self.bound(lower(old), lower(new), Ordering::Greater);
        self.multiple_of(old, new);
        self.unique_items(old, new);
    }

    /// `tighter` is how a tighter bound's value compares with a looser one's.
    fn bound(&mut self, old: Option<Bound<'_>>, new: Option<Bound<'_>>, tighter: Ordering) {
        match (old, new) {
            (None, None) => {}
            (None, Some(new)) => {
                let reason = format!("{} {} is new", new.keyword, new.value);
                self.report(&new.at, new.keyword, Kind::Added, true, reason);
            }
            (Some(old), None) => {
                let reason = format!("{} {} is gone: more is allowed now", old.keyword, old.value);
                self.report(&old.at, old.keyword, Kind::Removed, false, reason);
            }
            (Some(old), Some(new)) => {
                let order = new.value.total_cmp(&old.value);
                let order = if order.is_eq() && old.exclusive != new.exclusive {
                    if new.exclusive {
                        tighter
                    } else {
                        tighter.reverse()
                    }
                } else {
                    order
                };
                let moved = format!(
                    "{} {} is now {} {}",
                    old.keyword, old.value, new.keyword, new.value
                );
                if order == tighter {
                    self.report(&new.at, new.keyword, Kind::Narrowed, true, moved);
                } else if order.is_ne() {
                    self.report(&new.at, new.keyword, Kind::Widened, false, moved);
                }
            }
        }
    }

    fn multiple_of(&mut self, old: &Flat<'_>, new: &Flat<'_>) {
        match (count(old, "multipleOf"), count(new, "multipleOf")) {
            (None, Some(new)) => {
                let reason = format!("must be a multiple of {} now", new.value);
                self.report(&new.at, "multipleOf", Kind::Added, true, reason);
            }
            (Some(old), None) => {
                let reason = format!("need not be a multiple of {} any more", old.value);
                self.report(&old.at, "multipleOf", Kind::Removed, false, reason);
            }
            (Some(old), Some(new)) if old.value != new.value => {
                let widened = old.value % new.value == 0.0;
                let kind = if widened {
                    Kind::Widened
                } else {
                    Kind::Changed
                };
                let reason = format!("multipleOf {} is now {}", old.value, new.value);
                self.report(&new.at, "multipleOf", kind, !widened, reason);
            }
            _ => {}
        }
    }

    fn unique_items(&mut self, old: &Flat<'_>, new: &Flat<'_>) {
        let unique = |flat: &Flat<'_>| {
            let (at, value) = flat.keywords.get("uniqueItems")?;
            (**value == Value::Bool(true)).then(|| at.clone())
        };
        match (unique(old), unique(new)) {
            (None, Some(at)) => {
                let reason = "elements must differ now".to_owned();
                self.report(&at, "uniqueItems", Kind::Added, true, reason);
            }
            (Some(at), None) => {
                let reason = "elements may repeat now".to_owned();
                self.report(&at, "uniqueItems", Kind::Removed, false, reason);
            }
            _ => {}
        }
    }
}

fn count<'a>(flat: &Flat<'_>, keyword: &'a str) -> Option<Bound<'a>> {
    let (at, value) = flat.keywords.get(keyword)?;
    let value = value.as_f64()?;
    Some(Bound {
        keyword,
        at: at.clone(),
        value,
        exclusive: keyword.starts_with("exclusive"),
    })
}

/// Of an inclusive and an exclusive bound the one that is tighter.
fn tighter<'a>(flat: &Flat<'_>, keywords: [&'a str; 2], tighter: Ordering) -> Option<Bound<'a>> {
    match keywords.map(|keyword| count(flat, keyword)) {
        [Some(inclusive), Some(exclusive)] => {
            let looser = inclusive.value.total_cmp(&exclusive.value) == tighter;
            Some(if looser { inclusive } else { exclusive })
        }
        [inclusive, exclusive] => inclusive.or(exclusive),
    }
}
