//! The `headgate` command: parses the command line, loads the configuration, runs one command, and turns its outcome
//! into an exit code.

mod audit;
mod bench;
mod cause;
mod cli;
mod compact;
mod config;
mod docs;
mod lake;
mod loadtest;
mod metrics;
mod process;
mod query;
mod replay;
mod schemas;
mod tables;
mod warehouse;

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command, ConfigCommand, SinkWhat, exit};
use crate::config::Loaded;
use crate::process::Role;

/// Batches are filled by some threads and freed by others: glibc's allocator keeps much of what passes between threads
/// so, and its memory grows over millions of events. This one stays where it came to at first.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { exit::USAGE } else { 0 };
            // Nothing is left to do when the message cannot be written.
            drop(error.print());
            return code.into();
        }
    };
    match run(cli) {
        Ok(code) => code.into(),
        // The reader of a pipe went away: `headgate query ... | head`.
        Err(error) if broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("headgate: {}", cause::line(&error));
            exit_code(&error).into()
        }
    }
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<config::Error>() {
        exit::CONFIG
    } else if error.is::<schemas::Refused>() {
        exit::SCHEMA_REFUSED
    } else {
        exit::FAILURE
    }
}

fn run(cli: Cli) -> Result<u8> {
    if let Command::Version = cli.command {
        println!("headgate {}", env!("CARGO_PKG_VERSION"));
        return Ok(0);
    }
    if let Command::Docs(page) = cli.command {
        return docs::print(page).map(|()| 0);
    }
    if let Command::Config(ConfigCommand::Print { defaults: true }) = cli.command {
        print!("{}", config::defaults());
        return Ok(0);
    }
    let loaded = Arc::new(config::load(
        cli.global.config.as_deref(),
        environment(),
        cli.settings(),
    )?);
    match cli.command {
        Command::Up(args) => {
            let landing = !args.no_sink;
            serve(&loaded, Role::Whole { landing })
        }
        Command::Gateway(_) => serve(&loaded, Role::Gateway),
        Command::Sink(sink) => match sink.what {
            None => serve(&loaded, Role::Sink),
            Some(SinkWhat::Compact(args)) => {
                log_to_stderr(&loaded.config.log.filter)?;
                runtime()?.block_on(compact::run(&args, &loaded.config))
            }
        },
        Command::Query(args) => {
            log_to_stderr("warn")?;
            runtime()?
                .block_on(query::run(args, &loaded.config))
                .map(|()| 0)
        }
        Command::Tables(args) => {
            log_to_stderr("warn")?;
            runtime()?
                .block_on(tables::run(args, &loaded.config))
                .map(|()| 0)
        }
        Command::Replay(args) => {
            log_to_stderr("warn")?;
            runtime()?.block_on(replay::run(args, &loaded.config))
        }
        Command::Lake(command) => {
            log_to_stderr("warn")?;
            runtime()?.block_on(lake::upkeep::run(&command, &loaded.config))
        }
        Command::Warehouse(command) => {
            log_to_stderr("warn")?;
            runtime()?.block_on(warehouse::run(command, &loaded.config))
        }
        Command::Audit(args) => {
            log_to_stderr("warn")?;
            runtime()?.block_on(audit::run(args, &loaded.config))
        }
        Command::Loadtest(args) => {
            log_to_stderr("warn")?;
            runtime()?.block_on(loadtest::run(args, &loaded.config))
        }
        Command::Bench(args) => {
            log_to_stderr("warn")?;
            let file = cli.global.config.as_deref();
            runtime()?
                .block_on(bench::run(&args, &loaded.config, file))
                .map(|()| 0)
        }
        Command::Schemas(command) => {
            log_to_stderr("warn")?;
            runtime()?.block_on(schemas::run(command, &loaded.config))
        }
        Command::Config(command) => configuration(&command, &loaded),
        Command::Docs(_) | Command::Version => Ok(0),
    }
}

/// How long threads that block may take to end when all else has.
const END: Duration = Duration::from_secs(1);

/// Runs a long-lived process.
fn serve(loaded: &Arc<Loaded>, role: Role) -> Result<u8> {
    log_to_stderr(&loaded.config.log.filter)?;
    let runtime = runtime()?;
    let ended = runtime.block_on(process::run(loaded, role));
    // What still blocks a thread is no work that counts, as a search for spilled records in Kafka.
    runtime.shutdown_timeout(END);
    ended.map(|()| 0)
}

fn configuration(command: &ConfigCommand, loaded: &Loaded) -> Result<u8> {
    match command {
        ConfigCommand::Check => match &loaded.file {
            Some(file) => println!("{} is valid", file.display()),
            None => {
                println!("the configuration is valid (no file; there is no headgate.toml here)")
            }
        },
        ConfigCommand::Print { .. } => print!("{}", config::effective(loaded)),
    }
    Ok(0)
}

/// The threads that everything asynchronous runs on.
fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("headgate")
        .build()
        .context("cannot start the threads of the runtime")
}

fn log_to_stderr(filter: &str) -> Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(filter)?)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    // The default hook writes a panic around the log; a panic is logged like everything else.
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = std::backtrace::Backtrace::capture();
        tracing::error!(%panic, %backtrace, "a task panicked");
    }));
    Ok(())
}

fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

fn broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}
