//! Carrying a plan out on an event's bytes: what is not annotated is copied as it stands.

use super::Action;
use super::plan::{Node, Plan};
use crate::event::write_string;
use crate::walk::{Cursor, Kind, Syntax};

/// How much longer than the text hashes may make it; what is to be hashed beyond is masked. A number of one digit becomes
/// 66 bytes: without a bound, arrays of them would fill the memory.
const GROWS_BY_MAX: usize = 4;
/// What they may in any case, in bytes.
const GROWS_BYTES_MIN: usize = 64 << 10;

/// What stands for a value that is masked.
pub const MASK: &str = "***";

/// The hash of a value's text, [`HASH_CHARS`](super::HASH_CHARS) long. `None`: what is to be hashed is masked.
pub type Hasher<'h> = Option<&'h dyn Fn(&[u8]) -> String>;

/// What becomes of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stays, changed or not.
    Kept,
    /// It goes, with its name.
    Dropped,
}

/// A text that is being copied, with other values in some places.
///
/// Nothing is copied before there is something to change. The walk goes as deep as plans do, and not into the data
/// beyond.
pub struct Apply<'a> {
    text: &'a str,
    out: Vec<u8>,
    /// How much of the text is in `out`, or left out of it.
    copied: usize,
    hash: Hasher<'a>,
    /// The text may not be what its schema says.
    wrong: bool,
}

impl<'a> Apply<'a> {
    /// Of data that is what its schema says.
    pub fn new(text: &'a str, hash: Hasher<'a>) -> Self {
        Self {
            text,
            out: Vec::new(),
            copied: 0,
            hash,
            wrong: false,
        }
    }

    /// Of data that need not be what its schema says: what stands where an object or array with annotated values is
    /// expected, and is none, is masked as a whole, for it may well have them in it.
    pub fn to_wrong(text: &'a str, hash: Hasher<'a>) -> Self {
        Self {
            wrong: true,
            ..Self::new(text, hash)
        }
    }

    /// Whether what comes next may not be what its schema says, as [`Apply::to_wrong`].
    pub fn doubt(&mut self, wrong: bool) {
        self.wrong = wrong;
    }

    /// The text as it is now; `None`: nothing had to be changed.
    pub fn finish(mut self) -> Option<String> {
        if self.copied == 0 && self.out.is_empty() {
            return None;
        }
        self.flush(self.text.len());
        // It is made of the text's parts and of texts.
        Some(String::from_utf8(self.out).unwrap_or_default())
    }

    /// The next value of the text, of which the plan speaks.
    ///
    /// # Errors
    /// The text is not JSON from here.
    pub fn data(&mut self, plan: &Plan, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        self.value(&plan.root, cursor)
    }

    /// The value of a member of that name of the data of which the plan speaks.
    ///
    /// # Errors
    /// The text is not JSON from here.
    pub fn member(
        &mut self,
        plan: Option<&Plan>,
        name: &str,
        cursor: &mut Cursor<'a>,
    ) -> Result<Fate, Syntax> {
        match plan.and_then(|plan| plan.root.member(name)) {
            Some(node) => self.fated(node, cursor),
            None => cursor.skip().map(|_| Fate::Kept),
        }
    }

    /// The value of such a member of what is in the data under another name.
    ///
    /// # Errors
    /// The text is not JSON from here.
    pub fn member_in(
        &mut self,
        (plan, around): (Option<&Plan>, &str),
        name: &str,
        cursor: &mut Cursor<'a>,
    ) -> Result<Fate, Syntax> {
        let around = plan.and_then(|plan| plan.root.member(around));
        match around.and_then(|node| node.member(name)) {
            Some(node) => self.fated(node, cursor),
            None => cursor.skip().map(|_| Fate::Kept),
        }
    }

    /// Masks the next value if there may be others in it, or if it is a text, which may be such a value's JSON.
    ///
    /// # Errors
    /// The text is not JSON from here.
    pub fn bar(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        match cursor.kind()? {
            Kind::Object | Kind::Array | Kind::String => self.act(Action::Mask, cursor).map(|_| ()),
            _ => cursor.skip().map(drop),
        }
    }

