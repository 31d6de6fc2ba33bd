//! `headgate audit`: whether every event of some hours is where it should be, from the stream to the warehouse.
//!
//! Nothing is changed and nothing is locked, so it runs beside everything else. What comes last is looked at first: stream,
//! then warehouse, then what is committed. So what happens meanwhile shows as more that is committed, and never as less.

mod arguments;
mod balance;
mod count;
mod finding;
mod hours;
mod report;
mod stream;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use anyhow::{Context, Result};
use headgate_gateway::clock;
use headgate_schemas::event::BAD_EVENTS;
use headgate_schemas::registry::{Registry, SharedRegistry};
use headgate_sink::commit::account;
use headgate_sink::store::Store;
use headgate_sink::warehouse::{Books, Kind, Loader};
use tokio::task::block_in_place;

pub(crate) use self::arguments::Arguments;
use self::balance::{InWarehouse, Looked};
use self::count::Rejected;
use self::report::{Report, Verdict};
use crate::cause;
use crate::cli::exit;
use crate::config::{Config, OnUnavailable, StreamKind};
use crate::query::{self, Engine};
use crate::schemas::Source;
use crate::{lake, warehouse};

/// Runs the audit; returns the exit code.
///
/// # Errors
/// What has landed cannot be read.
pub(crate) async fn run(arguments: Arguments, config: &Config) -> Result<u8> {
    let hours = match arguments.hours(clock::system()()) {
        Ok(hours) => hours,
        Err(problem) => {
            eprintln!("headgate audit: {problem}");
            return Ok(exit::USAGE);
        }
    };
    query::exists(config)?;
    let schemas = Source::of(config).load()?;
    let mut audit = Audit {
        config,
        arguments: &arguments,
        schemas: Arc::new(SharedRegistry::new(schemas)),
        failed: Vec::new(),
        notes: notes(config),
    };
    let looked = audit.look(hours).await?;
    let balance = looked.balance(arguments.table.as_deref());
    let verdict = Verdict::of(&balance, &audit.failed);
    let report = Report {
        looked: &looked,
        balance: &balance,
        failed: &audit.failed,
        notes: &audit.notes,
        verdict,
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    match arguments.json {
        true => writeln!(out, "{}", report.machine())?,
        false => report.people(&mut out)?,
    }
    out.flush()?;
    Ok(verdict.exit())
}

/// What is looked at, and what comes between.
struct Audit<'a> {
    config: &'a Config,
    arguments: &'a Arguments,
    schemas: Arc<SharedRegistry>,
    failed: Vec<String>,
    notes: Vec<String>,
}

