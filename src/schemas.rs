//! `headgate schemas ...`, and where the schemas of every command come from.

mod builtin;
mod ddl;
pub(crate) mod infer;
mod validate;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use headgate_schemas::evolve::{self, SchemaChange};
use headgate_schemas::registry::{LoadErrors, Registry};
use headgate_schemas::schema::Schema;
use headgate_sink::table;

use crate::cli::{self, Dialect, exit};
use crate::config::{Config, nearest};

/// Where a set of schemas is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A directory of `<event>/<version>.json` files.
    Directory(PathBuf),
    /// The example catalogue in the binary.
    BuiltIn,
}

/// The directory that is taken below the working directory when none is configured.
const DEFAULT_DIR: &str = "schemas/events";

impl Source {
    /// The source that the configuration names.
    pub(crate) fn of(config: &Config) -> Self {
        match &config.schemas.dir {
            Some(dir) => Self::Directory(dir.clone()),
            None if Path::new(DEFAULT_DIR).is_dir() => Self::Directory(DEFAULT_DIR.into()),
            None => Self::BuiltIn,
        }
    }

    /// Loads and compiles the set.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn load(&self) -> Result<Registry, Refused> {
        let loaded = match self {
            Self::Directory(dir) => Registry::load(dir),
            Self::BuiltIn => builtin::load(),
        };
        let checked = loaded.and_then(|registry| table::check(&registry).map(|()| registry));
        checked.map_err(|errors| Refused {
            source: self.clone(),
            errors,
        })
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(dir) => dir.display().fmt(f),
            Self::BuiltIn => f.write_str("the built-in catalogue"),
        }
    }
}

/// A set of schemas is refused.
#[derive(Debug, thiserror::Error)]
#[error("the schemas of {source} are refused:\n{errors}")]
pub(crate) struct Refused {
    // Not an error's `source`: thiserror would take a field of that name for one.
    #[source]
    pub(crate) errors: LoadErrors,
    source: Source,
}

/// Runs one of the commands; returns the exit code.
///
/// # Errors
/// What was asked for is not there, or cannot be read or written.
pub(crate) async fn run(command: cli::Schemas, config: &Config) -> Result<u8> {
    let source = Source::of(config);
    let mut out = io::BufWriter::new(io::stdout());
    let code = match command {
        cli::Schemas::Infer(arguments) => return Box::pin(infer::run(&arguments, config)).await,
        cli::Schemas::List => list(&source.load()?, &mut out),
        cli::Schemas::Show { name } => show(find(&source.load()?, &name)?, &mut out),
        cli::Schemas::Check { against } => check(&source, against, &mut out),
        cli::Schemas::Ddl {
            table,
            dialect,
            schema,
        } => {
            let registry = source.load()?;
            match dialect {
                Dialect::Redshift => ddl::redshift(&registry, table.as_deref(), &schema, &mut out),
                Dialect::Duckdb => ddl::duckdb(&registry, table.as_deref(), &mut out),
            }
        }
        cli::Schemas::Validate { schema, instances } => validate::run(
            &source,
            &schema,
            &instances,
            config.gateway.limits.depth_max,
            &mut out,
        ),
    }?;
    out.flush()?;
    Ok(code)
}

fn list(registry: &Registry, out: &mut impl Write) -> Result<u8> {
    let rows: Vec<[String; 3]> = registry
        .schemas()
        .map(|schema| [schema.dataschema(), schema.table(), title(schema)].map(str::to_owned))
        .collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].len())
            .max()
            .unwrap_or(0)
            .max(6)
    };
    let (first, second) = (width(0), width(1));
    writeln!(out, "{:first$}  {:second$}  ABOUT", "SCHEMA", "TABLE")?;
    for [schema, table, about] in &rows {
        writeln!(out, "{schema:first$}  {table:second$}  {about}")?;
    }
    Ok(0)
}

