//! A disk that is full: events are refused, not lost, and taken again when there is room.

use serde_json::json;

use crate::harness::{Site, wait_for};
use crate::mount::Disk;

const MIB: usize = 1 << 20;

/// Events in a batch.
const BATCH: usize = 50;

/// A batch of events of 2 KiB each, under ids that tell the batch.
fn batch(n: usize) -> String {
    let page = format!("https://app.example/{}", "x".repeat(2_000));
    let event = |i: usize| json!({ "id": format!("{n}-{i}"), "type": "signed_up", "data": { "method": "sso", "sso": { "domain": "a.example" }, "landing_page": page } });
    json!((0..BATCH).map(event).collect::<Vec<_>>()).to_string()
}

#[test]
#[ignore = "mounts a small disk, as root"]
fn a_full_disk_refuses_events_and_takes_them_again_when_there_is_room() {
    let site = Site::new();
    let _disk = Disk::mount(&site.data_dir(), 24);
    let filler = site.data_dir().join("filler");
    std::fs::write(&filler, vec![0; 12 * MIB]).expect("room");
    let up = site.up_with(&[
        ("HEADGATE__JOURNAL__SEGMENT_BYTES_MAX", "1048576"),
        ("HEADGATE__JOURNAL__PROBE_INTERVAL_MS", "100"),
        ("HEADGATE__SINK__RETRY_PAUSE_MAX_MS", "200"),
    ]);
    let mut accepted = 0;
    // A refusal alone could pass: what the sink gave up to write is room for one more batch.
    let (refusal, ready) = wait_for("the disk to be full", || {
        let reply = up.post_json(&batch(accepted));
        if reply.status == 200 {
            accepted += 1;
            return None;
        }
        let ready = up.admin("/ready");
        (ready.status != 200).then_some((reply, ready))
    });
    assert!(accepted > 10, "only {accepted} batches were accepted");
    assert_eq!(
        (refusal.status, refusal.header("retry-after")),
        (503, Some("1")),
        "{refusal:?}"
    );
    assert!(refusal.body.contains("No space left"), "{refusal:?}");
    assert_eq!(ready.status, 503, "{ready:?}");
    assert!(ready.body.contains("No space left"), "{ready:?}");
    assert_eq!(up.admin("/live").status, 200);

    // The client does as it was told: it sends the same events again.
    std::fs::remove_file(&filler).expect("it was there");
    for _ in 0..5 {
        wait_for("events to be taken again", || {
            (up.post_json(&batch(accepted)).status == 200).then_some(())
        });
        accepted += 1;
    }
    wait_for("/ready to say yes", || {
        (up.admin("/ready").status == 200).then_some(())
    });
    let events = (accepted * BATCH) as u64;
    site.wait_for_rows("signed_up_1", events);
    let ids = site.query("select count(distinct event_id) n from signed_up_1");
    assert_eq!(ids, [json!({ "n": events })]);
    assert!(up.stop().success());
}
