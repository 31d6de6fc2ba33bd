//! Headgate's one pass gives the verdict of the `jsonschema` crate, on generated schemas and instances.
//!
//! `PROPTEST_CASES` sets how many schemas are tried; each meets dozens of instances.
//!
//! Known exceptions, which the tests stay clear of:
//! - `multipleOf` for numbers of 2^53 and more, where `jsonschema` falls back on inexact fractions: it takes 1e300 for
//!   a multiple of 1.5, and 18446744073709551615 for none;
//! - the formats `uuid` and `duration` in draft-07, which does not define them: here they assert in both dialects;
//! - keys that appear twice, which are refused here and read as the last one by `serde_json`.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests too, which the lint does not see.

mod generate;
#[path = "../benches/track/mod.rs"]
mod track;

use generate::{instances, render, schemas};
use headgate_schemas::program::{Document, Program, compile};
use proptest::prelude::*;
use serde_json::Value;
use track::Random;

const DRAFT7: &str = "http://json-schema.org/draft-07/schema#";

fn program(schema: &Value) -> Result<Program, TestCaseError> {
    let document = Document {
        uri: "headgate:///events/generated/1.json".to_owned(),
        value: schema.clone(),
    };
    compile(&document, &[]).map_err(|reasons| {
        // Generated definitions may refer to each other in a circle.
        if reasons
            .iter()
            .all(|refused| refused.reason.contains("refers back to itself"))
        {
            TestCaseError::reject("a circle of references")
        } else {
            TestCaseError::fail(format!("refused: {reasons:?}"))
        }
    })
}

fn peer(schema: &Value) -> jsonschema::Validator {
    jsonschema::options()
        .should_validate_formats(true)
        .build(schema)
        .unwrap()
}

fn agree(schema: &Value, seed: u64) -> Result<(), TestCaseError> {
    let program = program(schema)?;
    let peer = peer(schema);
    let mut random = Random(seed);
    let multiples = schema.to_string().contains("multipleOf");
    for value in instances(schema, &mut random) {
        let text = render(&value, &mut random);
        if multiples && has_large_number(&text) {
            continue;
        }
        let value: Value = serde_json::from_str(&text).unwrap();
        let verdict = program.check(&text, 64);
        prop_assert_eq!(
            verdict.is_ok(),
            peer.is_valid(&value),
            "schema {} instance {}: {:?}",
            schema,
            text,
            verdict
        );
        if let Err(violations) = verdict {
            prop_assert!((1..=20).contains(&violations.len()));
            for violation in violations {
                let place = value.pointer(&violation.pointer);
                prop_assert!(place.is_some(), "{violation} points nowhere in {text}");
            }
        }
    }
    Ok(())
}

/// Whether a number of 2^53 or more is in the text, by its 16 digits or its exponent.
fn has_large_number(text: &str) -> bool {
    text.contains("e+")
        || text
            .split(|c: char| !c.is_ascii_digit())
            .any(|run| run.len() >= 16)
}

fn config() -> ProptestConfig {
    // Failures are printed whole; nothing is to be written beside the sources.
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn verdicts_agree_with_jsonschema_on_2020_12(schema in schemas(), seed: u64) {
        agree(&schema, seed)?;
    }

    #[test]
    fn verdicts_agree_with_jsonschema_on_draft_07(schema in schemas(), seed: u64) {
        let mut schema = generate::as_draft7(schema);
        schema["$schema"] = DRAFT7.into();
        agree(&schema, seed)?;
    }

    #[test]
    fn verdicts_agree_on_events_with_any_bytes_changed(
        event in 0..100_usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..4),
    ) {
        let schema: Value = serde_json::from_str(track::SCHEMA).unwrap();
        let mut bytes = track::events(100).swap_remove(event).into_bytes();
        for (at, byte, edit) in edits {
            let at = at.index(bytes.len());
            match edit {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, byte),
                _ => bytes[at] = b"\"\\{}[],:0e.-nt "[usize::from(byte) % 15],
            }
        }
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Ok(());
        };
        let verdict = program(&schema)?.check(text, 64);
        let twice = verdict.as_ref().is_err_and(|v| v.iter().any(|v| v.keyword == "duplicateKey"));
        let expected = match serde_json::from_str(text) {
            Ok(value) => peer(&schema).is_valid(&value) && !twice,
            Err(_) => false,
        };
        prop_assert_eq!(verdict.is_ok(), expected, "{}: {:?}", text, verdict);
    }
}
