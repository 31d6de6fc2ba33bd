//! Track calls as they landed in `tracks`: those that no schema describes have their properties there.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use arrow::array::{Array, AsArray};
use futures_util::TryStreamExt;
use headgate_schemas::format::write_date_time;
use headgate_schemas::names::snake_case;

use super::Arguments;
use super::found::Found;
use crate::config::Config;
use crate::query::{self, Engine};

/// Reads them, as of now, and adds them to what was found.
pub(super) async fn read(arguments: &Arguments, config: &Config, found: &mut Found) -> Result<()> {
    let wanted: BTreeSet<String> = arguments
        .events
        .iter()
        .map(|name| snake_case(name))
        .collect();
    let engine = query::open(config).await?;
    let sql = sql(arguments);
    for statement in Engine::parse(&sql)? {
        let mut rows = engine.run(statement).await?;
        while let Some(batch) = rows.try_next().await? {
            let column = |at: usize| {
                let texts = batch.column(at).as_string_opt::<i32>();
                texts.context("the columns of `tracks` are not text")
            };
            let (names, properties) = (column(0)?, column(1)?);
            for row in 0..batch.num_rows() {
                let name = names.value(row);
                if !wanted.is_empty() && !wanted.contains(&snake_case(name)) {
                    continue;
                }
                if found.events() >= arguments.events_max {
                    eprintln!(
                        "only the first {} events are looked at: --events-max allows more",
                        arguments.events_max
                    );
                    return Ok(());
                }
                found.add(
                    name,
                    properties.is_valid(row).then(|| properties.value(row)),
                );
            }
        }
    }
    Ok(())
}

/// Calls with a schema have a row there too, of their own type and without properties.
fn sql(arguments: &Arguments) -> String {
    let mut sql = "select event, properties from tracks \
                   where event_type = 'track' and event is not null"
        .to_owned();
    for (bound, micros) in [(">=", arguments.since), ("<", arguments.until)] {
        if let Some(micros) = micros {
            let mut time = Vec::new();
            write_date_time(micros, &mut time);
            let time = String::from_utf8_lossy(&time);
            sql.push_str(&format!(" and received_at {bound} timestamp '{time}'"));
        }
    }
    sql
}
