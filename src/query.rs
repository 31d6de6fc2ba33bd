//! `headgate query`: what has landed, read beside a running process or without one.

mod engine;
mod lake;
mod objects;
pub(crate) mod output;
mod prompt;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal, Read, Write};
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::object_store::ObjectStore;
use datafusion::object_store::local::LocalFileSystem;
use headgate_sink::commit::{DataFile, Snapshot};
use headgate_sink::store::Store;
use headgate_sink::table::{Table, redshift::quoted, users};
use parquet::arrow::arrow_reader::ArrowReaderMetadata;

pub(crate) use self::engine::Engine;
use self::engine::lake_url;
use self::lake::{LakeFile, LakeTable};
use self::objects::Objects;
pub(crate) use self::output::Format;
use crate::cause;
use crate::cli;
use crate::config::{Config, StoreKind};
use crate::lake::LandedFile;
use crate::schemas::Source;

/// Runs `headgate query`.
///
/// # Errors
/// The SQL is wrong or would change something, or the landed tables cannot be read.
pub(crate) async fn run(args: cli::Query, config: &Config) -> Result<()> {
    let sql = match args.sql {
        Some(sql) => sql,
        None if io::stdin().is_terminal() => {
            return prompt::run(config, args.format, args.max_rows).await;
        }
        None => {
            let mut sql = String::new();
            io::stdin()
                .lock()
                .read_to_string(&mut sql)
                .context("cannot read SQL from standard input")?;
            sql
        }
    };
    let engine = open(config).await?;
    statements(&engine, &sql, args.format, args.max_rows).await
}

/// Runs every statement of a text.
async fn statements(engine: &Engine, sql: &str, format: Format, rows_max: usize) -> Result<()> {
    for statement in Engine::parse(sql)? {
        let rows = engine.run(statement).await?;
        let mut out = io::BufWriter::new(io::stdout());
        output::write(rows, format, rows_max, &mut out).await?;
        out.flush()?;
    }
    Ok(())
}

/// The engine over what has landed now.
pub(crate) async fn open(config: &Config) -> Result<Engine> {
    let (store, snapshot) = landed(config).await?;
    let mut tables = BTreeMap::new();
    let mut unreadable = BTreeMap::new();
    let (declared, identifies) = declared(config);
    for (name, files) in snapshot.tables() {
        match columns(store.as_ref(), files).await {
            Ok(landed) => {
                let schema = with_declared(landed, declared.get(name));
                tables.insert(name.to_owned(), lake_table(schema, files)?);
            }
            Err(error) => {
                unreadable.insert(name.to_owned(), cause::line(&error));
            }
        }
    }
    for (name, schema) in declared {
        if !tables.contains_key(&name) && !unreadable.contains_key(&name) {
            tables.insert(name, lake_table(schema, &[])?);
        }
    }
    let users = identifies.filter(|table| {
        // A table of an older set of schemas is called so.
        !snapshot.tables().any(|(name, _)| name == users::NAME) && tables.contains_key(table.name())
    });
    let mut engine = Engine::new(
        store.map(|store| files(store, config)).transpose()?,
        tables,
        unreadable,
        usize::try_from(config.query.memory_bytes_max)?,
    )?;
    if let Some(table) = users {
        let select = users::select(&quoted(table.name()), &users::columns(&table));
        engine.view(users::NAME, &select).await?;
    }
    Ok(engine)
}

/// What DataFusion reads the files through: its own access to a directory is quicker than one through the store.
fn files(store: Arc<dyn Store>, config: &Config) -> Result<Arc<dyn ObjectStore>> {
    Ok(match config.store.kind {
        StoreKind::Local => Arc::new(
            LocalFileSystem::new_with_prefix(config.lake_dir())
                .with_context(|| format!("cannot open {}", crate::lake::name(config)))?,
        ),
        StoreKind::S3 => Arc::new(Objects(store)),
    })
}

/// The store, and what has landed in it by now. Before the first start there is neither, which is no error: there are
/// just no tables.
pub(crate) async fn landed(config: &Config) -> Result<(Option<Arc<dyn Store>>, Snapshot)> {
    exists(config)?;
    let store = crate::lake::open_to_read(config).await?;
    let snapshot = match &store {
        Some(store) => crate::lake::snapshot(&**store, config).await?,
        None => Snapshot::default(),
    };
    Ok((store, snapshot))
}

