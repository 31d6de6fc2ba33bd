//! The values of JSON Schema's `format`: always asserted, and refused at load when the name is unknown.

mod time;

pub use time::{date_days, date_time_micros, is_time, write_date_time};
