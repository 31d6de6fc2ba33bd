use serde_json::json;

use super::*;

fn read(annotation: Value) -> Result<Option<Redshift>, Vec<Problem>> {
    Redshift::of(&json!({ "type": "object", "x-redshift": annotation }))
}

/// The pointer and reason of each problem.
fn problems(annotation: Value) -> Vec<(String, String)> {
    let found = read(annotation).expect_err("it is wrong");
    let parts = found.into_iter().map(|p| (p.pointer, p.reason));
    parts.collect()
}

#[track_caller]
fn refused(annotation: Value, pointer: &str, words: &str) {
    let found = problems(annotation);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, pointer);
    assert!(found[0].1.contains(words), "{found:?}");
}

#[test]
fn a_schema_without_it_says_nothing() {
    assert_eq!(Redshift::of(&json!({ "type": "object" })), Ok(None));
    assert_eq!(Redshift::of(&json!(true)), Ok(None));
}

#[test]
fn every_member_may_be_absent() {
    assert_eq!(read(json!({})), Ok(Some(Redshift::default())));
    let all = json!({ "diststyle": "all", "sortkey": ["event_time", "user_id"] });
    let expected = Redshift {
        diststyle: DistStyle::All,
        distkey: None,
        sortkey: Some(vec!["event_time".to_owned(), "user_id".to_owned()]),
    };
    assert_eq!(read(all), Ok(Some(expected)));
}

#[test]
fn a_distribution_key_makes_the_style_key() {
    let expected = Redshift {
        diststyle: DistStyle::Key,
        distkey: Some("user_id".to_owned()),
        sortkey: None,
    };
    for annotation in [
        json!({ "distkey": "user_id" }),
        json!({ "distkey": "user_id", "diststyle": "key" }),
    ] {
        assert_eq!(read(annotation), Ok(Some(expected.clone())));
    }
}

#[test]
fn wrong_values_are_refused_with_their_place() {
    refused(json!("user_id"), "/x-redshift", "not an object");
    refused(json!({ "a/b": 1 }), "/x-redshift/a~1b", "`a/b` is unknown");
    refused(
        json!({ "distkey": 1 }),
        "/x-redshift/distkey",
        "not the name",
    );
    refused(
        json!({ "distkey": "" }),
        "/x-redshift/distkey",
        "not the name",
    );
    let style = "/x-redshift/diststyle";
    refused(json!({ "diststyle": "AUTO" }), style, "even, all or key");
    refused(json!({ "diststyle": "key" }), style, "distkey");
    let contradiction = json!({ "diststyle": "even", "distkey": "user_id" });
    refused(contradiction, style, "contradicts");
    let sortkey = "/x-redshift/sortkey";
    refused(json!({ "sortkey": "a" }), sortkey, "not a list");
    refused(json!({ "sortkey": [] }), sortkey, "a list of 0");
    let second = "/x-redshift/sortkey/1";
    refused(json!({ "sortkey": ["a", null] }), second, "not the name");
    refused(json!({ "sortkey": ["a", "a"] }), second, "already");
}

#[test]
fn a_sort_key_has_400_columns_at_most() {
    let columns = |count: usize| (0..count).map(|n| format!("c{n}")).collect::<Vec<_>>();
    assert!(read(json!({ "sortkey": columns(400) })).is_ok());
    let many = json!({ "sortkey": columns(401) });
    refused(many, "/x-redshift/sortkey", "a list of 401");
}

#[test]
fn all_problems_are_told() {
    let found = problems(json!({ "distkey": 1, "diststyle": "some", "sortkey": [2], "x": 3 }));
    let pointers: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(
        pointers,
        [
            "/x-redshift/x",
            "/x-redshift/distkey",
            "/x-redshift/diststyle",
            "/x-redshift/sortkey/0"
        ]
    );
}
