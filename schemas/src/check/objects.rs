//! Objects: every key is met once, looked up once, and its value checked while it is read.

use super::report::{Step, shown};
use super::strangers::Strangers;
use super::{Checker, Verdict, canonical};
use crate::program::node::{Id, Kinds, Node, Objects, Slots};
use crate::walk::{Cursor, Str};

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
        let rules = node
            .objects
            .as_deref()
            .unwrap_or(&self.program.open_objects);
        cursor.space();
        let start = cursor.at();
        let mut progress = Progress::default();
        let mut more = cursor.object()?;
        while more {
            self.member::<REPORT>(rules, &mut progress, cursor)?;
            more = cursor.next_member()?;
        }
        if !progress.seen.covers(&rules.required) {
            self.required::<REPORT>(rules, &rules.required, &progress.seen, "required", "")?;
        }
        if progress.count < rules.count_min || progress.count > rules.count_max {
            self.object_count::<REPORT>(rules, progress.count)?;
        }
        if !rules.dependent_required.is_empty() || !rules.dependent_schemas.is_empty() {
            self.dependents::<REPORT>(rules, &progress.seen, cursor.moved(start))?;
        }
        if node.constants.is_empty() {
            return Ok(());
        }
        self.container_constants::<REPORT>(node, cursor.moved(start), "object")
    }

    #[inline]
    fn member<const REPORT: bool>(
        &mut self,
        rules: &'a Objects,
        progress: &mut Progress<'a>,
        cursor: &mut Cursor<'a>,
    ) -> Verdict {
        progress.count += 1;
        cursor.space();
        let start = cursor.at();
        let guess = rules
            .names
            .get(progress.next)
            .filter(|name| cursor.take(&name.expected));
        let slot = if guess.is_some() {
            progress.next
        } else {
            let key = cursor.key()?;
            let slot = if key.escaped {
                rules.slot(&key.decode())
            } else {
                rules.slot(key.raw)
            };
            let Some(slot) = slot else {
                return self.stranger::<REPORT>(rules, progress, key, start, cursor);
            };
            slot
        };
        progress.next = slot + 1;
        let name = &rules.names[slot];
        if REPORT {
            self.report.enter(Step::Name(&name.key));
        }
        if !progress.seen.insert(slot) {
            self.duplicate::<REPORT>(&name.key)?;
        }
        if let Some(id) = rules.property_names {
            self.property_name::<REPORT>(id, &name.key, cursor.moved(start))?;
        }
        let value = cursor.at();
        self.part::<REPORT>(name.schema, name.keyword, cursor)?;
        for id in &name.more {
            self.part::<REPORT>(*id, "patternProperties", &mut cursor.moved(value))?;
        }
        if REPORT {
            self.report.leave();
        }
        Ok(())
    }

    /// A member whose key the schema does not mention.
    fn stranger<const REPORT: bool>(
        &mut self,
        rules: &'a Objects,
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
        if let Some(id) = rules.property_names {
            self.property_name::<REPORT>(id, &key.decode(), cursor.moved(start))?;
        }
        let value = cursor.at();
        let mut matched = false;
        if !rules.patterns.is_empty() {
            let decoded = key.decode();
            for (pattern, id) in &rules.patterns {
                if pattern.matches(&decoded) {
                    *cursor = cursor.moved(value);
                    self.part::<REPORT>(*id, "patternProperties", cursor)?;
                    matched = true;
                }
            }
        }
        if !matched {
            self.part::<REPORT>(rules.additional, "additionalProperties", cursor)?;
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
        rules: &'a Objects,
        wanted: &Slots,
        seen: &Slots,
        keyword: &'static str,
        reason: &str,
    ) -> Verdict {
        for (slot, name) in rules.names.iter().enumerate() {
            if wanted.has(slot) && !seen.has(slot) {
                let message = || format!("the property {:?} is missing{reason}", name.key);
                self.fail::<REPORT>(keyword, message)?;
            }
        }
        Ok(())
    }

    fn object_count<const REPORT: bool>(&mut self, rules: &'a Objects, count: usize) -> Verdict {
        if count < rules.count_min {
            let message = || {
                format!(
                    "{count} properties are fewer than the minimum of {}",
                    rules.count_min
                )
            };
            self.fail::<REPORT>("minProperties", message)
        } else {
            let message = || {
                format!(
                    "{count} properties are more than the maximum of {}",
                    rules.count_max
                )
            };
            self.fail::<REPORT>("maxProperties", message)
        }
    }

    fn dependents<const REPORT: bool>(
        &mut self,
        rules: &'a Objects,
        seen: &Slots,
        start: Cursor<'a>,
    ) -> Verdict {
        for (slot, wanted) in &rules.dependent_required {
            if seen.has(*slot) && !seen.covers(wanted) {
                let reason = format!(" although {:?} is there", rules.names[*slot].key);
                self.required::<REPORT>(rules, wanted, seen, "dependentRequired", &reason)?;
            }
        }
        for (slot, id) in &rules.dependent_schemas {
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
        if node
            .constants
            .iter()
            .any(|constants| !constants.containers.is_empty())
        {
            canonical::of_next(&mut { start }, &mut form)?;
        }
        self.constants::<REPORT>(
            node,
            |constants| constants.containers.contains(&form),
            || format!("this {what}"),
        )
    }
}
