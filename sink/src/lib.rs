//! Stream in, tables out: lands a stream's events as Parquet files, each event exactly once.
//!
//! Start reading at `sink`, then `consume`. A record is routed to its [`table`], decoded into columns and encoded by `land`; the
//! files go to a [`store`], and one record in the [`commit`] log makes them count.

mod ages;
mod batch;
mod board;
mod clock;
mod columns;
pub mod commit;
pub mod compact;
pub mod config;
mod consume;
mod encode;
mod entities;
mod health;
mod land;
pub mod metrics;
pub mod rehearsal;
mod retry;
mod route;
mod seen;
mod sink;
pub mod store;
mod sweep;
pub mod table;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(feature = "redshift")]
pub mod warehouse;

use headgate_stream::backoff;

pub use board::StoreBoard;
pub use clock::Clock;
pub use config::{Config, TableConfig};
pub use health::Health;
pub use sink::{Error, Parts, Sink};

/// The `source` of bad events that a sink makes of records which it cannot decode; their payload is a whole envelope.
pub const QUARANTINE_SOURCE: &str = "headgate/sink";
pub use sweep::{Cuts, sweep};