    /// An object, whose members' values `member` takes, each with its name. Before a value that is no object the cursor
    /// stays, and nothing is done.
    ///
    /// # Errors
    /// The text is not JSON from here.
    pub fn object(
        &mut self,
        cursor: &mut Cursor<'a>,
        mut member: impl FnMut(&mut Self, &str, &mut Cursor<'a>) -> Result<Fate, Syntax>,
    ) -> Result<(), Syntax> {
        let mut more = cursor.object()?;
        // Where what is kept ends.
        let mut kept = cursor.at();
        let mut any = false;
        while more {
            let name = cursor.key()?.decode();
            let fate = member(self, &name, cursor)?;
            let end = cursor.at();
            more = cursor.next_member()?;
            match fate {
                Fate::Kept => (any, kept) = (true, end),
                Fate::Dropped => {
                    self.flush(kept);
                    // One comma goes with it: the one before, or of the first ones the one behind.
                    self.copied = match any || !more {
                        true => end,
                        false => cursor.at(),
                    };
                }
            }
        }
        Ok(())
    }

    /// Puts a JSON text in the place of the next value.
    ///
    /// # Errors
    /// The text is not JSON from here.
    pub fn put(&mut self, cursor: &mut Cursor<'a>, json: &[u8]) -> Result<(), Syntax> {
        cursor.space();
        let start = cursor.at();
        cursor.skip()?;
        self.flush(start);
        self.out.extend_from_slice(json);
        self.copied = cursor.at();
        Ok(())
    }

    /// Does to the next value what an annotation says.
    ///
    /// # Errors
    /// The text is not JSON from here.
    pub fn act(&mut self, action: Action, cursor: &mut Cursor<'a>) -> Result<Fate, Syntax> {
        let kind = cursor.kind()?;
        if action == Action::Drop {
            cursor.skip()?;
            return Ok(Fate::Dropped);
        }
        if kind == Kind::Null {
            cursor.null()?;
            return Ok(Fate::Kept);
        }
        let mut ahead = *cursor;
        let mut json = Vec::with_capacity(68);
        match (action, self.hash) {
            (Action::Hash, Some(hash)) if self.out.len() < self.hashed_bytes_max() => {
                let hashed = match kind {
                    Kind::String => hash(ahead.string()?.decode().as_bytes()),
                    _ => hash(ahead.skip()?.as_bytes()),
                };
                write_string(&hashed, &mut json);
            }
            _ => write_string(MASK, &mut json),
        }
        self.put(cursor, &json).map(|()| Fate::Kept)
    }

    fn hashed_bytes_max(&self) -> usize {
        GROWS_BYTES_MIN.max(self.text.len().saturating_mul(GROWS_BY_MAX))
    }

    fn fated(&mut self, node: &Node, cursor: &mut Cursor<'a>) -> Result<Fate, Syntax> {
        match node.action {
            Some(action) => self.act(action, cursor),
            None => self.value(node, cursor).map(|()| Fate::Kept),
        }
    }

    fn value(&mut self, node: &Node, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        let of_object = !node.members.is_empty() || node.others.is_some();
        match (cursor.kind()?, node.items.as_deref()) {
            (Kind::Object, _) if of_object => {
                self.object(cursor, |this, name, cursor| match node.member(name) {
                    Some(node) => this.fated(node, cursor),
                    None => cursor.skip().map(|_| Fate::Kept),
                })
            }
            (Kind::Array, Some(items)) => {
                let mut more = cursor.array()?;
                while more {
                    // Elements are never dropped: the annotation is refused there.
                    self.fated(items, cursor)?;
                    more = cursor.next_element()?;
                }
                Ok(())
            }
            _ if self.wrong && !node.is_leaf() => self.bar(cursor),
            _ => cursor.skip().map(drop),
        }
    }

    fn flush(&mut self, to: usize) {
        if to > self.copied {
            self.out
                .extend_from_slice(&self.text.as_bytes()[self.copied..to]);
            self.copied = to;
        }
    }
}
