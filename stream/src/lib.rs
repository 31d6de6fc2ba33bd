//! Moves opaque records durably. Knows nothing of events.
//!
//! [`log`] is the seam that everything else sees; [`journal`] is the stream embedded in the process, on a local
//! directory; `kafka` (feature `kafka`) is the one on an Apache Kafka cluster, `kinesis` (feature `kinesis`) the one on
//! Amazon Kinesis Data Streams; [`spill`] is a writer that keeps in a journal what another stream does not take. Every
//! backend passes the suite in `testing::conformance` (feature `testing`). [`backoff`] is how whoever fails waits.

pub mod backoff;
pub mod journal;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "kinesis")]
pub mod kinesis;
pub mod log;
pub mod metrics;
#[cfg(any(feature = "kafka", feature = "kinesis"))]
mod outcomes;
pub mod share;
pub mod spill;
mod spread;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
