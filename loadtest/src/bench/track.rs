//! The event that benchmarks are made with: a web analytics call, 1.1 KB on average, described by
//! `bench/track/1.json` beside this crate's sources.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

/// The schema of the events, as `track/1`.
pub const SCHEMA: &str = include_str!("../../bench/track/1.json");

const WORDS: usize = 3_000;
const USERS: u32 = 40_000;
const DAY_MS: i64 = 24 * 3_600 * 1_000;
/// 2026-03-01T00:00:00Z.
const FIRST_MS: i64 = 1_772_323_200_000;

const CITIES: [&str; 6] = [
    "Zürich",
    "São Paulo",
    "東京",
    "Łódź",
    "Montréal",
    "naïve café",
];
const EVENTS: [&str; 8] = [
    "Product Viewed",
    "Product Added",
    "Checkout Started",
    "Order Completed",
    "Video Played",
    "Search Performed",
    "Signup Clicked",
    "Link Clicked",
];
const CATEGORIES: [&str; 8] = [
    "shoes",
    "books",
    "toys",
    "garden",
    "electronics",
    "grocery",
    "beauty",
    "sports",
];
const LOCALES: [&str; 8] = [
    "en-US", "en-GB", "de-DE", "fr-FR", "ja-JP", "pt-BR", "es-ES", "pl-PL",
];
const ZONES: [&str; 6] = [
    "Europe/Berlin",
    "America/New_York",
    "Asia/Tokyo",
    "America/Sao_Paulo",
    "Europe/Warsaw",
    "Europe/London",
];
const HOSTS: [&str; 3] = ["www.example.com", "shop.example.com", "blog.example.com"];

/// Makes events one after the other; the same seed gives the same events.
#[derive(Debug)]
pub struct Events {
    rng: Xoshiro256PlusPlus,
    words: Vec<String>,
    made: i64,
}

impl Events {
    /// A generator of events.
    pub fn new(seed: u64) -> Events {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let letters = |rng: &mut Xoshiro256PlusPlus| {
            let length = rng.random_range(3..=10);
            (0..length)
                .map(|_| char::from(rng.random_range(b'a'..=b'z')))
                .collect()
        };
        let words = (0..WORDS).map(|_| letters(&mut rng)).collect();
        Events {
            rng,
            words,
            made: 0,
        }
    }

    fn chance(&mut self, share: f64) -> bool {
        self.rng.random_bool(share)
    }

