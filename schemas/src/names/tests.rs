use super::{event_name, nearest, snake_case, table_name};

#[test]
fn names_in_use_elsewhere_are_allowed_and_paths_are_not() {
    for name in [
        "order_completed",
        "com.example.OrderCompleted",
        "a",
        "X-ray.1",
    ] {
        assert!(event_name(name), "{name}");
    }
    let long = "a".repeat(101);
    for name in [
        "",
        "_shared",
        "..",
        ".a",
        "a.",
        "1a",
        "a/b",
        "a b",
        "é",
        long.as_str(),
    ] {
        assert!(!event_name(name), "{name}");
    }
}

#[test]
fn tables_are_in_snake_case() {
    for (name, table) in [
        ("order_completed", "order_completed"),
        ("OrderCompleted", "order_completed"),
        ("com.example.orderCompleted", "com_example_order_completed"),
        ("HTTPRequest", "http_request"),
        ("page-view2Seen", "page_view2_seen"),
        ("a.-_b", "a_b"),
    ] {
        assert_eq!(snake_case(name), table);
        assert!(table_name(table));
    }
    assert!(!table_name("_commits") && !table_name("A") && !table_name("a-b") && !table_name(""));
}

#[test]
fn near_names_are_typing_errors_and_other_spellings() {
    let known = ["order_completed", "order_refunded", "signed_up"];
    let near = |name: &str| nearest(name, known.into_iter());
    assert_eq!(near("order_compelted"), ["order_completed"]);
    assert_eq!(near("OrderCompleted"), ["order_completed"]);
    assert_eq!(near("signup"), ["signed_up"]);
    assert!(near("page_viewed").is_empty());
    assert!(near(&"x".repeat(10_000)).is_empty());
}
