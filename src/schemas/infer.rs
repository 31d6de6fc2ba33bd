//! `headgate schemas infer`: schemas proposed from track calls that landed without one, or from lines of a file.

mod found;
mod landed;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use headgate_schemas::registry::Registry;
use serde_json::{Map, Value};

use self::found::{Found, Proposal};
use crate::cli::exit;
use crate::config::Config;
use crate::replay::instant;

/// `headgate schemas infer`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only the track call of this name, such as "Order Completed"; may be repeated
    #[arg(long = "event", value_name = "NAME")]
    pub(crate) events: Vec<String>,
    /// Only calls received from then on: 2026-11-22T20:00:00Z, or 2026-11-22
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) since: Option<i64>,
    /// Only calls received before then
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) until: Option<i64>,
    /// At most so many events are looked at, the first ones found
    #[arg(long, value_name = "COUNT", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) events_max: u64,
    /// At most so many fields of one event are named; the others are allowed, and counted
    #[arg(long, value_name = "COUNT", default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=2_000))]
    pub(crate) fields_max: u16,
    /// Writes DIR/<event>/1.json instead of printing; nothing that is there is written over
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Reads the data of one event from a file instead, a JSON object a line; `-` is standard input
    #[arg(long, value_name = "FILE", requires = "name", conflicts_with_all = ["events", "since", "until"])]
    pub(crate) from: Option<PathBuf>,
    /// The name of the event that the lines are of
    #[arg(long, value_name = "NAME", requires = "from")]
    pub(crate) name: Option<String>,
    /// The lines are the properties of a track call
    #[arg(long, requires = "from")]
    pub(crate) track: bool,
}

/// Runs the command; returns the exit code.
///
/// # Errors
/// Events cannot be read, or what is proposed cannot be written.
pub(crate) async fn run(arguments: &Arguments, config: &Config) -> Result<u8> {
    let track = arguments.from.is_none() || arguments.track;
    let mut found = Found::new(arguments.fields_max.into(), track);
    match (&arguments.from, &arguments.name) {
        (Some(file), Some(name)) => lines(file, name, arguments.events_max, &mut found)?,
        _ => landed::read(arguments, config, &mut found).await?,
    }
    let (proposals, mut left) = found.proposals();
    let proposals = fitting(proposals, &mut left);
    for reason in &left {
        eprintln!("{reason}");
    }
    for proposal in &proposals {
        proposal.report(&mut io::stderr().lock())?;
    }
    if proposals.is_empty() {
        eprintln!("there is nothing to propose a schema from");
        return Ok(exit::FAILURE);
    }
    match &arguments.out {
        Some(dir) => write(dir, &proposals)?,
        None => print(&proposals)?,
    }
    Ok(0)
}

/// Lines of a file, or of standard input.
fn lines(file: &Path, name: &str, events_max: u64, found: &mut Found) -> Result<()> {
    let input: Box<dyn BufRead> = match file == Path::new("-") {
        true => Box::new(io::stdin().lock()),
        false => {
            let opened = fs::File::open(file);
            let opened = opened.with_context(|| format!("cannot open {}", file.display()))?;
            Box::new(BufReader::new(opened))
        }
    };
    for line in input.lines() {
        let line = line.with_context(|| format!("cannot read {}", file.display()))?;
        if line.trim().is_empty() {
            continue;
        }
        if found.events() >= events_max {
            eprintln!("only the first {events_max} lines are looked at: --events-max allows more");
            break;
        }
        found.add(name, Some(&line));
    }
    Ok(())
}

/// The proposals that load: what does not is a defect, and better told here than after a deploy.
fn fitting(proposals: Vec<Proposal>, left: &mut Vec<String>) -> Vec<Proposal> {
    let mut fit = Vec::with_capacity(proposals.len());
    for proposal in proposals {
        let text = proposal.schema.to_string();
        let file = proposal.file();
        let files = [(Path::new(&file), text.as_bytes())];
        match Registry::from_files(files.into_iter()) {
            Ok(_) => fit.push(proposal),
            Err(errors) => left.push(format!(
                "the schema that was made of {:?} is refused:\n{errors}",
                proposal.name
            )),
        }
    }
    fit
}

fn write(dir: &Path, proposals: &[Proposal]) -> Result<()> {
    let files: Vec<PathBuf> = proposals.iter().map(|one| dir.join(one.file())).collect();
    let there: BTreeSet<_> = files.iter().filter(|file| file.exists()).collect();
    ensure!(
        there.is_empty(),
        "nothing is written, for these are there already: {}",
        there
            .iter()
            .map(|file| file.display().to_string())
            .collect::<Vec<_>>()
            .join(", ")
    );
    for (file, proposal) in files.iter().zip(proposals) {
        let folder = file.parent().unwrap_or(dir);
        let mut text = serde_json::to_string_pretty(&proposal.schema)?;
        text.push('\n');
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(file, text))
            .with_context(|| format!("cannot write {}", file.display()))?;
        eprintln!("wrote {}", file.display());
    }
    Ok(())
}

/// The schema; of several an object of them by their files.
fn print(proposals: &[Proposal]) -> Result<()> {
    let shown = match proposals {
        [one] => one.schema.clone(),
        several => {
            let files = several.iter().map(|one| (one.file(), one.schema.clone()));
            Value::from(files.collect::<Map<_, _>>())
        }
    };
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &shown)?;
    writeln!(out)?;
    Ok(())
}