    fn below(&mut self, most: u32) -> u32 {
        self.rng.random_range(0..most)
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.rng.random_range(0..of.len())]
    }

    fn words(&mut self, least: u32, most: u32) -> String {
        let count = self.rng.random_range(least..=most);
        let word = |_| self.words[self.rng.random_range(0..self.words.len())].clone();
        (0..count).map(word).collect::<Vec<String>>().join(" ")
    }

    fn uuid(&mut self) -> String {
        let bytes = self.rng.random::<u128>().to_be_bytes();
        uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .hyphenated()
            .to_string()
    }

    fn user_agent(&mut self) -> String {
        let [a, b, c] = [0; 3].map(|_| self.rng.random_range(9..=140));
        match self.below(4) {
            0 => format!(
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/{a}.0.{b}.{c} Safari/537.36"
            ),
            1 => format!(
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/{a}.{b}.{c} Safari/605.1.15"
            ),
            2 => format!(
                "Mozilla/5.0 (iPhone; CPU iPhone OS {a}_{b}_{c} like Mac OS X) AppleWebKit/605.1.15 \
                 (KHTML, like Gecko) Mobile/15E148"
            ),
            _ => format!(
                "Mozilla/5.0 (Linux; Android {a}; SM-G{b}) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/{c}.0.0.0 Mobile Safari/537.36"
            ),
        }
    }

    fn title(&mut self) -> String {
        let title = self.words(3, 7);
        if self.chance(0.1) {
            format!("{title} – {}", self.one(&CITIES))
        } else if self.chance(0.05) {
            format!("\"{title}\" \n x")
        } else {
            title
        }
    }

    /// The next event's data.
    pub fn next_value(&mut self) -> Value {
        let at = FIRST_MS + (self.made * 13 + i64::from(self.below(3_000))) % DAY_MS;
        self.made += 1;
        let track = self.chance(0.7);
        let sent = at + i64::from(self.below(2_000)) + 5;
        let user = if self.chance(0.6) {
            json!(format!(
                "u_{:012x}",
                u64::from(self.below(USERS)) * 6_700_417
            ))
        } else {
            Value::Null
        };
        json!({
            "messageId": self.uuid(),
            "type": if track { "track" } else { "page" },
            "event": if track { self.one(&EVENTS) } else { "Page Viewed" },
            "anonymousId": self.uuid(),
            "userId": user,
            "timestamp": timestamp(at),
            "sentAt": timestamp(sent),
            "originalTimestamp": timestamp(at + 1),
            "context": self.context(),
            "properties": self.properties(),
            "integrations": {"All": true, "Mixpanel": false}
        })
    }

    fn context(&mut self) -> Value {
        let depth = self.rng.random_range(1..=3);
        let path = format!("/{}", self.words(depth, depth).replace(' ', "/"));
        let host = self.one(&HOSTS);
        let ip = [
            self.below(222) + 1,
            self.below(256),
            self.below(256),
            self.below(254) + 1,
        ];
        let search = if self.chance(0.3) {
            format!("?q={}", self.words(1, 1))
        } else {
            String::new()
        };
        let campaign = if self.chance(0.4) {
            let source = self.one(&["google", "newsletter", "meta"]);
            json!({"source": source, "medium": self.one(&["cpc", "email", "social"])})
        } else {
            json!({})
        };
        json!({
            "ip": ip.map(|octet| octet.to_string()).join("."),
            "userAgent": self.user_agent(),
            "locale": self.one(&LOCALES),
            "timezone": self.one(&ZONES),
            "library": {"name": "analytics.js",
                "version": format!("2.{}.{}", self.below(13), self.below(10))},
            "page": {
                "path": path,
                "referrer": if self.chance(0.4) { "https://www.google.com/" } else { "" },
                "search": search,
                "title": self.title(),
                "url": format!("https://{host}{path}")
            },
            "screen": {
                "width": self.one(&[390, 1280, 1440, 1920, 2560]),
                "height": self.one(&[720, 844, 900, 1080, 1440]),
                "density": self.one(&[1.0, 1.5, 2.0, 3.0])
            },
            "campaign": campaign
        })
    }

    fn properties(&mut self) -> Value {
        let tags = self.below(5);
        let query = if self.chance(0.4) {
            json!(self.words(1, 3))
        } else {
            Value::Null
        };
        json!({
            "product_id": format!("sku-{:06}", self.below(50_001)),
            "name": self.words(2, 5),
            "category": self.one(&CATEGORIES),
            "price": f64::from(self.below(49_901) + 100) / 100.0,
            "quantity": self.below(9) + 1,
            "currency": self.one(&["USD", "EUR", "GBP", "JPY"]),
            "in_stock": self.chance(0.8),
            "position": self.below(60) + 1,
            "query": query,
            "tags": (0..tags).map(|_| self.words(1, 1)).collect::<Vec<String>>(),
            "session_id": self.rng.random::<u64>() >> 16,
            "score": self.rng.random::<f64>()
        })
    }
}

impl Iterator for Events {
    type Item = String;

    /// The next event's data as JSON text. There is always one more.
    fn next(&mut self) -> Option<String> {
        Some(self.next_value().to_string())
    }
}

fn timestamp(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use headgate_schemas::registry::Registry;
    use std::path::Path;

    #[test]
    fn events_are_valid_and_of_the_size_that_figures_are_stated_for() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench");
        let registry = Registry::load(&dir).unwrap();
        let schema = registry.resolve("track", None).unwrap();
        let events: Vec<String> = Events::new(42).take(1_000).collect();
        for event in &events {
            assert_eq!(schema.check(event, 64), Ok(()), "{event}");
        }
        let mean = events.iter().map(String::len).sum::<usize>() / events.len();
        assert!((1_050..=1_170).contains(&mean), "mean size is {mean} bytes");
    }

    #[test]
    fn the_same_seed_gives_the_same_events() {
        let events = |seed| Events::new(seed).take(20).collect::<Vec<String>>();
        assert_eq!(events(1), events(1));
        assert_ne!(events(1), events(2));
    }
}
