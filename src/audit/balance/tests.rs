use headgate_sink::commit::Gap;
use headgate_sink::commit::account::{Landed, LogAccount};
use headgate_sink::warehouse::{Books, LoadBooks, TableBooks};
use headgate_stream::log::{Partition, Position};

use super::*;
use crate::audit::finding::What;
use crate::audit::report::Verdict;

const HOUR: i64 = 10;

fn landed(streamed: u64, replayed: u64, committed: u64) -> Landed {
    Landed {
        streamed,
        replayed,
        committed,
        ..Landed::default()
    }
}

/// Two tables of one hour, whole: 20 events published, 2 rejected, one sent twice.
fn whole() -> Looked {
    let place = |table: &str| (table.to_owned(), HOUR);
    let log = |log: &str, partition: &str, rows: u64| LogAccount {
        log: log.to_owned(),
        newest: 3,
        rows,
        before: [(Partition::new(partition), Position::new("99.1.1"))].into(),
        tails: [(
            Partition::new(partition),
            Position::new(&format!("{}.1.1", 99 + rows)),
        )]
        .into(),
        ..LogAccount::default()
    };
    let part = |log: &str, partition: &str, end: u64| Part {
        log: log.to_owned(),
        partition: Partition::new(partition),
        offsets: 100..end,
        cut: false,
        timed: true,
    };
    let rejected = |kind: Option<&str>| Rejected {
        hour: HOUR,
        kind: kind.map(str::to_owned),
        source: None,
        reason: "invalid".to_owned(),
        by_sink: false,
        events: 1,
    };
    let books = TableBooks {
        rows: [(HOUR, 19)].into(),
        discarded: [(HOUR, 4)].into(),
        loads: vec![LoadBooks {
            hours: HOUR..HOUR + 1,
            duplicates: 1,
        }],
        ..TableBooks::default()
    };
    Looked {
        hours: HOUR..HOUR + 1,
        account: Account {
            hours: [
                (place("thing_1"), landed(20, 0, 20)),
                (place("bad_events"), landed(2, 0, 2)),
            ]
            .into(),
            logs: vec![
                log("events/c", "events-0", 20),
                log("bad_events/c", "bad_events-0", 2),
            ],
        },
        parts: Some(vec![
            part("events/c", "events-0", 120),
            part("bad_events/c", "bad_events-0", 102),
        ]),
        rejected: Some(vec![
            (Some("thing_1".to_owned()), rejected(Some("thing"))),
            (None, rejected(None)),
        ]),
        warehouse: Some(InWarehouse {
            books: Books::of([("thing_1".to_owned(), books)].into()),
            follows: ["thing_1".to_owned()].into(),
            ..InWarehouse::default()
        }),
    }
}

fn verdict(looked: &Looked) -> Verdict {
    Verdict::of(&looked.balance(None), &[])
}

#[test]
fn what_is_whole_balances_and_every_column_is_filled() {
    let looked = whole();
    let balance = looked.balance(None);
    assert_eq!(balance.findings, []);
    assert_eq!(verdict(&looked), Verdict::Balanced);
    let [bad, thing] = balance.rows.as_slice() else {
        panic!("{balance:?}")
    };
    assert_eq!((bad.accepted, bad.rejected, bad.committed), (None, None, 2));
    assert_eq!(bad.in_warehouse, None);
    assert_eq!((thing.accepted, thing.rejected), (Some(20), Some(1)));
    let loaded = thing.in_warehouse.expect("it is loaded");
    assert_eq!((loaded.loaded, loaded.discarded), (19, 4));
    assert_eq!((loaded.judged.duplicates, loaded.judged.missing), (1, 0));
}

#[test]
fn a_partition_that_is_behind_waits_and_is_named() {
    let mut looked = whole();
    looked.parts.as_mut().expect("parts")[0].offsets.end = 240;
    let balance = looked.balance(None);
    assert_eq!(balance.whats(), [What::NotLanded]);
    assert_eq!(
        balance.findings[0].text,
        "not yet landed: partition events-0 of events lacks 120 records"
    );
    assert_eq!(verdict(&looked), Verdict::Waits);
}

#[test]
fn a_row_that_is_gone_from_the_warehouse_does_not_balance() {
    let mut looked = whole();
    let warehouse = looked.warehouse.as_mut().expect("a warehouse");
    let thing = warehouse.books.tables.get_mut("thing_1").expect("a table");
    thing.rows.insert(HOUR, 18);
    let balance = looked.balance(None);
    assert_eq!(balance.whats(), [What::Missing]);
    let text = &balance.findings[0].text;
    assert!(
        text.contains("1 rows are missing")
            && text.contains("reload --table thing_1 --from 1970-01-01T10:00:00Z"),
        "{text}"
    );
    assert_eq!(verdict(&looked), Verdict::Unbalanced);
    assert_eq!(looked.balance(Some("other_1")).findings, []);
}

