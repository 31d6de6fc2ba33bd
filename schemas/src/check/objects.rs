//! Objects: every key is met once, looked up once, and its value checked while it is read.

use super::report::{Step, shown};
use super::scalars::{kind_of, may_overflow};
use super::strangers::Strangers;
use super::{Checker, Verdict, canonical};
use crate::program::node::{Id, Kinds};
use crate::program::packed::{Key, Members, Node, Rare};
use crate::program::slots::Slots;
use crate::walk::{Cursor, Kind, Str};

/// What is known about an object while its members are read.
#[derive(Default)]
struct Progress<'a> {
    seen: Slots,
    strangers: Strangers<'a>,
    count: usize,
    /// The slot that the next key is guessed to have: clients write keys in the schema's order.
    next: usize,
}

impl<'a> Checker<'a> {
    // Not inlined: scalars, which are most values, shall not pay for this frame.
    #[inline(never)]
    pub(super) fn object<const REPORT: bool>(
        &mut self,
        node: &'a Node,
        cursor: &mut Cursor<'a>,
    ) -> Verdict {
        self.kind::<REPORT>(node, Kinds::OBJECT, || "object".to_owned())?;
        let members = self.rules.members(node);
        cursor.space();
        let start = cursor.at();
        let mut progress = Progress::default();
        let mut more = cursor.object()?;
        while more {
            self.member::<REPORT>(&members, &mut progress, cursor)?;
            more = cursor.next_member()?;
        }
        if !members.has_required(&progress.seen) {
            let required = members.required();
            self.required::<REPORT>(&members, &required, &progress.seen, "required", "")?;
        }
        if let Some(rare) = members.rare {
            self.object_count::<REPORT>(rare, progress.count)?;
            self.dependents::<REPORT>(&members, rare, &progress.seen, cursor.moved(start))?;
        }
        if !node.has_constants() {
            return Ok(());
        }
        self.container_constants::<REPORT>(node, cursor.moved(start), "object")
    }

    #[inline]
    fn member<const REPORT: bool>(
        &mut self,
        members: &Members<'a>,
        progress: &mut Progress<'a>,
        cursor: &mut Cursor<'a>,
    ) -> Verdict {
        progress.count += 1;
        cursor.space();
        let start = cursor.at();
        let guess = members.keys.get(progress.next).filter(|key| {
            let (head, len, text) = members.text(key);
            cursor.take_text(head, len, text)
        });
        let (slot, key) = if let Some(key) = guess {
            (progress.next, key)
        } else {
            let key = cursor.key()?;
            let slot = if key.escaped {
                members.slot(&key.decode())
            } else {
                members.slot(key.raw)
            };
            let Some(slot) = slot else {
                return self.stranger::<REPORT>(members, progress, key, start, cursor);
            };
            (slot, &members.keys[slot])
        };
        progress.next = slot + 1;
        if REPORT {
            self.report.enter(Step::Name(&members.detail(slot).key));
        }
        if !progress.seen.insert(slot) {
            self.duplicate::<REPORT>(&members.detail(slot).key)?;
        }
        if let Some(id) = members.rare.and_then(|rare| rare.property_names) {
            let key = &members.detail(slot).key;
            self.property_name::<REPORT>(id, key, cursor.moved(start))?;
        }
        let value = cursor.at();
        if REPORT {
            let keyword = members.detail(slot).keyword;
            self.part::<REPORT>(key.schema, keyword, cursor)?;
        } else {
            self.of_key(key, cursor)?;
        }
        if key.has_more {
            for id in &members.detail(slot).more {
                self.part::<REPORT>(*id, "patternProperties", &mut cursor.moved(value))?;
            }
        }
        if REPORT {
            self.report.leave();
        }
        Ok(())
    }

    /// Decides on a property's value: without a look at its schema, if its type alone decides.
    #[inline]
    fn of_key(&mut self, key: &'a Key, cursor: &mut Cursor<'a>) -> Verdict {
        let kind = cursor.kind()?;
        match kind {
            Kind::String if key.free.has(Kinds::STRING) => return Ok(cursor.pass_string()?),
            Kind::Null if key.free.has(Kinds::NULL) => return Ok(cursor.null()?),
            Kind::Number if key.free.has(Kinds::INTEGER) => {
                let found = cursor.number()?;
                if key.free.has(kind_of(found)) && !may_overflow(found) {
                    return Ok(());
                }
                return self.number::<false>(self.rules.node(key.schema), found);
            }
            _ => {}
        }
        let node = self.rules.node(key.schema);
        if node.has_branches() {
            self.layered::<false>(key.schema, node, cursor)
        } else {
            self.own_of::<false>(node, kind, cursor)
        }
    }

