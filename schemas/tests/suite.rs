//! The official JSON-Schema-Test-Suite (`tests/suite`, under its own licence): for every case either the schema is
//! refused, for a reason that is listed here, or every verdict agrees.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests too, which the lint does not see.

use std::fs;
use std::path::{Path, PathBuf};

use headgate_schemas::program::{self, Document};
use serde_json::Value;

/// The schemas of the suite that are refused: file, description, and the keyword that is refused.
const REFUSED: &[(&str, &str, &str)] = &[
    // The content of strings is not validated.
    (
        "draft2020-12/content.json",
        "validation of binary-encoded media type documents with schema",
        "contentSchema",
    ),
    // Cases of other keywords that use unevaluatedProperties on the way.
    (
        "draft2020-12/not.json",
        "collect annotations inside a 'not', even if collection is disabled",
        "unevaluatedProperties",
    ),
    (
        "draft2020-12/ref.json",
        "ref creates new scope when adjacent to keywords",
        "unevaluatedProperties",
    ),
    // The metaschemas themselves need dynamic references, and are no part of an event's schema.
    (
        "draft2020-12/defs.json",
        "validate definition against metaschema",
        "$ref",
    ),
    (
        "draft2020-12/ref.json",
        "remote ref, containing refs itself",
        "$ref",
    ),
    (
        "draft7/definitions.json",
        "validate definition against metaschema",
        "$ref",
    ),
    (
        "draft7/ref.json",
        "remote ref, containing refs itself",
        "$ref",
    ),
    // Draft-07 ignores what stands beside $ref; ignoring is what is never done here.
    (
        "draft7/ref.json",
        "$ref prevents a sibling $id from changing the base uri",
        "$id",
    ),
    (
        "draft7/ref.json",
        "ref overrides any sibling keywords",
        "maxItems",
    ),
    // Formats that are not supported.
    (
        "draft2020-12/optional/format/unknown.json",
        "unknown format",
        "format",
    ),
    (
        "draft7/optional/format/unknown.json",
        "unknown format",
        "format",
    ),
    ("draft7/format.json", "idn-email format", "format"),
    ("draft7/format.json", "idn-hostname format", "format"),
    ("draft7/format.json", "iri format", "format"),
    ("draft7/format.json", "iri-reference format", "format"),
    ("draft7/format.json", "uri-template format", "format"),
];

/// The one case where values are accepted that the suite refuses: the Unicode behind `xn--` labels is not looked at.
const LENIENT: &str = "validation of A-label (punycode) host names";

/// What became of the suite.
#[derive(Default)]
struct Tally {
    agreed: usize,
    lenient: usize,
    refused: Vec<(String, String, String)>,
    wrong: Vec<String>,
}

fn suite() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite")
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else if path.extension().is_some_and(|ext| ext == "json") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The suite's draft-07 schemas do not say that this is what they are.
fn in_dialect(mut schema: Value, draft: &str) -> Value {
    if let Some(map) = schema.as_object_mut()
        && draft == "draft7"
        && !map.contains_key("$schema")
    {
        map.insert(
            "$schema".to_owned(),
            "http://json-schema.org/draft-07/schema#".into(),
        );
    }
    schema
}

fn remotes(draft: &str) -> Vec<Document> {
    let dir = suite().join("remotes");
    files_below(&dir)
        .into_iter()
        .map(|path| Document {
            uri: format!(
                "http://localhost:1234/{}",
                path.strip_prefix(&dir).unwrap().display()
            ),
            value: in_dialect(read(&path), draft),
        })
        .filter(|document| !document.uri.contains("draft") || document.uri.contains(draft))
        .collect()
}

fn run(draft: &str, tally: &mut Tally) {
    let remotes = remotes(draft);
    for file in files_below(&suite().join(draft)) {
        let name = file.strip_prefix(suite()).unwrap().display().to_string();
        for case in read(&file).as_array().unwrap() {
            run_case(&name, draft, case, &remotes, tally);
        }
    }
}

fn run_case(name: &str, draft: &str, case: &Value, remotes: &[Document], tally: &mut Tally) {
    let description = case["description"].as_str().unwrap();
    let document = Document {
        uri: "headgate:///suite/case.json".to_owned(),
        value: in_dialect(case["schema"].clone(), draft),
    };
    let program = match program::compile(&document, remotes) {
        Ok(program) => program,
        Err(reasons) => {
            let keyword = reasons[0].keyword.clone();
            tally
                .refused
                .push((name.to_owned(), description.to_owned(), keyword));
            return;
        }
    };
    for test in case["tests"].as_array().unwrap() {
        let text = test["data"].to_string();
        let verdict = program.check(&text, 64);
        if Some(verdict.is_ok()) == test["valid"].as_bool() {
            tally.agreed += 1;
        } else if description == LENIENT && verdict.is_ok() {
            tally.lenient += 1;
        } else {
            tally
                .wrong
                .push(format!("{name}: {description}: {text}: {verdict:?}"));
        }
    }
}

#[test]
fn every_schema_of_the_official_suite_is_enforced_or_refused_for_a_listed_reason() {
    let mut tally = Tally::default();
    run("draft7", &mut tally);
    run("draft2020-12", &mut tally);
    assert!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
    let mut expected: Vec<(String, String, String)> = REFUSED
        .iter()
        .map(|(file, case, keyword)| ((*file).into(), (*case).into(), (*keyword).into()))
        .collect();
    expected.sort();
    tally.refused.sort();
    assert_eq!(tally.refused, expected);
    assert_eq!(tally.lenient, 44, "the labels that are not looked into");
    assert!(
        tally.agreed > 2_800,
        "{} verdicts were compared",
        tally.agreed
    );
}
