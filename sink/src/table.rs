//! A table: what the minors of one schema major look like as columns.
//!
//! [`Table::of`] is the one place where a schema becomes columns: the Arrow and Parquet schema, the DDL and the
//! decoder's way through an event's data all come from it. `docs/adr/0004-table-layout.md` says why it is so.

mod check;
mod duckdb;
pub mod external;
mod generation;
mod naming;
pub mod redshift;

pub use self::check::check;
pub use self::generation::Generation;
pub(crate) use self::naming::pointer;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, SchemaRef, TimeUnit};
use headgate_schemas::{
    redshift::Redshift,
    schema::Schema,
    shape::{Property, Shape, ShapeKind},
    walk::{Expected, Str},
};

use self::naming::Names;

/// Objects are flattened into columns when at most this many of them enclose a value; what lies deeper stays JSON.
pub const FLATTEN_DEPTH_MAX: usize = 3;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// true or false
    Boolean,
    /// 64-bit signed
    Integer,
    /// 64-bit floating point
    Number,
    /// UTF-8 text
    Text,
    /// an instant, in microseconds, UTC
    Timestamp,
    /// a day
    Date,
    /// JSON text: an array, an object that is not flattened, or whatever the schema leaves open
    Json,
}

impl Type {
    fn arrow(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int64,
            Self::Number => DataType::Float64,
            Self::Text | Self::Json => DataType::Utf8,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Date => DataType::Date32,
        }
    }

    fn of(kind: &ShapeKind) -> Self {
        match kind {
            ShapeKind::Boolean => Self::Boolean,
            ShapeKind::Integer => Self::Integer,
            ShapeKind::Number => Self::Number,
            ShapeKind::String { format } => match format.as_deref() {
                Some("date-time") => Self::Timestamp,
                Some("date") => Self::Date,
                _ => Self::Text,
            },
            ShapeKind::Object { .. } | ShapeKind::Array | ShapeKind::Any => Self::Json,
        }
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, unique in the table.
    pub name: String,
    /// What it holds.
    pub kind: Type,
    /// No row is without it. Only columns from the envelope are: a schema's own rules are the gateway's to enforce.
    pub required: bool,
    /// The longest text that any minor allows, in characters, where all of them bound it.
    pub length_max: Option<u64>,
    /// JSON pointer into the event's data; `None`: it comes from the envelope.
    pub pointer: Option<String>,
}

/// The envelope's columns, first in every table.
const ENVELOPE: [(&str, Type, bool); 10] = [
    ("event_id", Type::Text, true),
    ("event_type", Type::Text, true),
    ("schema_version", Type::Text, true),
    ("source", Type::Text, true),
    ("user_id", Type::Text, false),
    ("anonymous_id", Type::Text, false),
    ("event_time", Type::Timestamp, false),
    ("sent_at", Type::Timestamp, false),
    ("received_at", Type::Timestamp, true),
    ("_rest", Type::Json, false),
];

/// Indices into [`Table::columns`] of the envelope's columns.
pub(crate) mod at {
    pub(crate) const EVENT_ID: usize = 0;
    pub(crate) const EVENT_TYPE: usize = 1;
    pub(crate) const SCHEMA_VERSION: usize = 2;
    pub(crate) const SOURCE: usize = 3;
    pub(crate) const USER_ID: usize = 4;
    pub(crate) const ANONYMOUS_ID: usize = 5;
    pub(crate) const EVENT_TIME: usize = 6;
    pub(crate) const SENT_AT: usize = 7;
    pub(crate) const RECEIVED_AT: usize = 8;
    pub(crate) const REST: usize = 9;
}

/// Where a value of the data goes.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// Into this column.
    Column(usize),
    /// Its members go their own ways.
    Object(Members),
}

/// A flattened object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Members {
    /// JSON pointer to it.
    pub(crate) pointer: String,
    /// Its declared members, in declared order.
    pub(crate) members: Vec<Member>,
}

/// A declared member of a flattened object.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// The name as it stands in the data.
    pub(crate) key: Expected,
    pub(crate) node: Node,
}

impl Members {
    /// The place of a member. Those from `guess` on are looked at first: clients keep to the declared order.
    pub(crate) fn find(&self, key: &Str<'_>, guess: usize) -> Option<usize> {
        let (ahead, behind) = self.members.split_at(guess.min(self.members.len()));
        let is_it = |member: &Member| key.is(&member.name);
        match behind.iter().position(is_it) {
            Some(distance) => Some(guess + distance),
            None => ahead.iter().position(is_it),
        }
    }
}

