//! Arrays: elements are checked while they are read; `contains` and `uniqueItems` look at them again.

use std::collections::HashMap;

use super::report::Step;
use super::{Checker, Stop, Verdict, canonical};
use crate::program::node::{Arrays, Kinds};
use crate::program::packed::Node;
use crate::walk::Cursor;

impl<'a> Checker<'a> {
    // Not inlined: scalars, which are most values, shall not pay for this frame.
    #[inline(never)]
    pub(super) fn array<const REPORT: bool>(
        &mut self,
        node: &'a Node,
        cursor: &mut Cursor<'a>,
    ) -> Verdict {
        self.kind::<REPORT>(node, Kinds::ARRAY, || "array".to_owned())?;
        let rules = self.rules.arrays(node);
        cursor.space();
        let start = cursor.at();
        let (mut count, mut contained) = (0, 0);
        let mut more = cursor.array()?;
        while more {
            let element = cursor.at();
            let (id, keyword) = match rules.prefix.get(count) {
                Some(id) => (*id, "prefixItems"),
                None => (rules.items, rules.items_keyword),
            };
            if REPORT {
                self.report.enter(Step::Index(count));
            }
            self.part::<REPORT>(id, keyword, cursor)?;
            if REPORT {
                self.report.leave();
            }
            if let Some(contains) = &rules.contains
                && self
                    .value::<false>(contains.schema, &mut cursor.moved(element))
                    .is_ok()
            {
                contained += 1;
            }
            count += 1;
            more = cursor.next_element()?;
        }
        self.array_count::<REPORT>(rules, count, contained)?;
        if rules.unique && count > 1 {
            self.unique::<REPORT>(cursor.moved(start))?;
        }
        if !node.has_constants() {
            return Ok(());
        }
        self.container_constants::<REPORT>(node, cursor.moved(start), "array")
    }

    #[inline]
    fn array_count<const REPORT: bool>(
        &mut self,
        rules: &'a Arrays,
        count: usize,
        contained: usize,
    ) -> Verdict {
        let (min, max) = (rules.count_min, rules.count_max);
        if count < min {
            let message = || format!("{count} items are fewer than the minimum of {min}");
            self.fail::<REPORT>("minItems", message)?;
        }
        if count > max {
            let message = || format!("{count} items are more than the maximum of {max}");
            self.fail::<REPORT>("maxItems", message)?;
        }
        let Some(contains) = &rules.contains else {
            return Ok(());
        };
        let (min, max) = (contains.min, contains.max);
        if contained < min {
            let keyword = if min == 1 { "contains" } else { "minContains" };
            self.fail::<REPORT>(keyword, || {
                format!("{contained} items match the schema of contains, at least {min} must")
            })?;
        }
        if contained > max {
            self.fail::<REPORT>("maxContains", || {
                format!("{contained} items match the schema of contains, at most {max} may")
            })?;
        }
        Ok(())
    }

    /// Compares the canonical forms of all elements, by hash: the cost stays linear for arrays of any length.
    fn unique<const REPORT: bool>(&mut self, start: Cursor<'a>) -> Verdict {
        let mut cursor = start;
        let mut forms = HashMap::new();
        let mut index = 0_usize;
        let mut more = cursor.array()?;
        while more {
            let mut form = Vec::new();
            canonical::of_next(&mut cursor, &mut form).map_err(|_| Stop)?;
            if let Some(first) = forms.insert(form, index) {
                return self.fail::<REPORT>("uniqueItems", || {
                    format!("the items {first} and {index} are equal")
                });
            }
            index += 1;
            more = cursor.next_element()?;
        }
        Ok(())
    }
}
