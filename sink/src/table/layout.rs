//! The columns of a table while the minors of its schema are added one after the other, and the way to them.

use std::collections::HashMap;

use headgate_schemas::{
    shape::{Property, Shape, ShapeKind},
    walk::Expected,
};

use super::{
    Column, ENTITY_INDEX, ENVELOPE, FLATTEN_DEPTH_MAX, Member, Members, Node, Shared, Type,
    naming::{self, Names},
};

/// A table's columns while the minors are added one after the other.
pub(super) struct Layout {
    pub(super) columns: Vec<Column>,
    names: Names,
    pub(super) root: Option<Node>,
    /// The columns that a schema names itself.
    pub(super) explicit: HashMap<String, Shared>,
    pub(super) others: Vec<usize>,
}

impl Layout {
    /// The envelope's columns; `entities`: each event may have several rows, which a column tells apart.
    pub(super) fn new(entities: bool) -> Self {
        let mut names = Names::default();
        let column = |(name, kind, required): (&str, Type, bool)| Column {
            name: names.take(name.to_owned()),
            kind,
            required,
            length_max: None,
            pointer: None,
        };
        let index = entities.then_some((ENTITY_INDEX, Type::Integer, true));
        let columns = ENVELOPE.into_iter().chain(index).map(column).collect();
        Self {
            columns,
            names,
            root: None,
            explicit: HashMap::new(),
            others: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, shape: &Shape) {
        let mut root = self.root.take();
        match (&mut root, members_of(shape, 0)) {
            (Some(Node::Object(members)), Some(properties)) => {
                self.extend(members, properties, &mut Vec::new());
            }
            (Some(_), _) => {}
            (None, _) => root = Some(self.node(shape, String::new(), &mut Vec::new())),
        }
        self.root = root;
    }

    /// Adds what is not there yet; what is there stays as it is. `path`: the names that lead to the object's columns.
    fn extend<'a>(
        &mut self,
        object: &mut Members,
        properties: &'a [Property],
        path: &mut Vec<&'a str>,
    ) {
        for Property { name, shape, .. } in properties {
            let known = object.members.iter_mut().find(|known| known.name == *name);
            let Some(known) = known else {
                let pointer = naming::pointer(&object.pointer, name);
                path.push(name);
                let node = self.node(shape, pointer, path);
                path.pop();
                object.members.push(Member {
                    name: name.clone(),
                    key: Expected::new(name),
                    node,
                });
                continue;
            };
            match &mut known.node {
                Node::Object(inner) => {
                    let named = !shape.inline();
                    if let Some(properties) = members_of(shape, path.len() + usize::from(named)) {
                        path.extend(named.then_some(name.as_str()));
                        self.extend(inner, properties, path);
                        path.truncate(path.len() - usize::from(named));
                    }
                }
                Node::Column(column) | Node::Shared(Shared { column, .. }) => {
                    let column = *column;
                    self.widen(column, shape);
                }
                Node::Implied(_) | Node::Elsewhere => {}
            }
        }
    }

    /// Gives a text column room for what another minor allows. Texts of a minor that leaves the type open count too.
    fn widen(&mut self, column: usize, shape: &Shape) {
        let texts = matches!(shape.kind, ShapeKind::String { .. } | ShapeKind::Any);
        if let Some(column) = self.columns.get_mut(column)
            && column.kind == Type::Text
            && texts
        {
            let both = column.length_max.zip(shape.max_length);
            column.length_max = both.map(|(known, length)| known.max(length));
        }
    }

    /// The way of a value that is new. `path` ends in its own name, unless it is the data itself.
    fn node<'a>(&mut self, shape: &'a Shape, pointer: String, path: &mut Vec<&'a str>) -> Node {
        if let Some(implied) = shape.implied() {
            return Node::Implied(implied);
        }
        let nameless = match path.last() {
            Some(name) if shape.inline() => Some(*name),
            _ => None,
        };
        let depth = path.len() - usize::from(nameless.is_some());
        let Some(properties) = members_of(shape, depth) else {
            return match shape.column() {
                Some(name) => Node::Shared(self.shared(name, shape, pointer)),
                None => Node::Column(self.column(naming::column(path), shape, pointer)),
            };
        };
        let mut object = Members {
            pointer,
            members: Vec::new(),
            others: None,
        };
        path.truncate(depth);
        self.extend(&mut object, properties, path);
        path.extend(nameless);
        if shape.collects() {
            object.others = Some(self.collected(&object.pointer, path));
        }
        Node::Object(object)
    }

    fn column(&mut self, name: String, shape: &Shape, pointer: String) -> usize {
        self.columns.push(Column {
            name: self.names.take(name),
            kind: Type::of(&shape.kind),
            required: false,
            length_max: shape.max_length,
            pointer: Some(pointer),
        });
        self.columns.len() - 1
    }

    /// A column that the schema names: the one that has the name already, if there is one.
    fn shared(&mut self, name: &str, shape: &Shape, pointer: String) -> Shared {
        if let Some(shared) = self.explicit.get(name) {
            return *shared;
        }
        let shared = Shared {
            column: self.column(name.to_owned(), shape, pointer),
            slot: self.explicit.len(),
        };
        self.explicit.insert(name.to_owned(), shared);
        shared
    }

    /// The column for the members of an object that are not declared, under its own name: its place in `others`.
    fn collected(&mut self, pointer: &str, path: &[&str]) -> usize {
        let column = self.column(naming::column(path), &Shape::any(), pointer.to_owned());
        self.others.push(column);
        self.others.len() - 1
    }
}

/// The members to flatten, if the value is an object with declared members and not too deep.
fn members_of(shape: &Shape, depth: usize) -> Option<&[Property]> {
    match &shape.kind {
        ShapeKind::Object { properties, .. }
            if !properties.is_empty() && depth <= FLATTEN_DEPTH_MAX =>
        {
            Some(properties)
        }
        _ => None,
    }
}
