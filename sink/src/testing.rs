//! What tests of the sink, here and in other crates, stand on.

pub mod memory;
