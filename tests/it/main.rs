//! The whole system from outside: the real binary, its real server, its real files.

mod abuse;
mod audit;
mod cluster;
mod compact;
mod config;
mod disk;
mod docs;
mod external;
mod generation;
mod glue;
mod harness;
mod ingest;
mod kill;
mod kinesis;
mod mount;
mod query;
mod readers;
mod reload;
mod replay;
mod rolling;
mod schemas;
mod services;
mod shutdown;
mod spill;
mod templates;
mod warehouse;
