//! A schema's shape: the types and names that columns are derived from, with references resolved and `allOf` merged.
//!
//! A shape says what can stand at a place, not all that is allowed there: bounds, patterns and conditions are the
//! validator's. Where a schema leaves more than one type open, or refers to itself, the shape is [`ShapeKind::Any`].

use serde_json::{Map, Value};

/// What can stand at one place of an event's data.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// The type.
    pub kind: ShapeKind,
    /// `null` may stand in its place.
    pub nullable: bool,
    /// The longest string allowed, in characters (Unicode code points): `maxLength`, or the longest of an `enum`.
    pub max_length: Option<u64>,
    /// `title`, for a person.
    pub title: Option<String>,
    /// `description`, for a person.
    pub description: Option<String>,
    /// The `x-` annotations as they stand, in declared order.
    pub annotations: Vec<(String, Value)>,
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// The member's key.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
    /// The object is invalid without it.
    pub required: bool,
}

/// The types of JSON as far as a schema fixes them.
#[derive(Debug, Clone, PartialEq)]
pub enum ShapeKind {
    /// `true` or `false`.
    Boolean,
    /// A number without a fraction.
    Integer,
    /// Any number.
    Number,
    /// A string.
    String {
        /// `format`, for instance `date-time`.
        format: Option<String>,
    },
    /// An object.
    Object {
        /// The declared members, in declared order.
        properties: Vec<Property>,
        /// Members beyond the declared ones are allowed, as JSON Schema does unless told otherwise
        /// (`additionalProperties`, `unevaluatedProperties`).
        open: bool,
    },
    /// An array.
    Array,
    /// Anything, or one of several types.
    Any,
}

impl Shape {
    /// The shape in which nothing is known.
    pub fn any() -> Self {
        Self {
            kind: ShapeKind::Any,
            nullable: true,
            max_length: None,
            title: None,
            description: None,
            annotations: Vec::new(),
        }
    }

    /// The shape of an expanded schema (see `expand`).
    pub(crate) fn of(expanded: &Value) -> Self {
        let mut facts = Facts::default();
        facts.gather(expanded);
        facts.shape()
    }
}

/// The types that an expanded schema allows.
pub(crate) fn types(expanded: &Value) -> Types {
    let mut facts = Facts::default();
    facts.gather(expanded);
    facts.types
}

/// Whether values of some of the types have other values in them, where types are named at all.
pub(crate) fn holds_others(types: Types) -> bool {
    types != EVERY && types & (OBJECT | ARRAY) != 0
}

/// A set of types, for a person: `integer or null`.
pub(crate) fn type_names(types: Types) -> String {
    let number = types & FRACTION != 0;
    let names = [
        (BOOLEAN, "boolean"),
        (FRACTION, "number"),
        (if number { 0 } else { INTEGER }, "integer"),
        (STRING, "string"),
        (OBJECT, "object"),
        (ARRAY, "array"),
        (NULL, "null"),
    ];
    let names: Vec<_> = names
        .iter()
        .filter(|(bit, _)| types & bit != 0)
        .map(|(_, name)| *name)
        .collect();
    match types {
        EVERY => "any type".to_owned(),
        0 => "nothing".to_owned(),
        _ => names.join(" or "),
    }
}

/// A set of JSON's types, one bit each; `number` is `INTEGER | FRACTION`.
pub(crate) type Types = u8;
pub(crate) const NULL: Types = 1;
const BOOLEAN: Types = 2;
const INTEGER: Types = 4;
const FRACTION: Types = 8;
const STRING: Types = 16;
const OBJECT: Types = 32;
const ARRAY: Types = 64;
const EVERY: Types = 127;

