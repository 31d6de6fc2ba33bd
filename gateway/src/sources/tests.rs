//! Whose key is whose, and what a reload changes.

use super::*;

fn config(text: &str) -> Config {
    serde_json::from_str(text).unwrap()
}

fn of<'a>(sources: &'a Sources, key: &str) -> Result<&'a str, Denied> {
    sources.of(Some(key)).map(|source| &*source.name)
}

#[test]
fn without_sources_everyone_may_send_with_any_key_or_none() {
    let shared = SharedSources::new(&Config::new(), "/headgate").unwrap();
    let sources = shared.load();
    assert!(sources.open());
    assert_eq!(of(&sources, "anything"), Ok("/headgate"));
    assert_eq!(
        sources
            .of(None)
            .unwrap()
            .admits("native", Some("https://a")),
        Ok(())
    );
    assert!(sources.have_origin("https://a"));
}

#[test]
fn each_key_is_its_sources_and_no_other_one_is_anyones() {
    let config =
        config(r#"{"web": {"keys": ["web-key-1", "web-key-2"]}, "app": {"keys": ["app-key-1"]}}"#);
    let shared = SharedSources::new(&config, "/headgate").unwrap();
    let sources = shared.load();
    assert_eq!(of(&sources, "web-key-1"), Ok("web"));
    assert_eq!(of(&sources, "web-key-2"), Ok("web"));
    assert_eq!(of(&sources, "app-key-1"), Ok("app"));
    assert_eq!(of(&sources, "web-key-"), Err(Denied::Unknown));
    assert_eq!(of(&sources, ""), Err(Denied::Unknown));
    assert_eq!(sources.of(None).unwrap_err(), Denied::Missing);
}

#[test]
fn a_source_is_held_to_its_protocols_and_origins() {
    let config = config(
        r#"{"web": {"keys": ["web-key-1"], "protocols": ["segment"], "origins": ["https://shop.example"]},
            "any": {"keys": ["any-key-1"]}}"#,
    );
    let shared = SharedSources::new(&config, "/headgate").unwrap();
    let sources = shared.load();
    let web = sources.of(Some("web-key-1")).unwrap();
    assert_eq!(web.admits("segment", Some("https://shop.example")), Ok(()));
    assert_eq!(web.admits("segment", None), Ok(()));
    assert_eq!(web.admits("native", None), Err(Denied::Protocol));
    assert_eq!(
        web.admits("segment", Some("https://other.example")),
        Err(Denied::Origin)
    );
    // A preflight shows no key: what any source allows is allowed to ask.
    assert!(sources.have_origin("https://other.example"));
}

#[test]
fn a_reload_takes_keys_away_and_keeps_what_was_counted() {
    let first = config(r#"{"web": {"keys": ["web-key-1"], "events_per_day_max": 10}}"#);
    let shared = SharedSources::new(&first, "/headgate").unwrap();
    let before = shared.load();
    before.of(Some("web-key-1")).unwrap().spend(10, 0).unwrap();
    let second = config(r#"{"web": {"keys": ["web-key-2"], "events_per_day_max": 10}}"#);
    shared.replace(&second).unwrap();
    let after = shared.load();
    assert_eq!(of(&after, "web-key-1"), Err(Denied::Unknown));
    assert!(after.of(Some("web-key-2")).unwrap().spend(1, 0).is_err());
    assert_eq!(of(&before, "web-key-1"), Ok("web"));
}
