//! The gateway in process, over real sockets, onto a log in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod anything;
mod encodings;
mod enrich;
mod events;
mod lifecycle;
mod limits;
mod modes;
mod parking;
mod privacy;
mod segment;
mod snowplow;
mod sources;
mod support;
