//! From schema documents to nodes: one node a subschema, made from a work list so that no chain of references,
//! however long, costs stack.

use std::{collections::HashMap, ops::Range, sync::Arc};

use serde_json::{Map, Value};

use super::dialect::{Dialect, Role, Shape};
use super::graph::{on_cycles, unalias};
use super::index::{Index, Place};
use super::node::{Id, Kinds, Node};
use super::pack::Packer;
use super::patterns::Patterns;
use super::{Document, Program, Refused, read};

/// What is allowed beside a `$ref` in draft-07, which ignores it.
const BESIDE_REF_IN_DRAFT7: &[&str] = &["$ref", "$schema", "definitions"];

/// Compiles a schema. `others` are the documents that it may refer to. For many documents of one set, see
/// [`compile_all`].
///
/// # Errors
/// Every keyword, value and reference that is not supported, each with its place.
pub fn compile(root: &Document, others: &[Document]) -> Result<Program, Vec<Refused>> {
    let others = others.iter().filter(|other| other.uri != root.uri);
    let index = Index::new(std::iter::once(root).chain(others).collect());
    let mut programs = Compilation::new(&index).run(0..1);
    programs.pop().unwrap_or_else(|| Err(Vec::new()))
}

/// Compiles every document of a set in which they may refer to each other. Each has a URI of its own. What several
/// of them say alike is kept once for all of them.
pub fn compile_all(documents: &[Document]) -> Vec<Result<Program, Vec<Refused>>> {
    let index = Index::new(documents.iter().collect());
    Compilation::new(&index).run(0..documents.len())
}

/// The compilation of several documents, which share what they can.
struct Compilation<'d> {
    index: &'d Index<'d>,
    patterns: Patterns,
    packer: Packer,
}

impl<'d> Compilation<'d> {
    fn new(index: &'d Index<'d>) -> Self {
        Self {
            index,
            patterns: Patterns::default(),
            packer: Packer::new(),
        }
    }

    fn run(mut self, documents: Range<usize>) -> Vec<Result<Program, Vec<Refused>>> {
        let roots: Vec<_> = documents.map(|document| self.document(document)).collect();
        let rules = Arc::new(self.packer.finish(self.patterns));
        let program = |root| Program {
            rules: Arc::clone(&rules),
            root,
        };
        roots.into_iter().map(|root| root.map(program)).collect()
    }

    /// Compiles one document; the place of its root among the packed nodes.
    fn document(&mut self, document: usize) -> Result<Id, Vec<Refused>> {
        let patterns = std::mem::take(&mut self.patterns);
        let mut builder = Builder::new(self.index, document, patterns);
        // Definitions that nothing refers to are held to the same rules.
        for place in self.index.places(document) {
            builder.id(place.clone());
        }
        builder.build_all();
        builder.refuse_cycles();
        self.patterns = builder.patterns;
        if !builder.refused.is_empty() {
            return Err(builder.refused);
        }
        let mut nodes = builder.nodes;
        unalias(&mut nodes);
        // The root is the first place that was given an id.
        let root = nodes.get(2).and_then(|(node, _)| node.alias_of());
        Ok(self.packer.pack(nodes, root.unwrap_or(Id(2))))
    }
}

/// A compilation under way.
pub(super) struct Builder<'d> {
    pub(super) index: &'d Index<'d>,
    /// Which document is compiled.
    document: usize,
    nodes: Vec<(Node, Option<Place>)>,
    ids: HashMap<Place, Id>,
    built: usize,
    pub(super) patterns: Patterns,
    pub(super) refused: Vec<Refused>,
}

/// The subschema that is being compiled.
pub(super) struct Scope<'d> {
    pub(super) place: Place,
    pub(super) map: &'d Map<String, Value>,
    pub(super) dialect: Dialect,
}

impl Scope<'_> {
    pub(super) fn below(&self, relative: &str) -> Place {
        Place {
            document: self.place.document,
            pointer: format!("{}/{relative}", self.place.pointer),
        }
    }
}

impl<'d> Builder<'d> {
    fn new(index: &'d Index<'d>, document: usize, patterns: Patterns) -> Self {
        Self {
            patterns,
            refused: index.refused(document).to_vec(),
            index,
            document,
            nodes: vec![
                (Node::of_kinds(Kinds::ALL), None),
                (Node::of_kinds(Kinds::NONE), None),
            ],
            ids: HashMap::new(),
            built: 2,
        }
    }