/// What the keywords seen so far say about one place.
#[derive(Debug, Clone)]
struct Facts {
    types: Types,
    format: Option<String>,
    max_length: Option<u64>,
    properties: Vec<(String, Facts)>,
    required: Vec<String>,
    closed: bool,
    /// A reference to something that this very place is part of: it cannot be unrolled.
    recursive: bool,
    title: Option<String>,
    description: Option<String>,
    annotations: Vec<(String, Value)>,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            types: EVERY,
            format: None,
            max_length: None,
            properties: Vec::new(),
            required: Vec::new(),
            closed: false,
            recursive: false,
            title: None,
            description: None,
            annotations: Vec::new(),
        }
    }
}

impl Facts {
    /// Adds what `schema` says: all that was gathered before holds as well.
    fn gather(&mut self, schema: &Value) {
        match schema {
            Value::Bool(false) => self.types = 0,
            Value::Object(keywords) => {
                self.gather_annotations(keywords);
                for (keyword, value) in keywords {
                    self.gather_keyword(keyword, value);
                }
            }
            _ => {}
        }
    }

    /// The first to say something wins: what stands beside a reference goes before what is referred to.
    fn gather_annotations(&mut self, keywords: &Map<String, Value>) {
        let text = |keyword: &str| {
            keywords
                .get(keyword)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        self.title = self.title.take().or_else(|| text("title"));
        self.description = self.description.take().or_else(|| text("description"));
        for (keyword, value) in keywords {
            let known = self.annotations.iter().any(|(name, _)| name == keyword);
            if keyword.starts_with("x-") && !known {
                self.annotations.push((keyword.clone(), value.clone()));
            }
        }
    }

    fn gather_keyword(&mut self, keyword: &str, value: &Value) {
        match (keyword, value) {
            ("type", Value::String(name)) => self.types &= named(name),
            ("type", Value::Array(names)) => {
                self.types &= names
                    .iter()
                    .filter_map(Value::as_str)
                    .map(named)
                    .fold(0, |a, b| a | b);
            }
            ("enum", Value::Array(values)) => self.gather_values(values),
            ("const", value) => self.gather_values(std::slice::from_ref(value)),
            ("format", Value::String(format)) => {
                self.format.get_or_insert_with(|| format.clone());
            }
            ("maxLength", value) => self.limit_length(value.as_f64().map(|length| length as u64)),
            ("properties", Value::Object(properties)) => {
                for (name, schema) in properties {
                    self.property(name).gather(schema);
                }
            }
            ("required", Value::Array(names)) => {
                self.required
                    .extend(names.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            ("additionalProperties" | "unevaluatedProperties", Value::Bool(false)) => {
                self.closed = true;
            }
            ("$ref", Value::String(_)) => self.recursive = true,
            ("$ref", schema) => self.gather(schema),
            ("allOf", Value::Array(schemas)) => {
                schemas.iter().for_each(|schema| self.gather(schema));
            }
            ("anyOf" | "oneOf", Value::Array(schemas)) => self.gather_alternatives(schemas),
            _ => {}
        }
    }

    fn property(&mut self, name: &str) -> &mut Facts {
        let at = self.properties.iter().position(|(known, _)| known == name);
        let at = at.unwrap_or_else(|| {
            self.properties.push((name.to_owned(), Facts::default()));
            self.properties.len() - 1
        });
        &mut self.properties[at].1
    }

    fn gather_values(&mut self, values: &[Value]) {
        self.types &= values.iter().map(type_of).fold(0, |a, b| a | b);
        let lengths = values
            .iter()
            .filter_map(Value::as_str)
            .map(|text| text.chars().count() as u64);
        self.limit_length(lengths.max());
    }

    fn limit_length(&mut self, length: Option<u64>) {
        self.max_length = match (self.max_length, length) {
            (Some(known), Some(length)) => Some(known.min(length)),
            (known, length) => known.or(length),
        };
    }

    /// One of several schemas holds. A choice between null and one other schema is that schema, nullable; of any
    /// other choice only the types count, and of strings what all alternatives agree on.
    fn gather_alternatives(&mut self, schemas: &[Value]) {
        let branches: Vec<Facts> = schemas
            .iter()
            .map(|schema| {
                let mut facts = Facts::default();
                facts.gather(schema);
                facts
            })
            .collect();
        let (null, others): (Vec<_>, Vec<_>) =
            branches.iter().partition(|facts| facts.types == NULL);
        let null = if null.is_empty() { 0 } else { NULL };
        if let [only] = others.as_slice() {
            let types = self.types & (only.types | null);
            self.merge(only);
            self.types = types;
            return;
        }
        self.types &= branches
            .iter()
            .map(|facts| facts.types)
            .fold(0, |a, b| a | b);
        self.recursive |= others.iter().any(|facts| facts.recursive);
        let longest = others
            .iter()
            .map(|facts| facts.max_length)
            .collect::<Option<Vec<_>>>();
        self.limit_length(longest.and_then(|lengths| lengths.into_iter().max()));
        if let Some((first, rest)) = others.split_first()
            && rest.iter().all(|facts| facts.format == first.format)
        {
            self.format = self.format.take().or_else(|| first.format.clone());
        }
    }

    /// Adds what `other` says, gathered elsewhere.
    fn merge(&mut self, other: &Facts) {
        self.types &= other.types;
        self.format = self.format.take().or_else(|| other.format.clone());
        self.limit_length(other.max_length);
        for (name, facts) in &other.properties {
            self.property(name).merge(facts);
        }
        self.required.extend(other.required.iter().cloned());
        self.closed |= other.closed;
        self.recursive |= other.recursive;
        self.title = self.title.take().or_else(|| other.title.clone());
        self.description = self
            .description
            .take()
            .or_else(|| other.description.clone());
        for (name, value) in &other.annotations {
            if !self.annotations.iter().any(|(known, _)| known == name) {
                self.annotations.push((name.clone(), value.clone()));
            }
        }
    }

    fn shape(self) -> Shape {
        // `properties` without `type` allows any other type too, but says what is meant.
        let meant = if self.types == EVERY && !self.properties.is_empty() {
            OBJECT
        } else {
            self.types
        };
        let kind = match meant & !NULL {
            _ if self.recursive => ShapeKind::Any,
            BOOLEAN => ShapeKind::Boolean,
            INTEGER => ShapeKind::Integer,
            FRACTION => ShapeKind::Number,
            types if types == INTEGER | FRACTION => ShapeKind::Number,
            STRING => ShapeKind::String {
                format: self.format,
            },
            OBJECT => ShapeKind::Object {
                properties: self
                    .properties
                    .into_iter()
                    .map(|(name, facts)| Property {
                        required: self.required.contains(&name),
                        name,
                        shape: facts.shape(),
                    })
                    .collect(),
                open: !self.closed,
            },
            ARRAY => ShapeKind::Array,
            _ => ShapeKind::Any,
        };
        Shape {
            max_length: self
                .max_length
                .filter(|_| matches!(kind, ShapeKind::String { .. })),
            kind,
            nullable: self.types & NULL != 0,
            title: self.title,
            description: self.description,
            annotations: self.annotations,
        }
    }
}

fn named(name: &str) -> Types {
    match name {
        "null" => NULL,
        "boolean" => BOOLEAN,
        "integer" => INTEGER,
        "number" => INTEGER | FRACTION,
        "string" => STRING,
        "object" => OBJECT,
        "array" => ARRAY,
        _ => 0,
    }
}

fn type_of(value: &Value) -> Types {
    match value {
        Value::Null => NULL,
        Value::Bool(_) => BOOLEAN,
        // 1.0 is an integer to JSON Schema.
        Value::Number(number) => match number.as_f64() {
            Some(number) if number.fract() != 0.0 => FRACTION,
            _ => INTEGER,
        },
        Value::String(_) => STRING,
        Value::Array(_) => ARRAY,
        Value::Object(_) => OBJECT,
    }
}

#[cfg(test)]
mod tests;
