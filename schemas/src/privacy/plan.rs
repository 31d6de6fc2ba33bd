//! Which places of an event's data are annotated: a tree that is walked beside the data.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::conceal::is_at;
use super::{Action, HASH_CHARS, MASK, find, step};
use crate::shape::{Shape, ShapeKind};

/// The annotated places of a schema; there is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub(super) root: Node,
    places: Vec<Place>,
}

/// One annotated place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Like a JSON pointer into the data; `*` stands for every element, or for every member that no other place names.
    pub path: String,
    /// What becomes of what is there.
    pub action: Action,
}

/// What is said of a value and of what is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) action: Option<Action>,
    pub(super) members: BTreeMap<String, Node>,
    /// Of members that are not named.
    pub(super) others: Option<Box<Node>>,
    /// Of an array's elements.
    pub(super) items: Option<Box<Node>>,
}

impl Node {
    pub(super) fn is_empty(&self) -> bool {
        self.action.is_none() && self.is_leaf()
    }

    /// Nothing is said of what is in it.
    pub(super) fn is_leaf(&self) -> bool {
        self.members.is_empty() && self.others.is_none() && self.items.is_none()
    }

    pub(super) fn member(&self, name: &str) -> Option<&Node> {
        let others = || self.others.as_deref();
        self.members
            .get(name)
            .or_else(others)
            .filter(|node| !node.is_empty())
    }

    /// What stands below a step of a JSON pointer, whether it leads into an object or an array.
    pub(super) fn below(&self, name: &str) -> Option<&Node> {
        let index = || {
            self.items
                .as_deref()
                .filter(|_| name.parse::<u64>().is_ok())
        };
        self.member(name).or_else(index)
    }

    /// Adds what another says of the same value.
    pub(super) fn merge(&mut self, other: &Node) {
        self.action = self.action.max(other.action);
        // A member that one of them names is among the others of the other.
        if let Some(others) = &self.others {
            for name in other.members.keys() {
                if !self.members.contains_key(name) {
                    self.members.insert(name.clone(), (**others).clone());
                }
            }
        }
        for (name, node) in &mut self.members {
            if let Some(said) = other.members.get(name).or(other.others.as_deref()) {
                node.merge(said);
            }
        }
        for (name, node) in &other.members {
            if !self.members.contains_key(name) {
                self.members.insert(name.clone(), node.clone());
            }
        }
        merge_boxed(&mut self.others, other.others.as_deref());
        merge_boxed(&mut self.items, other.items.as_deref());
    }

    fn places(&self, path: &str, found: &mut Vec<Place>) {
        if let Some(action) = self.action {
            let path = path.to_owned();
            found.push(Place { path, action });
            return;
        }
        for (name, node) in &self.members {
            node.places(&format!("{path}/{}", step(name)), found);
        }
        // One place may be said of either.
        let items = Some(&self.items).filter(|items| **items != self.others);
        for node in [Some(&self.others), items].into_iter().flatten().flatten() {
            node.places(&format!("{path}/*"), found);
        }
    }

    /// Without hashing at these places, or in them.
    fn without(&self, at: &mut Vec<String>, left: &[String]) -> Node {
        if self.action == Some(Action::Hash) && left.iter().any(|left| is_at(left, at)) {
            return Node::default();
        }
        let mut below = |name: String, node: &Node| {
            at.push(name);
            let node = node.without(at, left);
            at.pop();
            node
        };
        let mut members = BTreeMap::new();
        for (name, node) in &self.members {
            members.insert(name.clone(), below(step(name), node));
        }
        let mut star = |node: &Node| Box::new(below("*".to_owned(), node));
        Node {
            action: self.action,
            members,
            others: self.others.as_deref().map(&mut star),
            items: self.items.as_deref().map(&mut star),
        }
    }
}

fn merge_boxed(own: &mut Option<Box<Node>>, other: Option<&Node>) {
    match (own, other) {
        (Some(own), Some(other)) => own.merge(other),
        (own @ None, Some(other)) => *own = Some(Box::new(other.clone())),
        (_, None) => {}
    }
}

impl Plan {
    /// The plan of an expanded schema; `None`: nothing is annotated.
    ///
    /// # Errors
    /// Annotations that cannot be honoured where they stand: pointer and reason.
    pub(crate) fn of(expanded: &Value) -> Result<Option<Self>, Vec<(String, String)>> {
        find::annotations(expanded).map(Self::new)
    }

    pub(super) fn new(root: Node) -> Option<Self> {
        let mut places = Vec::new();
        root.places("", &mut places);
        (!places.is_empty()).then_some(Self { root, places })
    }

    /// The places, by their paths' order within each object.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Whether a key is needed to carry it out.
    pub fn hashes(&self) -> bool {
        self.places.iter().any(|place| place.action == Action::Hash)
    }

    /// This plan, one step down: of what stands under a member of that name.
    pub(crate) fn under(self, name: &str) -> Self {
        let members = BTreeMap::from([(name.to_owned(), self.root)]);
        let root = Node {
            members,
            ..Node::default()
        };
        let mut places = self.places;
        for place in &mut places {
            place.path = format!("/{}{}", step(name), place.path);
        }
        Self { root, places }
    }

    /// What either of two plans says.
    pub fn both(one: Option<&Self>, other: Option<&Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => {
                let mut root = one.root.clone();
                root.merge(&other.root);
                Self::new(root)
            }
            (one, other) => one.or(other).cloned(),
        }
    }

    /// Without the hashes at these paths, which would be hashed once more; to drop or mask again changes nothing. `None`:
    /// nothing is left.
    pub fn without(&self, paths: &[String]) -> Option<Cow<'_, Self>> {
        match paths.is_empty() {
            true => Some(Cow::Borrowed(self)),
            false => Self::new(self.root.without(&mut Vec::new(), paths)).map(Cow::Owned),
        }
    }

    /// Makes a shape that of data to which the plan was applied: hashes and masks are text, whatever they were.
    pub(crate) fn mark(&self, shape: &mut Shape) {
        mark(&self.root, shape);
    }

    /// Whether the value of a data's member is annotated, or anything in it is.
    pub fn concerns(&self, name: &str) -> bool {
        self.root.member(name).is_some()
    }

    /// The strongest that is said of the data's members of these names as wholes.
    pub fn strongest<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Option<Action> {
        let said = |name| self.root.member(name)?.action;
        names.into_iter().filter_map(said).max()
    }
}

fn mark(node: &Node, shape: &mut Shape) {
    let length = match node.action {
        Some(Action::Hash) => HASH_CHARS,
        Some(Action::Mask) => MASK.chars().count() as u64,
        // What is dropped leaves its column behind, of whatever type it is.
        Some(Action::Drop) => return,
        None => {
            if let ShapeKind::Object { properties, .. } = &mut shape.kind {
                for property in properties {
                    if let Some(node) = node.member(&property.name) {
                        mark(node, &mut property.shape);
                    }
                }
            }
            return;
        }
    };
    shape.kind = ShapeKind::String { format: None };
    shape.max_length = Some(length);
}
