//! The embedded stream: partitioned, append-only segment files on a local directory, group commit, one process.

mod config;
mod error;

pub use self::{config::Config, error::Error};
