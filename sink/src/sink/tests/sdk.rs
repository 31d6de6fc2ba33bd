//! Track calls of SDKs: a row in the table of the event, and one in that of all track calls.

use std::ops::Range;

use super::*;
use crate::commit::account::{self, HOUR_MS, Landed};

const TRACK: &str =
    r#"{"type": "object", "x-track": true, "properties": {"n": {"type": "integer"}}}"#;

pub(super) fn call(id: &str, kind: &str, message: &str) -> Vec<u8> {
    let mut out = Vec::new();
    Event {
        id: id.to_owned().into(),
        source: "test".into(),
        kind: kind.to_owned().into(),
        dataschema: Some(format!("{kind}/1").into()),
        receivedtime: Some("2026-11-22T20:00:00Z".into()),
        data: Data::Json(message),
        ..Event::default()
    }
    .write(&mut out);
    out
}

pub(super) fn hours() -> Range<i64> {
    let hour = NOW_MICROS / 1_000 / HOUR_MS;
    hour..hour + 1
}

#[tokio::test(start_paused = true)]
async fn a_track_call_has_two_rows_of_one_commit_and_counts_as_one_record() {
    let mut world = World::new();
    world.schemas = Arc::new(SharedRegistry::new(registry(&[("done/1.json", TRACK)])));
    let broken = call("e4", "done", r#"{"properties": {"n": 1}}"#);
    let broken = String::from_utf8(broken)
        .unwrap()
        .replace(r#""n": 1"#, r#""n": ?"#);
    world
        .append(vec![
            call("e0", "done", r#"{"event": "Done", "properties": {"n": 1}}"#),
            call(
                "e1",
                "track",
                r#"{"event": "Unknown", "properties": {"n": 2}}"#,
            ),
            call("e2", "page", r#"{"name": "Home"}"#),
            call("e3", "done", r#"{"event": "Done", "properties": {"n": 3}}"#),
            broken.into_bytes(),
        ])
        .await;
    world
        .run_until(Config::default(), || async {
            world.landed_rows().await == 7
        })
        .await;
    let landed = world.landed().await;
    let rows = |table: &str| -> Vec<String> {
        let of_table = landed.iter().filter(|((known, _), _)| known == table);
        of_table
            .map(|((_, id), count)| format!("{id}:{count}"))
            .collect()
    };
    assert_eq!(rows("done"), ["e0:1", "e3:1"]);
    assert_eq!(rows("tracks"), ["e0:1", "e1:1", "e3:1"]);
    assert_eq!(rows("pages"), ["e2:1"]);
    assert_eq!(rows("bad_events").len(), 1, "{landed:?}");
    let paths = world.store.paths();
    let commits = paths.iter().filter(|path| path.starts_with("_commits/"));
    assert_eq!(commits.count(), 1);

    let account = account::read(&world.store, &hours(), |_| false)
        .await
        .unwrap();
    assert_eq!(account.logs[0].rows, 5, "as many as there were records");
    let (hour, of) = (hours().start, |table: &str| table.to_owned());
    let tracks = Landed {
        streamed: 3,
        second_rows: 2,
        duplicates: 0,
        replayed: 0,
        committed: 3,
    };
    assert_eq!(account.hours[&(of("tracks"), hour)], tracks);
    let done = Landed {
        streamed: 2,
        second_rows: 0,
        duplicates: 0,
        replayed: 0,
        committed: 2,
    };
    assert_eq!(account.hours[&(of("done"), hour)], done);
}
