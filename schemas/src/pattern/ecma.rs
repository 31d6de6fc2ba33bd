//! ECMA-262 regular expressions (unicode mode) rewritten in the syntax of the regex crates, which differ in what `\d`,
//! `\w`, `\s` and `.` mean, in escapes, and in the syntax of classes.

use std::iter::Peekable;
use std::str::Chars;

use super::Error;

const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACE: &str = r"\t\n\x0B\x0C\r \x{A0}\x{FEFF}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}";

/// A pattern in the other syntax.
pub(super) struct Translated {
    pub(super) rust: String,
    /// A feature of the pattern that cannot be translated; `rust` then only tells whether the rest is well-formed.
    pub(super) unsupported: Option<&'static str>,
}

pub(super) fn translate(source: &str) -> Result<Translated, Error> {
    let mut translator = Translator {
        rest: source.chars().peekable(),
        out: String::with_capacity(source.len() + 16),
        unsupported: None,
        groups: Vec::new(),
        repeatable: false,
    };
    while let Some(c) = translator.rest.next() {
        translator.term(c)?;
    }
    if !translator.groups.is_empty() {
        return syntax("unclosed group");
    }
    Ok(Translated {
        rust: translator.out,
        unsupported: translator.unsupported,
    })
}

fn syntax<T>(what: &str) -> Result<T, Error> {
    Err(Error::Syntax(what.to_owned()))
}

/// A member of a class: one character, or a whole set, which cannot bound a range.
enum Atom {
    Char(char),
    Set(String),
}

struct Translator<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
    unsupported: Option<&'static str>,
    /// Whether each open group may be repeated once it is closed.
    groups: Vec<bool>,
    /// Whether what was read last may be repeated.
    repeatable: bool,
}

