//! What a stream offers in order to be spilled for, beside taking records: it is asked whether it can be reached, and
//! whether records whose fate is open are there.

use std::collections::{HashMap, HashSet};

use futures_util::future::BoxFuture;
use sha2::{Digest as _, Sha256};

use crate::log::{Outcome, Record, Refusal, Topic, Writer};

/// The stream that a spill stands in for.
pub trait Primary: Writer {
    /// As [`Writer::append`], of records that stay the caller's: what is refused can be kept without a copy of all.
    fn send<'a>(&'a self, records: &'a [Record]) -> BoxFuture<'a, Vec<Outcome>>;

    /// Refuses a record that is known to be too large, without sending it.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`].
    fn check(&self, record: &Record) -> Result<(), Refusal>;

    /// Asks everyone who holds a part of the topics; topics that are missing are made, where that is allowed. Bounded
    /// in time by the stream's own settings.
    ///
    /// # Errors
    /// Why not everyone answered, or which topic cannot be written to.
    fn reach(&self, topics: Vec<Topic>) -> BoxFuture<'_, Result<(), String>>;

    /// Looks for values in the topics. What was written before the call is found.
    ///
    /// # Errors
    /// Why not everything could be read.
    fn find(&self, search: Search) -> BoxFuture<'_, Result<Found, String>>;
}

/// Which values are looked for, and where.
#[derive(Debug, Clone)]
pub struct Search {
    /// In these topics.
    pub topics: Vec<Topic>,
    /// Among records that were sent at or after this time, by the senders' clocks, in ms since the epoch.
    pub since_ms: i64,
    /// The values.
    pub wanted: HashSet<Digest>,
}

/// How often each value was found; those that are not there are left out.
pub type Found = HashMap<Digest, u32>;

/// What a value is recognised by: the first half of its SHA-256, so that nobody can make two values that are mistaken
/// for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 16]);

impl Digest {
    /// The digest of a value.
    pub fn of(value: &[u8]) -> Self {
        let whole = Sha256::digest(value);
        let mut half = [0; 16];
        half.copy_from_slice(&whole[..16]);
        Self(half)
    }
}
