//! What tests of this seam share: one suite for every backend, and a log in memory that can be told to fail; and a
//! proxy that breaks requests to services, parts of them too.

pub mod board;
pub mod conformance;
pub mod memory;
pub mod proxy;
pub mod puts;
