//! A stream that is down: nobody but one asks after it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_always_has_something_new_gets_out_of_the_spill_too() {
    let mut site = Site::new();
    // As configured by default: the forwarder keeps up, but is never done by itself.
    (site.config.batch_bytes_max, site.config.batch_records_max) = (1 << 20, 5_000);
    let scripted = Scripted::new(&site.memory);
    // The journal is quicker: when something was forwarded, more is behind it.
    scripted.slow_down(200);
    let opened = site.open_with(site.parts(scripted.handle())).await;
    site.memory.refuse(Some(down()));
    opened.append_ok(numbered("hot", 0..50)).await;
    let (ends, accepted) = (AtomicBool::new(false), AtomicU32::new(0));
    let callers = (0..16).map(|_| async {
        while !ends.load(Ordering::Relaxed) {
            opened.append_ok(vec![record("hot", "more")]).await;
            accepted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let drained = async {
        site.memory.refuse(None);
        opened.drained().await;
        let spilled = || opened.metric("records_total");
        let before = spilled();
        let accepted = || accepted.load(Ordering::Relaxed);
        let enough = accepted() + 100;
        until("some go straight", || accepted() > enough).await;
        assert_eq!(spilled(), before, "nothing is spilled any more");
        ends.store(true, Ordering::Relaxed);
    };
    futures_util::future::join(futures_util::future::join_all(callers), drained).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_stream_is_down_nothing_is_sent_and_one_alone_asks_after_it() {
    let mut site = Site::new();
    site.config.probe_interval_ms = 50;
    let scripted = Scripted::new(&site.memory);
    let opened = site.open_with(site.parts(scripted.handle())).await;
    site.memory.refuse(Some(down()));
    let began = tokio::time::Instant::now();
    let appends = (0..64).map(|n| {
        let (key, opened) = (format!("user{n}"), &opened);
        async move { opened.append_ok(numbered(&key, 0..5)).await }
    });
    futures_util::future::join_all(appends).await;
    until("it was asked for a few times", || scripted.asked() >= 4).await;
    let most = began.elapsed().as_millis() / 50 + 2;
    assert_eq!(
        scripted.sent(),
        0,
        "the log says that it is down, so nothing is sent"
    );
    assert!(
        u128::from(scripted.asked()) <= most,
        "{} of {most}",
        scripted.asked()
    );
    site.memory.refuse(None);
    opened.drained().await;
    assert_eq!(site.memory.values(&topic()).len(), 320);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_down_at_the_start_is_spilled_for_and_asked_until_it_answers() {
    let site = Site::new();
    site.memory.refuse(Some(down()));
    let parts = Parts {
        down: Some("no broker answered".to_owned()),
        ..site.parts(site.memory.primary())
    };
    let opened = site.open_with(parts).await;
    let told = opened.spill.degraded().unwrap();
    assert!(told.contains("0 records"), "{told}");
    opened.append_ok(numbered("ada", 0..3)).await;
    site.memory.refuse(None);
    opened.drained().await;
    assert_eq!(site.values("ada"), names("ada", 0..3));
}
