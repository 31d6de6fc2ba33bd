//! Which table and hour each record of a batch belongs to: a look at the envelope's first attributes, no more.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock},
};

use headgate_schemas::{
    event::{self, Event, Reason},
    format::date_time_micros,
    registry::Registry,
    walk::{Cursor, Expected},
};
use headgate_stream::log::Records;

use crate::{
    entities::Entities,
    seen::{self, Seen, Window},
    table::{Generation, Table},
};

const HOUR_MICROS: i64 = 3_600_000_000;

/// The tables of one set of schemas.
#[derive(Debug)]
pub(crate) struct Tables {
    registry: Arc<Registry>,
    generation: Option<Generation>,
    /// By name.
    tables: Vec<Arc<Table>>,
    /// Of each table, the one that has a second row of each of its records.
    second: Vec<Option<usize>>,
    /// Those of what describes itself in events.
    entities: Entities,
}

impl Tables {
    /// The tables as they are called in the generation, where there is one.
    pub(crate) fn of(registry: Arc<Registry>, generation: Option<&Generation>) -> Self {
        let families = registry.families();
        let mut tables: Vec<_> = families
            .map(|(_, family)| Arc::new(Table::of(family).within(generation)))
            .collect();
        tables.sort_by(|a, b| a.name().cmp(b.name()));
        let tracks = tables.iter().position(|table| table.takes_second_rows());
        let second = |table: &Arc<Table>| tracks.filter(|_| table.is_track());
        Self {
            registry,
            generation: generation.cloned(),
            second: tables.iter().map(second).collect(),
            entities: Entities::among(&tables),
            tables,
        }
    }

    /// Whether these are the tables of that very set.
    pub(crate) fn are_of(&self, registry: &Arc<Registry>) -> bool {
        Arc::ptr_eq(&self.registry, registry)
    }

    /// The names of the tables that events of a type have rows in, as [`type_of`] tells it: none, its own, and
    /// those that others of its rows may be in.
    pub(crate) fn named(&self, told: &str) -> impl Iterator<Item = &str> {
        let found = told.split_once('\0').and_then(|(kind, dataschema)| {
            let dataschema = Some(dataschema).filter(|text| *text != "\0");
            self.find(kind, dataschema).ok()
        });
        let second = found.and_then(|found| self.second[found]);
        let entities = found.into_iter().flat_map(|found| self.entities.of(found));
        let tables = found.into_iter().chain(second).chain(entities);
        tables.map(|table| self.tables[table].name())
    }

    /// The table's place in `tables`.
    fn find(&self, kind: &str, dataschema: Option<&str>) -> Result<usize, Unroutable> {
        let schema = self
            .registry
            .resolve(kind, dataschema)
            .map_err(|unknown| Unroutable {
                reason: Reason::UnknownSchema,
                keyword: unknown.attribute(),
                message: unknown.to_string(),
            })?;
        let name = match &self.generation {
            Some(generation) => Cow::Owned(generation.table(schema.table())),
            None => Cow::Borrowed(schema.table()),
        };
        let found = self
            .tables
            .binary_search_by(|table| table.name().cmp(&name));
        found.map_err(|_| Unroutable {
            reason: Reason::UnknownSchema,
            keyword: "type",
            message: format!("no table `{name}`"),
        })
    }
}

/// Where a record is within a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) records: u32,
    pub(crate) value: u32,
}

/// Why a record has no table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unroutable {
    pub(crate) reason: Reason,
    /// What is at fault, as in a violation.
    pub(crate) keyword: &'static str,
    pub(crate) message: String,
}

/// The records of one table and hour.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) table: Arc<Table>,
    /// Hours since the epoch, of the received time.
    pub(crate) hour: i64,
    pub(crate) rows: Vec<At>,
    /// Records that have their row in another table: these are their second ones.
    pub(crate) second_rows: Vec<At>,
    /// How many records have no row here, as their events landed before.
    pub(crate) duplicates: u64,
    /// Entities of records that have their row in another table, each with its index among them.
    pub(crate) entities: Vec<(At, u32)>,
}

/// A batch, sorted.
#[derive(Debug, Default)]
pub(crate) struct Routed {
    /// By table's name, then hour.
    pub(crate) groups: Vec<Group>,
    pub(crate) unroutable: Vec<(At, Unroutable)>,
}

