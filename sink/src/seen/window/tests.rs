use super::*;

const HOUR_MS: u64 = 3_600_000;

/// Takes these ids at that time, and lands them as an object of that name.
fn land(window: &mut Window, name: &str, ids: impl IntoIterator<Item = Id>, at_ms: i64) {
    for id in ids {
        assert!(window.take(id, at_ms), "{id} is there already");
    }
    window.landed(name, at_ms, HOUR_MS);
}

/// As another sink has it that reads the objects.
fn reloaded(objects: &[(Kept, Part)]) -> Window {
    let mut window = Window::default();
    for (kept, part) in objects {
        window.load(
            kept.clone(),
            part.ids.iter().copied(),
            &part.slices,
            HOUR_MS,
        );
    }
    window
}

#[test]
fn an_id_is_taken_once_in_a_batch_and_after_it() {
    let mut window = Window::default();
    assert!(window.take(7, 0));
    assert!(!window.take(7, 1));
    window.landed("a", 1, HOUR_MS);
    assert!(!window.take(7, 2));
    assert!(!window.grows());
}

#[test]
fn a_batch_that_does_not_land_leaves_no_trace() {
    let mut window = Window::default();
    land(&mut window, "a", 1..=100, 0);
    for id in 50..=300 {
        window.take(id, 5);
    }
    window.undo();
    assert_eq!(window.len(), 100);
    assert!((101..=300).all(|id| window.take(id, 5)));
    assert!(!window.take(100, 5));
}

#[test]
fn an_event_that_was_taken_back_may_come_again_while_the_others_stay() {
    let mut window = Window::default();
    assert!(window.take(1, 0) && window.take(2, 0) && window.take(3, 0));
    window.take_back(2);
    let part = window.part();
    window.landed("a", 0, HOUR_MS);
    assert!(!window.take(1, 0) && !window.take(3, 0));
    assert!(window.take(2, 0));
    let kept = Kept {
        name: "a".to_owned(),
        ids: part.ids.len(),
    };
    let mut other = reloaded(&[(kept, part)]);
    assert!(!other.take(1, 0) && !other.take(3, 0));
    assert!(other.take(2, 0));
}

#[test]
fn what_came_longer_ago_than_the_window_is_forgotten() {
    let mut window = Window::default();
    for minute in 0..=61_u32 {
        land(
            &mut window,
            &format!("{minute}"),
            [Id::from(minute) + 1],
            i64::from(minute) * 60_000,
        );
    }
    assert_eq!(window.len(), 61, "the first of them is 61 minutes old");
    assert!(window.take(1, 62 * 60_000));
    assert!(!window.take(2, 62 * 60_000));
}

#[test]
fn where_something_always_comes_the_window_is_no_longer_than_it_is_set() {
    let mut window = Window::default();
    for second in 0..3 * 3_600_u32 {
        let at_ms = i64::from(second) * 1_000;
        land(&mut window, "a", [Id::from(second) + 1], at_ms);
        let hour = 3_600.min(second as usize + 1);
        let slice = 2 * 3_600 / SLICES as usize;
        let known = window.len();
        assert!(
            (hour..=hour + slice).contains(&known),
            "{known} in {second}"
        );
    }
    let (from_ms, to_ms) = window.span_ms().unwrap();
    assert!(to_ms - from_ms > 3_500_000, "{from_ms} to {to_ms}");
}

#[test]
fn a_gateway_whose_clock_is_ahead_makes_no_event_old() {
    let mut window = Window::default();
    land(&mut window, "a", [1], 1_000);
    window.take(2, i64::MAX);
    window.landed("b", 2_000, HOUR_MS);
    assert!(!window.take(1, 3_000));
}

#[test]
fn the_oldest_are_shed_first_and_their_memory_is_given_back() {
    let mut window = Window::default();
    for hundred in 0..1_000 {
        let ids = hundred * 100 + 1..=hundred * 100 + 100;
        land(&mut window, &hundred.to_string(), ids, 0);
    }
    let full = window.bytes();
    while window.len() > 1_000 {
        let excess = window.len() - 1_000;
        assert!(window.shed(excess) > 0);
    }
    assert!(window.bytes() < full / 20, "{} of {full}", window.bytes());
    assert!(window.take(99_000, 0), "the last thousand are left");
    assert!(!window.take(99_001, 0));
}

#[test]
fn few_objects_have_all_of_a_long_window() {
    let mut window = Window::default();
    let mut objects: Vec<(Kept, Part)> = Vec::new();
    let mut written = 0;
    for commit in 0..2_000_u32 {
        let at_ms = i64::from(commit) * 1_000;
        for id in 1..=10 {
            assert!(window.take(Id::from(commit) * 10 + id, at_ms));
        }
        let (name, part) = (commit.to_string(), window.part());
        window.landed(&name, at_ms, HOUR_MS);
        written += part.ids.len();
        objects.retain(|(kept, _)| part.older.contains(kept));
        assert_eq!(
            objects.len(),
            part.older.len(),
            "all that it names are known"
        );
        let ids = part.ids.len();
        objects.push((Kept { name, ids }, part));
        assert!(objects.len() <= SMALL_MAX + 1, "{}", objects.len());
    }
    assert!(written < 20_000 * 40, "{written} ids written for 20,000");
    let mut other = reloaded(&objects);
    assert_eq!(other.len(), window.len());
    assert_eq!(other.span_ms(), window.span_ms());
    for id in 1..=20_000 {
        assert!(!other.take(id, 0), "{id}");
    }
    assert!(other.take(20_001, 0));
}

#[test]
fn large_objects_are_left_alone() {
    let mut window = Window::default();
    let each = SMALL_IDS as Id;
    for commit in 0..40 {
        let ids = commit * each + 1..=(commit + 1) * each;
        for id in ids {
            window.take(id, 0);
        }
        assert_eq!(window.part().ids.len(), SMALL_IDS);
        window.landed(&commit.to_string(), 0, HOUR_MS);
    }
}
