//! What `headgate up` prints once it takes events: where everything is, and three lines to try.

use std::io::{self, Write};

use anyhow::Result;
use headgate_schemas::registry::Registry;
use serde_json::{Value, json};

use super::addresses::{Addresses, reachable};
use crate::config::Config;
use crate::schemas::Source;

/// Prints it.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn print(
    config: &Config,
    addresses: &Addresses,
    source: &Source,
    schemas: &Registry,
) -> Result<()> {
    let (events, admin) = (reachable(addresses.gateway), reachable(addresses.admin));
    let data = config.data_dir.display();
    let reload = if config.schemas.watch {
        "reloaded on change and on SIGHUP"
    } else {
        "reloaded on SIGHUP"
    };
    let schemas_from = match source {
        Source::Directory(dir) => format!(
            "{} in {}, {reload}",
            schemas.schemas().count(),
            dir.display()
        ),
        Source::BuiltIn => format!("{} of {source}", schemas.schemas().count()),
    };
    let mut out = io::stdout().lock();
    writeln!(out, "Headgate {} is up.", env!("CARGO_PKG_VERSION"))?;
    writeln!(
        out,
        "  events   POST http://{events}/v1/events   (listens on {})",
        addresses.gateway
    )?;
    writeln!(
        out,
        "  admin    http://{admin}   /live /ready /metrics /version"
    )?;
    writeln!(out, "  schemas  {schemas_from}")?;
    writeln!(
        out,
        "  data     {data}/lake (tables), {data}/journal (not landed yet)"
    )?;
    if let Some((event, table)) = sample(schemas) {
        let at = match config.data_dir == Config::default().data_dir {
            true => String::new(),
            false => format!(" --data-dir {data}"),
        };
        let seconds = config.sink.batch_age_max_ms.div_ceil(1_000);
        writeln!(
            out,
            "Try (an event is in its table after about {seconds} s):"
        )?;
        writeln!(
            out,
            "  curl http://{events}/v1/events -H 'content-type: application/json' -d '{event}'"
        )?;
        writeln!(out, "  headgate query{at} 'SELECT * FROM {table}'")?;
        writeln!(out, "  headgate tables{at}")?;
    }
    Ok(out.flush()?)
}

/// The shortest example among the schemas, as an event to post, and the table that it lands in.
fn sample(schemas: &Registry) -> Option<(String, String)> {
    schemas
        .schemas()
        .filter(|schema| schema.name() != "bad_events")
        .filter_map(|schema| {
            let example = schema
                .document()
                .get("examples")
                .and_then(Value::as_array)?
                .first()?;
            let event = json!({ "type": schema.name(), "data": example }).to_string();
            // It stands between single quotes in a shell.
            (!event.contains('\'')).then(|| (event, schema.table().to_owned()))
        })
        .min_by_key(|(event, _)| event.len())
}
