//! A table: what the minors of one schema major look like as columns.
//!
//! [`Table::of`] is the one place where a schema becomes columns: the Arrow and Parquet schema, the DDL and the
//! decoder's way through an event's data all come from it. `docs/adr/0004-table-layout.md` says why it is so.

mod check;
mod duckdb;
pub mod external;
mod generation;
mod layout;
mod naming;
pub mod redshift;
pub mod users;

pub use self::check::check;
pub use self::generation::Generation;
pub(crate) use self::naming::pointer;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, SchemaRef, TimeUnit};
use headgate_schemas::{
    landing::Implied,
    redshift::Redshift,
    schema::Schema,
    sdk,
    shape::ShapeKind,
    walk::{Expected, Str},
};

use self::layout::Layout;

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
    /// JSON pointer into the event's data, the first place where several share the column; `None`: it comes from the
    /// envelope.
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

/// The column that tells the rows of one event apart in a table of entities: 0 for what the event itself describes, then the
/// entities from 1 on. No row is without it; no other table has a column that is called so and required.
pub const ENTITY_INDEX: &str = "entity_index";

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
    /// Behind the envelope's, in tables of entities alone.
    pub(crate) const ENTITY_INDEX: usize = super::ENVELOPE.len();
}

/// Where a value of the data goes.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// Into this column.
    Column(usize),
    /// Into a column that other values of the data may have taken, perhaps with the same.
    Shared(Shared),
    /// Its members go their own ways.
    Object(Members),
    /// Nowhere, where it is what it is expected to be.
    Implied(Implied),
    /// Nowhere: another row of the record has it.
    Elsewhere,
}

/// A column that several places of the data may fill.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shared {
    pub(crate) column: usize,
    /// Its place among those that are shared.
    pub(crate) slot: usize,
}

/// A flattened object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Members {
    /// JSON pointer to it.
    pub(crate) pointer: String,
    /// Its declared members, in declared order.
    pub(crate) members: Vec<Member>,
    /// Where the others go, as a place among [`Table::others`]; `None`: to what has no column.
    pub(crate) others: Option<usize>,
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
    /// The way of a record that has a row in another table too, where this one takes such.
    second: Option<Node>,
    /// The columns of members that are not declared.
    others: Vec<usize>,
    /// How many columns are shared.
    shared: usize,
    track: bool,
    /// The model of Iglu's whose entities are its rows.
    entity: Option<String>,
    /// Its rows are events that may have such around them.
    describes_itself: bool,
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
        let entity = newest.filter(|schema| schema.entity());
        let mut layout = Layout::new(entity.is_some());
        for schema in family {
            layout.add(schema.shape());
        }
        let root = layout.root.unwrap_or(Node::Object(Members::default()));
        let is_tracks = newest.is_some_and(|s| s.sdk_call() && s.name() == sdk::TRACK);
        let fields = layout
            .columns
            .iter()
            .map(|column| Field::new(&column.name, column.kind.arrow(), !column.required));
        Self {
            name: newest.map_or_else(String::new, |schema| schema.table().to_owned()),
            version: newest.map_or_else(String::new, |schema| schema.version().to_string()),
            arrow: Arc::new(arrow::datatypes::Schema::new(fields.collect::<Vec<_>>())),
            fingerprint: fingerprint(&layout.columns),
            second: is_tracks.then(|| without_properties(&root)),
            root,
            others: layout.others,
            shared: layout.explicit.len(),
            track: newest.is_some_and(|schema| schema.track()),
            columns: layout.columns,
            entity: entity.map(|schema| schema.name().to_owned()),
            describes_itself: newest.is_some_and(|s| s.name() == sdk::SNOWPLOW_EVENT),
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

    /// Each of its events is an SDK's track call, of which the table of all track calls has a row too.
    pub(crate) fn is_track(&self) -> bool {
        self.track
    }

    /// The model of Iglu's, as `iglu:com.example/order/jsonschema/1`, where its rows are what describes itself by it.
    pub(crate) fn entity(&self) -> Option<&str> {
        self.entity.as_deref()
    }

    /// Its rows are events of Snowplow's trackers, which describe themselves and have entities.
    pub(crate) fn describes_itself(&self) -> bool {
        self.describes_itself
    }

    /// It is the table of all track calls.
    pub(crate) fn takes_second_rows(&self) -> bool {
        self.second.is_some()
    }

    pub(crate) fn root(&self) -> &Node {
        &self.root
    }

    /// The way of a record of which another table has a row as well.
    pub(crate) fn second(&self) -> &Node {
        self.second.as_ref().unwrap_or(&self.root)
    }

    /// The columns of members that are not declared.
    pub(crate) fn others(&self) -> &[usize] {
        &self.others
    }

    /// How many columns are shared.
    pub(crate) fn shared(&self) -> usize {
        self.shared
    }
}

/// The table of all track calls says what all of them have: a call that has a table of its own has its properties there.
fn without_properties(root: &Node) -> Node {
    let mut root = root.clone();
    if let Node::Object(object) = &mut root {
        let members = object.members.iter_mut();
        let properties = members.filter(|member| member.name == "properties");
        properties.for_each(|member| member.node = Node::Elsewhere);
    }
    root
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
