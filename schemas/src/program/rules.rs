//! The rules of one subschema, group by group: strings, numbers, constants, arrays, and what applies to the same value.

use serde_json::Value;

use super::compile::{Builder, Scope};
use super::dialect::Dialect;
use super::node::{Arrays, Bound, Branch, Constants, Contains, Id, Numbers, Strings};
use super::number::Number;
use super::read;
use crate::check::canonical;
use crate::format::Format;

/// Doubles beyond this are not used as limits of [`Numbers::quick`]: 2^53.
const QUICK_MAX: f64 = 9_007_199_254_740_992.0;
/// The empty range: every number is compared with care.
const NEVER_QUICK: (i64, i64) = (1, 0);

impl<'d> Builder<'d> {
    pub(super) fn strings(&mut self, scope: &Scope<'d>) -> Option<Strings> {
        let length_min = self.read(scope, "minLength", read::size);
        let length_max = self.read(scope, "maxLength", read::size);
        let pattern = self.read(scope, "pattern", read::text);
        let pattern = pattern.and_then(|source| {
            let found = self.patterns.id(source);
            found
                .map_err(|refused| self.refuse(&scope.place, "pattern", refused.to_string()))
                .ok()
        });
        let format = self.read(scope, "format", |value| {
            let name = read::text(value)?;
            Format::of_name(name).ok_or_else(|| {
                format!(
                    "{name:?} is not a format that is supported; use {}",
                    Format::names()
                )
            })
        });
        let strings = Strings {
            length_min: length_min.unwrap_or(0),
            length_max: length_max.unwrap_or(usize::MAX),
            pattern,
            format,
        };
        let says_nothing = strings.length_min == 0
            && strings.length_max == usize::MAX
            && strings.pattern.is_none()
            && strings.format.is_none();
        (!says_nothing).then_some(strings)
    }

    pub(super) fn numbers(&mut self, scope: &Scope<'d>) -> Option<Numbers> {
        let mut bounds = |inclusive, exclusive| {
            let mut found = Vec::new();
            for (keyword, exclusive) in [(inclusive, false), (exclusive, true)] {
                let limit = self.read(scope, keyword, read::number);
                found.extend(limit.map(|limit| Bound { limit, exclusive }));
            }
            found
        };
        let lower = bounds("minimum", "exclusiveMinimum");
        let upper = bounds("maximum", "exclusiveMaximum");
        let multiple_of = self.read(scope, "multipleOf", read::divisor);
        if lower.is_empty() && upper.is_empty() && multiple_of.is_none() {
            return None;
        }
        let quick = if multiple_of.is_some() {
            NEVER_QUICK
        } else {
            quick(&lower, &upper)
        };
        Some(Numbers {
            lower,
            upper,
            multiple_of,
            quick,
        })
    }

    pub(super) fn constants(&mut self, scope: &Scope<'d>) -> Box<[Constants]> {
        let mut found = Vec::new();
        if let Some(values) = self.read(scope, "enum", read::list) {
            found.push(constants("enum", values));
        }
        if let Some(value) = self.read(scope, "const", Ok) {
            found.push(constants("const", std::slice::from_ref(value)));
        }
        found.into_boxed_slice()
    }

    pub(super) fn arrays(&mut self, scope: &Scope<'d>) -> Option<Arrays> {
        let mut arrays = Arrays::open();
        let tuple = match scope.dialect {
            Dialect::Draft202012 => "prefixItems",
            Dialect::Draft7 => "items",
        };
        let is_tuple = matches!(scope.map.get(tuple), Some(Value::Array(_)));
        if is_tuple || scope.dialect == Dialect::Draft202012 {
            arrays.prefix = self.list_of_schemas(scope, tuple);
        }
        if scope.dialect == Dialect::Draft7 && is_tuple {
            arrays.items_keyword = "additionalItems";
        }
        arrays.items = self.child(scope, arrays.items_keyword).unwrap_or(Id::ANY);
        let min = self.read(scope, "minContains", read::size);
        let max = self.read(scope, "maxContains", read::size);
        arrays.contains = self.child(scope, "contains").map(|schema| Contains {
            schema,
            min: min.unwrap_or(1),
            max: max.unwrap_or(usize::MAX),
        });
        arrays.unique = self.read(scope, "uniqueItems", read::flag).unwrap_or(false);
        arrays.count_min = self.read(scope, "minItems", read::size).unwrap_or(0);
        arrays.count_max = self
            .read(scope, "maxItems", read::size)
            .unwrap_or(usize::MAX);
        let says_nothing = arrays.prefix.is_empty()
            && arrays.items == Id::ANY
            && arrays.contains.is_none()
            && !arrays.unique
            && arrays.count_min == 0
            && arrays.count_max == usize::MAX;
        (!says_nothing).then_some(arrays)
    }

