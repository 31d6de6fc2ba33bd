//! Who lives, as far as one member can tell. Pure: time is passed in.
//!
//! A member is judged by its beats alone, which rise while it lives, and by the observer's own clock: two machines' clocks
//! are never compared. Only of a member that is met for the first time nothing was observed yet; there the board's clock
//! tells how much older its beat is than the observer's own, both by that one clock.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::Beat;

/// A member that was dead for so many times the limit is taken off the board by whoever notices.
const FORGOTTEN_AFTER: u32 = 10;

#[derive(Debug)]
struct Seen {
    number: u64,
    moved: Instant,
}

/// What one member has observed of all.
#[derive(Debug)]
pub(crate) struct Members {
    own: String,
    silence_max: Duration,
    seen: BTreeMap<String, Seen>,
}

impl Members {
    /// A member that has observed nothing; others are dead when they did not move for `silence_max`.
    pub(crate) fn new(own: &str, silence_max: Duration) -> Self {
        Self {
            own: own.to_owned(),
            silence_max,
            seen: BTreeMap::new(),
        }
    }

    /// Takes in what is on the board.
    pub(crate) fn observe(&mut self, posted: &BTreeMap<String, Beat>, now: Instant) {
        self.seen.retain(|member, _| posted.contains_key(member));
        let own_ms = posted.get(&self.own).map(|beat| beat.posted_ms);
        for (member, beat) in posted {
            match self.seen.get_mut(member) {
                Some(seen) if seen.number == beat.number => {}
                Some(seen) => {
                    *seen = Seen {
                        number: beat.number,
                        moved: now,
                    }
                }
                None => {
                    let older_ms = own_ms.map_or(0, |own| own.saturating_sub(beat.posted_ms));
                    let older = Duration::from_millis(u64::try_from(older_ms).unwrap_or(0));
                    let moved = now.checked_sub(older).unwrap_or(now);
                    let number = beat.number;
                    self.seen.insert(member.clone(), Seen { number, moved });
                }
            }
        }
    }

    /// Those that live; the observer always does.
    pub(crate) fn alive(&self, now: Instant) -> BTreeSet<String> {
        let lives = |seen: &Seen| now.saturating_duration_since(seen.moved) < self.silence_max;
        let others = self.seen.iter().filter(|(_, seen)| lives(seen));
        let others = others.map(|(member, _)| member.clone());
        others.chain([self.own.clone()]).collect()
    }

    /// Those that have been dead for so long that what they posted may go, with their last beats.
    pub(crate) fn forgotten(&self, now: Instant) -> Vec<(String, u64)> {
        let after = self.silence_max * FORGOTTEN_AFTER;
        let gone = |seen: &Seen| now.saturating_duration_since(seen.moved) >= after;
        let others = self.seen.iter().filter(|(member, _)| **member != self.own);
        let others = others.filter(|(_, seen)| gone(seen));
        others
            .map(|(member, seen)| (member.clone(), seen.number))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_secs(15);

    fn posted(beats: &[(&str, u64, i64)]) -> BTreeMap<String, Beat> {
        let beat = |(member, number, posted_ms): &(&str, u64, i64)| {
            let beat = Beat {
                number: *number,
                posted_ms: *posted_ms,
            };
            ((*member).to_owned(), beat)
        };
        beats.iter().map(beat).collect()
    }

    fn alive(members: &Members, now: Instant) -> Vec<String> {
        members.alive(now).into_iter().collect()
    }

    #[test]
    fn a_member_lives_while_its_beats_move_by_the_observers_clock() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut members = Members::new("a", SILENCE);
        members.observe(&posted(&[("a", 1, 0), ("b", 7, 0)]), at(0));
        assert_eq!(alive(&members, at(14)), ["a", "b"]);
        members.observe(&posted(&[("a", 2, 0), ("b", 8, 0)]), at(14));
        assert_eq!(alive(&members, at(28)), ["a", "b"]);
        // The same beat again proves nothing.
        members.observe(&posted(&[("a", 3, 0), ("b", 8, 0)]), at(28));
        assert_eq!(alive(&members, at(29)), ["a"]);
        // One that was only slow is back with its next beat.
        members.observe(&posted(&[("a", 3, 0), ("b", 9, 0)]), at(31));
        assert_eq!(alive(&members, at(31)), ["a", "b"]);
        // One that has left is gone at once.
        members.observe(&posted(&[("a", 4, 0)]), at(32));
        assert_eq!(alive(&members, at(32)), ["a"]);
    }

    #[test]
    fn what_the_dead_left_behind_does_not_count_for_a_newcomer_and_is_cleared_later() {
        let start = Instant::now() + Duration::from_secs(1_000);
        let mut members = Members::new("a", SILENCE);
        let left = posted(&[("a", 1, 100_000), ("dead", 9, 80_000), ("slow", 3, 90_000)]);
        members.observe(&left, start);
        assert_eq!(alive(&members, start), ["a", "slow"]);
        assert_eq!(members.forgotten(start), []);
        let later = start + Duration::from_secs(131);
        members.observe(&left, later);
        assert_eq!(members.forgotten(later), [("dead".to_owned(), 9)]);
    }

    #[test]
    fn a_member_that_cannot_post_counts_itself() {
        let mut members = Members::new("a", SILENCE);
        let now = Instant::now();
        members.observe(&posted(&[("b", 1, 5)]), now);
        assert_eq!(alive(&members, now), ["a", "b"]);
    }
}
