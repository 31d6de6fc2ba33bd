//! Moves opaque records durably. Knows nothing of events.

pub mod log;