#[test]
fn rows_that_wait_or_were_refused_are_not_missing() {
    for (waiting, set_aside, what) in [(5, 0, What::NotLoaded), (0, 5, What::SetAside)] {
        let mut looked = whole();
        let warehouse = looked.warehouse.as_mut().expect("a warehouse");
        let away = Away { waiting, set_aside };
        warehouse.away.insert(("thing_1".to_owned(), HOUR), away);
        let thing = warehouse.books.tables.get_mut("thing_1").expect("a table");
        thing.rows.insert(HOUR, 14);
        assert_eq!(looked.balance(None).whats(), [what]);
        assert_eq!(verdict(&looked), Verdict::Waits);
    }
}

#[test]
fn a_table_that_was_never_made_waits_whole_or_is_missing() {
    let mut looked = whole();
    let warehouse = looked.warehouse.as_mut().expect("a warehouse");
    warehouse.books = Books::default();
    assert_eq!(looked.balance(None).whats(), [What::Missing]);
    let warehouse = looked.warehouse.as_mut().expect("a warehouse");
    let away = Away {
        waiting: 20,
        set_aside: 0,
    };
    warehouse.away.insert(("thing_1".to_owned(), HOUR), away);
    assert_eq!(looked.balance(None).whats(), [What::NotLoaded]);
}

#[test]
fn rows_of_an_hour_in_which_nothing_landed_are_too_many() {
    let mut looked = whole();
    let warehouse = looked.warehouse.as_mut().expect("a warehouse");
    let thing = warehouse.books.tables.get_mut("thing_1").expect("a table");
    thing.rows = [(HOUR, 20), (HOUR + 1, 3)].into();
    assert_eq!(
        looked.balance(None).whats(),
        [What::TooMany],
        "not of these hours"
    );
    looked.hours = HOUR..HOUR + 2;
    let whats = looked.balance(None).whats();
    assert_eq!(whats, [What::TooMany, What::TooMany]);
}

#[test]
fn what_a_compactor_lost_does_not_balance() {
    let mut looked = whole();
    looked
        .account
        .hours
        .insert(("bad_events".to_owned(), HOUR), landed(2, 1, 2));
    assert_eq!(looked.balance(None).whats(), [What::Replaced]);
    assert_eq!(verdict(&looked), Verdict::Unbalanced);
}

#[test]
fn records_without_rows_and_gaps_are_named() {
    let mut looked = whole();
    looked.account.logs[0].rows = 15;
    assert_eq!(looked.balance(None).whats(), [What::RecordsWithoutRows]);
    looked.account.logs[0].gaps = vec![Gap {
        partition: Partition::new("events-0"),
        after: Position::new("104.1.1"),
        records: Some(5),
    }];
    let balance = looked.balance(None);
    assert_eq!(balance.whats(), [What::Gap]);
    let text = &balance.findings[0].text;
    assert!(
        text.contains("5 records of partition events-0 of events behind position 104.1.1"),
        "{text}"
    );
    assert_eq!(verdict(&looked), Verdict::Unbalanced);
    // A replay's positions are its own.
    let mut looked = whole();
    looked.account.logs[0].log = "replay.bad_events/1".to_owned();
    looked.account.logs[0].rows = 15;
    looked.parts = Some(Vec::new());
    assert_eq!(looked.balance(None).whats(), []);
}

#[test]
fn files_that_have_fewer_rows_than_their_commits_say_are_named() {
    let mut looked = whole();
    let warehouse = looked.warehouse.as_mut().expect("a warehouse");
    let counted = Counted {
        rows: 19,
        events: 18,
        elsewhere: 0,
        once_an_hour: true,
    };
    warehouse.counted = [("thing_1".to_owned(), [(HOUR, counted)].into())].into();
    let whats = looked.balance(None).whats();
    assert!(whats.contains(&What::FilesDiffer), "{whats:?}");
}

#[test]
fn what_could_not_be_looked_at_is_no_balance() {
    let failed = ["cannot ask the stream".to_owned()];
    let balance = whole().balance(None);
    assert_eq!(Verdict::of(&balance, &failed), Verdict::Unknown);
    let codes = [
        Verdict::Balanced,
        Verdict::Unknown,
        Verdict::Waits,
        Verdict::Unbalanced,
    ];
    assert_eq!(codes.map(Verdict::exit), [0, 1, 4, 5]);
}

#[test]
fn a_track_call_is_accepted_once_though_it_has_two_rows() {
    let mut looked = whole();
    let mut second = landed(7, 0, 7);
    second.second_rows = 6;
    let place = ("tracks".to_owned(), HOUR);
    looked.account.hours.insert(place, second);
    let balance = looked.balance(Some("tracks"));
    let [row] = balance.rows.as_slice() else {
        panic!("{balance:?}")
    };
    assert_eq!(
        (row.accepted, row.published, row.committed),
        (Some(1), 7, 7)
    );
    assert_eq!(balance.whats(), []);
}
