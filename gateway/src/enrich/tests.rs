//! What becomes of an event's data, setting by setting.

use serde_json::{Value, json};

use super::*;

const EDGE: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0";
/// The test database has a place in England for it.
const BOXFORD: &str = "2.125.160.216";

fn enricher(config: Value) -> Enricher {
    let config: Config = serde_json::from_value(config).unwrap();
    let opened = Opener::default().open("web", &config).unwrap();
    opened.unwrap()
}

fn client(address: &str) -> Client<'static> {
    Client {
        address: Some(address.parse().unwrap()),
        user_agent: Some(EDGE),
        anonymous: false,
    }
}

/// The data afterwards; null: nothing was to be done.
fn enriched_by(enricher: &Enricher, protocol: &str, client: &Client<'_>, data: &Value) -> Value {
    let text = data.to_string();
    let event = Event {
        kind: "page".into(),
        ..Event::default()
    };
    let event = event.with(&text);
    let found = enricher.enrich(protocol, client, &event, &[]);
    found.map_or(Value::Null, |found| serde_json::from_str(&found).unwrap())
}

fn enriched(config: Value, protocol: &str, client: &Client<'_>, data: Value) -> Value {
    enriched_by(&enricher(config), protocol, client, &data)
}

fn all() -> Value {
    json!({ "client_ip": "keep", "campaign": true, "user_agent": true, "geo_file": geo::tests::FILE })
}

#[test]
fn a_source_that_asks_for_nothing_has_no_enricher() {
    let config = Config::default();
    assert!(Opener::default().open("web", &config).unwrap().is_none());
}

#[test]
fn an_address_is_added_where_there_is_none_cut_or_removed() {
    let own = json!({ "context": { "ip": "198.51.100.7", "a": 1 } });
    for (setting, without, with) in [
        ("keep", json!("203.0.113.9"), json!("198.51.100.7")),
        ("truncate", json!("203.0.113.0"), json!("198.51.100.0")),
        ("drop", Value::Null, Value::Null),
    ] {
        let config = json!({ "client_ip": setting });
        let client = client("203.0.113.9");
        let found = enriched(config.clone(), "segment", &client, json!({}));
        assert_eq!(found["context"]["ip"], without, "{setting}");
        let found = enriched(config.clone(), "segment", &client, own.clone());
        // What needs no change is left as it was sent.
        let expected = match setting {
            "keep" => Value::Null,
            _ => json!({ "context": { "ip": with, "a": 1 } }),
        };
        assert_eq!(found, expected, "{setting}");
        let own = json!({ "user_ipaddress": "2001:db8:1:2::3" });
        let found = enriched(config.clone(), "snowplow", &client, own);
        let expected = match setting {
            "keep" => Value::Null,
            "truncate" => json!({ "user_ipaddress": "2001:db8:1::" }),
            _ => json!({ "user_ipaddress": null }),
        };
        assert_eq!(found, expected, "{setting}");
        let own = json!({ "context": { "ip": "198.51.100.7, 10.0.0.1" } });
        let found = enriched(config, "segment", &client, own);
        let expected = match setting {
            "keep" => Value::Null,
            // Nobody can tell how much of it is to go.
            _ => json!({ "context": { "ip": null } }),
        };
        assert_eq!(found, expected, "{setting}");
    }
}

#[test]
fn a_campaign_is_read_from_the_page_where_the_event_has_none() {
    let page = "https://shop.example/?utm_source=mail&utm_campaign=may%20sale&gclid=g-1";
    let config = json!({ "campaign": true });
    let client = Client::default();
    let expected =
        json!({ "source": "mail", "name": "may sale", "clickId": "g-1", "network": "Google" });
    for data in [
        json!({ "context": { "page": { "url": page } } }),
        json!({ "properties": { "url": page } }),
    ] {
        let found = enriched(config.clone(), "segment", &client, data);
        assert_eq!(found["context"]["campaign"], expected);
    }
    // What a track call reports is the address of a link as well as of its page.
    let track = json!({ "properties": { "url": page } }).to_string();
    let event = Event {
        kind: "track".into(),
        ..Event::default()
    };
    let found = enricher(config.clone()).enrich("segment", &client, &event.with(&track), &[]);
    assert_eq!(found, None);
    let own = json!({ "context": { "page": { "url": page }, "campaign": { "source": "own", "clickId": "", "network": "x" } } });
    let found = enriched(config.clone(), "segment", &client, own);
    let expected = json!({ "source": "own", "name": "may sale", "clickId": "g-1", "network": "x" });
    assert_eq!(found["context"]["campaign"], expected);
    let found = enriched(
        config.clone(),
        "snowplow",
        &client,
        json!({ "page_url": page }),
    );
    let expected = json!({
        "page_url": page, "mkt_source": "mail", "mkt_campaign": "may sale", "mkt_clickid": "g-1",
        "mkt_network": "Google",
    });
    assert_eq!(found, expected);
    let plain = json!({ "page_url": "https://shop.example/" });
    assert_eq!(enriched(config, "snowplow", &client, plain), Value::Null);
}