/// Sorts the batch by table and hour, without the events that are in a window already; the others belong to it then.
pub(crate) fn route(records: &[Records], tables: &Tables, mut seen: Option<&mut Seen>) -> Routed {
    let mut router = Router {
        tables,
        known: HashMap::new(),
        key: String::new(),
        named: Vec::new(),
        groups: BTreeMap::new(),
    };
    let mut unroutable = Vec::new();
    for (index, delivery) in (0_u32..).zip(records) {
        let mut window = seen
            .as_deref_mut()
            .map(|seen| seen.window(&delivery.partition));
        for (value, record) in (0_u32..).zip(&delivery.values) {
            let at = At {
                records: index,
                value,
            };
            if let Err(reason) = router.add(at, record, delivery.appended_ms, window.as_deref_mut())
            {
                unroutable.push((at, reason));
            }
        }
    }
    let group = |((table, hour), places): ((usize, i64), Places)| Group {
        table: Arc::clone(&tables.tables[table]),
        hour,
        rows: places.rows,
        second_rows: places.second_rows,
        duplicates: places.duplicates,
        entities: places.entities,
    };
    Routed {
        groups: router.groups.into_iter().map(group).collect(),
        unroutable,
    }
}

struct Router<'t> {
    tables: &'t Tables,
    /// Which table, by type and dataschema as they stand in the records.
    known: HashMap<String, Result<usize, Unroutable>>,
    key: String,
    /// Where what an event is known by is put together.
    named: Vec<u8>,
    groups: BTreeMap<(usize, i64), Places>,
}

#[derive(Default)]
struct Places {
    rows: Vec<At>,
    second_rows: Vec<At>,
    duplicates: u64,
    entities: Vec<(At, u32)>,
}

impl Router<'_> {
    fn add(
        &mut self,
        at: At,
        record: &[u8],
        appended_ms: i64,
        window: Option<&mut Window>,
    ) -> Result<(), Unroutable> {
        let look = match Look::before_data(head(record)) {
            Some(look) => look,
            None => Look::at_whole(text(record)?)?,
        };
        let micros = look.received.and_then(|text| date_time_micros(&text));
        let micros = micros.unwrap_or(appended_ms.saturating_mul(1_000));
        let hour = micros.div_euclid(HOUR_MICROS);
        let table = self.table(&look.kind, look.dataschema.as_deref())?;
        let places = self.groups.entry((table, hour)).or_default();
        if let Some(window) = window {
            let id = seen::id_of(&look.source, &look.kind, &look.id, &mut self.named);
            if !window.take(id, micros.div_euclid(1_000)) {
                places.duplicates += 1;
                return Ok(());
            }
        }
        places.rows.push(at);
        if let Some(second) = self.tables.second[table] {
            let places = self.groups.entry((second, hour)).or_default();
            places.second_rows.push(at);
        }
        if self.tables.entities.around(table) {
            self.tables.entities.rows(record, |table, index| {
                let places = self.groups.entry((table, hour)).or_default();
                places.entities.push((at, index));
            });
        }
        Ok(())
    }

    fn table(&mut self, kind: &str, dataschema: Option<&str>) -> Result<usize, Unroutable> {
        told(kind, dataschema, &mut self.key);
        if let Some(known) = self.known.get(&self.key) {
            return known.clone();
        }
        let found = self.tables.find(kind, dataschema);
        self.known.insert(self.key.clone(), found.clone());
        found
    }
}

/// What a record says of its type, written into `out` for [`Tables::named`]; false: it is no event.
pub(crate) fn type_of(record: &[u8], out: &mut String) -> bool {
    let look = Look::before_data(head(record));
    let look = look.or_else(|| Look::at_whole(text(record).ok()?).ok());
    if let Some(look) = &look {
        told(&look.kind, look.dataschema.as_deref(), out);
    }
    look.is_some()
}

/// What the window of the record's partition knows its event by; `None`: it is no event.
pub(crate) fn seen_as(record: &[u8]) -> Option<seen::Id> {
    let look = Look::before_data(head(record));
    let look = look.or_else(|| Look::at_whole(text(record).ok()?).ok())?;
    let mut named = Vec::new();
    Some(seen::id_of(&look.source, &look.kind, &look.id, &mut named))
}