impl Audit<'_> {
    async fn look(&mut self, hours: std::ops::Range<i64>) -> Result<Looked> {
        let asked = block_in_place(|| stream::ask(self.config, &hours));
        let asked = self.hold("cannot ask the stream", asked);
        let mut looked = Looked {
            hours: hours.clone(),
            parts: asked.map(|asked| {
                self.notes.extend(asked.unknown);
                asked.parts
            }),
            ..Looked::default()
        };
        let Some(store) = lake::open_to_read(self.config).await? else {
            looked.rejected = Some(Vec::new());
            return Ok(looked);
        };
        let books = self.books(&store, &looked).await?;
        let account = account::read(&*store, &hours, is_replay).await;
        let name = lake::name(self.config);
        looked.account =
            account.with_context(|| format!("cannot read the commit logs in {name}"))?;
        if let Some((loader, books)) = books {
            let loaded = self.in_warehouse(&loader, books, &looked).await;
            looked.warehouse = self.hold("cannot read what waits for the warehouse", loaded);
        }
        self.count(&mut looked).await;
        Ok(looked)
    }

    /// The loader and what it says of the hours; `None`: there is no warehouse, or it does not answer.
    async fn books(
        &mut self,
        store: &Arc<dyn Store>,
        looked: &Looked,
    ) -> Result<Option<(Loader, Books)>> {
        let registry = prometheus::Registry::new();
        let loader = warehouse::open(self.config, store, &self.schemas, &registry).await?;
        let Some(loader) = loader else {
            return Ok(None);
        };
        let books = loader.books(&looked.hours).await;
        let books = self.hold("cannot ask the warehouse", books.map_err(Into::into));
        Ok(books.map(|books| (loader, books)))
    }

    async fn in_warehouse(
        &self,
        loader: &Loader,
        books: Books,
        looked: &Looked,
    ) -> Result<InWarehouse> {
        let away = loader.away(&books, &looked.account.logs).await?;
        let landed = looked.account.hours.keys().map(|(table, _)| table);
        let known = books.tables.keys();
        let follows = landed.chain(known).filter(|table| loader.follows(table));
        Ok(InWarehouse {
            follows: follows.cloned().collect(),
            books,
            away,
            counted: BTreeMap::new(),
        })
    }

    /// Counts what only the files tell.
    async fn count(&mut self, looked: &mut Looked) {
        let mut landed = looked.account.hours.keys();
        let rejected = landed.any(|(table, _)| table == BAD_EVENTS);
        let doubtful = self.doubtful(looked);
        if !rejected {
            looked.rejected = Some(Vec::new());
        }
        if !rejected && doubtful.is_empty() {
            return;
        }
        let engine = query::open(self.config).await;
        let Some(engine) = self.hold("cannot read the landed files", engine) else {
            return;
        };
        if rejected {
            let found = count::rejected(&engine, &looked.hours).await;
            let found = self.hold("cannot count the rejected events", found);
            let schemas = self.schemas.load();
            looked.rejected = found.map(|found| with_tables(found, &schemas));
        }
        for (table, hours) in doubtful {
            self.count_table(&engine, &table, &hours, looked).await;
        }
    }

    async fn count_table(
        &mut self,
        engine: &Engine,
        table: &str,
        hours: &[i64],
        looked: &mut Looked,
    ) {
        let window_ms = self.config.warehouse.dedup_window_ms;
        let counted = count::events(engine, table, hours, window_ms).await;
        let doing = format!("cannot count the events of {table}");
        if let (Some(counted), Some(warehouse)) =
            (self.hold(&doing, counted), &mut looked.warehouse)
        {
            warehouse.counted.insert(table.to_owned(), counted);
        }
    }

    /// The tables' hours that have to be counted.
    fn doubtful(&self, looked: &Looked) -> Vec<(String, Vec<i64>)> {
        let Some(warehouse) = &looked.warehouse else {
            return Vec::new();
        };
        let only = self.arguments.table.as_deref();
        let tables = warehouse.tables(&looked.account, &looked.hours).into_iter();
        let doubtful = tables.map(|(table, (hours, books))| {
            let hours = match self.arguments.exact {
                true => books.short(&hours),
                false => books.doubtful(&hours),
            };
            (table, hours)
        });
        let wanted = |(table, hours): &(String, Vec<i64>)| {
            !hours.is_empty() && only.is_none_or(|only| only == table)
        };
        doubtful.filter(wanted).collect()
    }

    /// The value, or the error told with the rest of what was found.
    fn hold<T>(&mut self, doing: &str, done: Result<T>) -> Option<T> {
        match done {
            Ok(value) => Some(value),
            Err(error) => {
                self.failed
                    .push(cause::line(&error.context(doing.to_owned())));
                None
            }
        }
    }
}

/// Whether the log is one of replays: their rows were published before.
fn is_replay(log: &str) -> bool {
    log.starts_with("replay.") || log.starts_with("generation.")
}

/// The table that each type has, by the schemas now in force.
fn with_tables(rejected: Vec<Rejected>, schemas: &Registry) -> Vec<(Option<String>, Rejected)> {
    let table = |kind: &str| Some(schemas.resolve(kind, None).ok()?.table().to_owned());
    let one = |one: Rejected| (one.kind.as_deref().and_then(table), one);
    rejected.into_iter().map(one).collect()
}

/// What nobody can say in this place.
fn notes(config: &Config) -> Vec<String> {
    let mut notes = Vec::new();
    if config.stream.kind == StreamKind::Journal {
        notes.push(
            "how many records the stream has of each hour: the journal forgets what has landed and keeps no times"
                .to_owned(),
        );
    }
    let spills = config.stream.kind != StreamKind::Journal
        && config.stream.on_stream_unavailable == OnUnavailable::Spill;
    if spills {
        notes.push(
            "accepted events that a gateway keeps on its disk while the stream is away: its headgate_stream_spill_depth_records says how many"
                .to_owned(),
        );
    }
    if config.warehouse.kind == Kind::None {
        notes.push("what is loaded: there is no warehouse (warehouse.kind)".to_owned());
    }
    notes
}
