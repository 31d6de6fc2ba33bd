//! Keys that a schema does not mention, kept only to find the same key twice.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::walk::Str;

/// Up to this many keys are compared one by one, without an allocation.
const FEW: usize = 8;

/// The unmentioned keys of one object.
#[derive(Default)]
pub(super) struct Strangers<'a> {
    few: Option<[Str<'a>; FEW]>,
    len: usize,
    many: Option<HashSet<Cow<'a, str>>>,
}

impl<'a> Strangers<'a> {
    /// Adds a key; false when it is there already.
    pub(super) fn insert(&mut self, key: Str<'a>) -> bool {
        if let Some(many) = &mut self.many {
            return many.insert(key.decode());
        }
        let few = self.few.get_or_insert([key; FEW]);
        if few[..self.len].iter().any(|other| same(other, &key)) {
            return false;
        }
        if let Some(free) = few.get_mut(self.len) {
            *free = key;
            self.len += 1;
            return true;
        }
        let many = self.many.insert(HashSet::new());
        many.extend(few.iter().map(Str::decode));
        many.insert(key.decode())
    }
}

fn same(a: &Str<'_>, b: &Str<'_>) -> bool {
    match (a.escaped, b.escaped) {
        (false, false) => a.raw == b.raw,
        (true, _) => b.decode() == a.decode(),
        (false, true) => b.is(a.raw),
    }
}
