//! What a process prints once it does its work: where everything is, and three lines to try.

use std::io::{self, Write};
use std::net::SocketAddr;

use anyhow::Result;
use headgate_schemas::event::reserved;
use headgate_schemas::registry::Registry;
use serde_json::{Value, json};

use super::Role;
use super::addresses::{Addresses, reachable};
use crate::config::{Config, StreamKind};
use crate::lake;
use crate::schemas::Source;

/// Prints it.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn print(
    config: &Config,
    role: Role,
    addresses: &Addresses,
    source: &Source,
    schemas: &Registry,
) -> Result<()> {
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
    let what = match role {
        Role::Whole { .. } => "Headgate",
        Role::Gateway => "Headgate's gateway",
        Role::Sink => "Headgate's sink",
    };
    writeln!(out, "{what} {} is up.", env!("CARGO_PKG_VERSION"))?;
    if let Some(gateway) = addresses.gateway {
        let events = reachable(gateway);
        writeln!(
            out,
            "  events   POST http://{events}/v1/events   (listens on {gateway})"
        )?;
    }
    let admin = reachable(addresses.admin);
    writeln!(
        out,
        "  admin    http://{admin}   /live /ready /metrics /version"
    )?;
    writeln!(out, "  schemas  {schemas_from}")?;
    match config.stream.kind {
        StreamKind::Journal => {}
        StreamKind::Kafka => {
            let servers = config.kafka.bootstrap_servers.join(", ");
            writeln!(out, "  stream   Kafka at {servers}")?;
        }
        StreamKind::Kinesis => match &config.kinesis.endpoint {
            Some(endpoint) => writeln!(out, "  stream   Kinesis at {endpoint}")?,
            None => writeln!(out, "  stream   Amazon Kinesis")?,
        },
    }
    if role != Role::Gateway {
        let journal = match config.stream.kind {
            StreamKind::Journal => {
                format!(", {}/journal (not landed yet)", config.data_dir.display())
            }
            StreamKind::Kafka | StreamKind::Kinesis => String::new(),
        };
        writeln!(out, "  data     {} (tables){journal}", lake::name(config))?;
    }
    if let (Some(gateway), Role::Whole { .. }) = (addresses.gateway, role) {
        try_it(&mut out, config, reachable(gateway), schemas)?;
    }
    Ok(out.flush()?)
}

/// Three lines to try.
fn try_it(
    out: &mut impl Write,
    config: &Config,
    events: SocketAddr,
    schemas: &Registry,
) -> io::Result<()> {
    let Some((event, table)) = sample(schemas) else {
        return Ok(());
    };
    let at = match config.data_dir == Config::default().data_dir {
        true => String::new(),
        false => format!(" --data-dir {}", config.data_dir.display()),
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
    writeln!(out, "  headgate tables{at}")
}

/// The shortest example among the schemas, as an event to post, and the table that it lands in.
fn sample(schemas: &Registry) -> Option<(String, String)> {
    schemas
        .schemas()
        .filter(|schema| !reserved(schema.name()) && !schema.sdk_call() && !schema.track())
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