fn told(kind: &str, dataschema: Option<&str>, out: &mut String) {
    out.clear();
    out.push_str(kind);
    out.push('\0');
    out.push_str(dataschema.unwrap_or("\0"));
}

/// The record as text. Routing asks it only of unusual records: whoever decodes one asks it of all.
pub(crate) fn text(record: &[u8]) -> Result<&str, Unroutable> {
    simdutf8::basic::from_utf8(record).map_err(|_| Unroutable {
        reason: Reason::Undecodable,
        keyword: "encoding",
        message: "the record is not UTF-8".to_owned(),
    })
}

/// As much of a record as is text and holds the attributes, mostly.
fn head(record: &[u8]) -> &str {
    const HEAD_BYTES: usize = 512;
    let continues = |byte: &u8| byte & 0xC0 == 0x80;
    let mut end = record.len().min(HEAD_BYTES);
    while end > 0 && record.get(end).is_some_and(continues) {
        end -= 1;
    }
    simdutf8::basic::from_utf8(&record[..end]).unwrap_or_default()
}

/// The first attributes in the order in which Headgate writes them.
const NAMES: [&str; 8] = [
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "dataschema",
    "subject",
    "receivedtime",
];
static KEYS: LazyLock<[Expected; 8]> = LazyLock::new(|| NAMES.map(Expected::new));

/// The places of those that decide where a record goes; the last one ends the search.
mod place {
    pub(super) const ID: usize = 1;
    pub(super) const SOURCE: usize = 2;
    pub(super) const TYPE: usize = 3;
    pub(super) const DATASCHEMA: usize = 5;
    pub(super) const RECEIVEDTIME: usize = 7;
}

/// What decides where a record goes.
#[derive(Debug, PartialEq, Eq)]
struct Look<'a> {
    id: Cow<'a, str>,
    source: Cow<'a, str>,
    kind: Cow<'a, str>,
    dataschema: Option<Cow<'a, str>>,
    received: Option<Cow<'a, str>>,
}

impl<'a> Look<'a> {
    /// Looks at the attributes before the data, where Headgate writes all of them. `None`: something is unusual.
    /// Whether the record is an event at all is for the decoder to say.
    fn before_data(record: &'a str) -> Option<Self> {
        let mut cursor = Cursor::new(record, 2);
        let (mut id, mut source, mut kind, mut dataschema) = (None, None, None, None);
        let keys = &*KEYS;
        let mut next = 0;
        let mut more = cursor.object().ok()?;
        while more {
            cursor.space();
            let ahead = keys[next..].iter().position(|key| cursor.take(key));
            if let Some(distance) = ahead {
                let text = cursor.string().ok()?;
                match next + distance {
                    place::ID => id = Some(text.decode()),
                    place::SOURCE => source = Some(text.decode()),
                    place::TYPE => kind = Some(text.decode()),
                    place::DATASCHEMA => dataschema = Some(text.decode()),
                    place::RECEIVEDTIME => {
                        return Some(Self {
                            id: id?,
                            source: source?,
                            kind: kind?,
                            dataschema: Some(dataschema?),
                            received: Some(text.decode()),
                        });
                    }
                    _ => {}
                }
                next += distance + 1;
            } else if NAMES.contains(&cursor.key().ok()?.raw) {
                return None;
            } else {
                cursor.skip().ok()?;
            }
            more = cursor.next_member().ok()?;
        }
        None
    }

    fn at_whole(record: &'a str) -> Result<Self, Unroutable> {
        // Depth is judged when the row is decoded.
        let event = Event::read(record, u32::MAX - 1).map_err(|error| Unroutable {
            reason: reason_of(&error),
            keyword: "syntax",
            message: error.to_string(),
        })?;
        Ok(Self {
            id: event.id,
            source: event.source,
            kind: event.kind,
            dataschema: event.dataschema,
            received: event.receivedtime,
        })
    }
}

/// How a record that is not an event counts among the bad events.
pub(crate) fn reason_of(error: &event::Error) -> Reason {
    match error {
        event::Error::Syntax(_) => Reason::Malformed,
        _ => Reason::Envelope,
    }
}

#[cfg(test)]
mod tests;
