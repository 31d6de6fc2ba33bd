//! The tables while they are filled, and what is in them already.

use std::collections::HashMap;
use std::hash::Hash;

use crate::pattern::Pattern;
use crate::program::node::{self, Arrays, Branch, Id, Kinds, Name, Node, Numbers, Strings};
use crate::program::packed::{
    self, Constants, ConstantsDetail, Key, KeyDetail, Lookup, OPEN, Objects, Rare, Rules, Word,
    head,
};
use crate::program::slots::Slots;
use crate::walk::Expected;

/// Tables and where each part that is in them stands.
pub(super) struct Tables {
    rules: Rules,
    strings: HashMap<Strings, u32>,
    numbers: HashMap<Numbers, u32>,
    objects: HashMap<node::Objects, u32>,
    arrays: HashMap<Arrays, u32>,
    constants: HashMap<Box<[node::Constants]>, u32>,
    branches: HashMap<Box<[Branch]>, u32>,
}

impl Tables {
    pub(super) fn new() -> Self {
        let mut tables = Self {
            rules: Rules::default(),
            strings: HashMap::new(),
            numbers: HashMap::new(),
            objects: HashMap::new(),
            arrays: HashMap::new(),
            constants: HashMap::new(),
            branches: HashMap::new(),
        };
        // What stands at OPEN.
        tables.objects(node::Objects::open());
        once(&mut tables.arrays, &mut tables.rules.arrays, Arrays::open());
        let none = Box::default();
        once(&mut tables.branches, &mut tables.rules.branches, none);
        tables
    }

    pub(super) fn finish(self, patterns: Vec<Pattern>) -> Rules {
        Rules {
            patterns,
            ..self.rules
        }
    }

    /// An index for a node that is not packed yet.
    pub(super) fn reserve(&mut self) -> Id {
        let nothing = packed::Node {
            kinds: Kinds::NONE,
            // Nothing is known yet of what will pass.
            free: Kinds::NONE,
            constants_len: 0,
            constants: 0,
            strings: OPEN,
            numbers: OPEN,
            objects: OPEN,
            arrays: OPEN,
            branches: OPEN,
        };
        Id(push(&mut self.rules.nodes, nothing))
    }

    /// Packs a node at its index.
    pub(super) fn fill(&mut self, id: Id, node: Node) {
        let free = free(&node);
        let rules = &mut self.rules;
        let strings = node
            .strings
            .map(|part| once(&mut self.strings, &mut rules.strings, part) + 1);
        let numbers = node
            .numbers
            .map(|part| once(&mut self.numbers, &mut rules.numbers, part) + 1);
        let arrays = node
            .arrays
            .map(|part| once(&mut self.arrays, &mut rules.arrays, part));
        let branches = once(&mut self.branches, &mut rules.branches, node.branches);
        let objects = node.objects.map(|part| self.objects(part));
        self.rules.nodes[id.0 as usize] = packed::Node {
            kinds: node.kinds,
            free,
            constants_len: u8::try_from(node.constants.len()).unwrap_or(u8::MAX),
            constants: self.constants(node.constants),
            strings: strings.unwrap_or(OPEN),
            numbers: numbers.unwrap_or(OPEN),
            objects: objects.unwrap_or(OPEN),
            arrays: arrays.unwrap_or(OPEN),
            branches,
        };
    }

    fn objects(&mut self, part: node::Objects) -> u32 {
        if let Some(at) = self.objects.get(&part) {
            return *at;
        }
        let keys = index(self.rules.keys.len());
        let mut lookups = Vec::with_capacity(part.names.len());
        for (slot, name) in part.names.iter().enumerate() {
            lookups.push(Lookup {
                len: index(name.key.len()),
                slot: index(slot),
                head: head(name.key.as_bytes()),
            });
            self.key(name);
        }
        lookups.sort_unstable_by_key(|lookup| (lookup.len, lookup.head, lookup.slot));
        self.rules.lookups.extend(lookups);
        let rare = rare(&part).map(|rare| push(&mut self.rules.rare, rare) + 1);
        let objects = Objects {
            required: part.required.first,
            keys,
            keys_len: index(part.names.len()),
            additional: part.additional,
            rare: rare.unwrap_or(OPEN),
        };
        let at = push(&mut self.rules.objects, objects);
        self.objects.insert(part, at);
        at
    }