    pub(super) fn branches(&mut self, scope: &Scope<'d>) -> Box<[Branch]> {
        let mut branches = Vec::new();
        if let Some(reference) = self.read(scope, "$ref", read::text) {
            match self.index.resolve(&scope.place, reference) {
                Ok(place) => branches.push(Branch::All(Box::new([self.id(place)]))),
                Err(reason) => self.refuse(&scope.place, "$ref", reason),
            }
        }
        for (keyword, branch) in [
            ("allOf", Branch::All as fn(Box<[Id]>) -> Branch),
            ("anyOf", Branch::Any),
            ("oneOf", Branch::One),
        ] {
            if scope.map.contains_key(keyword) {
                let ids = self.list_of_schemas(scope, keyword);
                branches.push(branch(ids));
            }
        }
        if let Some(id) = self.child(scope, "not") {
            branches.push(Branch::Not(id));
        }
        // Compiled even when there is no `if` to make them apply: what they hold is held to the same rules.
        let then = self.child(scope, "then").unwrap_or(Id::ANY);
        let otherwise = self.child(scope, "else").unwrap_or(Id::ANY);
        if let Some(test) = self.child(scope, "if") {
            branches.push(Branch::If {
                test,
                then,
                otherwise,
            });
        }
        branches.into_boxed_slice()
    }

    /// The schema under a keyword.
    pub(super) fn child(&mut self, scope: &Scope<'d>, keyword: &str) -> Option<Id> {
        self.read(scope, keyword, |_| Ok(()))?;
        Some(self.id(scope.below(keyword)))
    }

    fn list_of_schemas(&mut self, scope: &Scope<'d>, keyword: &str) -> Box<[Id]> {
        let list = self.read(scope, keyword, |value| {
            let list = read::list(value)?;
            // An empty tuple is harmless, and draft-07 allows it.
            if list.is_empty() && keyword != "items" {
                return Err("expected at least one schema".to_owned());
            }
            Ok(list)
        });
        (0..list.map_or(0, <[Value]>::len))
            .map(|i| self.id(scope.below(&format!("{keyword}/{i}"))))
            .collect()
    }
}

fn constants(keyword: &'static str, values: &[Value]) -> Constants {
    let is = |wanted: Value| values.contains(&wanted);
    let shown: Vec<String> = values.iter().map(Value::to_string).collect();
    Constants {
        keyword,
        strings: values
            .iter()
            .filter_map(Value::as_str)
            .map(Box::from)
            .collect(),
        numbers: values
            .iter()
            .filter_map(Value::as_number)
            .filter_map(Number::of_json)
            .collect(),
        null: is(Value::Null),
        yes: is(Value::Bool(true)),
        no: is(Value::Bool(false)),
        containers: values
            .iter()
            .filter(|value| value.is_array() || value.is_object())
            .map(canonical::of_value)
            .collect(),
        shown: shown.join(", "),
    }
}

/// The range of whole numbers within which no bound can fail, see [`Numbers::quick`].
fn quick(lower: &[Bound], upper: &[Bound]) -> (i64, i64) {
    let limit = |bound: &Bound| {
        let float = bound.limit.as_f64();
        (float.abs() < QUICK_MAX).then_some(float)
    };
    let (mut from, mut to) = (i64::MIN, i64::MAX);
    for bound in lower {
        let Some(float) = limit(bound) else {
            return NEVER_QUICK;
        };
        let first = if bound.exclusive {
            float.floor() + 1.0
        } else {
            float.ceil()
        };
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        let first = first as i64;
        from = from.max(first);
    }
    for bound in upper {
        let Some(float) = limit(bound) else {
            return NEVER_QUICK;
        };
        let last = if bound.exclusive {
            float.ceil() - 1.0
        } else {
            float.floor()
        };
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        let last = last as i64;
        to = to.min(last);
    }
    (from, to)
}
