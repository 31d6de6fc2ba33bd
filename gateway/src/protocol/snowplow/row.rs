//! The JSON that is made of an event's parameters: one object, written as they are read.

use std::collections::HashSet;

use headgate_schemas::{event::write_string, format, walk::Cursor};

use super::address;

/// An object being written.
#[derive(Debug)]
pub(super) struct Row {
    out: Vec<u8>,
    other: Vec<u8>,
    /// The names in `other`.
    others: HashSet<String>,
}

impl Row {
    /// `bytes` is about how long it will be.
    pub(super) fn new(bytes: usize) -> Self {
        let mut out = Vec::with_capacity(bytes);
        out.push(b'{');
        Self {
            out,
            other: Vec::new(),
            others: HashSet::new(),
        }
    }

    /// JSON as it stands.
    pub(super) fn json(&mut self, name: &str, json: &str) {
        member(&mut self.out, name);
        self.out.extend_from_slice(json.as_bytes());
    }

    pub(super) fn text(&mut self, name: &str, text: &str) {
        member(&mut self.out, name);
        write_string(text, &mut self.out);
    }

    /// RFC 3339.
    pub(super) fn time(&mut self, name: &str, micros: i64) {
        member(&mut self.out, name);
        self.out.push(b'"');
        format::write_date_time(micros, &mut self.out);
        self.out.push(b'"');
    }

    fn integer(&mut self, name: &str, integer: i64) {
        self.json(name, &integer.to_string());
    }

    /// A whole number; false: it is none.
    pub(super) fn whole(&mut self, name: &str, text: &str) -> bool {
        let integer = text.trim().parse::<i64>();
        integer.map(|integer| self.integer(name, integer)).is_ok()
    }

    /// Any number, digit by digit where JSON writes numbers so too; false: it is none.
    pub(super) fn number(&mut self, name: &str, text: &str) -> bool {
        let text = text.trim();
        let Some(number) = text.parse().ok().and_then(serde_json::Number::from_f64) else {
            return false;
        };
        let mut cursor = Cursor::new(text, 1);
        match cursor.number().is_ok() && cursor.end().is_ok() {
            true => self.json(name, text),
            false => self.json(name, &number.to_string()),
        }
        true
    }

    /// True or false; false: it is neither.
    pub(super) fn flag(&mut self, name: &str, text: &str) -> bool {
        let flag = match text {
            "1" | "true" => "true",
            "0" | "false" => "false",
            _ => return false,
        };
        self.json(name, flag);
        true
    }

    /// Two numbers with an `x` between them; false: they are not.
    pub(super) fn size(&mut self, [width, height]: [&str; 2], text: &str) -> bool {
        let Some((x, y)) = text.split_once('x') else {
            return false;
        };
        let (Ok(x), Ok(y)) = (x.parse::<u32>(), y.parse::<u32>()) else {
            return false;
        };
        self.integer(width, x.into());
        self.integer(height, y.into());
        true
    }

    /// An address and, if it has them, its parts.
    pub(super) fn address(&mut self, name: &str, names: &[&str; 6], address: &str) {
        self.text(name, address);
        let Some(parts) = address::parts(address) else {
            return;
        };
        let [scheme, host, port, path, query, fragment] = *names;
        self.text(scheme, parts.scheme);
        if let Some(number) = parts.port {
            self.integer(port, number.into());
        }
        for (name, part) in [
            (host, parts.host),
            (path, parts.path),
            (query, parts.query),
            (fragment, parts.fragment),
        ] {
            if let Some(part) = part {
                self.text(name, part);
            }
        }
    }

    /// Keeps what no field stands for; false: there is one of that name.
    pub(super) fn keep(&mut self, parameter: &str, json: &str) -> bool {
        if !self.others.insert(parameter.to_owned()) {
            return false;
        }
        if self.other.is_empty() {
            self.other.push(b'{');
        }
        member(&mut self.other, parameter);
        self.other.extend_from_slice(json.as_bytes());
        true
    }

    /// The whole object.
    pub(super) fn finish(mut self) -> String {
        if !self.other.is_empty() {
            member(&mut self.out, "other");
            self.out.append(&mut self.other);
            self.out.push(b'}');
        }
        self.out.push(b'}');
        // Written of texts alone. If it were none, the schema would refuse it.
        String::from_utf8(self.out).unwrap_or_default()
    }
}

/// A member's name, and what stands before it.
fn member(object: &mut Vec<u8>, name: &str) {
    if object.len() > 1 {
        object.push(b',');
    }
    write_string(name, object);
    object.push(b':');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_they_say_and_what_fits_no_field_is_kept() {
        let mut row = Row::new(0);
        assert!(row.whole("whole", "-7") && row.number("price", "12.50"));
        assert!(row.number("half", ".5") && row.flag("yes", "1") && row.flag("no", "false"));
        assert!(row.size(["w", "h"], "693x1302"));
        row.time("at", 1_665_398_554_151_000);
        for bad in ["", "1.5", "x", "99999999999999999999"] {
            assert!(!row.whole("bad", bad), "{bad}");
        }
        for bad in ["", "x", "NaN", "inf", "1e999", "1 2"] {
            assert!(!row.number("bad", bad), "{bad}");
        }
        for bad in ["", "1x", "x1", "-1x1", "1x1x1", "1.5x2"] {
            assert!(!row.size(["w", "h"], bad) && !row.flag("bad", bad), "{bad}");
        }
        assert!(row.keep("a\"b", "\"c\"") && row.keep("d", "[1]") && !row.keep("d", "2"));
        assert_eq!(
            row.finish(),
            r#"{"whole":-7,"price":12.50,"half":0.5,"yes":true,"no":false,"w":693,"h":1302,"at":"2022-10-10T10:42:34.151000Z","other":{"a\"b":"c","d":[1]}}"#
        );
        assert_eq!(Row::new(0).finish(), "{}");
    }
}