    /// The node of a place; it is built later if it is new.
    pub(super) fn id(&mut self, place: Place) -> Id {
        let is_root = self.nodes.len() == 2;
        match self.index.schema(&place) {
            Some((Value::Bool(true), _)) if !is_root => return Id::ANY,
            Some((Value::Bool(false), _)) if !is_root => return Id::NEVER,
            _ => {}
        }
        if let Some(id) = self.ids.get(&place) {
            return *id;
        }
        let id = Id(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes
            .push((Node::of_kinds(Kinds::ALL), Some(place.clone())));
        self.ids.insert(place, id);
        id
    }

    fn build_all(&mut self) {
        while let Some((_, place)) = self.nodes.get(self.built) {
            if let Some(place) = place.clone() {
                let node = self.node(place);
                if let Some((slot, _)) = self.nodes.get_mut(self.built) {
                    *slot = node;
                }
            }
            self.built += 1;
        }
    }

    fn node(&mut self, place: Place) -> Node {
        let (map, dialect) = match self.index.schema(&place) {
            Some((Value::Bool(all), _)) => {
                return Node::of_kinds(if *all { Kinds::ALL } else { Kinds::NONE });
            }
            Some((Value::Object(map), Some(dialect))) => (map, dialect),
            Some((Value::Object(_), None)) => {
                // In the document itself this has been refused already, where it is written.
                if place.document != self.document {
                    self.refuse(
                        &place,
                        "$schema",
                        "not a dialect that is supported".to_owned(),
                    );
                }
                return Node::of_kinds(Kinds::ALL);
            }
            other => {
                let found = other.map_or(&Value::Null, |(value, _)| value);
                let reason = read::expected("a schema: an object, true or false", found);
                self.refuse(&place, "", reason);
                return Node::of_kinds(Kinds::ALL);
            }
        };
        let scope = Scope {
            place,
            map,
            dialect,
        };
        self.check_keywords(&scope);
        let kinds = self.read(&scope, "type", read::kinds).unwrap_or(Kinds::ALL);
        Node {
            kinds,
            strings: self.strings(&scope),
            numbers: self.numbers(&scope),
            objects: self.objects(&scope),
            arrays: self.arrays(&scope),
            constants: self.constants(&scope),
            branches: self.branches(&scope),
        }
    }

    /// Refuses every keyword that is not known to assert or to annotate.
    fn check_keywords(&mut self, scope: &Scope<'d>) {
        let only_ref = scope.dialect == Dialect::Draft7 && scope.map.contains_key("$ref");
        for (keyword, value) in scope.map {
            let reason = match scope.dialect.role(keyword) {
                Role::Compiled if only_ref && !BESIDE_REF_IN_DRAFT7.contains(&keyword.as_str()) => {
                    "draft-07 ignores what stands beside $ref; put the $ref into an allOf"
                        .to_owned()
                }
                Role::Compiled => continue,
                Role::Annotation(shape) => match annotation(shape, value) {
                    Ok(()) => continue,
                    Err(reason) => reason,
                },
                Role::Unsupported(reason) => reason.to_owned(),
                Role::Unknown => {
                    format!(
                        "not a keyword of {} (x-... is free for annotations)",
                        scope.dialect.name()
                    )
                }
            };
            self.refuse(&scope.place, keyword, reason);
        }
        for keyword in ["$id", "$ref", "$anchor", "$schema"] {
            self.read(scope, keyword, |value| read::text(value).map(|_| ()));
        }
        for keyword in ["$defs", "definitions"] {
            self.read(scope, keyword, |value| read::map(value).map(|_| ()));
        }
    }

    /// Reads one keyword, if it is there and part of the dialect; what is wrong with it is refused.
    pub(super) fn read<T>(
        &mut self,
        scope: &Scope<'d>,
        keyword: &str,
        parse: impl FnOnce(&'d Value) -> Result<T, String>,
    ) -> Option<T> {
        let value = scope.map.get(keyword)?;
        if scope.dialect.role(keyword) != Role::Compiled {
            return None;
        }
        match parse(value) {
            Ok(read) => Some(read),
            Err(reason) => {
                self.refuse(&scope.place, keyword, reason);
                None
            }
        }
    }

    pub(super) fn refuse(&mut self, place: &Place, keyword: &str, reason: String) {
        let mut pointer = self.index.show(place, self.document);
        if !keyword.is_empty() {
            pointer.push('/');
            pointer.push_str(&super::dialect::escape(keyword));
        }
        self.refused.push(Refused {
            pointer,
            keyword: keyword.to_owned(),
            reason,
        });
    }

    /// Refuses schemas that apply themselves to the value that they are applied to.
    fn refuse_cycles(&mut self) {
        let mut edges = Vec::with_capacity(self.nodes.len());
        for (node, _) in &mut self.nodes {
            let mut out = Vec::new();
            node.each_in_place(&mut |id| out.push(*id));
            edges.push(out);
        }
        for at in on_cycles(&edges) {
            if let Some((_, Some(place))) = self.nodes.get(at) {
                let place = place.clone();
                let reason = "refers back to itself without going into the value".to_owned();
                let keyword = self
                    .index
                    .schema(&place)
                    .and_then(|(schema, _)| schema.get("$ref"))
                    .map_or("", |_| "$ref");
                self.refuse(&place, keyword, reason);
            }
        }
    }
}

fn annotation(shape: Shape, value: &Value) -> Result<(), String> {
    match shape {
        Shape::Any => Ok(()),
        Shape::Text => read::text(value).map(|_| ()),
        Shape::Flag => read::flag(value).map(|_| ()),
        Shape::List => read::list(value).map(|_| ()),
    }
}
