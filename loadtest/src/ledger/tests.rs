use super::*;

const ORDERS: &str = "order_completed_1";
const VIDEO: &str = "video_played_1";

/// Events 0 and 1 accepted, 2 rejected, 3 unknown, 4 to be retried, 5 unsent, 6 unknown and invalid.
fn ledger() -> Ledger {
    let mut run = Run::new("lt0", vec![ORDERS.to_owned(), VIDEO.to_owned()]);
    let outcomes = [
        (Some(0), true, Outcome::Accepted),
        (Some(1), true, Outcome::Accepted),
        (Some(0), false, Outcome::Rejected),
        (Some(0), true, Outcome::Unknown),
        (Some(0), true, Outcome::Retry),
        (Some(0), true, Outcome::Unsent),
        (None, false, Outcome::Unknown),
    ];
    for (number, (table, valid, outcome)) in (0..).zip(outcomes) {
        run.record(
            number,
            Entry {
                table,
                valid,
                outcome,
            },
        );
    }
    Ledger::of(run)
}

const RIGHT: [(&str, &str); 3] = [(ORDERS, "lt0-0"), (VIDEO, "lt0-1"), (BAD_EVENTS, "lt0-2")];

fn verdict(ledger: &Ledger, rows: &[(&str, &str)]) -> Balance {
    let mut tally = Tally::new(ledger, 10);
    rows.iter().for_each(|(table, id)| tally.row(table, id));
    tally.balance()
}

/// The faults when `more` landed besides what had to.
fn faults_with(more: &[(&str, &str)]) -> Vec<(FaultKind, String, Option<String>)> {
    let rows: Vec<_> = RIGHT.iter().chain(more).copied().collect();
    let balance = verdict(&ledger(), &rows);
    assert_eq!(balance.balanced, balance.faults.is_empty());
    balance
        .faults
        .into_iter()
        .map(|fault| (fault.kind, fault.event_id, fault.table))
        .collect()
}

fn fault(kind: FaultKind, id: &str, table: &str) -> Vec<(FaultKind, String, Option<String>)> {
    vec![(kind, id.to_owned(), Some(table.to_owned()))]
}

#[test]
fn promised_events_alone_balance() {
    let balance = verdict(&ledger(), &RIGHT);
    assert!(balance.balanced, "{balance}");
    assert_eq!(balance.events, 7);
    assert_eq!(
        balance.tables[ORDERS],
        TableCount {
            promised: 1,
            rows: 1
        }
    );
    assert_eq!(balance.outcomes[&Outcome::Accepted].landed, 2);
}

#[test]
fn unknown_and_retried_events_may_land_once() {
    assert_eq!(
        faults_with(&[(ORDERS, "lt0-3"), (ORDERS, "lt0-4"), (BAD_EVENTS, "lt0-6")]),
        []
    );
    let twice = [(ORDERS, "lt0-3"), (ORDERS, "lt0-3")];
    assert_eq!(
        faults_with(&twice),
        fault(FaultKind::Double, "lt0-3", ORDERS)
    );
    let twice = [
        (BAD_EVENTS, "lt0-6"),
        (BAD_EVENTS, "lt0-6"),
        (BAD_EVENTS, "lt0-6"),
    ];
    assert_eq!(
        faults_with(&twice),
        fault(FaultKind::Double, "lt0-6", BAD_EVENTS)
    );
}

#[test]
fn a_missing_event_is_named_with_its_table() {
    let balance = verdict(&ledger(), &RIGHT[1..]);
    assert!(!balance.balanced);
    assert_eq!(balance.outcomes[&Outcome::Accepted].missing, 1);
    assert_eq!(balance.faults[0].table.as_deref(), Some(ORDERS));
    assert!(
        balance
            .to_string()
            .contains("lt0-0 (accepted, order_completed_1): missing")
    );
    let balance = verdict(&ledger(), &RIGHT[..2]);
    assert_eq!(balance.faults[0].table.as_deref(), Some(BAD_EVENTS));
}

#[test]
fn an_event_that_landed_twice_is_a_double() {
    assert_eq!(
        faults_with(&[(ORDERS, "lt0-0")]),
        fault(FaultKind::Double, "lt0-0", ORDERS)
    );
    assert_eq!(
        faults_with(&[(BAD_EVENTS, "lt0-2")]),
        fault(FaultKind::Double, "lt0-2", BAD_EVENTS)
    );
}

#[test]
fn an_event_in_a_wrong_table_is_misplaced_even_when_it_is_in_the_right_one_too() {
    assert_eq!(
        faults_with(&[(VIDEO, "lt0-0")]),
        fault(FaultKind::Misplaced, "lt0-0", VIDEO)
    );
    assert_eq!(
        faults_with(&[(BAD_EVENTS, "lt0-1")]),
        fault(FaultKind::Misplaced, "lt0-1", BAD_EVENTS)
    );
    assert_eq!(
        faults_with(&[(ORDERS, "lt0-2")]),
        fault(FaultKind::Misplaced, "lt0-2", ORDERS)
    );
    assert_eq!(
        faults_with(&[(BAD_EVENTS, "lt0-3")]),
        fault(FaultKind::Misplaced, "lt0-3", BAD_EVENTS)
    );
    assert_eq!(
        faults_with(&[("who_1", "lt0-6")]),
        fault(FaultKind::Misplaced, "lt0-6", "who_1")
    );
}

#[test]
fn an_unsent_event_must_not_land() {
    assert_eq!(
        faults_with(&[(ORDERS, "lt0-5")]),
        fault(FaultKind::Unpromised, "lt0-5", ORDERS)
    );
}

