//! Replies that are lost, ends in the middle, a full disk.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_there_though_its_reply_was_lost_is_not_sent_again() {
    let site = Site::new();
    let opened = site.open().await;
    site.memory.lose_replies(true);
    opened.append_ok(numbered("ada", 0..5)).await;
    opened.drained().await;
    site.memory.lose_replies(false);
    opened.append_ok(numbered("ada", 5..8)).await;
    opened.drained().await;
    assert_eq!(site.values("ada"), names("ada", 0..8));
    assert_eq!(opened.metric("found_records_total"), 5.0);
    assert_eq!(opened.metric("forwarded_records_total"), 0.0);
    assert!(opened.spill.core.doubts.search(0).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_are_lost_while_forwarding_double_nothing() {
    let site = Site::new();
    let opened = site.open().await;
    site.memory.refuse(Some(down()));
    opened.append_ok(numbered("ada", 0..30)).await;
    site.memory.lose_replies(true);
    site.memory.refuse(None);
    // Seven at once are sent, found, and passed over: it goes on.
    opened.drained().await;
    site.memory.lose_replies(false);
    assert_eq!(site.values("ada"), names("ada", 0..30));
    assert_eq!(opened.metric("forwarded_records_total"), 0.0);
    assert_eq!(opened.metric("found_records_total"), 30.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_being_sent_when_the_process_was_killed_is_not_sent_again() {
    let site = Site::new();
    let scripted = Scripted::new(&site.memory);
    let opened = site.open_with(site.parts(scripted.handle())).await;
    site.memory.refuse(Some(down()));
    opened.append_ok(numbered("ada", 0..20)).await;
    opened
        .append_ok(vec![record("big", vec![b'x'; 5_000])])
        .await;
    scripted.fall_silent();
    site.memory.refuse(None);
    until("something was sent", || scripted.sent() > 0).await;
    drop(opened);
    let there = site.values("ada").len();
    assert!(there > 0 && there < 20, "{there}");

    let opened = site.open().await;
    assert_eq!(opened.left(), 21);
    opened.append_ok(numbered("ada", 20..22)).await;
    opened.drained().await;
    assert_eq!(site.values("ada"), names("ada", 0..22));
    assert_eq!(opened.metric("found_records_total"), there as f64);
    assert_eq!(site.memory.values(&topic()).len(), 23);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_spill_leaves_its_backlog_to_the_next_start_even_one_that_takes_nothing() {
    let site = Site::new();
    let opened = site.open().await;
    site.memory.refuse(Some(down()));
    opened.append_ok(numbered("ada", 0..9)).await;
    opened.spill.close().await;
    let closed = opened.append(numbered("ada", 9..10)).await;
    assert_eq!(closed, [Err(Refusal::Closed)]);
    drop(opened);

    // Closing it closed the log as well: another process finds it open.
    let site = Site {
        memory: Memory::new(3),
        ..site
    };
    site.memory.refuse(Some(down()));
    let parts = || Parts {
        takes: false,
        ..site.parts(site.memory.primary())
    };
    let opened = site.open_with(parts()).await;
    until("it was counted", || opened.metric("depth_bytes") > 0.0).await;
    assert_eq!(opened.append(numbered("grace", 0..1)).await, [Err(down())]);
    assert!(matches!(opened.spill.health(), Health::Refusing(_)));
    site.memory.refuse(None);
    opened.drained().await;
    opened.append_ok(numbered("ada", 9..10)).await;
    assert_eq!(site.values("ada"), names("ada", 0..10));
    drop(site.dir);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_recovers_by_itself_and_loses_nothing() {
    let mut site = Site::new();
    site.config.bytes_max = 4 << 20;
    let opened = site.open().await;
    site.memory.refuse(Some(down()));
    let value = |n: u32| format!("ada-{n:06}-{}", "x".repeat(100_000));
    let mut accepted = Vec::new();
    let full = loop {
        let n = accepted.len() as u32;
        match opened.append(vec![record("ada", value(n))]).await.remove(0) {
            Ok(()) => accepted.push(value(n)),
            Err(refusal) => break refusal,
        }
        assert!(accepted.len() < 100, "the bound does not hold");
    };
    assert!(
        matches!(full, Refusal::Full { .. }) && accepted.len() > 20,
        "{full:?}"
    );
    assert!(matches!(opened.spill.health(), Health::Refusing(reason) if reason.contains("full")));
    site.memory.refuse(None);
    opened.drained().await;
    assert_eq!(opened.spill.health(), Health::Ready);
    assert!(
        site.values("ada") == accepted,
        "not all accepted, once and in order"
    );
    // And there is room for the next time.
    site.memory.refuse(Some(down()));
    for n in 50..60 {
        opened.append_ok(vec![record("ada", value(n))]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_the_stream_will_never_take_is_set_aside_and_holds_nobody_up() {
    let site = Site::new();
    let opened = site.open().await;
    site.memory.refuse(Some(down()));
    opened.append_ok(vec![record("ada", vec![b'x'; 500])]).await;
    opened.append_ok(numbered("ada", 0..2)).await;
    site.memory.bound_record(Some(100));
    site.memory.refuse(None);
    opened.drained().await;
    assert_eq!(site.values("ada"), names("ada", 0..2));
    assert_eq!(opened.metric("set_aside_records_total"), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_spill_on_the_directory_is_refused_by_name() {
    let site = Site::new();
    let _first = site.open().await;
    let parts = site.parts(site.memory.primary());
    let second = Spill::open(site.config.clone(), parts, &Registry::new()).err();
    let told = second.map(|error| error.to_string()).unwrap_or_default();
    assert!(told.contains("spill") && told.contains("in use"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_doubtful_records_than_the_bound_are_refused() {
    let mut site = Site::new();
    site.config.doubtful_records_max = 3;
    let opened = site.open().await;
    site.memory.lose_replies(true);
    let outcomes = opened.append(numbered("ada", 0..5)).await;
    let kept = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!((kept, outcomes.len()), (3, 5));
    site.memory.lose_replies(false);
    opened.drained().await;
    // All are there, as their fate was open; none is there twice.
    assert_eq!(site.values("ada"), names("ada", 0..5));
}
