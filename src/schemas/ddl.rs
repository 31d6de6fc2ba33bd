//! `headgate schemas ddl`: the tables as SQL, as a loader would make them.

use std::io::Write;

use anyhow::{Result, bail};
use headgate_schemas::registry::Registry;
use headgate_sink::table::{Table, redshift, users};

/// Prints `CREATE TABLE` for Redshift, then a view of each event whose majors are among the tables.
///
/// # Errors
/// There is no such table, or it cannot be written.
pub(super) fn redshift(
    registry: &Registry,
    asked: Option<&str>,
    schema: &str,
    out: &mut impl Write,
) -> Result<u8> {
    for table in tables(registry, asked)? {
        writeln!(out, "{};", table.redshift_create(schema)?)?;
    }
    if asked.is_none() {
        for view in views(registry, schema) {
            writeln!(out, "{view};")?;
        }
        if let Some(view) = users_view(registry, schema) {
            writeln!(out, "{view};")?;
        }
    }
    Ok(0)
}

/// Prints `CREATE TABLE` for DuckDB.
///
/// # Errors
/// There is no such table, or it cannot be written.
pub(super) fn duckdb(registry: &Registry, asked: Option<&str>, out: &mut impl Write) -> Result<u8> {
    for table in tables(registry, asked)? {
        write!(out, "{}", table.duckdb_ddl())?;
    }
    Ok(0)
}

/// The tables that are expected to get rows, or the one that is asked for.
fn tables(registry: &Registry, asked: Option<&str>) -> Result<Vec<Table>> {
    let known: Vec<&str> = registry.families().map(|(name, _)| name).collect();
    if let Some(asked) = asked.filter(|asked| !known.contains(asked)) {
        bail!("no table `{asked}`; there are: {}", known.join(", "));
    }
    let of = |(_, family)| Table::of(family);
    Ok(match asked {
        Some(asked) => registry
            .families()
            .filter(|(name, _)| *name == asked)
            .map(of)
            .collect(),
        None => registry.expected().map(of).collect(),
    })
}

/// A view of each event that has several majors, under its name in snake case.
fn views(registry: &Registry, schema: &str) -> Vec<String> {
    let mut taken: Vec<String> = registry
        .families()
        .map(|(name, _)| name.to_owned())
        .collect();
    let mut views = Vec::new();
    for (event, majors) in majors(registry) {
        let majors: Vec<&Table> = majors.iter().collect();
        let name = redshift::view_name(event, &majors);
        let known: Vec<&str> = taken.iter().map(String::as_str).collect();
        if let Some(view) = redshift::union_view(schema, &name, &majors, &known) {
            views.push(view);
            // Two events may have one name in snake case: the first one has the view.
            taken.push(name);
        }
    }
    views
}

/// The view of users, where identify calls are expected.
fn users_view(registry: &Registry, schema: &str) -> Option<String> {
    let table = Table::of(users::identifies(registry)?);
    let expected = registry.expected().any(|(name, _)| name == table.name());
    expected.then(|| users::redshift_view(schema, &table, &users::columns(&table)))
}

/// Each event with the tables of its majors, ascending.
fn majors(registry: &Registry) -> Vec<(&str, Vec<Table>)> {
    let mut events: Vec<(&str, Vec<Table>)> = Vec::new();
    // By event's name, then version: the minors of a major come together.
    for schema in registry.schemas() {
        let Some(family) = registry.family(schema.table()) else {
            continue;
        };
        if family
            .first()
            .is_none_or(|first| first.version() != schema.version())
        {
            continue;
        }
        let table = Table::of(family);
        match events.last_mut() {
            Some((event, tables)) if *event == schema.name() => tables.push(table),
            _ => events.push((schema.name(), vec![table])),
        }
    }
    events
}
