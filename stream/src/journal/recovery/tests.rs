//! Recovery from every cut and every damage that a small log can have.

use std::{fs, path::Path};

use proptest::prelude::*;

use super::*;
use crate::journal::frame::Builder;

const GROUPS: [&[&str]; 3] = [&["a1", "a2"], &["b1"], &["c1", "", "c3"]];

fn seed() -> Seed {
    Seed::new("incarnation", 0)
}

fn frame(base: u64, values: &[&str]) -> Vec<u8> {
    let mut builder = Builder::new(seed());
    values
        .iter()
        .for_each(|value| builder.push(value.as_bytes()));
    builder.finish(base, 1_700_000_000_000).to_vec()
}

/// The frames of [`GROUPS`], and the offsets that follow each.
fn frames() -> (Vec<Vec<u8>>, Vec<u64>) {
    let mut nexts = vec![0];
    let frames = GROUPS.map(|values| {
        let base = nexts[nexts.len() - 1];
        nexts.push(base + values.len() as u64);
        frame(base, values)
    });
    (frames.to_vec(), nexts)
}

/// A partition with that one segment, and perhaps a mark.
fn partition(bytes: &[u8], marked: Option<u64>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(files::segment_path(dir.path(), 0), bytes).unwrap();
    if let Some(next) = marked {
        Mark::open(dir.path(), seed())
            .unwrap()
            .0
            .write(next)
            .unwrap();
    }
    dir
}

fn recover_in(dir: &Path) -> Result<Recovered, Error> {
    recover(dir, seed())
}

/// Asserts that the error names the segment and the byte.
fn assert_corrupt(result: Result<Recovered, Error>, wanted: u64, what: &str) {
    match result {
        Err(Error::Corrupt { path, at, .. }) => {
            assert!(
                path.ends_with("00000000000000000000.log"),
                "{what}: {}",
                path.display()
            );
            assert_eq!(at, wanted, "{what}");
        }
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn a_log_cut_anywhere_keeps_every_whole_frame() {
    let (frames, nexts) = frames();
    let bytes = frames.concat();
    for cut in 0..=bytes.len() {
        let ends: Vec<usize> = (0..=frames.len())
            .map(|n| frames[..n].concat().len())
            .collect();
        let whole = ends.iter().rposition(|end| *end <= cut).unwrap();
        let dir = partition(&bytes[..cut], None);
        let recovered = recover_in(dir.path()).unwrap();
        assert_eq!(recovered.next, nexts[whole], "cut at {cut}");
        assert_eq!(
            recovered.torn_bytes,
            (cut - ends[whole]) as u64,
            "cut at {cut}"
        );
        assert_eq!(
            fs::read(files::segment_path(dir.path(), 0)).unwrap(),
            bytes[..ends[whole]]
        );
    }
}

#[test]
fn a_cut_below_the_mark_is_an_error_and_changes_nothing() {
    let (frames, nexts) = frames();
    let bytes = frames.concat();
    let starts: Vec<usize> = (0..frames.len())
        .map(|n| frames[..n].concat().len())
        .collect();
    for cut in 0..bytes.len() {
        let start = starts.iter().rposition(|start| *start <= cut).unwrap();
        let dir = partition(&bytes[..cut], Some(nexts[3]));
        assert_corrupt(
            recover_in(dir.path()),
            starts[start] as u64,
            &format!("cut at {cut}"),
        );
        assert_eq!(
            fs::read(files::segment_path(dir.path(), 0)).unwrap(),
            bytes[..cut]
        );
    }
}

#[test]
fn a_flipped_byte_before_the_last_frame_is_an_error_even_without_a_mark() {
    let (frames, _) = frames();
    let bytes = frames.concat();
    let mut start = 0;
    for frame in &frames[..2] {
        for at in start..start + frame.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                let dir = partition(&damaged, None);
                assert_corrupt(
                    recover_in(dir.path()),
                    start as u64,
                    &format!("{flip:x} at {at}"),
                );
                assert_eq!(
                    fs::read(files::segment_path(dir.path(), 0)).unwrap(),
                    damaged
                );
            }
        }
        start += frame.len();
    }
}

