//! UUIDv7 for events that come without an id: one draw of randomness per request, then counting up.

use uuid::{Builder, Uuid};

/// Makes the ids of one request's events: all of one instant, ascending in the events' order.
pub(crate) struct Ids {
    millis: u64,
    random: Option<u128>,
}

impl Ids {
    /// Ids of the instant `now_micros`.
    pub(crate) fn new(now_micros: i64) -> Self {
        Self {
            millis: u64::try_from(now_micros / 1000).unwrap_or(0),
            random: None,
        }
    }

    /// The next id.
    pub(crate) fn next(&mut self) -> String {
        // 74 random bits at the start: two requests of one millisecond do not meet, and within a request
        // counting up keeps ids distinct and ordered (RFC 9562, 6.2, method 2).
        let random = self
            .random
            .map_or_else(rand::random::<u128>, |last| last.wrapping_add(1));
        self.random = Some(random);
        let low = (random & ((1 << 62) - 1)) as u64;
        let high = ((random >> 62) & 0xFFF) as u16;
        let mut bytes = [0; 10];
        bytes[..2].copy_from_slice(&high.to_be_bytes());
        bytes[2..].copy_from_slice(&low.to_be_bytes());
        let id: Uuid = Builder::from_unix_timestamp_millis(self.millis, &bytes).into_uuid();
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        (*id.hyphenated().encode_lower(&mut text)).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_7_of_the_instant_and_ascend() {
        let mut ids = Ids::new(1_700_000_000_123_456);
        let made: Vec<String> = (0..1000).map(|_| ids.next()).collect();
        assert!(
            made.windows(2).all(|pair| pair[0] < pair[1]),
            "not ascending"
        );
        let id = Uuid::parse_str(&made[0]).unwrap();
        assert_eq!(id.get_version_num(), 7);
        let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
        assert_eq!((seconds, nanos / 1_000_000), (1_700_000_000, 123));
        assert_ne!(Ids::new(0).next(), Ids::new(0).next());
    }
}
