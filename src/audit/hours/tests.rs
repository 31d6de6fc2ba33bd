use super::*;

fn hour(committed: u64, loaded: u64, waiting: u64, set_aside: u64) -> Hour {
    Hour {
        committed,
        loaded,
        away: Away { waiting, set_aside },
    }
}

fn load(hours: Range<i64>, duplicates: u64) -> LoadBooks {
    LoadBooks { hours, duplicates }
}

fn books(loads: Vec<LoadBooks>) -> Books {
    Books {
        loads,
        ..Books::default()
    }
}

fn one(books: &Books, hour: Hour) -> Judged {
    books.judge(&BTreeMap::from([(5, hour)]))[&5]
}

fn judged(duplicates: u64, missing: i64) -> Judged {
    Judged {
        duplicates,
        expired: 0,
        missing,
    }
}

#[test]
fn what_is_loaded_or_waits_or_was_set_aside_or_was_there_already_balances() {
    let books = books(vec![load(5..6, 3), load(5..6, 1)]);
    assert_eq!(one(&books, hour(100, 80, 10, 6)), judged(4, 0));
    assert_eq!(one(&Books::default(), hour(7, 0, 7, 0)), judged(0, 0));
}

#[test]
fn a_row_that_is_gone_is_missing_and_no_duplicate() {
    let books = books(vec![load(5..6, 4)]);
    assert_eq!(one(&books, hour(100, 95, 0, 0)), judged(4, 1));
    assert_eq!(one(&Books::default(), hour(100, 0, 0, 0)), judged(0, 100));
    // What was committed and neither loaded nor waits: passed over.
    assert_eq!(one(&books, hour(100, 80, 10, 0)), judged(4, 6));
}

#[test]
fn a_row_too_many_is_told() {
    assert_eq!(one(&Books::default(), hour(10, 11, 0, 0)), judged(0, -1));
    // Loaded by a hand, though the ledger says that it was left out.
    assert_eq!(
        one(&books(vec![load(5..6, 4)]), hour(10, 8, 0, 0)),
        judged(2, -2)
    );
    assert_eq!(one(&Books::default(), hour(10, 10, 3, 0)), judged(0, -3));
}

#[test]
fn hours_that_share_loads_are_held_against_their_sum() {
    let books = books(vec![load(5..7, 4), load(6..8, 2), load(9..10, 9)]);
    let hours = |losses: [u64; 3]| {
        let hour = |(at, loss): (i64, u64)| (at, hour(100, 100 - loss, 0, 0));
        BTreeMap::from_iter([5, 6, 7].into_iter().zip(losses).map(hour))
    };
    assert_eq!(books.together(&hours([1, 3, 2])), []);
    let lost = books.together(&hours([4, 3, 0]));
    assert_eq!(
        lost,
        [Together {
            hours: 5..8,
            missing: 1
        }]
    );
    // Each of them might be right alone.
    let missing = books.judge(&hours([4, 3, 0])).into_values();
    assert_eq!(missing.map(|judged| judged.missing).sum::<i64>(), 0);
    // One that is at fault alone is told alone.
    assert_eq!(books.together(&hours([5, 0, 0])), []);
    assert_eq!(books.judge(&hours([5, 0, 0]))[&5].missing, 1);
}

#[test]
fn a_load_that_reaches_out_of_the_window_may_have_removed_its_rows_anywhere() {
    let books = books(vec![load(4..6, 4)]);
    assert_eq!(one(&books, hour(100, 98, 0, 0)), judged(2, 0));
    assert_eq!(one(&books, hour(100, 95, 0, 0)), judged(4, 1));
}

#[test]
fn hours_that_were_loaded_again_are_judged_by_the_files() {
    let mut books = books(vec![load(5..6, 4)]);
    books.reloaded = std::iter::once(5..6).collect();
    let hours = BTreeMap::from([(5, hour(100, 90, 0, 0)), (6, hour(10, 9, 0, 0))]);
    assert_eq!(books.doubtful(&hours), [5]);
    assert_eq!(books.short(&hours), [5, 6]);
    let mut counted = Counted {
        rows: 100,
        events: 90,
        elsewhere: 0,
        once_an_hour: true,
    };
    books.counted.insert(5, counted);
    assert_eq!(one(&books, hour(100, 90, 0, 0)), judged(10, 0));
    assert_eq!(one(&books, hour(100, 89, 0, 0)), judged(10, 1));
    assert_eq!(one(&books, hour(100, 91, 0, 0)), judged(9, -1));
    counted.elsewhere = 2;
    books.counted.insert(5, counted);
    assert_eq!(one(&books, hour(100, 88, 0, 0)), judged(12, 0));
    counted.once_an_hour = false;
    books.counted.insert(5, counted);
    assert_eq!(one(&books, hour(100, 95, 0, 0)), judged(5, 0));
}

#[test]
fn a_ledger_that_tells_other_than_the_files_is_not_believed() {
    let mut books = books(vec![load(5..6, 10)]);
    let counted = Counted {
        rows: 100,
        events: 98,
        elsewhere: 0,
        once_an_hour: true,
    };
    books.counted.insert(5, counted);
    assert_eq!(one(&books, hour(100, 90, 0, 0)), judged(2, 8));
}

#[test]
fn rows_that_are_too_old_are_expired_and_not_missing() {
    let books = Books {
        kept_from: Some(6),
        ..Books::default()
    };
    let expired = Judged {
        expired: 93,
        ..Judged::default()
    };
    assert_eq!(one(&books, hour(100, 7, 0, 0)), expired);
    assert_eq!(one(&books, hour(100, 101, 0, 0)), judged(0, -1));
    let doubtful = books.doubtful(&BTreeMap::from([(5, hour(1, 0, 0, 0))]));
    assert!(doubtful.is_empty(), "{doubtful:?}");
}
