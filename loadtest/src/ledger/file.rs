//! The ledger's file: one line of JSON that names the runs, then three bytes an event.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Ledger, NO_TABLE, Outcome, Packed, Run, VALID};

const FORMAT: &str = "headgate-ledger/1";
const ENTRY_BYTES: usize = 3;
const HEADER_BYTES_MAX: u64 = 16 << 20;

/// Why a ledger could not be saved or read back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error("ledger {path}: {source}")]
    Io {
        /// The ledger's file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is not a ledger, or only a part of one.
    #[error("ledger {path}: {reason}")]
    Malformed {
        /// The ledger's file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    runs: Vec<RunHeader>,
}

#[derive(Serialize, Deserialize)]
struct RunHeader {
    id: String,
    tables: Vec<String>,
    events: u64,
}

impl Ledger {
    /// Writes the ledger to `path` so that a crash leaves either the old file or the new one.
    ///
    /// # Errors
    /// [`Error::Io`] when a file cannot be written, synced or renamed.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let failed = |source| Error::Io {
            path: path.to_owned(),
            source,
        };
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        self.write(File::create(&beside).map_err(failed)?)
            .map_err(failed)?;
        fs::rename(&beside, path).map_err(failed)
    }

    fn write(&self, file: File) -> io::Result<()> {
        let run_header = |run: &Run| RunHeader {
            id: run.id.clone(),
            tables: run.tables.clone(),
            events: run.events(),
        };
        let runs = self.runs.iter().map(run_header).collect();
        let mut out = BufWriter::new(file);
        serde_json::to_writer(
            &mut out,
            &Header {
                format: FORMAT.to_owned(),
                runs,
            },
        )?;
        out.write_all(b"\n")?;
        for (table, bits) in self.runs.iter().flat_map(|run| &run.entries) {
            let [low, high] = table.to_le_bytes();
            out.write_all(&[low, high, *bits])?;
        }
        out.into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()
    }

    /// Reads a ledger that [`Ledger::save`] wrote.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::Malformed`] when it is not a whole ledger.
    pub fn load(path: &Path) -> Result<Ledger, Error> {
        let failed = |source| Error::Io {
            path: path.to_owned(),
            source,
        };
        let malformed = |reason: String| Error::Malformed {
            path: path.to_owned(),
            reason,
        };
        let mut input = BufReader::new(File::open(path).map_err(failed)?);
        let mut line = Vec::new();
        input
            .by_ref()
            .take(HEADER_BYTES_MAX)
            .read_until(b'\n', &mut line)
            .map_err(failed)?;
        let header: Header = serde_json::from_slice(&line)
            .map_err(|error| malformed(format!("its first line is not a ledger's: {error}")))?;
        if header.format != FORMAT {
            return Err(malformed(format!(
                "format is {:?}, not {FORMAT:?}",
                header.format
            )));
        }
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes).map_err(failed)?;
        runs(header, &bytes)
            .map(|runs| Ledger { runs })
            .map_err(malformed)
    }
}

fn runs(header: Header, mut bytes: &[u8]) -> Result<Vec<Run>, String> {
    let mut runs = Vec::with_capacity(header.runs.len());
    for RunHeader { id, tables, events } in header.runs {
        let length = usize::try_from(events)
            .ok()
            .and_then(|events| events.checked_mul(ENTRY_BYTES));
        let Some((own, rest)) = length.and_then(|length| bytes.split_at_checked(length)) else {
            return Err(format!("run {id} has {events} events, the file has fewer"));
        };
        bytes = rest;
        let entries = own
            .chunks_exact(ENTRY_BYTES)
            .map(|entry| read(entry, tables.len()));
        let entries = entries.collect::<Result<Vec<Packed>, String>>()?;
        runs.push(Run {
            id,
            tables,
            entries,
        });
    }
    if bytes.is_empty() {
        Ok(runs)
    } else {
        Err(format!("{} bytes too many", bytes.len()))
    }
}

fn read(entry: &[u8], tables: usize) -> Result<Packed, String> {
    let &[low, high, bits] = entry else {
        return Err("an entry is cut short".to_owned());
    };
    let table = u16::from_le_bytes([low, high]);
    if table != NO_TABLE && usize::from(table) >= tables {
        return Err(format!("an entry names table {table} of {tables}"));
    }
    if Outcome::of_code(bits & !VALID).is_none() {
        return Err(format!(
            "an entry has the unknown outcome {}",
            bits & !VALID
        ));
    }
    Ok((table, bits))
}
