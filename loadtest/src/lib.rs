//! Open-loop load, and the ledger that proves that what was accepted is what landed.
//!
//! [`run`] makes events from the schemas ([`generate`], [`pool`]), sends them on a fixed [`schedule`] ([`load`])
//! and returns a [`Report`] whose [`ledger`] is then held against the landed tables. Where those are read is
//! the caller's business: this crate knows the gateway's HTTP interface and the schemas, nothing of the sink.

use std::sync::Arc;

use headgate_schemas::registry::Registry;

pub mod bench;
mod client;
pub mod generate;
pub mod ledger;
pub mod load;
pub mod options;
pub mod pool;
pub mod progress;
mod reply;
pub mod report;
pub mod schedule;

pub use ledger::{Balance, Ledger, Patience, Tally, wait_for_landing};
pub use load::Load;
pub use options::Options;
pub use pool::Pool;
pub use progress::Progress;
pub use report::{Report, Snapshot};

/// Why there was no run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No events could be made.
    #[error(transparent)]
    Pool(#[from] pool::Error),
    /// The load could not start.
    #[error(transparent)]
    Load(#[from] load::Error),
}

/// One whole run: makes the events, sends them on schedule, waits for the last reply.
///
/// # Errors
/// [`Error`] when the run cannot start. What goes wrong during the run is in the report.
pub async fn run(
    options: &Options,
    schemas: &Registry,
    progress: Progress,
) -> Result<Report, Error> {
    let pool = Arc::new(Pool::generate(schemas, options)?);
    let load = Load::start(options, pool).await?;
    progress::watch(&load, progress).await;
    Ok(load.finish().await)
}
