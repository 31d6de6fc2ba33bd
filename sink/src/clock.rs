//! The wall clock, passed in so that tests decide what time it is.

use std::sync::Arc;

/// Tells the time in microseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;
