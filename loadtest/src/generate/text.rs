//! Strings: free text within lengths, texts of a format, texts that match a pattern.

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};
use serde_json::Value;

use super::facets::Facets;

/// How much longer than it must a free text gets.
const EXTRA_CHARS: usize = 24;
/// How often an unbounded repetition repeats beyond its least.
const EXTRA_REPEATS: u32 = 8;
const PATTERN_TRIES: u32 = 32;
const PATTERN_NESTING_MAX: u32 = 64;
/// Free texts with a character that JSON escapes or that takes several bytes.
const ODD_SHARE: f64 = 0.05;

const WORDS: [&str; 24] = [
    "amber", "basalt", "cedar", "delta", "ember", "fjord", "garnet", "harbor", "indigo", "juniper",
    "kelp", "lumen", "maple", "nectar", "onyx", "prairie", "quartz", "ripple", "saffron", "tundra",
    "umber", "velvet", "willow", "zephyr",
];
const ODD: [&str; 8] = [
    "\"quoted\"",
    "back\\slash",
    "line\nbreak",
    "Zürich",
    "東京",
    "Łódź",
    "🎬",
    "\u{1}",
];

/// A string within the constraints, as far as they can be met.
pub(super) fn make(facets: &Facets<'_>, rng: &mut Xoshiro256PlusPlus) -> Option<String> {
    let (least, most) = facets.counts("minLength", "maxLength");
    if most.is_some_and(|most| least > most) {
        return None;
    }
    let fits = |text: &str| {
        let chars = text.chars().count();
        chars >= least && most.is_none_or(|most| chars <= most)
    };
    if let Some(pattern) = facets.each("pattern").find_map(Value::as_str) {
        let hir = parsed(pattern)?;
        return (0..PATTERN_TRIES).find_map(|_| {
            let mut text = String::new();
            matching(&hir, &mut text, rng, PATTERN_NESTING_MAX)?;
            fits(&text).then_some(text)
        });
    }
    let format = facets.each("format").find_map(Value::as_str);
    if let Some(text) = format.and_then(|format| formatted(format, rng)) {
        return Some(text);
    }
    let longest = least.saturating_add(EXTRA_CHARS).max(EXTRA_CHARS);
    let longest = most.map_or(longest, |most| most.min(longest));
    Some(free(
        rng.random_range(least.min(longest)..=longest),
        least,
        rng,
    ))
}

/// A property name or other short key.
pub(super) fn word(rng: &mut Xoshiro256PlusPlus) -> &'static str {
    WORDS[rng.random_range(0..WORDS.len())]
}

/// Words of `chars` characters in all; never fewer than `least`.
fn free(chars: usize, least: usize, rng: &mut Xoshiro256PlusPlus) -> String {
    let mut text = String::with_capacity(chars);
    if rng.random_bool(ODD_SHARE) {
        text.push_str(ODD[rng.random_range(0..ODD.len())]);
    }
    while text.chars().count() < chars.max(least) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word(rng));
    }
    text.chars().take(chars.max(least)).collect()
}

fn parsed(pattern: &str) -> Option<Hir> {
    ParserBuilder::new().utf8(true).build().parse(pattern).ok()
}

/// A text that matches `pattern`, for property names.
pub(super) fn of_pattern(pattern: &str, rng: &mut Xoshiro256PlusPlus) -> Option<String> {
    let mut text = String::new();
    matching(&parsed(pattern)?, &mut text, rng, PATTERN_NESTING_MAX)?;
    Some(text)
}

fn matching(hir: &Hir, out: &mut String, rng: &mut Xoshiro256PlusPlus, nesting: u32) -> Option<()> {
    let nesting = nesting.checked_sub(1)?;
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.push_str(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Class(class) => out.push(one_of(class, rng)?),
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(u32::MAX);
            let most = most.min(repetition.min.saturating_add(EXTRA_REPEATS));
            for _ in 0..rng.random_range(repetition.min..=most.max(repetition.min)) {
                matching(&repetition.sub, out, rng, nesting)?;
            }
        }
        HirKind::Capture(capture) => matching(&capture.sub, out, rng, nesting)?,
        HirKind::Concat(parts) => {
            for part in parts {
                matching(part, out, rng, nesting)?;
            }
        }
        HirKind::Alternation(branches) => {
            matching(
                &branches[rng.random_range(0..branches.len())],
                out,
                rng,
                nesting,
            )?;
        }
    }
    Some(())
}