    fn key(&mut self, name: &Name) {
        let text = Expected::new(&name.key);
        let head = text.head();
        let schema = &self.rules.nodes[name.schema.0 as usize];
        let key = Key {
            head: [head as u64, (head >> 64) as u64],
            text_len: index(text.text().len()),
            free: schema.free,
            text: long(&mut self.rules.text, text.text(), 16),
            schema: name.schema,
            has_more: !name.more.is_empty(),
        };
        self.rules.keys.push(key);
        self.rules.details.push(KeyDetail {
            key: name.key.clone(),
            more: name.more.clone(),
            keyword: name.keyword,
        });
    }

    fn constants(&mut self, parts: Box<[node::Constants]>) -> u32 {
        if let Some(at) = self.constants.get(&parts) {
            return *at;
        }
        let at = index(self.rules.constants.len());
        for part in &parts {
            let words = index(self.rules.words.len());
            for text in &part.strings {
                let word = Word {
                    head: head(text.as_bytes()),
                    len: index(text.len()),
                    text: long(&mut self.rules.text, text.as_bytes(), 8),
                };
                self.rules.words.push(word);
            }
            self.rules.constants.push(Constants {
                words,
                words_len: index(part.strings.len()),
                null: part.null,
                yes: part.yes,
                no: part.no,
                detail: Box::new(ConstantsDetail {
                    keyword: part.keyword,
                    numbers: part.numbers.clone(),
                    containers: part.containers.clone(),
                    shown: part.shown.clone(),
                }),
            });
        }
        self.constants.insert(parts, at);
        at
    }
}

/// The scalar types of which every value passes.
fn free(node: &Node) -> Kinds {
    let mut free = Kinds::NONE;
    if !node.branches.is_empty() || !node.constants.is_empty() {
        return free;
    }
    for (kind, has_rules) in [
        (Kinds::NULL, false),
        (Kinds::BOOLEAN, false),
        (Kinds::STRING, node.strings.is_some()),
        (Kinds::INTEGER, node.numbers.is_some()),
        (Kinds::FRACTION, node.numbers.is_some()),
    ] {
        if node.kinds.has(kind) && !has_rules {
            free = free.with(kind);
        }
    }
    free
}

/// What an object's schema says beyond its keys and the first 64 that have to be there.
fn rare(part: &node::Objects) -> Option<Rare> {
    let plain = node::Objects {
        names: part.names.clone(),
        additional: part.additional,
        required: Slots {
            first: part.required.first,
            rest: Vec::new(),
        },
        ..node::Objects::open()
    };
    (plain != *part).then(|| Rare {
        required: part.required.clone(),
        patterns: part.patterns.clone(),
        property_names: part.property_names,
        count_min: part.count_min,
        count_max: part.count_max,
        dependent_required: part.dependent_required.clone(),
        dependent_schemas: part.dependent_schemas.clone(),
    })
}

/// The index of a part in its table, to which it is added when it is new.
fn once<T: Clone + Eq + Hash>(known: &mut HashMap<T, u32>, table: &mut Vec<T>, part: T) -> u32 {
    if let Some(at) = known.get(&part) {
        return *at;
    }
    let at = push(table, part.clone());
    known.insert(part, at);
    at
}

/// Keeps a text that is longer than its head; where it is then.
fn long(all: &mut Vec<u8>, text: &[u8], head_len: usize) -> u32 {
    let at = index(all.len());
    if text.len() > head_len {
        all.extend_from_slice(text);
    }
    at
}

fn push<T>(table: &mut Vec<T>, part: T) -> u32 {
    table.push(part);
    index(table.len() - 1)
}

/// Tables of more than 2^32 entries would take more memory than any schema set is allowed to.
fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
