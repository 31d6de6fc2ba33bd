//! HTTP in, stream out: takes events, checks each against its schema, makes them durable, and answers for each.
//!
//! [`collect`] is the file to read first: a request from top to bottom. Around it, [`server`] owns ports and
//! connections, [`admin`] probes and metrics, and `reply` is the one place where anything becomes HTTP.

pub mod admin;
mod admission;
pub mod again;
mod body;
pub mod clock;
pub mod collect;
pub mod config;
mod connection;
mod cors;
mod drain;
pub mod enrich;
mod ids;
mod judge;
pub mod metrics;
pub mod privacy;
mod protocol;
mod reply;
mod rules;
pub mod server;
pub mod sources;
pub mod template;

pub use collect::Collector;
pub use config::Config;
pub use privacy::Privacy;
pub use server::{Error, Gateway, Parts, Topics};
pub use sources::SharedSources;
pub use template::Template;
