//! The whole system from outside: the real binary, its real server, its real files.

mod config;
mod docs;
mod harness;
mod ingest;
mod kill;
mod query;
mod reload;
mod schemas;
mod shutdown;