#[test]
fn a_flipped_byte_in_the_last_frame_is_an_error_under_the_mark_and_a_torn_write_beyond_it() {
    let (frames, nexts) = frames();
    let bytes = frames.concat();
    let start = frames[..2].concat().len();
    for at in start..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        let dir = partition(&damaged, Some(nexts[3]));
        assert_corrupt(recover_in(dir.path()), start as u64, &format!("at {at}"));
        let dir = partition(&damaged, Some(nexts[2]));
        let recovered = recover_in(dir.path()).unwrap();
        assert_eq!(
            (recovered.next, recovered.segments[0].bytes),
            (nexts[2], start as u64)
        );
    }
}

#[test]
fn zeros_and_garbage_after_the_last_frame_are_cut_off_once() {
    let (frames, nexts) = frames();
    for tail in [
        vec![0; 5000],
        b"HGJ1 and what never became a frame, but is long enough".to_vec(),
    ] {
        let dir = partition(&[frames.concat(), tail.clone()].concat(), Some(nexts[3]));
        let recovered = recover_in(dir.path()).unwrap();
        assert_eq!(
            (recovered.next, recovered.torn_bytes),
            (nexts[3], tail.len() as u64)
        );
        assert_eq!(recover_in(dir.path()).unwrap().torn_bytes, 0);
    }
}

#[test]
fn a_later_frame_is_found_behind_more_damage_than_one_window() {
    let (frames, _) = frames();
    let hole = vec![7; WINDOW_BYTES + 17];
    let dir = partition(&[frames[0].clone(), hole, frames[2].clone()].concat(), None);
    assert_corrupt(recover_in(dir.path()), frames[0].len() as u64, "a hole");
}

#[test]
fn older_segments_must_be_whole_and_follow_one_another() {
    let (frames, nexts) = frames();
    let older = frames[..2].concat();
    let log = |first: &[u8]| {
        let dir = partition(first, None);
        fs::write(files::segment_path(dir.path(), nexts[2]), &frames[2]).unwrap();
        dir
    };
    let dir = log(&older);
    let recovered = recover_in(dir.path()).unwrap();
    assert_eq!((recovered.next, recovered.segments.len()), (nexts[3], 2));
    for cut in 0..older.len() {
        let at = if cut < frames[0].len() {
            0
        } else {
            frames[0].len() as u64
        };
        assert_corrupt(
            recover_in(log(&older[..cut]).path()),
            at,
            &format!("cut at {cut}"),
        );
    }
    for at in 0..HEADER_BYTES {
        let mut damaged = older.clone();
        damaged[at] ^= 4;
        assert_corrupt(
            recover_in(log(&damaged).path()),
            0,
            &format!("flipped at {at}"),
        );
    }
    let dir = log(&[&older[..], b"x"].concat());
    assert_corrupt(
        recover_in(dir.path()),
        older.len() as u64,
        "more than frames",
    );
    fs::remove_file(files::segment_path(dir.path(), nexts[2])).unwrap();
    Mark::open(dir.path(), seed())
        .unwrap()
        .0
        .write(nexts[3])
        .unwrap();
    assert_corrupt(
        recover_in(dir.path()),
        older.len() as u64,
        "the newest segment is missing",
    );
}

#[test]
fn a_file_that_is_no_segment_is_named() {
    let dir = partition(b"", None);
    fs::write(dir.path().join("17.log"), b"").unwrap();
    let Err(Error::Corrupt { path, .. }) = recover_in(dir.path()) else {
        panic!()
    };
    assert!(path.ends_with("17.log"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn arbitrary_bytes_never_panic_and_a_second_recovery_agrees(
        whole in 0..=3_usize,
        tail in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let (frames, nexts) = frames();
        let dir = partition(&[frames[..whole].concat(), tail].concat(), Some(nexts[whole]));
        let next = recover_in(dir.path()).unwrap().next;
        prop_assert_eq!(next, nexts[whole]);
        prop_assert_eq!(recover_in(dir.path()).unwrap().torn_bytes, 0);
    }

    #[test]
    fn any_damage_below_the_mark_is_found_or_harmless(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let (frames, nexts) = frames();
        let whole = frames.concat();
        let mut bytes = whole.clone();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(bytes.len() - cut.index(3));
        let dir = partition(&bytes, Some(nexts[3]));
        match recover_in(dir.path()) {
            Ok(_) => prop_assert_eq!(bytes, whole),
            Err(error) => prop_assert!(matches!(error, Error::Corrupt { .. }), "{}", error),
        }
    }
}
