//! The fuzz target `walker` without a fuzzer: a corpus of awkward texts, and bytes that proptest makes of them.

#[path = "walker/mod.rs"]
mod target;

use proptest::prelude::*;

const CORPUS: &[&str] = &[
    "",
    " ",
    "null",
    "-",
    "-0",
    "-0.0e+0",
    "01",
    "1.",
    "1e",
    "1e400",
    "-1E+999",
    "123456789012345678901234567890",
    "\"",
    "\"\\",
    "\"\\u",
    "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"\u{7f}\u{80}\u{10ffff}\"",
    "\u{feff}1",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]",
    "[1,1.0,1e0,\"1\"]",
    "[{\"a\":1,\"b\":2},{\"b\":2,\"a\":1}]",
    "{\"a\":{\"a\":{\"b\":\"ababab\",\"n\":0.07}},\"s\":\"2026-11-22T20:07:54Z\",\"x1\":{},\"e\":{\"y\":null}}",
    "{\"a\":1,\"a\":2}",
    "{\"a\":1,\"\\u0061\":2}",
    "{\"a\" : [ true , false ] }\n",
    "{\"a\":1}}",
    "tru",
    "nulll",
];

#[test]
fn the_corpus_is_read_as_serde_json_reads_it() {
    for text in CORPUS {
        target::walk(text.as_bytes());
        for cut in 0..text.len() {
            target::walk(&text.as_bytes()[..cut]);
        }
    }
    for depth in [126, 127, 128, 129, 10_000] {
        target::walk(format!("{}{}", "[".repeat(depth), "]".repeat(depth)).as_bytes());
        target::walk("{\"a\":".repeat(depth).as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_as_serde_json_reads_them(
        text in prop::sample::select(CORPUS),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..6),
        json in "[\\[\\]{}\",:0-9eE+\\-.a-z\\\\ ]{0,40}",
    ) {
        let mut bytes = text.as_bytes().to_vec();
        for (at, byte, edit) in edits {
            let at = at.index(bytes.len() + 1);
            match edit {
                0 => bytes.insert(at, byte),
                1 => bytes.truncate(at),
                2 => bytes.insert(at, b"\"\\{}[],:0e.-n\t "[usize::from(byte) % 15]),
                _ => drop(bytes.splice(at..at, json.bytes())),
            }
        }
        target::walk(&bytes);
        target::walk(json.as_bytes());
    }
}
