//! Which columns a file has, by the fingerprint in its commit.
//!
//! The schemas in force tell it of every state that a table has had since its first minor. What they no longer tell, the
//! file itself does.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use arrow::datatypes::DataType;
use headgate_schemas::registry::{Registry, SharedRegistry};
use parquet::{arrow::arrow_reader::ParquetRecordBatchReaderBuilder, errors::ParquetError};

use super::statements::Staged;
use crate::{
    commit::File,
    store::{self, Store},
    table::{Generation, Table, Type, users},
};

/// Why a file's columns are not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    /// It is there, and will not be another one.
    #[error("{path} is no Parquet file that can be read: {source}")]
    Broken { path: String, source: ParquetError },
}

/// The columns of all files, as far as they are known.
#[derive(Debug)]
pub(super) struct Layouts {
    schemas: Arc<SharedRegistry>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The set that the tables are of.
    registry: Option<Arc<Registry>>,
    tables: HashMap<String, Arc<Table>>,
    /// Of each event, the table of each major.
    events: BTreeMap<String, BTreeMap<u32, String>>,
    layouts: HashMap<String, Arc<Vec<Staged>>>,
}

impl Layouts {
    pub(super) fn new(schemas: Arc<SharedRegistry>) -> Self {
        Self {
            schemas,
            known: Mutex::default(),
        }
    }

    /// The table of that name by the schemas now in force; a generation's table is as the one it was made from.
    pub(super) fn table(&self, name: &str) -> Option<Arc<Table>> {
        self.with(|known| {
            if let Some(table) = known.tables.get(name) {
                return Some(Arc::clone(table));
            }
            let base = Generation::base(name)?;
            let generation =
                Generation::new(name.strip_prefix(base)?.trim_start_matches('_')).ok()?;
            let table = Table::clone(known.tables.get(base)?).within(Some(&generation));
            Some(Arc::new(table))
        })
    }

    /// The event whose table this is, and the tables of its majors, ascending; `None`: no schema in force has it.
    pub(super) fn majors(&self, table: &str) -> Option<(String, Vec<Arc<Table>>)> {
        self.with(|known| {
            let event = known
                .events
                .iter()
                .find(|(_, tables)| tables.values().any(|name| name == table));
            let (event, tables) = event?;
            let tables = tables
                .values()
                .filter_map(|name| known.tables.get(name).cloned());
            Some((event.clone(), tables.collect()))
        })
    }

    /// The table that the view of users is over; `None`: there is no such view.
    pub(super) fn identifies(&self) -> Option<Arc<Table>> {
        self.with(|known| {
            let registry = known.registry.as_ref()?;
            let schema = users::identifies(registry)?.last()?;
            known.tables.get(schema.table()).cloned()
        })
    }

    /// All tables of the schemas now in force.
    pub(super) fn tables(&self) -> Vec<Arc<Table>> {
        let mut tables: Vec<_> = self.with(|known| known.tables.values().cloned().collect());
        tables.sort_by(|a, b| a.name().cmp(b.name()));
        tables
    }

    /// The columns of a file, in their order.
    ///
    /// # Errors
    /// The file has to be looked at, and cannot be.
    pub(super) async fn columns(
        &self,
        store: &dyn Store,
        file: &File,
    ) -> Result<Arc<Vec<Staged>>, Error> {
        if let Some(known) = self.with(|known| known.layouts.get(&file.fingerprint).cloned()) {
            return Ok(known);
        }
        let bytes = store.read(&file.path).await?;
        let broken = |source| Error::Broken {
            path: file.path.clone(),
            source,
        };
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(broken)?;
        let fields = reader.schema().fields().iter();
        let columns = Arc::new(fields.map(|field| staged(field)).collect::<Vec<_>>());
        self.with(|known| {
            known
                .layouts
                .insert(file.fingerprint.clone(), Arc::clone(&columns));
        });
        Ok(columns)
    }

    fn with<T>(&self, look: impl FnOnce(&mut Known) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let registry = self.schemas.load();
        if !known
            .registry
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, &registry))
        {
            known.learn(registry);
        }
        look(&mut known)
    }
}

impl Known {
    fn learn(&mut self, registry: Arc<Registry>) {
        self.tables.clear();
        self.events.clear();
        for (name, family) in registry.families() {
            // Models of entities are no versions of one event.
            if let Some(newest) = family.last().filter(|newest| !newest.entity()) {
                let tables = self.events.entry(newest.name().to_owned()).or_default();
                tables.insert(newest.version().major, name.to_owned());
            }
            // A file was written by the minors of its time.
            for minors in 1..=family.len() {
                let table = Table::of(&family[..minors]);
                let columns = table.columns().iter().map(|column| Staged {
                    name: column.name.clone(),
                    kind: column.kind,
                    required: column.required,
                });
                let columns = Arc::new(columns.collect());
                self.layouts.insert(table.fingerprint().to_owned(), columns);
                self.tables.insert(name.to_owned(), Arc::new(table));
            }
        }
        self.registry = Some(registry);
    }
}

/// A column as a file tells of it: JSON is a text there.
fn staged(field: &arrow::datatypes::Field) -> Staged {
    let kind = match field.data_type() {
        DataType::Boolean => Type::Boolean,
        DataType::Int64 => Type::Integer,
        DataType::Float64 => Type::Number,
        DataType::Timestamp(..) => Type::Timestamp,
        DataType::Date32 => Type::Date,
        _ => Type::Text,
    };
    Staged {
        name: field.name().clone(),
        kind,
        required: !field.is_nullable(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{table::tests::registry, testing::memory::Memory};

    #[tokio::test]
    async fn a_file_of_unknown_columns_that_cannot_be_read_is_told_from_a_store_that_fails() {
        let store = Memory::default();
        let layouts = Layouts::new(Arc::new(SharedRegistry::new(registry(&[(
            "thing/1.json",
            r#"{"type": "object"}"#,
        )]))));
        let file = |path: &str| File {
            table: "t".to_owned(),
            path: path.to_owned(),
            bytes: 4,
            rows: 1,
            crc32c: 0,
            fingerprint: "unknown".to_owned(),
            received_min_ms: 0,
            received_max_ms: 0,
            text_bytes_max: None,
            second_rows: 0,
        };
        store.create("t/broken", "gone".into()).await.unwrap();
        let broken = layouts
            .columns(&store, &file("t/broken"))
            .await
            .unwrap_err();
        assert!(matches!(broken, Error::Broken { .. }), "{broken}");
        let missing = layouts
            .columns(&store, &file("t/missing"))
            .await
            .unwrap_err();
        assert!(
            matches!(missing, Error::Store(store::Error::NotFound { .. })),
            "{missing}"
        );
    }
}
