//! Analytics events of about 1.1 KB, generated from a seed: what `schema.json` beside this describes.

/// The schema of the events.
pub(crate) const SCHEMA: &str = include_str!("schema.json");

const AGENTS: [&str; 3] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.96.42 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.2.1 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_2_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
];
const EVENTS: [&str; 4] = [
    "Product Viewed",
    "Product Added",
    "Checkout Started",
    "Order Completed",
];
const CATEGORIES: [&str; 4] = ["shoes", "books", "electronics", "sports"];
const LOCALES: [&str; 4] = ["en-US", "de-DE", "ja-JP", "pt-BR"];
const ZONES: [&str; 4] = [
    "Europe/Berlin",
    "America/New_York",
    "Asia/Tokyo",
    "America/Sao_Paulo",
];
const CITIES: [&str; 4] = ["Zürich", "São Paulo", "東京", "Łódź"];
const CURRENCIES: [&str; 4] = ["USD", "EUR", "GBP", "JPY"];

/// A small generator (splitmix64), so that the events are the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is above zero.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        usize::try_from(self.next() % limit).unwrap_or(0)
    }

    /// One of some texts.
    pub(crate) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn word(&mut self) -> String {
        let len = 3 + self.below(8);
        (0..len)
            .map(|_| char::from(b'a' + self.below(26) as u8))
            .collect()
    }

    fn words(&mut self, count: usize) -> String {
        let words: Vec<String> = (0..count).map(|_| self.word()).collect();
        words.join(" ")
    }

    fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        let hex = format!("{a:016x}{b:016x}");
        let parts = [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ];
        parts.join("-")
    }

    fn time(&mut self) -> String {
        let (day, hour) = (1 + self.below(28), self.below(24));
        let (minute, second, milli) = (self.below(60), self.below(60), self.below(1_000));
        format!("2026-03-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

/// Some events, each one line of JSON without white space.
pub(crate) fn events(count: usize) -> Vec<String> {
    let mut random = Random(42);
    (0..count).map(|_| event(&mut random)).collect()
}

fn event(r: &mut Random) -> String {
    let user = if r.below(10) < 6 {
        format!("\"u_{:012x}\"", r.next() >> 16)
    } else {
        "null".to_owned()
    };
    format!(
        r#"{{"messageId":"{}","type":"track","event":"{}","anonymousId":"{}","userId":{user},"timestamp":"{}","sentAt":"{}","originalTimestamp":"{}","context":{},"properties":{},"integrations":{{"All":true,"Mixpanel":false}}}}"#,
        r.uuid(),
        r.pick(&EVENTS),
        r.uuid(),
        r.time(),
        r.time(),
        r.time(),
        context(r),
        properties(r),
    )
}

fn context(r: &mut Random) -> String {
    let path = format!("/{}/{}", r.word(), r.word());
    let title = match r.below(20) {
        0 => format!("{} – {}", r.words(5), r.pick(&CITIES)),
        1 => format!(r#"\"{}\" \n x"#, r.words(5)),
        _ => r.words(5),
    };
    let (referrer, search) = if r.below(10) < 4 {
        ("https://www.google.com/", format!("?q={}", r.word()))
    } else {
        ("", String::new())
    };
    let campaign = if r.below(10) < 4 {
        r#"{"source":"newsletter","medium":"email"}"#
    } else {
        "{}"
    };
    format!(
        r#"{{"ip":"{}.{}.{}.{}","userAgent":"{}","locale":"{}","timezone":"{}","library":{{"name":"analytics.js","version":"2.{}.{}"}},"page":{{"path":"{path}","referrer":"{referrer}","search":"{search}","title":"{title}","url":"https://shop.example.com{path}"}},"screen":{{"width":1440,"height":{},"density":1.5}},"campaign":{campaign}}}"#,
        1 + r.below(223),
        r.below(256),
        r.below(256),
        1 + r.below(254),
        r.pick(&AGENTS),
        r.pick(&LOCALES),
        r.pick(&ZONES),
        r.below(13),
        r.below(10),
        720 + r.below(720),
    )
}

fn properties(r: &mut Random) -> String {
    let tags: Vec<String> = (0..r.below(5))
        .map(|_| format!("\"{}\"", r.word()))
        .collect();
    let query = if r.below(10) < 4 {
        format!("\"{}\"", r.words(2))
    } else {
        "null".to_owned()
    };
    format!(
        r#"{{"product_id":"sku-{:06}","name":"{}","category":"{}","price":{}.{:02},"quantity":{},"currency":"{}","in_stock":{},"position":{},"query":{query},"tags":[{}],"session_id":{},"score":0.{:017}}}"#,
        r.below(50_000),
        r.words(3),
        r.pick(&CATEGORIES),
        1 + r.below(499),
        r.below(100),
        1 + r.below(9),
        r.pick(&CURRENCIES),
        r.below(5) > 0,
        1 + r.below(60),
        tags.join(","),
        r.next() >> 16,
        r.next() >> 8,
    )
}
