//! The view of users over identify calls: in `headgate query`, and as SQL for others. What Redshift makes of it is in
//! `warehouse`.

use serde_json::{Value, json};

use crate::harness::{Site, stderr, stdout};

/// An identify call, as the SDK's message says it.
pub(crate) fn identify(id: &str, user: Option<&str>, time: Option<&str>, email: &str) -> Value {
    let mut event =
        json!({ "id": id, "type": "identify", "data": { "traits": { "email": email } } });
    for (name, value) in [("userid", user), ("time", time)] {
        if let Some(value) = value {
            event[name] = value.into();
        }
    }
    event
}

/// Identify calls in the requests in which they come, one after the other; what the view is to have of them is [`LATEST`].
pub(crate) fn requests() -> Vec<Value> {
    let (early, late) = (Some("2026-11-22T10:00:00Z"), Some("2026-11-22T12:00:00Z"));
    vec![
        json!([
            identify("a1", Some("ann"), early, "ann@old.example"),
            identify("a2", Some("ann"), late, "ann@new.example"),
            identify("b1", Some("bob"), late, "bob@late.example"),
            // At one time, in one request.
            identify("c2", Some("cid"), late, "cid@two.example"),
            identify("c1", Some("cid"), late, "cid@one.example"),
            identify("d2", Some("dan"), late, "dan@first.example"),
            identify("x1", None, late, "nobody@example"),
            identify(
                "e1",
                Some("eve"),
                Some("2026-11-22T12:00:00+01:00"),
                "eve@before.example"
            ),
            identify(
                "e2",
                Some("eve"),
                Some("2026-11-22T11:30:00Z"),
                "eve@after.example"
            ),
        ]),
        json!([
            // What happened before comes late.
            identify("b2", Some("bob"), early, "bob@early.example"),
            // At one time, in another request.
            identify("d1", Some("dan"), late, "dan@second.example"),
        ]),
    ]
}

/// How many calls [`requests`] have.
pub(crate) const CALLS: u64 = 11;

/// User, call and trait of each row that the view is to have.
pub(crate) const LATEST: [[&str; 3]; 5] = [
    ["ann", "a2", "ann@new.example"],
    ["bob", "b1", "bob@late.example"],
    ["cid", "c2", "cid@two.example"],
    ["dan", "d1", "dan@second.example"],
    ["eve", "e2", "eve@after.example"],
];

#[test]
fn a_user_is_what_the_call_says_that_happened_last() {
    let site = Site::new();
    let up = site.up();
    for request in requests() {
        assert_eq!(up.post_json(&request.to_string()).status, 200);
    }
    site.wait_for_rows("identifies", CALLS);
    let found = site.query("select user_id, event_id, email from users order by user_id");
    let row =
        |[user, id, email]: [&str; 3]| json!({ "user_id": user, "event_id": id, "email": email });
    assert_eq!(found, LATEST.map(row));
    up.stop();
}

#[test]
fn a_call_of_no_time_happened_when_it_came_and_one_that_landed_twice_is_one_user() {
    let site = Site::new();
    let up = site.up_with(&[("HEADGATE__SINK__DEDUP_WINDOW_MS", "0")]);
    let past = Some("2026-11-22T12:00:00Z");
    let known = identify("a1", Some("ann"), past, "ann@old.example");
    let timeless = identify("a0", Some("ann"), None, "ann@now.example");
    for event in [&timeless, &known, &timeless] {
        assert_eq!(up.post_json(&event.to_string()).status, 200);
    }
    site.wait_for_rows("identifies", 3);
    let found = site.query("select event_id, email from users");
    assert_eq!(
        found,
        [json!({ "event_id": "a0", "email": "ann@now.example" })]
    );
    up.stop();
}

#[test]
fn without_identify_calls_it_is_there_and_empty() {
    let site = Site::new();
    let up = site.up();
    assert_eq!(
        site.query("select user_id, email from users"),
        [] as [Value; 0]
    );
    up.stop();
}

#[test]
fn a_catalogues_own_users_are_left_alone() {
    let catalogue = tempfile::tempdir().expect("a directory");
    let file = catalogue.path().join("users/1.json");
    std::fs::create_dir_all(file.parent().expect("it has one")).expect("it is made");
    std::fs::write(
        file,
        r#"{"type": "object", "x-table": "users", "properties": {"n": {"type": "integer"}}}"#,
    )
    .expect("it is written");
    let site = Site::with_schemas(catalogue.path().to_owned());
    let up = site.up();
    assert_eq!(
        up.post_json(r#"{"type":"users","data":{"n":5}}"#).status,
        200
    );
    site.wait_for_rows("users", 1);
    assert_eq!(site.query("select n from users"), [json!({ "n": 5 })]);
    up.stop();
    let output = site
        .command()
        .args(["schemas", "ddl"])
        .output()
        .expect("it runs");
    assert!(
        !stdout(&output).contains("CREATE OR REPLACE VIEW"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn it_follows_its_table_in_sql_for_others() {
    let site = Site::new();
    let _up = site.up();
    let print = |arguments: &[&str]| {
        let output = site.command().args(arguments).output().expect("it runs");
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let identifies = ["tables", "ddl", "--for", "duckdb", "--table"];
    let sql = print(&[&identifies[..], &["identifies"]].concat());
    let table = sql.find("VIEW \"identifies\" AS").expect("its table");
    let view = sql.find("VIEW \"users\" AS").expect("the view");
    assert!(table < view, "{sql}");
    let sql = print(&[&identifies[..], &["pages"]].concat());
    assert!(!sql.contains("users"), "{sql}");
    // The catalogue describes no track call: nobody is known to identify anyone.
    let ddl = print(&["schemas", "ddl"]);
    assert_eq!(
        ddl.contains("VIEW \"public\".\"users\""),
        ddl.contains("\"identifies\""),
        "{ddl}"
    );
}
