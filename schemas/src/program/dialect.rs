//! The two dialects of JSON Schema and their keywords: what asserts, what annotates, where subschemas stand.

use serde_json::{Map, Value};

/// A version of JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Draft7,
    Draft202012,
}

/// What a keyword is to this implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Asserts, applies or identifies: compiled.
    Compiled,
    /// Says nothing about validity; its value has this type.
    Annotation(Shape),
    /// Part of the dialect, but not supported, for this reason.
    Unsupported(&'static str),
    /// Not part of the dialect.
    Unknown,
}

/// The type of an annotation's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Any,
    Text,
    Flag,
    List,
}

const BOTH: &[&str] = &[
    "$id",
    "$ref",
    "$schema",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "contains",
    "definitions",
    "else",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "if",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "oneOf",
    "pattern",
    "patternProperties",
    "properties",
    "propertyNames",
    "required",
    "then",
    "type",
    "uniqueItems",
];
const ONLY_DRAFT7: &[&str] = &["additionalItems", "dependencies"];
const ONLY_2020_12: &[&str] = &[
    "$anchor",
    "$defs",
    "dependentRequired",
    "dependentSchemas",
    "maxContains",
    "minContains",
    "prefixItems",
];
const UNSUPPORTED: &[(&str, &str)] = &[
    (
        "$dynamicAnchor",
        "dynamic references are not supported; use $anchor",
    ),
    (
        "$dynamicRef",
        "dynamic references are not supported; use $ref",
    ),
    ("$vocabulary", "custom vocabularies are not supported"),
    ("contentSchema", "the content of strings is not validated"),
    ("unevaluatedItems", "not supported; use items"),
    (
        "unevaluatedProperties",
        "not supported; use additionalProperties",
    ),
];

impl Dialect {
    /// The dialect that a `$schema` names.
    pub(super) fn of_uri(uri: &str) -> Option<Self> {
        match uri.strip_suffix('#').unwrap_or(uri) {
            "https://json-schema.org/draft/2020-12/schema" => Some(Self::Draft202012),
            "http://json-schema.org/draft-07/schema"
            | "https://json-schema.org/draft-07/schema" => Some(Self::Draft7),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Draft7 => "draft-07",
            Self::Draft202012 => "2020-12",
        }
    }

    pub(super) fn role(self, keyword: &str) -> Role {
        let only = match self {
            Self::Draft7 => ONLY_DRAFT7,
            Self::Draft202012 => ONLY_2020_12,
        };
        if BOTH.contains(&keyword) || only.contains(&keyword) {
            return Role::Compiled;
        }
        match keyword {
            "$comment" | "title" | "description" | "contentEncoding" | "contentMediaType" => {
                Role::Annotation(Shape::Text)
            }
            "readOnly" | "writeOnly" => Role::Annotation(Shape::Flag),
            "deprecated" => Role::Annotation(Shape::Flag),
            "examples" => Role::Annotation(Shape::List),
            "default" => Role::Annotation(Shape::Any),
            _ if keyword.starts_with("x-") => Role::Annotation(Shape::Any),
            _ => match UNSUPPORTED.iter().find(|(name, _)| *name == keyword) {
                Some((_, reason)) if self == Self::Draft202012 => Role::Unsupported(reason),
                _ => Role::Unknown,
            },
        }
    }

    /// Every subschema directly below `schema`: its pointer relative to it, and the subschema.
    pub(super) fn children(self, schema: &Map<String, Value>) -> Vec<(String, &Value)> {
        let mut found = Vec::new();
        for (keyword, value) in schema {
            if self.role(keyword) != Role::Compiled {
                continue;
            }
            match (keyword.as_str(), value) {
                ("allOf" | "anyOf" | "oneOf" | "prefixItems", Value::Array(list)) => {
                    push_list(keyword, list, &mut found);
                }
                ("items", Value::Array(list)) if self == Self::Draft7 => {
                    push_list(keyword, list, &mut found);
                }
                (
                    "properties" | "patternProperties" | "$defs" | "definitions"
                    | "dependentSchemas" | "dependencies",
                    Value::Object(map),
                ) => {
                    let each = map.iter().filter(|(_, child)| !child.is_array());
                    found.extend(
                        each.map(|(name, child)| (format!("/{keyword}/{}", escape(name)), child)),
                    );
                }
                (
                    "additionalProperties"
                    | "propertyNames"
                    | "contains"
                    | "not"
                    | "if"
                    | "then"
                    | "else"
                    | "items"
                    | "additionalItems",
                    child,
                ) => found.push((format!("/{keyword}"), child)),
                _ => {}
            }
        }
        found
    }
}

fn push_list<'s>(keyword: &str, list: &'s [Value], found: &mut Vec<(String, &'s Value)>) {
    let each = list.iter().enumerate();
    found.extend(each.map(|(i, child)| (format!("/{keyword}/{i}"), child)));
}

/// A step of a JSON pointer as the name that it stands for.
pub(crate) fn unescape(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

/// Escapes one token of a JSON pointer (RFC 6901).
pub(crate) fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}
