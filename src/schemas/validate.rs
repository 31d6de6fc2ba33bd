//! `headgate schemas validate`: one instance a line in, one verdict a line out.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use headgate_schemas::event::Violation;
use headgate_schemas::program::{self, Document, Program};
use headgate_schemas::schema::Schema;
use serde::Serialize;
use serde_json::Value;

use super::Source;
use crate::cli::exit;

/// Documents that one schema file may refer to, directly and through others.
const DOCUMENTS_MAX: usize = 1_000;

/// Bytes of instances that are read at once.
const READ_BYTES: usize = 256 << 10;

/// What instances are checked against.
enum Checker {
    Schema(Arc<Schema>),
    File(Box<Program>),
}

impl Checker {
    fn check(&self, instance: &str, depth_max: u32) -> Result<(), Vec<Violation>> {
        match self {
            Self::Schema(schema) => schema.check(instance, depth_max),
            Self::File(program) => program.check(instance, depth_max),
        }
    }
}

#[derive(Serialize)]
struct Verdict<'a> {
    valid: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Error<'a>>,
}

#[derive(Serialize)]
struct Error<'a> {
    pointer: &'a str,
    keyword: &'a str,
    message: &'a str,
}

/// Validates every line of `instances` against `schema`.
///
/// # Errors
/// Instances cannot be read or verdicts cannot be written. A refused schema is no error but an exit code, with its
/// reasons on standard error.
pub(super) fn run(
    source: &Source,
    schema: &str,
    instances: &Path,
    depth_max: u32,
    out: &mut impl Write,
) -> Result<u8> {
    let checker = match checker(source, schema) {
        Ok(checker) => checker,
        Err(reason) => {
            eprintln!("headgate: {reason:#}");
            return Ok(exit::SCHEMA_REFUSED);
        }
    };
    if instances == Path::new("-") {
        return verdicts(&checker, depth_max, io::stdin(), out);
    }
    let file = fs::File::open(instances)
        .with_context(|| format!("cannot open {}", instances.display()))?;
    verdicts(&checker, depth_max, file, out)
}

fn verdicts(
    checker: &Checker,
    depth_max: u32,
    lines: impl Read,
    out: &mut impl Write,
) -> Result<u8> {
    let mut lines = BufReader::with_capacity(READ_BYTES, lines);
    let mut line = Vec::new();
    let mut code = 0;
    loop {
        line.clear();
        if lines
            .read_until(b'\n', &mut line)
            .context("cannot read the instances")?
            == 0
        {
            return Ok(code);
        }
        let violations = match std::str::from_utf8(line.strip_suffix(b"\n").unwrap_or(&line)) {
            Ok(instance) => checker.check(instance, depth_max).err().unwrap_or_default(),
            Err(error) => vec![not_utf8(&error)],
        };
        if !violations.is_empty() {
            code = exit::FAILURE;
        }
        let errors = violations.iter().map(|violation| Error {
            pointer: &violation.pointer,
            keyword: violation.keyword,
            message: &violation.message,
        });
        let verdict = Verdict {
            valid: violations.is_empty(),
            errors: errors.collect(),
        };
        serde_json::to_writer(&mut *out, &verdict)?;
        out.write_all(b"\n")?;
        // Whoever writes one line at a time waits for its verdict.
        if lines.buffer().is_empty() {
            out.flush()?;
        }
    }
}

fn not_utf8(error: &std::str::Utf8Error) -> Violation {
    let message = format!("not UTF-8 at byte {}", error.valid_up_to());
    Violation {
        pointer: String::new(),
        keyword: "encoding",
        message,
    }
}

/// A schema of the catalogue, or of a file when the name ends in `.json`.
fn checker(source: &Source, schema: &str) -> Result<Checker> {
    if !schema.ends_with(".json") {
        return Ok(Checker::Schema(Arc::clone(super::find(
            &source.load()?,
            schema,
        )?)));
    }
    let path = fs::canonicalize(schema).with_context(|| format!("cannot open {schema}"))?;
    let root = read(&path)?;
    let others = neighbours(&path, &root);
    program::compile(&root, &others)
        .map(|program| Checker::File(Box::new(program)))
        .map_err(|refused| {
            let reasons: Vec<String> = refused
                .iter()
                .map(|reason| format!("{schema}#{reason}"))
                .collect();
            anyhow::anyhow!("the schema is refused:\n{}", reasons.join("\n"))
        })
}

fn read(path: &Path) -> Result<Document> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let value =
        serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", path.display()))?;
    Ok(Document {
        uri: file_uri(path),
        value,
    })
}

/// The URI of an absolute path.
fn file_uri(path: &Path) -> String {
    let mut uri = "file://".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                uri.push(char::from(*byte))
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}

/// What a schema file may refer to: the other `.json` files of its directory, by path or by their `$id`, and files
/// that it or one of them names by a relative path. One that cannot be read counts as absent: if it is referred to,
/// compiling says so.
fn neighbours(path: &Path, root: &Document) -> Vec<Document> {
    let mut found: BTreeMap<PathBuf, Document> = BTreeMap::new();
    let mut open: VecDeque<PathBuf> = referred(path, &root.value).into();
    let siblings = path
        .parent()
        .and_then(|dir| fs::read_dir(dir).ok())
        .into_iter()
        .flatten()
        .flatten();
    open.extend(
        siblings
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "json")),
    );
    while let Some(next) = open.pop_front() {
        if found.len() == DOCUMENTS_MAX {
            break;
        }
        let Ok(next) = fs::canonicalize(&next) else {
            continue;
        };
        if next == path || found.contains_key(&next) {
            continue;
        }
        let Ok(document) = read(&next) else { continue };
        open.extend(referred(&next, &document.value));
        found.insert(next, document);
    }
    found.into_values().collect()
}

/// The files that the references of a document name by a relative path.
fn referred(path: &Path, value: &Value) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(object) => {
                let reference = object
                    .get("$ref")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let target = reference.split('#').next().unwrap_or_default();
                if !target.is_empty() && !target.contains(':') {
                    files.extend(path.parent().map(|dir| dir.join(target)));
                }
                open.extend(object.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    files
}
