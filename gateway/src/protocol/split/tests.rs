use headgate_schemas::registry::Registry;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::{
    protocol::{Bounds, Text},
    sources::Source,
};

const BOUNDS: Bounds = Bounds {
    attribute_bytes_max: 1024,
    extensions_max: 32,
    depth_max: 32,
};

fn ranges(text: &str, framing: Framing) -> Result<Vec<Range<usize>>, Error> {
    let schemas = Registry::empty().unwrap();
    let source = Source::anonymous("/test");
    let rules = Rules {
        bounds: &BOUNDS,
        schemas: &schemas,
        source: &source,
        received_micros: 0,
        done: &[],
    };
    let mut split = Split::new(text, framing)?;
    let mut ranges = Vec::new();
    while let Some(item) = split.next(&rules)? {
        ranges.push(item.range);
    }
    Ok(ranges)
}

/// Any JSON value, as text with odd spacing.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map("[a-z\"\\\\]{0,6}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn an_array_is_cut_into_the_elements_that_serde_sees(values in prop::collection::vec(json(), 0..8), pretty: bool) {
        let whole = Value::from(values.clone());
        let text = if pretty { serde_json::to_string_pretty(&whole) } else { serde_json::to_string(&whole) };
        let text = text.unwrap();
        let cut = ranges(&text, Framing::Sniffed).unwrap();
        let seen: Vec<Value> = cut.iter().map(|range| serde_json::from_str(&text[range.clone()]).unwrap()).collect();
        prop_assert_eq!(seen, values);
    }

    #[test]
    fn what_serde_refuses_is_refused_and_nothing_panics(body in prop::collection::vec(any::<u8>(), 0..64)) {
        for framing in [Framing::Sniffed, Framing::Array, Framing::One, Framing::Lines] {
            let text = Text::new(body.clone().into());
            let text = text.text();
            let cut = ranges(text, framing);
            if framing == Framing::Array {
                let elements = serde_json::from_str::<Vec<&serde_json::value::RawValue>>(text).ok();
                prop_assert_eq!(cut.ok().map(|c| c.len()), elements.map(|e| e.len()));
            }
        }
    }

    #[test]
    fn a_mutated_array_is_taken_just_when_serde_takes_it(values in prop::collection::vec(json(), 0..5), at: prop::sample::Index, with: u8) {
        let mut body = serde_json::to_vec(&values).unwrap();
        let at = at.index(body.len());
        body[at] = with;
        let text = Text::new(body.into());
        let text = text.text();
        let elements = serde_json::from_str::<Vec<&serde_json::value::RawValue>>(text).ok();
        let cut = ranges(text, Framing::Array).ok();
        let cut: Option<Vec<&str>> = cut.map(|c| c.into_iter().map(|range| &text[range]).collect());
        let elements: Option<Vec<&str>> = elements.map(|e| e.into_iter().map(|raw| raw.get()).collect());
        // Serde does not look into strings for lone surrogates when it only skips them.
        if cut.is_some() || elements.is_none() || !text.contains("\\u") {
            prop_assert_eq!(cut, elements);
        }
    }

    #[test]
    fn replaced_bytes_keep_every_other_byte_at_its_place(body in prop::collection::vec(any::<u8>(), 0..64)) {
        let text = Text::new(body.clone().into());
        prop_assert_eq!(text.text().len(), body.len());
        prop_assert_eq!(text.is_utf8(), std::str::from_utf8(&body).is_ok());
        for (replaced, original) in text.text().bytes().zip(&body) {
            prop_assert!(replaced == *original || replaced == b'?');
        }
    }
}

#[test]
fn offsets_of_faults_are_those_of_the_body() {
    for (text, offset) in [
        ("[{}, }", 5),
        ("[{},{}", 6),
        ("{} x", 3),
        ("[1] 2", 4),
        ("[{\"a\":01}]", 8),
    ] {
        assert_eq!(
            ranges(text, Framing::Sniffed).unwrap_err().offset(),
            offset,
            "{text}"
        );
    }
}

#[test]
fn lines_are_sniffed_only_when_the_first_is_whole_and_others_follow() {
    assert_eq!(ranges("{}\n{}\n", Framing::Sniffed).unwrap(), [0..2, 3..5]);
    assert_eq!(ranges("{}\n\n", Framing::Sniffed).unwrap(), vec![0..2; 1]);
    assert_eq!(ranges("{\n}", Framing::Sniffed).unwrap(), vec![0..3; 1]);
    assert!(ranges("{}{}", Framing::Sniffed).is_err());
    assert_eq!(
        ranges(" \n{}\r\n \n[]", Framing::Lines).unwrap(),
        [2..4, 8..10]
    );
}
