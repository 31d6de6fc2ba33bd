use super::text::plain_run;
use super::*;

fn skips(text: &str) -> Result<(), Syntax> {
    let mut cursor = Cursor::new(text, 64);
    cursor.skip()?;
    cursor.end()
}

#[test]
fn agrees_with_serde_json_on_what_is_json() {
    let texts = [
        "{}",
        "[]",
        "[1,2 , 3]",
        r#"{"a":{"b":[true,false,null,-0.5e+3]}}"#,
        "01",
        "-",
        "1.",
        "1e",
        "+1",
        "[1,]",
        "{,}",
        r#"{"a"}"#,
        r#"{"a":1,}"#,
        r#""\u00e9\n""#,
        r#""\x""#,
        r#""\ud83d\ude00""#,
        "\"\u{1}\"",
        "nul",
        "true false",
        "",
        " ",
        "[",
        "{\"a\":",
        "\"abc",
        "-1",
        "0",
        "0.0",
        "[[[[]]]]",
        "\"ü\"",
        "tru",
        "1 2",
    ];
    for text in texts {
        let serde = serde_json::from_str::<serde_json::Value>(text).is_ok();
        assert_eq!(skips(text).is_ok(), serde, "{text}: {:?}", skips(text));
    }
}

#[test]
fn lone_surrogates_are_refused() {
    for text in [
        r#""\ud800""#,
        r#""\udc00""#,
        r#""\ud800\u0041""#,
        r#""\ud800x""#,
    ] {
        assert_eq!(skips(text).unwrap_err().what, Fault::Surrogate, "{text}");
    }
}

#[test]
fn depth_is_limited_without_recursion() {
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert_eq!(skips(&deep(64)), Ok(()));
    assert_eq!(
        skips(&deep(65)).unwrap_err(),
        Syntax {
            at: 64,
            what: Fault::Depth
        }
    );
    let mixed = format!("{}1{}", r#"[{"a":"#.repeat(500), "}]".repeat(500));
    let mut cursor = Cursor::new(&mixed, 1000);
    assert_eq!(cursor.skip(), Ok(mixed.as_str()));
    let unclosed = "[".repeat(10_000);
    assert!(Cursor::new(&unclosed, 1_000_000).skip().is_err());
}

#[test]
fn strings_decode_as_serde_json_does() {
    for text in [
        r#""""#,
        r#""plain text that is longer than eight""#,
        r#""a\"b\\c\/d\b\f\n\r\t""#,
        r#""\u0041\ud83d\ude00é\u0000""#,
    ] {
        let decoded = Cursor::new(text, 1).string().unwrap().decode().into_owned();
        assert_eq!(decoded, serde_json::from_str::<String>(text).unwrap());
    }
}

#[test]
fn every_stop_byte_is_found_at_every_alignment() {
    for pad in 0..20 {
        for stop in [b'"', b'\\', 0x1f, 0x00] {
            let mut bytes = vec![b'x'; pad];
            bytes.push(stop);
            bytes.extend_from_slice("ÿ~\u{7f}yyyyyyyyyyyy".as_bytes());
            assert_eq!(plain_run(&bytes, 0), pad);
        }
        let plain = "é\u{7f}\u{80}~!#[]".repeat(pad);
        assert_eq!(plain_run(plain.as_bytes(), 0), plain.len());
    }
}