/// The tables that the schemas declare, landed or not, so that a query on one without rows has its columns; and the one that
/// the view of users is over.
fn declared(config: &Config) -> (BTreeMap<String, SchemaRef>, Option<Table>) {
    match Source::of(config).load() {
        Ok(schemas) => {
            let table =
                |(name, family): (&str, _)| (name.to_owned(), Table::of(family).arrow_schema());
            let identifies = users::identifies(&schemas).map(Table::of);
            (schemas.families().map(table).collect(), identifies)
        }
        // What has landed can be read without them.
        Err(error) => {
            tracing::warn!(%error, "tables without rows are not shown");
            (BTreeMap::new(), None)
        }
    }
}

/// The columns of the files, then those that a newer schema appends and no file has yet.
fn with_declared(landed: SchemaRef, declared: Option<&SchemaRef>) -> SchemaRef {
    let Some(declared) = declared else {
        return landed;
    };
    let newer = declared
        .fields()
        .iter()
        .filter(|field| landed.field_with_name(field.name()).is_err());
    let newer = newer.map(|field| Arc::new(field.as_ref().clone().with_nullable(true)));
    Arc::new(Schema::new(
        landed
            .fields()
            .iter()
            .cloned()
            .chain(newer)
            .collect::<Vec<_>>(),
    ))
}

/// An empty answer would hide that the wrong directory was asked.
pub(crate) fn exists(config: &Config) -> Result<()> {
    let dir = &config.data_dir;
    anyhow::ensure!(
        config.store.kind == StoreKind::S3 || dir.is_dir(),
        "there is no data directory {}: `headgate up` makes it; --data-dir names another one",
        dir.display()
    );
    Ok(())
}

fn lake_table(schema: SchemaRef, files: &[DataFile]) -> Result<LakeTable> {
    let file = |file: &DataFile| LakeFile {
        path: file.path.clone(),
        bytes: file.bytes,
        rows: file.rows,
    };
    Ok(LakeTable {
        store: lake_url()?,
        schema,
        files: files.iter().map(file).collect(),
    })
}

/// The columns of all of a table's files. Columns are only ever appended, so a file of each fingerprint tells all.
async fn columns(store: Option<&Arc<dyn Store>>, files: &[DataFile]) -> Result<SchemaRef> {
    let mut seen = BTreeSet::new();
    let mut schemas = Vec::new();
    for file in files.iter().filter(|file| seen.insert(&file.fingerprint)) {
        let store = store.context("a file without a store")?;
        let mut landed = LandedFile::new(store, file);
        let footer = ArrowReaderMetadata::load_async(&mut landed, Default::default());
        let footer = footer
            .await
            .with_context(|| format!("cannot read the footer of {}", file.path))?;
        schemas.push(
            footer
                .schema()
                .as_ref()
                .clone()
                .with_metadata(Default::default()),
        );
    }
    Ok(Arc::new(merged(&schemas)))
}

/// All columns of the schemas, in the order of their first appearance.
fn merged(schemas: &[Schema]) -> Schema {
    let mut columns: Vec<Field> = Vec::new();
    for field in schemas.iter().flat_map(Schema::fields) {
        match columns
            .iter_mut()
            .find(|column| column.name() == field.name())
        {
            // A column that older files lack is null there, whatever the newer ones promise.
            None => columns.push(field.as_ref().clone().with_nullable(true)),
            // Only an edit of a schema that is in use does this. Text holds either value; an error would hold none.
            Some(column) if column.data_type() != field.data_type() => {
                *column = Field::new(field.name(), DataType::Utf8, true);
            }
            Some(_) => {}
        }
    }
    Schema::new(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(columns: &[(&str, DataType)]) -> Schema {
        let field = |(name, kind): &(&str, DataType)| Field::new(*name, kind.clone(), false);
        Schema::new(columns.iter().map(field).collect::<Vec<_>>())
    }

    #[test]
    fn columns_keep_their_order_and_new_ones_come_last() {
        let older = schema(&[("a", DataType::Int64), ("b", DataType::Utf8)]);
        let newer = schema(&[
            ("a", DataType::Int64),
            ("b", DataType::Utf8),
            ("c", DataType::Boolean),
        ]);
        let merged = merged(&[older, newer]);
        let names: Vec<&String> = merged.fields().iter().map(|field| field.name()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert!(merged.fields().iter().all(|field| field.is_nullable()));
    }

    #[test]
    fn a_column_of_two_types_is_text() {
        let merged = merged(&[
            schema(&[("a", DataType::Int64)]),
            schema(&[("a", DataType::Boolean)]),
        ]);
        assert_eq!(merged.field(0).data_type(), &DataType::Utf8);
    }
}
