//! Passing over arrays and objects whose content is not looked at.

use super::bits::BitStack;
use super::{Cursor, Kind, Syntax};

impl Cursor<'_> {
    /// Skips an object or array without recursion: the kinds of the open brackets are kept in a bit stack,
    /// so that the depth limit, not the thread's stack, is what bounds nesting.
    pub(super) fn skip_nested(&mut self) -> Result<(), Syntax> {
        let mut open = BitStack::default();
        loop {
            // Before a value.
            let entered = match self.kind()? {
                Kind::Object => Some((true, self.object()?)),
                Kind::Array => Some((false, self.array()?)),
                _ => {
                    self.skip()?;
                    None
                }
            };
            if let Some((object, true)) = entered {
                open.push(object);
                if object {
                    self.key()?;
                }
                continue;
            }
            // After a value: close what ends here.
            loop {
                let Some(object) = open.top() else {
                    return Ok(());
                };
                let more = if object {
                    self.next_member()?
                } else {
                    self.next_element()?
                };
                if more {
                    if object {
                        self.key()?;
                    }
                    break;
                }
                open.pop();
            }
        }
    }
}
