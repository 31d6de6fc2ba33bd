//! Where every schema lives: documents, the resources that `$id` makes of parts of them, anchors, and the base URI
//! that a reference at each place resolves against.

use std::collections::HashMap;

use serde_json::Value;

use super::dialect::Dialect;
use super::uri;
use super::{Document, Refused};

/// A subschema's place: which document, and the JSON pointer into it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) document: usize,
    pub(super) pointer: String,
}

/// A part of a document with a URI of its own.
#[derive(Debug)]
struct Resource {
    uri: String,
    dialect: Option<Dialect>,
}

/// What one document holds.
#[derive(Debug, Default)]
struct Found {
    /// The places of its subschemas, outermost first.
    places: Vec<Place>,
    refused: Vec<Refused>,
}

/// All subschemas of all documents.
pub(super) struct Index<'d> {
    documents: Vec<&'d Document>,
    resources: Vec<Resource>,
    roots: HashMap<String, Place>,
    anchors: HashMap<(usize, String), Place>,
    /// Every place of a subschema, with its value and the resource that it is in.
    schemas: HashMap<Place, (&'d Value, usize)>,
    /// What was found in each document.
    found: Vec<Found>,
}

impl<'d> Index<'d> {
    pub(super) fn new(documents: Vec<&'d Document>) -> Self {
        let mut index = Self {
            found: documents.iter().map(|_| Found::default()).collect(),
            documents,
            resources: Vec::new(),
            roots: HashMap::new(),
            anchors: HashMap::new(),
            schemas: HashMap::new(),
        };
        for document in 0..index.documents.len() {
            index.add_document(document);
        }
        index
    }

    /// The subschema at a place and the dialect that it is written in (`None` when that is not supported).
    pub(super) fn schema(&self, place: &Place) -> Option<(&'d Value, Option<Dialect>)> {
        let (value, resource) = self.schemas.get(place)?;
        Some((value, self.resources.get(*resource)?.dialect))
    }

    /// The places of one document's subschemas, outermost first: the document itself is the first of them.
    pub(super) fn places(&self, document: usize) -> &[Place] {
        self.found.get(document).map_or(&[], |found| &found.places)
    }

    /// What is wrong with one document already, before any of it is compiled.
    pub(super) fn refused(&self, document: usize) -> &[Refused] {
        self.found.get(document).map_or(&[], |found| &found.refused)
    }

    /// A pointer for people: other documents than the one that is compiled are named.
    pub(super) fn show(&self, place: &Place, compiled: usize) -> String {
        match self.documents.get(place.document) {
            Some(document) if place.document != compiled => {
                format!("{}#{}", document.uri, place.pointer)
            }
            _ => place.pointer.clone(),
        }
    }

    /// The place that a `$ref` standing at `from` refers to.
    pub(super) fn resolve(&self, from: &Place, reference: &str) -> Result<Place, String> {
        let base = self
            .schemas
            .get(from)
            .and_then(|(_, resource)| self.resources.get(*resource))
            .map_or("", |resource| resource.uri.as_str());
        let (relative, fragment) = uri::split_fragment(reference);
        let absolute = uri::resolve(base, relative);
        let root = self.roots.get(&absolute).ok_or_else(|| {
            format!("{absolute} is not one of the schemas at hand; nothing is fetched")
        })?;
        let fragment = uri::percent_decode(fragment)
            .ok_or_else(|| format!("the fragment of {reference} is not percent-encoded UTF-8"))?;
        if fragment.is_empty() {
            return Ok(root.clone());
        }
        if fragment.starts_with('/') {
            let place = Place {
                document: root.document,
                pointer: format!("{}{fragment}", root.pointer),
            };
            return if self.schemas.contains_key(&place) {
                Ok(place)
            } else {
                Err(format!("there is no schema at {reference}"))
            };
        }
        self.schemas
            .get(root)
            .and_then(|(_, resource)| self.anchors.get(&(*resource, fragment)))
            .cloned()
            .ok_or_else(|| format!("there is no anchor {reference}"))
    }