impl Translator<'_> {
    fn term(&mut self, c: char) -> Result<(), Error> {
        let mut repeatable = true;
        match c {
            '^' | '$' | '|' => {
                self.out.push(c);
                repeatable = false;
            }
            '.' => self.out.push_str(r"[^\n\r\x{2028}\x{2029}]"),
            '(' => {
                self.open_group()?;
                repeatable = false;
            }
            ')' => {
                let Some(may_repeat) = self.groups.pop() else {
                    return syntax("unmatched )");
                };
                self.out.push(')');
                repeatable = may_repeat;
            }
            '[' => self.class()?,
            '*' | '+' | '?' | '{' => {
                self.repetition(c)?;
                repeatable = false;
            }
            '\\' => repeatable = self.escape()?,
            ']' | '}' => return syntax("unescaped ] or }"),
            other => push_char(&mut self.out, other),
        }
        self.repeatable = repeatable;
        Ok(())
    }

    fn open_group(&mut self) -> Result<(), Error> {
        if self.rest.next_if_eq(&'?').is_none() {
            self.out.push_str("(?:");
            self.groups.push(true);
            return Ok(());
        }
        let look = match (self.rest.next(), self.rest.peek()) {
            (Some(':'), _) => false,
            (Some('=' | '!'), _) => true,
            (Some('<'), Some('=' | '!')) => {
                self.rest.next();
                true
            }
            (Some('<'), _) => {
                self.group_name()?;
                false
            }
            _ => return syntax("unknown kind of group"),
        };
        if look {
            self.unsupported.get_or_insert("look-around");
        }
        self.out.push_str("(?:");
        self.groups.push(!look);
        Ok(())
    }

    fn group_name(&mut self) -> Result<(), Error> {
        let mut name = String::new();
        for c in self.rest.by_ref() {
            if c == '>' {
                break;
            }
            name.push(c);
        }
        let starts = name.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '$'));
        if starts
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'))
        {
            Ok(())
        } else {
            syntax("invalid group name")
        }
    }

    fn repetition(&mut self, c: char) -> Result<(), Error> {
        if !self.repeatable {
            return syntax("nothing to repeat");
        }
        self.out.push(c);
        if c == '{' {
            let min = self.number()?;
            let max = if self.rest.next_if_eq(&',').is_none() {
                min
            } else {
                self.out.push(',');
                if self.rest.peek() == Some(&'}') {
                    u32::MAX
                } else {
                    self.number()?
                }
            };
            if self.rest.next() != Some('}') || max < min {
                return syntax("invalid repetition");
            }
            self.out.push('}');
        }
        // Laziness changes what is matched, not whether.
        self.rest.next_if_eq(&'?');
        Ok(())
    }

    fn number(&mut self) -> Result<u32, Error> {
        let mut digits = String::new();
        while let Some(digit) = self.rest.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        self.out.push_str(&digits);
        digits
            .parse()
            .map_err(|_| Error::Syntax("invalid repetition".to_owned()))
    }

    /// Reads an escape outside a class; tells whether it may be repeated.
    fn escape(&mut self) -> Result<bool, Error> {
        match self.rest.peek().copied() {
            Some(c @ ('b' | 'B')) => {
                self.rest.next();
                self.out
                    .push_str(if c == 'b' { r"(?-u:\b)" } else { r"(?-u:\B)" });
                Ok(false)
            }
            Some('1'..='9') => {
                while self.rest.next_if(char::is_ascii_digit).is_some() {}
                self.unsupported.get_or_insert("a back-reference");
                self.out.push_str("(?:)");
                Ok(true)
            }
            Some('k') => {
                self.rest.next();
                if self.rest.next() != Some('<') {
                    return syntax("invalid back-reference");
                }
                self.group_name()?;
                self.unsupported.get_or_insert("a back-reference");
                self.out.push_str("(?:)");
                Ok(true)
            }
            _ => {
                match self.escaped_atom(false)? {
                    Atom::Char(c) => push_char(&mut self.out, c),
                    Atom::Set(set) => self.out.push_str(&format!("[{set}]")),
                }
                Ok(true)
            }
        }
    }

    /// Reads what follows a backslash, within a class or not.
    fn escaped_atom(&mut self, in_class: bool) -> Result<Atom, Error> {
        let Some(c) = self.rest.next() else {
            return syntax("a backslash at the end");
        };
        Ok(Atom::Char(match c {
            'd' => return Ok(Atom::Set(DIGIT.to_owned())),
            'w' => return Ok(Atom::Set(WORD.to_owned())),
            's' => return Ok(Atom::Set(SPACE.to_owned())),
            'D' => return Ok(Atom::Set(format!("[^{DIGIT}]"))),
            'W' => return Ok(Atom::Set(format!("[^{WORD}]"))),
            'S' => return Ok(Atom::Set(format!("[^{SPACE}]"))),
            'p' | 'P' => return self.property(c),
            't' => '\t',
            'n' => '\n',
            'v' => '\u{B}',
            'f' => '\u{C}',
            'r' => '\r',
            'b' if in_class => '\u{8}',
            '-' if in_class => '-',
            '0' if !self.rest.peek().is_some_and(char::is_ascii_digit) => '\0',
            'c' => match self.rest.next() {
                Some(letter) if letter.is_ascii_alphabetic() => char::from(letter as u8 % 32),
                _ => return syntax(r"\c needs a letter"),
            },
            'x' => char::from_u32(self.hex(2)?).unwrap_or_default(),
            'u' => self.unicode_escape()?,
            '^' | '$' | '\\' | '.' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|'
            | '/' => c,
            other => return syntax(&format!("unknown escape \\{other}")),
        }))
    }

    fn hex(&mut self, digits: u32) -> Result<u32, Error> {
        let mut code = 0;
        for _ in 0..digits {
            let Some(digit) = self.rest.next().and_then(|c| c.to_digit(16)) else {
                return syntax("expected a hexadecimal digit");
            };
            code = code * 16 + digit;
        }
        Ok(code)
    }

    fn unicode_escape(&mut self) -> Result<char, Error> {
        let mut code = 0;
        if self.rest.next_if_eq(&'{').is_some() {
            let mut digits = String::new();
            while let Some(c) = self.rest.next_if(char::is_ascii_hexdigit) {
                digits.push(c);
            }
            if self.rest.next() != Some('}') {
                return syntax(r"unclosed \u{");
            }
            code = u32::from_str_radix(&digits, 16).unwrap_or(u32::MAX);
        } else {
            code += self.hex(4)?;
            if (0xD800..0xDC00).contains(&code) {
                let low = match (self.rest.next(), self.rest.next()) {
                    (Some('\\'), Some('u')) => self.hex(4)?,
                    _ => 0,
                };
                code = match low {
                    0xDC00..=0xDFFF => 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00),
                    _ => u32::MAX,
                };
            }
        }
        char::from_u32(code).map_or_else(
            || syntax("not a character: lone surrogate or too large"),
            Ok,
        )
    }

    fn property(&mut self, p: char) -> Result<Atom, Error> {
        if self.rest.next() != Some('{') {
            return syntax(r"\p needs {");
        }
        let mut name = String::new();
        for c in self.rest.by_ref() {
            if c == '}' {
                break;
            }
            name.push(c);
        }
        if name.is_empty()
            || !name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'='))
        {
            return syntax("invalid unicode property");
        }
        Ok(Atom::Set(format!(r"\{p}{{{name}}}")))
    }

    fn class(&mut self) -> Result<(), Error> {
        let negated = self.rest.next_if_eq(&'^').is_some();
        let mut members = String::new();
        loop {
            let from = match self.class_atom()? {
                None => break,
                Some(from) => from,
            };
            let mut ahead = self.rest.clone();
            let is_range = ahead.next() == Some('-') && ahead.peek().is_some_and(|c| *c != ']');
            match from {
                Atom::Set(_) if is_range => return syntax("a set cannot bound a range"),
                Atom::Set(set) => members.push_str(&set),
                Atom::Char(from) => {
                    push_char(&mut members, from);
                    if is_range {
                        self.rest.next();
                        let Some(Atom::Char(to)) = self.class_atom()? else {
                            return syntax("a set cannot bound a range");
                        };
                        members.push('-');
                        push_char(&mut members, to);
                    }
                }
            }
        }
        self.out.push_str(&match (members.is_empty(), negated) {
            (true, false) => r"[^\x{0}-\x{10FFFF}]".to_owned(),
            (true, true) => r"[\x{0}-\x{10FFFF}]".to_owned(),
            (false, false) => format!("[{members}]"),
            (false, true) => format!("[^{members}]"),
        });
        Ok(())
    }

    /// One member of a class; `None` at its end.
    fn class_atom(&mut self) -> Result<Option<Atom>, Error> {
        match self.rest.next() {
            None => syntax("unclosed class"),
            Some(']') => Ok(None),
            Some('\\') => self.escaped_atom(true).map(Some),
            Some(c) => Ok(Some(Atom::Char(c))),
        }
    }
}

/// Writes one character so that it stands for itself, within a class or not.
fn push_char(out: &mut String, c: char) {
    if c.is_ascii_alphanumeric() {
        out.push(c);
    } else {
        out.push_str(&format!("\\x{{{:X}}}", u32::from(c)));
    }
}
