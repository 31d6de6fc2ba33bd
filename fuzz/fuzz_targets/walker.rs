//! Any bytes: the cursor and the validator never panic, and what they take for JSON is what `serde_json` does, but for
//! the documented differences (see `schemas/tests/walker.rs`, which runs the same checks without a fuzzer).

#![no_main]

use libfuzzer_sys::fuzz_target;
use walker::walk;

fuzz_target!(|input: &[u8]| walk(input));

#[path = "../../schemas/tests/walker/mod.rs"]
mod walker;