#[test]
fn ids_that_the_run_never_gave_are_foreign() {
    for id in [
        "lt0-7",
        "lt0-00",
        "lt0-",
        "lt0-x",
        "lt0-1-1",
        "lt0-+1",
        "lt0-99999999999999999999",
    ] {
        assert_eq!(
            faults_with(&[(VIDEO, id)]),
            fault(FaultKind::Foreign, id, VIDEO),
            "{id}"
        );
    }
}

#[test]
fn rows_of_other_origin_are_ignored() {
    let others = [
        (ORDERS, "lt1-0"),
        (ORDERS, "0b9c1e4e-0000-7000-8000-000000000000"),
        (ORDERS, ""),
    ];
    assert_eq!(faults_with(&others), []);
    assert_eq!(verdict(&ledger(), &others).other_rows, 3);
}

#[test]
fn verdicts_that_differ_from_the_load_tests_own_unbalance() {
    let mut run = Run::new("lt0", vec![ORDERS.to_owned()]);
    run.record(
        0,
        Entry {
            table: Some(0),
            valid: false,
            outcome: Outcome::Accepted,
        },
    );
    run.record(
        1,
        Entry {
            table: Some(0),
            valid: true,
            outcome: Outcome::Rejected,
        },
    );
    let balance = verdict(
        &Ledger::of(run),
        &[(ORDERS, "lt0-0"), (BAD_EVENTS, "lt0-1")],
    );
    assert!(!balance.balanced);
    assert_eq!(balance.fault_counts[&FaultKind::AcceptedInvalid], 1);
    assert_eq!(balance.fault_counts[&FaultKind::RejectedValid], 1);
}

#[test]
fn all_faults_are_counted_and_the_first_are_named() {
    let mut run = Run::new("lt0", vec![ORDERS.to_owned()]);
    for number in 0..1_000 {
        run.record(
            number,
            Entry {
                table: Some(0),
                valid: true,
                outcome: Outcome::Accepted,
            },
        );
    }
    let balance = verdict(&Ledger::of(run), &[]);
    assert_eq!(balance.fault_counts[&FaultKind::Missing], 1_000);
    assert_eq!(balance.faults.len(), 10);
    assert!(balance.to_string().contains("and 990 more"));
}

#[test]
fn numbers_that_were_skipped_are_unsent() {
    let mut run = Run::new("lt0", vec![ORDERS.to_owned()]);
    run.record(
        3,
        Entry {
            table: Some(0),
            valid: true,
            outcome: Outcome::Accepted,
        },
    );
    assert_eq!(run.events(), 4);
    assert_eq!(Ledger::of(run).outcomes(Outcome::Unsent), 3);
}

#[test]
fn a_ledger_of_several_runs_survives_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.ledger");
    let mut ledger = ledger();
    let mut second = Run::new("lt1", vec![VIDEO.to_owned()]);
    second.record(
        0,
        Entry {
            table: Some(0),
            valid: true,
            outcome: Outcome::Accepted,
        },
    );
    ledger.push(second);
    ledger.save(&path).unwrap();
    assert_eq!(Ledger::load(&path).unwrap(), ledger);
    let rows: Vec<_> = RIGHT.iter().copied().chain([(VIDEO, "lt1-0")]).collect();
    assert!(verdict(&Ledger::load(&path).unwrap(), &rows).balanced);
}

#[test]
fn a_damaged_ledger_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.ledger");
    ledger().save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let mut wrong_outcome = whole.clone();
    *wrong_outcome.last_mut().unwrap() = 9;
    let mut longer = whole.clone();
    longer.push(0);
    for damaged in [
        &whole[..whole.len() - 1],
        b"",
        b"{}\n",
        &wrong_outcome,
        &longer,
    ] {
        std::fs::write(&path, damaged).unwrap();
        assert!(matches!(Ledger::load(&path), Err(Error::Malformed { .. })));
    }
    assert!(matches!(
        Ledger::load(&dir.path().join("none")),
        Err(Error::Io { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_when_all_has_landed_and_settled() {
    let ledger = ledger();
    let mut readings = 0;
    let balance = wait_for_landing(&ledger, Patience::default(), 10, async |tally| {
        readings += 1;
        let landed = readings.min(RIGHT.len());
        RIGHT[..landed]
            .iter()
            .for_each(|(table, id)| tally.row(table, id));
        Ok::<(), ()>(())
    })
    .await
    .unwrap();
    assert!(balance.balanced);
    assert_eq!(readings, RIGHT.len() + 1);
}

#[tokio::test(start_paused = true)]
async fn a_double_that_lands_late_is_still_seen() {
    let ledger = ledger();
    let mut readings = 0;
    let balance = wait_for_landing(&ledger, Patience::default(), 10, async |tally| {
        readings += 1;
        (0..readings).for_each(|_| RIGHT.iter().for_each(|(table, id)| tally.row(table, id)));
        Ok::<(), ()>(())
    })
    .await
    .unwrap();
    assert_eq!(balance.fault_counts[&FaultKind::Double], 3);
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_at_its_deadline() {
    let ledger = ledger();
    let start = tokio::time::Instant::now();
    let patience = Patience::default();
    let nothing = async |_: &mut Tally<'_>| Ok::<(), ()>(());
    let balance = wait_for_landing(&ledger, patience, 10, nothing)
        .await
        .unwrap();
    assert_eq!(balance.fault_counts[&FaultKind::Missing], 3);
    assert!(start.elapsed() >= patience.deadline);
    assert!(start.elapsed() <= patience.deadline + patience.poll);
}
