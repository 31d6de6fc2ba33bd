use super::*;

fn pattern(source: &str) -> Pattern {
    Pattern::new(source).unwrap()
}

#[test]
fn common_patterns_become_sequences() {
    for (source, yes, no) in [
        (
            "^sku-[0-9]{6}$",
            &["sku-123456"][..],
            &["sku-12345", "sku-1234567", "xsku-123456"][..],
        ),
        (
            "^[a-z]{2}-[A-Z]{2}$",
            &["en-US"],
            &["en-us", "EN-US", "en-USA", ""],
        ),
        (
            "^[a-z]+(?:-[0-9]{2}){2}$",
            &["a-01-02", "abc-99-00"],
            &["-01-02", "a-01", "a-01-0x"],
        ),
        (
            "^[a-z][a-z0-9_]*$",
            &["a", "a_1"],
            &["", "1a", "A", "a-", "é"],
        ),
        ("^\\d+$", &["0", "123"], &["", "1a", "١"]),
        ("^abc$", &["abc"], &["ab", "abcd", "abc\n"]),
    ] {
        let pattern = pattern(source);
        assert!(matches!(pattern.matcher, Matcher::Sequence(_)), "{source}");
        for text in yes {
            assert!(pattern.matches(text), "{source} {text}");
        }
        for text in no {
            assert!(!pattern.matches(text), "{source} {text}");
        }
    }
}

#[test]
fn sequences_agree_with_automata() {
    for source in [
        "^a*b$",
        "^a+b+$",
        "^[a-c]{2,3}d$",
        "^a?b$",
        "^[ab]+b$",
        "^a{0}b$",
        "^a*a$",
        "^(ab){2}$",
        "^a*$",
        "^ab?$",
    ] {
        let fast = pattern(source);
        let slow = automaton(source, syntax::Config::new()).unwrap();
        let slow = Pattern {
            source: source.into(),
            matcher: slow,
        };
        let mut texts = vec![String::new()];
        for len in 0..5 {
            let from = texts.len().saturating_sub(4_usize.pow(len));
            for text in texts.split_off(from) {
                texts.extend("abcd".chars().map(|c| format!("{text}{c}")));
                texts.insert(0, text);
            }
        }
        assert!(texts.len() > 1_000);
        for text in texts {
            assert_eq!(fast.matches(&text), slow.matches(&text), "{source} {text}");
        }
    }
}

#[test]
fn classes_mean_what_ecma_says() {
    for (source, yes, no) in [
        (r"^\w$", &["a", "_", "9"][..], &["é", "ß", "-"][..]),
        (
            r"^\s$",
            &[" ", "\u{FEFF}", "\u{2029}", "\u{B}", "\u{A0}"],
            &["a", "\u{85}", "\u{180E}"],
        ),
        (r"^\S$", &["a", "é"], &[" ", "\u{FEFF}"]),
        (r"^.$", &["a", "é", "\u{85}"], &["\n", "\r", "\u{2028}", ""]),
        (r"^[^]$", &["\n", "é"], &[""]),
        (r"[]", &[], &["", "a"]),
        (r"^[\w-]+$", &["a-b"], &["a.b"]),
        (r"^[a&&b]$", &["a", "&", "b"], &["c"]),
        (r"^[[]$", &["["], &["]"]),
        (r"^\cA\x41\u0042\u{43}$", &["\u{1}ABC"], &["cAABC"]),
        (r"^\uD83D\uDE00$", &["😀"], &["😁"]),
        (r"^\p{Lu}$", &["É"], &["é"]),
        (r"\bfoo\b", &["a foo b", "éfoo"], &["afoo"]),
        (r"^(?<year>\d{4})$", &["2026"], &["26"]),
        (r"^\/a\-?".trim_end_matches(r"\-?"), &["/a"], &["a"]),
        ("a{2,}?", &["aa"], &["a"]),
        ("^$", &[""], &["a"]),
        ("^foo|bar$", &["foox", "xbar"], &["xfoox"]),
    ] {
        let pattern = pattern(source);
        for text in yes {
            assert!(pattern.matches(text), "{source} {text:?}");
        }
        for text in no {
            assert!(!pattern.matches(text), "{source} {text:?}");
        }
    }
}

#[test]
fn what_needs_backtracking_is_refused_by_name() {
    for (source, feature) in [
        ("(?=a)", "look-around"),
        ("^(?!a)b", "look-around"),
        ("(?<=a)b", "look-around"),
        ("(?<!a)b", "look-around"),
        (r"(a)\1", "a back-reference"),
        (r"(?<x>a)\k<x>", "a back-reference"),
    ] {
        let error = Pattern::new(source).unwrap_err();
        assert!(error.to_string().contains(feature), "{source}: {error}");
        assert!(is_regex(source), "{source}");
    }
}

#[test]
fn malformed_patterns_are_refused() {
    for source in [
        "(",
        ")",
        "[",
        "]",
        "*",
        "a**",
        "a{2}{3}",
        "a{3,2}",
        "{1}",
        r"\a",
        r"\u{110000}",
        r"\uD800",
        "^*",
        "(?i:a)",
        r"[z-a]",
        r"[\d-z]",
        r"\p{Nonsense}",
        r"\p",
        "(?<1>a)",
        r"\",
    ] {
        assert!(
            matches!(Pattern::new(source), Err(Error::Syntax(_))),
            "{source}"
        );
        assert!(!is_regex(source), "{source}");
    }
}

#[test]
fn patterns_cannot_grow_without_bound() {
    assert!(matches!(
        Pattern::new("((a{1000}){1000}){1000}"),
        Err(Error::Size)
    ));
    let evil = pattern("^(a+)+$");
    assert!(!evil.matches(&format!("{}b", "a".repeat(1_000_000))));
    // Too many states for a dense automaton: the lazy one takes over.
    let wide = pattern("^[ab]*a[ab]{14}$");
    assert!(matches!(wide.matcher, Matcher::Lazy(_)));
    assert!(wide.matches("aabbaabbaabbaabb"));
    assert!(!wide.matches("bbbbbbbbbbbbbbbb"));
}