    fn add_document(&mut self, document: usize) {
        let Some(found) = self.documents.get(document).copied() else {
            return;
        };
        let place = Place {
            document,
            pointer: String::new(),
        };
        let (uri, _) = uri::split_fragment(&found.uri);
        self.resources.push(Resource {
            uri: uri.to_owned(),
            dialect: Some(Dialect::Draft202012),
        });
        let resource = self.resources.len() - 1;
        self.roots.insert(uri.to_owned(), place.clone());
        self.add_schema(place, &found.value, resource, true);
    }

    fn add_schema(&mut self, place: Place, value: &'d Value, parent: usize, is_root: bool) {
        let resource = self.identify(&place, value, parent, is_root);
        self.schemas.insert(place.clone(), (value, resource));
        if let Some(found) = self.found.get_mut(place.document) {
            found.places.push(place.clone());
        }
        let (Value::Object(map), Some(dialect)) =
            (value, self.resources.get(resource).and_then(|r| r.dialect))
        else {
            return;
        };
        if let (Some(Value::String(anchor)), Dialect::Draft202012) = (map.get("$anchor"), dialect) {
            self.add_anchor(resource, anchor, &place);
        }
        for (below, child) in dialect.children(map) {
            let child_place = Place {
                document: place.document,
                pointer: format!("{}{below}", place.pointer),
            };
            self.add_schema(child_place, child, resource, false);
        }
    }

    /// Reads `$schema` and `$id`: the resource that the schema is in, a new one if it begins one.
    fn identify(&mut self, place: &Place, value: &Value, parent: usize, is_root: bool) -> usize {
        let Some(parent_dialect) = self.resources.get(parent).map(|r| r.dialect) else {
            return parent;
        };
        let mut dialect = parent_dialect;
        let id = match value.get("$id") {
            Some(Value::String(id))
                if parent_dialect != Some(Dialect::Draft7) || !is_ignored(value) =>
            {
                Some(id.as_str())
            }
            _ => None,
        };
        if let Some(written) = value.get("$schema") {
            dialect = written.as_str().and_then(Dialect::of_uri);
            if dialect.is_none() {
                let reason = "not a dialect that is supported; \
                    use https://json-schema.org/draft/2020-12/schema or http://json-schema.org/draft-07/schema#";
                self.refuse(place, "$schema", reason.to_owned());
            } else if !is_root && id.is_none() {
                self.refuse(
                    place,
                    "$schema",
                    "allowed only at the root or beside $id".to_owned(),
                );
            }
        }
        let Some(id) = id else {
            if is_root && let Some(resource) = self.resources.get_mut(parent) {
                resource.dialect = dialect;
            }
            return parent;
        };
        let (relative, fragment) = uri::split_fragment(id);
        if dialect == Some(Dialect::Draft7) && relative.is_empty() && !fragment.is_empty() {
            self.add_anchor(parent, fragment, place);
            return parent;
        }
        if !fragment.is_empty() {
            self.refuse(place, "$id", "must not have a fragment".to_owned());
        }
        let base = self.resources.get(parent).map_or("", |r| r.uri.as_str());
        let absolute = uri::resolve(base, relative);
        if let Some(taken) = self.roots.insert(absolute.clone(), place.clone())
            && taken != *place
        {
            self.refuse(place, "$id", format!("{absolute} names two schemas"));
        }
        self.resources.push(Resource {
            uri: absolute,
            dialect,
        });
        self.resources.len() - 1
    }

    fn add_anchor(&mut self, resource: usize, anchor: &str, place: &Place) {
        let key = (resource, anchor.to_owned());
        if self.anchors.insert(key, place.clone()).is_some() {
            self.refuse(place, "$anchor", format!("{anchor} names two schemas"));
        }
    }

    fn refuse(&mut self, place: &Place, keyword: &str, reason: String) {
        if let Some(found) = self.found.get_mut(place.document) {
            found.refused.push(Refused {
                pointer: format!("{}/{keyword}", place.pointer),
                keyword: keyword.to_owned(),
                reason,
            });
        }
    }
}

/// Whether draft-07 ignores everything beside a `$ref` here.
fn is_ignored(value: &Value) -> bool {
    value.get("$ref").is_some()
}