/// What a schema says about itself in one line.
fn title(schema: &Schema) -> &str {
    let text = |name| {
        schema
            .document()
            .get(name)
            .and_then(serde_json::Value::as_str)
    };
    text("title")
        .or_else(|| text("description"))
        .unwrap_or_default()
        .lines()
        .next()
        .unwrap_or_default()
}

fn show(schema: &Schema, out: &mut impl Write) -> Result<u8> {
    serde_json::to_writer_pretty(&mut *out, schema.document())?;
    writeln!(out)?;
    Ok(0)
}

/// The schema of `name` (its newest version), `name/1` (its newest minor) or `name/1.2`.
fn find<'a>(registry: &'a Registry, name: &str) -> Result<&'a Arc<Schema>> {
    let (event, version) = match name.split_once('/') {
        Some((event, version)) => (event, Some(version)),
        None => (name, None),
    };
    let versions: Vec<&Arc<Schema>> = registry
        .schemas()
        .filter(|schema| schema.name() == event)
        .collect();
    let asked = |schema: &Schema| match version {
        None => true,
        Some(version) if version.contains('.') => schema.version().to_string() == version,
        Some(major) => schema.version().major.to_string() == major,
    };
    if let Some(schema) = versions
        .iter()
        .filter(|schema| asked(schema))
        .max_by_key(|schema| schema.version())
    {
        return Ok(*schema);
    }
    let known: Vec<&str> = match versions.is_empty() {
        true => registry.schemas().map(|schema| schema.name()).collect(),
        false => versions.iter().map(|schema| schema.dataschema()).collect(),
    };
    match nearest(name, &known) {
        Some(near) => {
            bail!("no schema `{name}`; did you mean `{near}`? `headgate schemas list` shows all")
        }
        None => bail!("no schema `{name}`; there are: {}", known.join(", ")),
    }
}

/// Checks the set by itself, and with `against` also that it may take the place of a former one.
fn check(source: &Source, against: Option<PathBuf>, out: &mut impl Write) -> Result<u8> {
    let registry = match source.load() {
        Ok(registry) => registry,
        Err(refused) => {
            writeln!(out, "{refused}")?;
            return Ok(exit::SCHEMA_REFUSED);
        }
    };
    writeln!(
        out,
        "{}: {} schemas are valid",
        source,
        registry.schemas().count()
    )?;
    let hashing = registry.hashing();
    if !hashing.is_empty() {
        let names = hashing.join(", ");
        writeln!(out, "the gateway needs privacy.hash_key for {names}")?;
    }
    let Some(former) = against.map(Source::Directory) else {
        return Ok(0);
    };
    let changes = evolve::compare_registries(&former.load()?, &registry);
    for change in &changes {
        report(change, out)?;
    }
    let breaking = changes.iter().filter(|change| change.breaking).count();
    if breaking > 0 {
        writeln!(
            out,
            "{breaking} of {} changes break what {former} promised",
            changes.len()
        )?;
        return Ok(exit::FAILURE);
    }
    writeln!(
        out,
        "{} changes, all compatible with {former}",
        changes.len()
    )?;
    Ok(0)
}

fn report(change: &SchemaChange, out: &mut impl Write) -> Result<()> {
    let verdict = if change.breaking { "BREAKING" } else { "ok" };
    let what = match change.kind {
        evolve::Event::NewEvent => "a new event",
        evolve::Event::NewMajor => "a new major version",
        evolve::Event::NewMinor => "a new minor version",
        evolve::Event::Removed => "removed",
        evolve::Event::Edited => "edited",
    };
    writeln!(
        out,
        "{verdict}: {}/{}: {what}",
        change.event, change.version
    )?;
    for detail in &change.changes {
        let mark = if detail.breaking { "breaking: " } else { "" };
        writeln!(out, "    {}: {mark}{}", detail.pointer, detail.reason)?;
    }
    Ok(())
}
