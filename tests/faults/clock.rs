//! A process's own wall clock, by libfaketime: set by a file, while the process runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The library that clocks are set by, where Debian has it.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// What has a process, which is yet to start, read its clock from `file` from then on.
pub(crate) fn environment(file: &Path) -> Result<Vec<(String, String)>> {
    set(file, 0)?;
    let preload = format!("{} {}", shim(file)?.display(), library()?.display());
    let settings = [
        ("LD_PRELOAD", preload),
        ("FAKETIME_TIMESTAMP_FILE", file.display().to_string()),
        // The file is read again that often, in s.
        ("FAKETIME_CACHE_DURATION", "1".to_owned()),
        // Only the wall clock jumps. The name differs between versions.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    let named = settings.map(|(name, value)| (name.to_owned(), value));
    Ok(named.to_vec())
}

/// Sets the clock so many seconds off.
pub(crate) fn set(file: &Path, off_s: i64) -> Result<()> {
    fs::write(file, format!("{off_s:+}\n"))
        .with_context(|| format!("cannot write {}", file.display()))
}

fn library() -> Result<PathBuf> {
    let folders = fs::read_dir("/usr/lib")?.filter_map(Result::ok);
    let mut libraries = folders.map(|folder| folder.path().join(LIBRARY));
    let found = libraries.find(|library| library.exists());
    found.context("libfaketime is missing: run tests/services/install.sh")
}

/// Compiles what libfaketime lacks, beside the file.
fn shim(file: &Path) -> Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/clock.c");
    let library = file.with_extension("so");
    let output = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-pthread", "-o"])
        .arg(&library)
        .arg(source)
        .output()
        .context("cc does not run")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cc: {said}");
    Ok(library)
}
