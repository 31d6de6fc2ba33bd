//! Stream in, tables out: lands a stream's events as Parquet files, each event exactly once.
//!
//! Start reading at `consume`. A record is routed to its table, decoded into columns and encoded by `land`; the
//! files go to a [`store`], and one record in the [`commit`] log makes them count.

mod batch;
pub mod commit;
pub mod config;
pub mod metrics;
pub mod store;

pub use config::Config;