/// The columns of one table.
#[derive(Debug, Clone)]
pub struct Table {
    name: String,
    version: String,
    columns: Vec<Column>,
    root: Node,
    redshift: Option<Redshift>,
    arrow: SchemaRef,
    fingerprint: String,
}

impl Table {
    /// The table of a family: the minors of one major, ascending.
    ///
    /// The first minor's columns come first; each later minor appends what it adds, so that a column never moves and
    /// never changes its type. A property that a later minor redefines keeps its first definition, but for the length
    /// of texts, which is the longest that any minor allows; values that do not fit it land in `_rest`. Of the minors
    /// that say how Redshift keeps the rows the newest counts.
    pub fn of(family: &[Arc<Schema>]) -> Self {
        let newest = family.last();
        let mut layout = Layout::new();
        for schema in family {
            layout.add(schema.shape());
        }
        let fields = layout
            .columns
            .iter()
            .map(|column| Field::new(&column.name, column.kind.arrow(), !column.required));
        Self {
            name: newest.map_or_else(String::new, |schema| schema.table().to_owned()),
            version: newest.map_or_else(String::new, |schema| schema.version().to_string()),
            arrow: Arc::new(arrow::datatypes::Schema::new(fields.collect::<Vec<_>>())),
            fingerprint: fingerprint(&layout.columns),
            root: layout.root.unwrap_or(Node::Object(Members::default())),
            columns: layout.columns,
            redshift: family
                .iter()
                .rev()
                .find_map(|schema| schema.redshift().cloned()),
        }
    }

    /// The same table under its name in a generation, or as it is where there is none.
    pub(crate) fn within(mut self, generation: Option<&Generation>) -> Self {
        if let Some(generation) = generation {
            self.name = generation.table(&self.name);
        }
        self
    }

    /// The table's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The newest version of the family.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The columns in their order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The columns as Arrow and Parquet know them.
    pub fn arrow_schema(&self) -> SchemaRef {
        Arc::clone(&self.arrow)
    }

    /// 16 hexadecimal digits that change when a column is added: equal fingerprints, equal columns in equal order.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(crate) fn root(&self) -> &Node {
        &self.root
    }
}

/// A table's columns while the minors are added one after the other.
struct Layout {
    columns: Vec<Column>,
    names: Names,
    root: Option<Node>,
}

impl Layout {
    fn new() -> Self {
        let mut names = Names::default();
        let column = |(name, kind, required): (&str, Type, bool)| Column {
            name: names.take(name.to_owned()),
            kind,
            required,
            length_max: None,
            pointer: None,
        };
        let columns = ENVELOPE.into_iter().map(column).collect();
        Self {
            columns,
            names,
            root: None,
        }
    }

    fn add(&mut self, shape: &Shape) {
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

    /// Adds what is not there yet; what is there stays as it is.
    fn extend<'a>(
        &mut self,
        object: &mut Members,
        properties: &'a [Property],
        path: &mut Vec<&'a str>,
    ) {
        for Property { name, shape, .. } in properties {
            path.push(name);
            let known = object.members.iter_mut().find(|known| known.name == *name);
            match (known, members_of(shape, path.len())) {
                (
                    Some(Member {
                        node: Node::Object(inner),
                        ..
                    }),
                    Some(properties),
                ) => self.extend(inner, properties, path),
                (
                    Some(Member {
                        node: Node::Column(column),
                        ..
                    }),
                    _,
                ) => self.widen(*column, shape),
                (Some(_), _) => {}
                (None, _) => {
                    let pointer = naming::pointer(&object.pointer, name);
                    let node = self.node(shape, pointer, path);
                    object.members.push(Member {
                        name: name.clone(),
                        key: Expected::new(name),
                        node,
                    });
                }
            }
            path.pop();
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

    fn node<'a>(&mut self, shape: &'a Shape, pointer: String, path: &mut Vec<&'a str>) -> Node {
        if let Some(properties) = members_of(shape, path.len()) {
            let mut object = Members {
                pointer,
                members: Vec::new(),
            };
            self.extend(&mut object, properties, path);
            return Node::Object(object);
        }
        self.columns.push(Column {
            name: self.names.take(naming::column(path)),
            kind: Type::of(&shape.kind),
            required: false,
            length_max: shape.max_length,
            pointer: Some(pointer),
        });
        Node::Column(self.columns.len() - 1)
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

/// FNV-1a over names, types and nullability: stable across releases and machines, which `std`'s hashers are not.
fn fingerprint(columns: &[Column]) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for column in columns {
        let text = format!("{} {:?} {}\n", column.name, column.kind, column.required);
        for byte in text.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

#[cfg(test)]
pub(crate) mod tests;
