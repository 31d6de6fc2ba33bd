//! Facts of reading.
