//! From the nodes of each schema to the tables of a whole set: equal parts become one.
//!
//! Nodes are packed children first, so that equal ones are recognised by their content. Those on a cycle of
//! references have no such order: they are shared only where they come from the same place.

mod tables;

use std::collections::HashMap;

use super::index::Place;
use super::node::{Id, Kinds, Node};
use super::packed::Rules;
use super::patterns::Patterns;

use tables::Tables;

/// Puts the nodes of schema after schema together.
pub(super) struct Packer {
    tables: Tables,
    /// Where each subschema of the set's documents was packed.
    places: HashMap<Place, Id>,
    nodes: HashMap<Node, Id>,
}

/// How far a node of the schema at hand is.
#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    /// Its children are being packed; the index, if one of them refers back to it.
    Open(Option<Id>),
    Packed(Id),
}

impl Packer {
    pub(super) fn new() -> Self {
        let mut packer = Self {
            tables: Tables::new(),
            places: HashMap::new(),
            nodes: HashMap::new(),
        };
        // The nodes of Id::ANY and Id::NEVER come first.
        for kinds in [Kinds::ALL, Kinds::NONE] {
            packer.shared(Node::of_kinds(kinds));
        }
        packer
    }

    /// Packs what can be reached from the root of one schema; where the root is then.
    pub(super) fn pack(&mut self, nodes: Vec<(Node, Option<Place>)>, root: Id) -> Id {
        let mut states = vec![State::New; nodes.len()];
        states[Id::ANY.0 as usize] = State::Packed(Id::ANY);
        states[Id::NEVER.0 as usize] = State::Packed(Id::NEVER);
        let mut nodes: Vec<_> = nodes.into_iter().map(Some).collect();
        // The nodes that are open and their children that are still to be looked at.
        let mut stack: Vec<(Id, Vec<Id>)> = Vec::new();
        let mut next = Some(root);
        loop {
            if let Some(id) = next {
                let at = id.0 as usize;
                match (states[at], &mut nodes[at]) {
                    (State::New, Some((node, place))) => {
                        let known = place.as_ref().and_then(|place| self.places.get(place));
                        if let Some(known) = known {
                            states[at] = State::Packed(*known);
                        } else {
                            states[at] = State::Open(None);
                            stack.push((id, references(node)));
                        }
                    }
                    (State::Open(None), _) => {
                        states[at] = State::Open(Some(self.tables.reserve()));
                    }
                    _ => {}
                }
            }
            let Some((id, children)) = stack.last_mut() else {
                break;
            };
            next = children.pop();
            if next.is_none() {
                let at = id.0 as usize;
                stack.pop();
                if let Some((node, place)) = nodes[at].take() {
                    let packed = self.add(node, place, states[at], &states);
                    states[at] = State::Packed(packed);
                }
            }
        }
        match states[root.0 as usize] {
            State::Packed(id) => id,
            // Never so: the loop ends when all that it opened is packed.
            State::New | State::Open(_) => Id::NEVER,
        }
    }

    /// The tables of all that was packed.
    pub(super) fn finish(self, patterns: Patterns) -> Rules {
        self.tables.finish(patterns.into_all())
    }

    /// Packs a node whose children are packed, or open and then have an index already.
    fn add(&mut self, mut node: Node, place: Option<Place>, state: State, all: &[State]) -> Id {
        let mut change = |id: &mut Id| {
            if let State::Packed(packed) | State::Open(Some(packed)) = all[id.0 as usize] {
                *id = packed;
            }
        };
        node.each_in_place(&mut change);
        node.each_child(&mut change);
        let id = if let State::Open(Some(reserved)) = state {
            self.tables.fill(reserved, node);
            reserved
        } else {
            self.shared(node)
        };
        self.places.extend(place.map(|place| (place, id)));
        id
    }

    /// The index of a node or of one that equals it.
    fn shared(&mut self, node: Node) -> Id {
        if let Some(id) = self.nodes.get(&node) {
            return *id;
        }
        let id = self.tables.reserve();
        self.tables.fill(id, node.clone());
        self.nodes.insert(node, id);
        id
    }
}

/// The nodes that a node refers to.
fn references(node: &mut Node) -> Vec<Id> {
    let mut found = Vec::new();
    node.each_in_place(&mut |id| found.push(*id));
    node.each_child(&mut |id| found.push(*id));
    found
}

#[cfg(test)]
mod tests;
