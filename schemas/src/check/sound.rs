//! Whether a text is sound JSON, whatever the schema: what is wrong with it, and where.

use std::collections::HashSet;

use super::report::{Report, Step, shown};
use super::{Stop, Verdict};
use crate::event::Violation;
use crate::program::number::Number;
use crate::walk::{Cursor, Fault, Kind, Syntax};

/// Everything that makes the text unsound, in the order of the text; only the syntax error if there is one.
pub(super) fn faults(text: &str, depth_max: u32) -> Vec<Violation> {
    let mut walk = Walk {
        cursor: Cursor::new(text, depth_max),
        report: Report::default(),
        depth_max,
    };
    if walk.value().is_ok()
        && let Err(syntax) = walk.cursor.end()
    {
        // One violation more or less than the most that are kept makes no difference here.
        let _enough = walk.syntax(syntax);
    }
    walk.report.into_violations()
}

struct Walk<'a> {
    cursor: Cursor<'a>,
    report: Report<'a>,
    depth_max: u32,
}

impl<'a> Walk<'a> {
    fn value(&mut self) -> Verdict {
        match self.cursor.kind() {
            Ok(Kind::Object) => self.object(),
            Ok(Kind::Array) => self.array(),
            Ok(Kind::Number) => {
                let number = self.cursor.number();
                let number = self.sound(number)?;
                if Number::parse(number.raw).is_none() {
                    let message = format!("{} is beyond the range of a double", shown(number.raw));
                    self.report.push("numberRange", message)?;
                }
                Ok(())
            }
            Ok(Kind::String | Kind::Bool | Kind::Null) => {
                let skipped = self.cursor.skip();
                self.sound(skipped).map(|_| ())
            }
            Err(syntax) => self.syntax(syntax),
        }
    }

    fn object(&mut self) -> Verdict {
        let mut keys = HashSet::new();
        let opened = self.cursor.object();
        let mut more = self.sound(opened)?;
        while more {
            let key = self.cursor.key();
            let key = self.sound(key)?;
            self.report.enter(Step::Key(key));
            if !keys.insert(key.decode()) {
                let shown = shown(&format!("{:?}", key.decode()));
                self.report.push(
                    "duplicateKey",
                    format!("the key {shown} appears more than once"),
                )?;
            }
            self.value()?;
            self.report.leave();
            let next = self.cursor.next_member();
            more = self.sound(next)?;
        }
        Ok(())
    }

    fn array(&mut self) -> Verdict {
        let opened = self.cursor.array();
        let mut more = self.sound(opened)?;
        let mut index = 0;
        while more {
            self.report.enter(Step::Index(index));
            self.value()?;
            self.report.leave();
            index += 1;
            let next = self.cursor.next_element();
            more = self.sound(next)?;
        }
        Ok(())
    }

    fn sound<T>(&mut self, read: Result<T, Syntax>) -> Result<T, Stop> {
        read.map_err(|syntax| {
            // The walk stops here either way.
            let _enough = self.syntax(syntax);
            Stop
        })
    }

    fn syntax(&mut self, syntax: Syntax) -> Verdict {
        let (keyword, message) = match syntax.what {
            Fault::Depth => (
                "depth",
                format!("nested deeper than {} levels", self.depth_max),
            ),
            Fault::Surrogate => ("encoding", syntax.to_string()),
            _ => ("syntax", syntax.to_string()),
        };
        // Where the text ends to be JSON, what came before is no longer worth telling.
        self.report.forget();
        self.report.push(keyword, message)?;
        Err(Stop)
    }
}