/// A character of the class: a printable ASCII one where there is one, since `\d` and `\w` mean only those
/// in a schema's pattern.
fn one_of(class: &Class, rng: &mut Xoshiro256PlusPlus) -> Option<char> {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => class
            .iter()
            .map(|range| (range.start(), range.end()))
            .collect(),
        Class::Bytes(class) => class
            .iter()
            .map(|range| (range.start().into(), range.end().into()))
            .collect(),
    };
    let printable = |(start, end): &(char, char)| {
        let (start, end) = ((*start).max(' '), (*end).min('~'));
        (start <= end).then_some((start, end))
    };
    let ascii: Vec<(char, char)> = ranges.iter().filter_map(printable).collect();
    let ranges = if ascii.is_empty() { ranges } else { ascii };
    if ranges.is_empty() {
        return None;
    }
    let (start, end) = ranges[rng.random_range(0..ranges.len())];
    Some(rng.random_range(start..=end))
}

/// A text of `format`; none for formats that are not known, which then constrain nothing here.
fn formatted(format: &str, rng: &mut Xoshiro256PlusPlus) -> Option<String> {
    let mut below = |most: u32| rng.random_range(0..most);
    let date = format!(
        "{}-{:02}-{:02}",
        2020 + below(8),
        1 + below(12),
        1 + below(28)
    );
    let time = format!("{:02}:{:02}:{:02}", below(24), below(60), below(60));
    let zone = match below(4) {
        0 => format!("+{:02}:{:02}", below(14), [0, 30, 45][below(3) as usize]),
        1 => format!("-{:02}:00", below(12)),
        _ => "Z".to_owned(),
    };
    let subsecond = match below(3) {
        0 => String::new(),
        1 => format!(".{:03}", below(1_000)),
        _ => format!(".{:06}", below(1_000_000)),
    };
    let octets = [1 + below(223), below(256), below(256), 1 + below(254)];
    let number = below(1_000_000);
    let two = [word(rng), word(rng)];
    let [first, second] = two;
    let text = match format {
        "date-time" => format!("{date}T{time}{subsecond}{zone}"),
        "date" => date,
        "time" => format!("{time}{subsecond}{zone}"),
        "duration" => format!("P{}DT{}H{}M", octets[1], octets[2] % 24, octets[3] % 60),
        "email" | "idn-email" => format!("{first}.{second}{number}@example.com"),
        "hostname" | "idn-hostname" => format!("{first}-{number}.{second}.example.com"),
        "ipv4" => octets.map(|octet| octet.to_string()).join("."),
        "ipv6" => format!(
            "2001:db8:{:x}:{:x}::{:x}",
            octets[0],
            number % 65_536,
            octets[3]
        ),
        "uri" | "iri" | "uri-reference" | "iri-reference" => {
            format!(
                "https://{first}.example.com/{second}/{number}?page={}",
                octets[1]
            )
        }
        "uri-template" => format!("https://example.com/{first}/{{{second}}}"),
        "uuid" => uuid(rng),
        "json-pointer" => format!("/{first}/{}/{second}", octets[1]),
        "relative-json-pointer" => format!("1/{first}"),
        "regex" => format!("^{first}[0-9]+$"),
        _ => return None,
    };
    Some(text)
}

fn uuid(rng: &mut Xoshiro256PlusPlus) -> String {
    let bits = rng.random::<u128>();
    uuid::Builder::from_random_bytes(bits.to_be_bytes())
        .into_uuid()
        .hyphenated()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn texts_made_for_a_pattern_match_it() {
        let rng = &mut Xoshiro256PlusPlus::seed_from_u64(1);
        for pattern in [
            "^sku-[0-9]{6}$",
            r"^[a-z]{2}-[A-Z]{2}$",
            r"^\d{1,3}(\.\d+)?$",
            "^(a|b|[^c-z\"])+$",
            r"\w+@\w+",
            "^$",
        ] {
            let regex = regex_automata::meta::Regex::new(pattern).unwrap();
            for _ in 0..200 {
                let text = of_pattern(pattern, rng).unwrap();
                assert!(regex.is_match(&text), "{pattern}: {text}");
                assert!(text.is_ascii());
            }
        }
    }

    #[test]
    fn free_texts_have_the_length_asked_for() {
        let rng = &mut Xoshiro256PlusPlus::seed_from_u64(1);
        for chars in 0..200 {
            assert_eq!(free(chars, 0, rng).chars().count(), chars);
        }
    }
}
