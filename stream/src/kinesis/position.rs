//! Where a reader is in a shard: `<sequence number>.<place>`, the record of Kinesis that was read last and the place, from
//! 0, of the last event that was taken out of it. A record that is no aggregate holds one event.
//!
//! Behind the last record of a shard that was closed comes its end, `<sequence number>.<place>.1`: greater than every
//! position in the shard, and made without computing with a sequence number.

use crate::log::Position;

/// What is at the end of a shard that never had a record.
const EMPTY: &str = "0.0";

/// The last event that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// Kinesis' own text, up to 129 digits.
    pub(super) sequence: String,
    pub(super) place: u64,
}

impl Mark {
    pub(super) fn position(&self) -> Position {
        Position::new(&format!("{}.{}", self.sequence, self.place))
    }
}

/// What a position says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Before every record.
    Start,
    /// Behind that event.
    Behind(Mark),
    /// The shard was read to its end.
    End,
}

/// What the position says.
///
/// # Errors
/// What is wrong with a position that this module did not make.
pub(super) fn place(position: &Position) -> Result<Place, String> {
    let text = position.as_str();
    if text.is_empty() {
        return Ok(Place::Start);
    }
    let wrong = || format!("{text:?} is no position of Kinesis");
    let digits = |number: &&str| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let numbers: Vec<&str> = text.split('.').collect();
    if !numbers.iter().all(digits) {
        return Err(wrong());
    }
    match numbers[..] {
        [sequence, place] => Ok(Place::Behind(Mark {
            sequence: sequence.to_owned(),
            place: place.parse().map_err(|_| wrong())?,
        })),
        [_, _, "1"] => Ok(Place::End),
        _ => Err(wrong()),
    }
}

/// Whether the position is a shard's end.
pub(super) fn is_end(position: &Position) -> bool {
    matches!(place(position), Ok(Place::End))
}

/// The end of a shard that was read up to that position.
pub(super) fn end_of(last: &Position) -> Position {
    match last.as_str() {
        "" => Position::new(&format!("{EMPTY}.1")),
        text => Position::new(&format!("{text}.1")),
    }
}

/// How two sequence numbers order: they are as long as they like.
pub(super) fn order(a: &str, b: &str) -> std::cmp::Ordering {
    let digits = |text: &str| text.trim_start_matches('0').to_owned();
    let (a, b) = (digits(a), digits(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(&b))
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::*;

    fn mark(sequence: &str, place: u64) -> Mark {
        Mark {
            sequence: sequence.to_owned(),
            place,
        }
    }

    #[test]
    fn events_order_by_their_record_then_by_their_place_and_the_end_comes_last() {
        let long = "49590338271490256608559692538361571095921575989136588898";
        let order = [
            Position::start(),
            mark("9", 0).position(),
            mark("10", 0).position(),
            mark("10", 2).position(),
            mark("10", 11).position(),
            mark(long, 0).position(),
            end_of(&mark(long, 0).position()),
        ];
        for pair in order.windows(2) {
            assert!(pair[0] < pair[1], "{pair:?}");
        }
        assert_eq!(place(&order[3]), Ok(Place::Behind(mark("10", 2))));
        assert!(is_end(&order[6]) && !is_end(&order[5]));
    }

    #[test]
    fn a_shard_without_records_has_an_end_too() {
        let end = end_of(&Position::start());
        assert!(is_end(&end) && end > Position::start());
        assert_eq!(place(&Position::start()), Ok(Place::Start));
    }

    #[test]
    fn positions_of_other_backends_are_refused() {
        for text in ["7", "1.2.3", "1.2.1.1", "-1.0", "1.x", "1.", ".1"] {
            assert!(place(&Position::new(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn sequence_numbers_are_compared_as_numbers() {
        assert_eq!(order("9", "10"), Ordering::Less);
        assert_eq!(order("010", "10"), Ordering::Equal);
        assert_eq!(order("11", "10"), Ordering::Greater);
    }
}
