//! What has landed, read as everybody reads it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::run::output;
use crate::site::Site;

/// The tables that there are.
pub(crate) async fn tables(site: &Site<'_>) -> Result<Vec<String>> {
    let mut command = site.client()?;
    command.args(["tables", "--format", "json"]);
    let (_, said) = output(command, site.dir.join("tables")).await?;
    let mut tables = Vec::new();
    for line in said.lines() {
        let table: Value = serde_json::from_str(line)?;
        let name = table["table"].as_str().context("a table has a name")?;
        tables.push(name.to_owned());
    }
    Ok(tables)
}

/// The ids of all events that have landed in these tables, and how many rows each has.
pub(crate) async fn events(site: &Site<'_>, tables: &[String]) -> Result<BTreeMap<String, u64>> {
    let mut events = BTreeMap::new();
    if tables.is_empty() {
        return Ok(events);
    }
    let of_each = tables.iter();
    let of_each = of_each.map(|table| format!("SELECT event_id FROM {table}"));
    let sql = of_each.collect::<Vec<String>>().join(" UNION ALL ");
    let mut command = site.client()?;
    command.args(["query", "--format", "json", &sql]);
    let (done, said) = output(command, site.dir.join("landed")).await?;
    ensure!(done, "cannot query {tables:?}");
    for line in said.lines() {
        let row: Value = serde_json::from_str(line)?;
        let id = row["event_id"].as_str().context("an event has an id")?;
        *events.entry(id.to_owned()).or_default() += 1;
    }
    Ok(events)
}
