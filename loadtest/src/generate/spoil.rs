//! Valid events made invalid in the ways in which real ones are.

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use serde_json::Value;

/// One way of making an event invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Spoil {
    /// A required property is left out.
    MissingRequired,
    /// A value of another type.
    WrongType,
    /// A number below its minimum.
    BelowMinimum,
    /// A text that its `enum` or `const` does not list.
    BrokenEnum,
    /// An event type that no schema describes.
    UnknownType,
    /// Invalid in another way than was tried.
    Other,
}

impl Spoil {
    /// The ways that change an event's data.
    pub const OF_DATA: [Spoil; 4] = [
        Spoil::MissingRequired,
        Spoil::WrongType,
        Spoil::BelowMinimum,
        Spoil::BrokenEnum,
    ];

    /// The schema keywords that object to it.
    pub fn keywords(self) -> &'static [&'static str] {
        match self {
            Spoil::MissingRequired => &["required"],
            Spoil::WrongType => &["type"],
            Spoil::BelowMinimum => &["minimum", "exclusiveMinimum"],
            Spoil::BrokenEnum => &["enum", "const"],
            Spoil::UnknownType | Spoil::Other => &[],
        }
    }

    /// A copy of `valid` with this change at a random place; none when there is no fitting place.
    pub(super) fn apply(self, valid: &Value, rng: &mut Xoshiro256PlusPlus) -> Option<Value> {
        let mut places = Vec::new();
        collect(valid, &mut String::new(), &mut |pointer, value| {
            if self.fits(pointer, value) {
                places.push(pointer.to_owned());
            }
        });
        if places.is_empty() {
            return None;
        }
        let place = &places[rng.random_range(0..places.len())];
        let mut spoiled = valid.clone();
        if self == Spoil::MissingRequired {
            let (parent, name) = place.rsplit_once('/')?;
            let name = name.replace("~1", "/").replace("~0", "~");
            spoiled
                .pointer_mut(parent)?
                .as_object_mut()?
                .remove(&name)?;
            return Some(spoiled);
        }
        let target = spoiled.pointer_mut(place)?;
        *target = match self {
            Spoil::BelowMinimum => Value::from(-(1_i64 << 40) - rng.random_range(0_i64..1_000)),
            Spoil::BrokenEnum => {
                Value::from(format!("no such value {}", rng.random_range(0..1_000)))
            }
            _ if target.is_string() => Value::from(rng.random_range(0..1_000)),
            _ => Value::from("not of this type"),
        };
        Some(spoiled)
    }

    fn fits(self, pointer: &str, value: &Value) -> bool {
        match self {
            Spoil::MissingRequired => !pointer.is_empty(),
            Spoil::WrongType => !pointer.is_empty(),
            Spoil::BelowMinimum => value.is_number(),
            Spoil::BrokenEnum => value.is_string(),
            Spoil::UnknownType | Spoil::Other => false,
        }
    }
}

fn collect(value: &Value, pointer: &mut String, found: &mut impl FnMut(&str, &Value)) {
    found(pointer, value);
    let length = pointer.len();
    let mut child = |step: &str, value: &Value| {
        pointer.push('/');
        pointer.push_str(step);
        collect(value, pointer, found);
        pointer.truncate(length);
    };
    match value {
        Value::Object(map) => map
            .iter()
            .for_each(|(name, value)| child(&name.replace('~', "~0").replace('/', "~1"), value)),
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(at, value)| child(&at.to_string(), value));
        }
        _ => {}
    }
}
