//! Made-up events of a web shop, the same on every run: about 1.1 KB each with the envelope.

use bytes::Bytes;
use headgate_schemas::{
    event::{Data, Event},
    format::write_date_time,
};

/// 2026-03-01T00:00:00Z, in microseconds.
const START_MICROS: i64 = 1_772_323_200_000_000;

const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.{}.{} Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{}.{} Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS {}_{} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (Linux; Android {}; SM-G{}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Mobile Safari/537.36",
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
const LOCALES: [&str; 6] = ["en-US", "en-GB", "de-DE", "fr-FR", "ja-JP", "pt-BR"];
const ZONES: [&str; 5] = [
    "Europe/Berlin",
    "America/New_York",
    "Asia/Tokyo",
    "America/Sao_Paulo",
    "Europe/London",
];
const HOSTS: [&str; 3] = ["www.example.com", "shop.example.com", "blog.example.com"];
const PLACES: [&str; 5] = ["Zürich", "São Paulo", "東京", "Łódź", "naïve café"];

/// SplitMix64: no crate is needed for numbers that only have to look random.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }

    fn uuid(&mut self) -> String {
        let (a, b) = (self.roll(), self.roll());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            b >> 52,
            b & 0xffff_ffff_ffff
        )
    }

    /// One of 3,000 words, always the same ones.
    fn word(&mut self) -> String {
        let mut letters = Dice(self.below(3_000));
        let length = 3 + letters.below(8);
        (0..length)
            .map(|_| char::from(b'a' + letters.below(26) as u8))
            .collect()
    }

    fn words(&mut self, least: u64, most: u64) -> String {
        let count = least + self.below(most - least + 1);
        (0..count)
            .map(|_| self.word())
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn agent(&mut self) -> String {
        let mut text = self.pick(&AGENTS).to_owned();
        while let Some(at) = text.find("{}") {
            text.replace_range(at..at + 2, &(9 + self.below(132)).to_string());
        }
        text
    }
}

fn time(micros: i64) -> String {
    let mut out = Vec::new();
    write_date_time(micros, &mut out);
    String::from_utf8(out).expect("ASCII")
}

fn context(dice: &mut Dice) -> String {
    let path = format!("/{}", dice.words(1, 3).replace(' ', "/"));
    let mut title = dice.words(3, 7);
    if dice.chance(10) {
        title = format!("{title} – {}", dice.pick(&PLACES));
    } else if dice.chance(5) {
        title = format!(r#"\"{title}\" \n x"#);
    }
    let referrer = if dice.chance(40) {
        "https://www.google.com/"
    } else {
        ""
    };
    let search = if dice.chance(30) {
        format!("?q={}", dice.word())
    } else {
        String::new()
    };
    let campaign = if dice.chance(40) {
        let source = dice.pick(&["google", "newsletter", "meta"]);
        format!(
            r#"{{"source":"{source}","medium":"{}"}}"#,
            dice.pick(&["cpc", "email", "social"])
        )
    } else {
        "{}".to_owned()
    };
    format!(
        concat!(
            r#"{{"ip":"{}.{}.{}.{}","userAgent":"{}","locale":"{}","timezone":"{}","#,
            r#""library":{{"name":"analytics.js","version":"2.{}.{}"}},"#,
            r#""page":{{"path":"{path}","referrer":"{referrer}","search":"{search}","title":"{title}","#,
            r#""url":"https://{}{path}"}},"screen":{{"width":{},"height":{},"density":{}}},"campaign":{campaign}}}"#
        ),
        1 + dice.below(223),
        dice.below(256),
        dice.below(256),
        1 + dice.below(254),
        dice.agent(),
        dice.pick(&LOCALES),
        dice.pick(&ZONES),
        dice.below(13),
        dice.below(10),
        dice.pick(&HOSTS),
        dice.pick(&["390", "1280", "1440", "1920", "2560"]),
        dice.pick(&["720", "844", "900", "1080", "1440"]),
        dice.pick(&["1", "1.5", "2", "3"]),
        path = path,
        referrer = referrer,
        search = search,
        title = title,
        campaign = campaign,
    )
}

fn properties(dice: &mut Dice) -> String {
    let query = if dice.chance(40) {
        format!("\"{}\"", dice.words(1, 3))
    } else {
        "null".to_owned()
    };
    let tags: Vec<String> = (0..dice.below(5))
        .map(|_| format!("\"{}\"", dice.word()))
        .collect();
    format!(
        concat!(
            r#"{{"product_id":"sku-{:06}","name":"{}","category":"{}","price":{}.{:02},"quantity":{},"currency":"{}","#,
            r#""in_stock":{},"position":{},"query":{},"tags":[{}],"session_id":{},"score":{}}}"#
        ),
        dice.below(50_000),
        dice.words(2, 5),
        dice.pick(&CATEGORIES),
        1 + dice.below(499),
        dice.below(100),
        1 + dice.below(9),
        dice.pick(&["USD", "EUR", "GBP", "JPY"]),
        dice.chance(80),
        1 + dice.below(60),
        query,
        tags.join(","),
        dice.roll() >> 16,
        dice.below(1 << 53) as f64 / (1_u64 << 53) as f64,
    )
}

/// How the events came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// As events of their own.
    Native,
    /// As track calls of an SDK, with the same context and properties.
    Sdk,
}

/// The stream's records of so many events, all received within one hour.
pub(crate) fn records(count: usize, way: Way) -> impl Iterator<Item = Bytes> {
    let mut dice = Dice(42);
    (0..count).map(move |index| {
        let micros = START_MICROS + index as i64 * 13_000;
        let received = START_MICROS + index as i64 * 3_600_000_000 / count as i64;
        let common = format!(
            r#""context":{},"properties":{},"integrations":{{"All":true,"Mixpanel":false}}"#,
            context(&mut dice),
            properties(&mut dice)
        );
        let user = dice.below(40_000);
        let id = dice.uuid();
        let known = dice.chance(60);
        let user = known.then(|| format!("u_{:012x}", user * 0x9E37_79B9));
        let anonymous = Dice(dice.below(60_000)).uuid();
        let (time, sent) = (self::time(micros), self::time(micros + 700_000));
        let data = match way {
            Way::Native => format!("{{{common}}}"),
            Way::Sdk => {
                let user = user.as_ref().map_or("null".to_owned(), |user| format!(r#""{user}""#));
                format!(
                    r#"{{"timestamp":"{time}","userId":{user},"anonymousId":"{anonymous}","event":"Product Seen","type":"track",{common},"messageId":"{id}","sentAt":"{sent}"}}"#
                )
            }
        };
        let (kind, dataschema) = match way {
            Way::Native => ("product_seen", "product_seen/1"),
            Way::Sdk => ("product_tracked", "product_tracked/1"),
        };
        let mut record = Vec::with_capacity(1_200);
        Event {
            id: id.into(),
            source: "web".into(),
            kind: kind.into(),
            time: Some(time.into()),
            dataschema: Some(dataschema.into()),
            receivedtime: Some(self::time(received).into()),
            senttime: Some(sent.into()),
            userid: user.map(Into::into),
            anonymousid: Some(anonymous.into()),
            data: Data::Json(&data),
            ..Event::default()
        }
        .write(&mut record);
        record.into()
    })
}
