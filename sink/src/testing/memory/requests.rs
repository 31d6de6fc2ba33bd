//! What is asked of a store.

/// How many requests of each kind there were, whatever came of them, steady ones apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "a kind of request each")]
pub struct Requests {
    pub creates: u64,
    pub reads: u64,
    pub heads: u64,
    pub lists: u64,
    pub deletes: u64,
}

impl Requests {
    /// All of them.
    pub fn all(&self) -> u64 {
        self.creates + self.reads + self.heads + self.lists + self.deletes
    }

    pub(super) fn count(&mut self, doing: &str) {
        match doing {
            "create" => self.creates += 1,
            "read" => self.reads += 1,
            "look at" => self.heads += 1,
            "list" => self.lists += 1,
            _ => self.deletes += 1,
        }
    }
}

impl std::ops::Sub for Requests {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            creates: self.creates - before.creates,
            reads: self.reads - before.reads,
            heads: self.heads - before.heads,
            lists: self.lists - before.lists,
            deletes: self.deletes - before.deletes,
        }
    }
}
