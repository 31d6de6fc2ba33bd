//! The gateway in process, over real sockets, onto a log in memory.

mod encodings;
mod events;
mod lifecycle;
mod limits;
mod modes;
mod support;
