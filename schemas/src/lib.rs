//! What an event is. Knows bytes and JSON, nothing of HTTP, streams or Arrow.

pub mod event;
pub mod walk;