    /// A member whose key the schema does not mention.
    fn stranger<const REPORT: bool>(
        &mut self,
        members: &Members<'a>,
        progress: &mut Progress<'a>,
        key: Str<'a>,
        start: usize,
        cursor: &mut Cursor<'a>,
    ) -> Verdict {
        if REPORT {
            self.report.enter(Step::Key(key));
        }
        if !progress.strangers.insert(key) {
            self.duplicate::<REPORT>(&key.decode())?;
        }
        if let Some(id) = members.rare.and_then(|rare| rare.property_names) {
            self.property_name::<REPORT>(id, &key.decode(), cursor.moved(start))?;
        }
        let value = cursor.at();
        let mut matched = false;
        let patterns = members.rare.map_or(&[][..], |rare| &rare.patterns);
        if !patterns.is_empty() {
            let decoded = key.decode();
            for (pattern, id) in patterns {
                if self.rules.pattern(*pattern).matches(&decoded) {
                    *cursor = cursor.moved(value);
                    self.part::<REPORT>(*id, "patternProperties", cursor)?;
                    matched = true;
                }
            }
        }
        if !matched {
            self.part::<REPORT>(members.additional(), "additionalProperties", cursor)?;
        }
        if REPORT {
            self.report.leave();
        }
        Ok(())
    }

    fn duplicate<const REPORT: bool>(&mut self, key: &str) -> Verdict {
        let message = || {
            format!(
                "the key {} appears more than once",
                shown(&format!("{key:?}"))
            )
        };
        self.fail::<REPORT>("duplicateKey", message)
    }

    /// Checks a key as the string that it is: between its quotes it reads as a value.
    fn property_name<const REPORT: bool>(
        &mut self,
        id: Id,
        key: &str,
        start: Cursor<'a>,
    ) -> Verdict {
        if self.value::<false>(id, &mut { start }).is_ok() {
            return Ok(());
        }
        self.fail::<REPORT>("propertyNames", || {
            format!(
                "{} is not allowed as a property name",
                shown(&format!("{key:?}"))
            )
        })
    }

    fn required<const REPORT: bool>(
        &mut self,
        members: &Members<'a>,
        wanted: &Slots,
        seen: &Slots,
        keyword: &'static str,
        reason: &str,
    ) -> Verdict {
        for slot in 0..members.keys.len() {
            if wanted.has(slot) && !seen.has(slot) {
                let key = &members.detail(slot).key;
                let message = || format!("the property {key:?} is missing{reason}");
                self.fail::<REPORT>(keyword, message)?;
            }
        }
        Ok(())
    }

    fn object_count<const REPORT: bool>(&mut self, rare: &Rare, count: usize) -> Verdict {
        let (min, max) = (rare.count_min, rare.count_max);
        if count < min {
            let message = || format!("{count} properties are fewer than the minimum of {min}");
            self.fail::<REPORT>("minProperties", message)
        } else if count > max {
            let message = || format!("{count} properties are more than the maximum of {max}");
            self.fail::<REPORT>("maxProperties", message)
        } else {
            Ok(())
        }
    }

    fn dependents<const REPORT: bool>(
        &mut self,
        members: &Members<'a>,
        rare: &'a Rare,
        seen: &Slots,
        start: Cursor<'a>,
    ) -> Verdict {
        for (slot, wanted) in &rare.dependent_required {
            if seen.has(*slot) && !seen.covers(wanted) {
                let reason = format!(" although {:?} is there", members.detail(*slot).key);
                self.required::<REPORT>(members, wanted, seen, "dependentRequired", &reason)?;
            }
        }
        for (slot, id) in &rare.dependent_schemas {
            if seen.has(*slot) {
                self.part::<REPORT>(*id, "dependentSchemas", &mut { start })?;
            }
        }
        Ok(())
    }

    /// `enum` and `const` for an array or object, which is compared in canonical form.
    pub(super) fn container_constants<const REPORT: bool>(
        &mut self,
        node: &'a Node,
        start: Cursor<'a>,
        what: &str,
    ) -> Verdict {
        let mut form = Vec::new();
        let mut constants = self.rules.constants(node).iter();
        if constants.any(|constants| !constants.detail.containers.is_empty()) {
            canonical::of_next(&mut { start }, &mut form)?;
        }
        self.constants::<REPORT>(
            node,
            |constants| constants.detail.containers.contains(&form),
            || format!("this {what}"),
        )
    }
}
