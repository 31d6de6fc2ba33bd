//! What an event is. Knows bytes and JSON, nothing of HTTP, streams or Arrow.

mod check;
pub mod event;
pub mod evolve;
mod expand;
pub mod format;
pub mod iglu;
pub mod infer;
pub mod landing;
pub mod names;
mod pattern;
pub mod privacy;
pub mod program;
pub mod redshift;
pub mod registry;
pub mod schema;
pub mod sdk;
pub mod shape;
pub mod walk;
