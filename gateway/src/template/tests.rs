use super::*;

fn template(text: &str, topics_max: usize) -> Template {
    Template::parse(text, topics_max).unwrap().unwrap()
}

#[test]
fn names_are_made_of_the_fields_and_are_always_legal() {
    let by_type = template("events.{type}", 100);
    let name = |kind: &str| by_type.topic(kind, "").unwrap().as_str().to_owned();
    assert_eq!(name("order_completed"), "events.order_completed");
    assert_eq!(
        name("com.example.Order"),
        "events.com.example.Order-4344f278"
    );
    let both = template("e.{type}.of.{source}", 100);
    let made = both.topic("a", "/app/ä").unwrap();
    assert!(made.as_str().starts_with("e.a.of.-app---"), "{made}");
    for source in ["", "/", "..", &"x".repeat(1_000), "a\nb", "😀"] {
        let made = both.topic(source, source).unwrap();
        assert_eq!(check_name(made.as_str()), Ok(()), "{source}");
        assert!(both.matches(made.as_str()), "{made}");
    }
}

#[test]
fn values_that_only_look_alike_do_not_share_a_topic() {
    let by_source = template("e.{source}", 100);
    let sources = ["/a", "-a", ".a", "a.b", "a_b", "a-b", "a/b", "a b"];
    let made: std::collections::HashSet<String> = sources
        .iter()
        // Kafka takes dots and underscores for the same.
        .map(|source| {
            by_source
                .topic("", source)
                .unwrap()
                .as_str()
                .replace('.', "_")
        })
        .collect();
    assert_eq!(made.len(), sources.len(), "{made:?}");
}

#[test]
fn pairs_of_values_do_not_share_a_topic_nor_that_of_the_rest() {
    let both = template("e.{type}.{source}", 100);
    let pairs = [
        ("a", "b"),
        ("a.b", "c"),
        ("a", "b.c"),
        ("a-b", "c"),
        ("a", "b-c"),
        ("other", "other"),
    ];
    let mut made: std::collections::HashSet<Topic> = pairs
        .iter()
        .map(|(kind, source)| both.topic(kind, source).unwrap())
        .collect();
    made.insert(both.fallback());
    assert_eq!(made.len(), pairs.len() + 1, "{made:?}");
}

#[test]
fn past_the_bound_known_values_keep_their_topics_and_new_ones_get_none() {
    let bounded = template("e.{source}", 2);
    let one = bounded.topic("", "one");
    assert!(one.is_some() && bounded.topic("", "two").is_some());
    assert_eq!(bounded.topic("", "three"), None);
    assert_eq!(bounded.topic("", "one"), one);
    assert_eq!(bounded.fallback(), Topic::new("e.other"));
}

#[test]
fn a_plain_name_is_no_template_and_what_is_wrong_is_told() {
    assert!(Template::parse("events", 1).unwrap().is_none());
    for (text, word) in [
        ("{type}", "begin"),
        ("e.{kind}", "{kind}"),
        ("e.{type", "without"),
        ("e.{type}{source}", "between"),
        ("e.{type}-{source}", "dot between"),
        ("e.{type}.{type}", "twice"),
        ("e f.{type}", "e f."),
        ("a/b", "a/b"),
        ("", "1 to 249"),
    ] {
        let told = Template::parse(text, 1).unwrap_err();
        assert!(told.contains(word), "{text}: {told}");
    }
    let long = format!("{}{{type}}", "x".repeat(100));
    assert!(Template::parse(&long, 1).is_err());
}

#[test]
fn the_pattern_is_of_all_names_and_text_is_taken_literally() {
    let both = template("ev.{type}-.{source}", 1);
    assert_eq!(both.pattern(), "ev[.][a-zA-Z0-9._-]+-[.][a-zA-Z0-9._-]+");
    assert!(both.matches("ev.a-.b") && both.matches(both.fallback().as_str()));
    assert!(!both.matches("ev.a") && !both.matches("bad_events") && !both.matches("xev.a-.b"));
}