#[test]
fn the_events_own_user_agent_counts_before_the_requests() {
    let config = json!({ "user_agent": true });
    let firefox = "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let client = client("203.0.113.9");
    let found = enriched(config.clone(), "segment", &client, json!({}));
    let expected = json!({ "context": {
        "browser": { "name": "Edge", "version": "142.0.0.0" },
        "os": { "name": "Windows", "version": "10" },
        "device": { "class": "desktop" },
    } });
    assert_eq!(found, expected);
    let own = json!({ "context": { "userAgent": firefox, "os": { "name": "Mine" }, "device": { "type": "x" } } });
    let found = enriched(config.clone(), "segment", &client, own);
    let expected = json!({ "context": {
        "userAgent": firefox,
        "browser": { "name": "Firefox", "version": "140.0" },
        // Not the name of one and the version of another.
        "os": { "name": "Mine" },
        "device": { "type": "x", "class": "desktop" },
    } });
    assert_eq!(found, expected);
    let own = json!({ "useragent": EDGE });
    let found = enriched(config, "snowplow", &Client::default(), own);
    let expected = json!({
        "useragent": EDGE, "br_family": "Edge", "br_version": "142.0.0.0", "br_name": "Edge 142",
        "os_family": "Windows", "os_name": "Windows 10", "dvce_type": "Computer", "dvce_ismobile": false,
    });
    assert_eq!(found, expected);
}

#[test]
fn a_place_is_looked_up_by_the_whole_address_whatever_is_left_of_it() {
    for setting in ["truncate", "drop"] {
        let config = json!({ "client_ip": setting, "geo_file": geo::tests::FILE });
        let client = client(BOXFORD);
        let found = enriched(config.clone(), "segment", &client, json!({}));
        let ip = match setting {
            "drop" => Value::Null,
            _ => json!("2.125.160.0"),
        };
        assert_eq!(found["context"]["ip"], ip);
        assert_eq!(found["context"]["timezone"], "Europe/London");
        let expected = json!({
            "country": "United Kingdom", "countryCode": "GB", "region": "West Berkshire", "regionCode": "WBK",
            "city": "Boxford", "postalCode": "OX1", "latitude": 51.75, "longitude": -1.25,
        });
        assert_eq!(found["context"]["location"], expected);
        let found = enriched(config, "snowplow", &client, json!({}));
        for (field, value) in [
            ("geo_country", json!("GB")),
            ("geo_region", json!("WBK")),
            ("geo_region_name", json!("West Berkshire")),
            ("geo_city", json!("Boxford")),
            ("geo_zipcode", json!("OX1")),
            ("geo_latitude", json!(51.75)),
            ("geo_longitude", json!(-1.25)),
            ("geo_timezone", json!("Europe/London")),
        ] {
            assert_eq!(found[field], value, "{field}");
        }
    }
}

#[test]
fn a_place_is_that_of_the_events_own_address_and_its_own_place_stays() {
    let config = json!({ "geo_file": geo::tests::FILE });
    let elsewhere = client("10.0.0.1");
    let own = json!({ "context": { "ip": BOXFORD } });
    let found = enriched(config.clone(), "segment", &elsewhere, own);
    assert_eq!(found["context"]["location"]["city"], "Boxford");
    // Somebody's address, but nobody knows whose: that of the request is another's.
    let own = json!({ "context": { "ip": "***" } });
    let found = enriched(config.clone(), "segment", &client(BOXFORD), own);
    assert_eq!(found, Value::Null);
    let own = json!({ "context": { "timezone": "Asia/Tokyo", "location": { "city": "Kyoto" } } });
    let found = enriched(config, "segment", &client(BOXFORD), own);
    assert_eq!(found, Value::Null);
}

#[test]
fn of_who_wants_to_be_nobody_no_place_is_looked_up() {
    let mut headers = HeaderMap::new();
    headers.insert(header::USER_AGENT, EDGE.parse().unwrap());
    let peer = Some(BOXFORD.parse().unwrap());
    let nobody = Client::of(&Trusted::default(), peer, &headers, true);
    let found = enriched(all(), "snowplow", &nobody, json!({}));
    assert_eq!(found["br_family"], "Edge");
    let names = found.as_object().unwrap().keys();
    let told: Vec<&String> = names
        .filter(|name| name.contains("ip") || name.starts_with("geo"))
        .collect();
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn nothing_is_added_twice_and_nothing_to_events_that_are_no_sdks() {
    let enricher = enricher(all());
    let page = "https://shop.example/?utm_source=mail&msclkid=m";
    for (protocol, data) in [
        ("segment", json!({ "context": { "page": { "url": page } } })),
        ("snowplow", json!({ "page_url": page, "useragent": EDGE })),
    ] {
        let once = enriched_by(&enricher, protocol, &client(BOXFORD), &data);
        assert_ne!(once, Value::Null);
        let twice = enriched_by(&enricher, protocol, &client("81.2.69.142"), &once);
        assert_eq!(twice, Value::Null);
    }
    for protocol in ["native", "webhook"] {
        let data = json!({ "context": { "page": { "url": page } } });
        let found = enriched_by(&enricher, protocol, &client(BOXFORD), &data);
        assert_eq!(found, Value::Null, "{protocol}");
    }
}

#[test]
fn what_several_sources_need_is_there_once_and_what_is_missing_names_its_source() {
    let mut opener = Opener::default();
    let config: Config = serde_json::from_value(all()).unwrap();
    let first = opener.open("web", &config).unwrap().unwrap();
    let second = opener.open("app", &config).unwrap().unwrap();
    let after = opener.next().open("web", &config).unwrap().unwrap();
    let same = |one: &Enricher, other: &Enricher| {
        let geo = one.geo.as_ref().zip(other.geo.as_ref()).unwrap();
        let agents = one.agents.as_ref().zip(other.agents.as_ref()).unwrap();
        (Arc::ptr_eq(geo.0, geo.1), Arc::ptr_eq(agents.0, agents.1))
    };
    assert_eq!(same(&first, &second), (true, true));
    assert_eq!(same(&first, &after), (false, true));
    let missing: Config = serde_json::from_value(json!({ "geo_file": "/no/such.mmdb" })).unwrap();
    let told = opener.open("web", &missing).unwrap_err().to_string();
    let expected = "sources.web.enrich.geo_file: cannot read /no/such.mmdb";
    assert!(told.starts_with(expected), "{told}");
}
