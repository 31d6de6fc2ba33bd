//! Patterns that are a plain sequence of ASCII classes from start to end, such as `^[a-z]{2}-[A-Z]{2}$`: matched by one
//! table look-up a byte.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// Longest sequence that is worth its table.
const STEPS_MAX: usize = 256;

/// One class, repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    class: u128,
    min: usize,
    max: usize,
}

/// A compiled sequence.
#[derive(Debug)]
pub(super) struct Sequence {
    /// For each byte, the bits of the classes that it is in.
    table: Box<[u32; 256]>,
    steps: Box<[Run]>,
    /// The class of every byte, when all runs are of fixed length.
    each: Box<[u32]>,
    len_min: usize,
    len_max: usize,
}

/// A run of bytes that share the class of `bit`.
#[derive(Debug)]
struct Run {
    bit: u32,
    min: usize,
    max: usize,
}

impl Sequence {
    /// The sequence that the expression is, if it is one: anchored at both ends, and at each byte no choice.
    pub(super) fn of(hir: &Hir) -> Option<Self> {
        let HirKind::Concat(parts) = hir.kind() else {
            return None;
        };
        let [first, parts @ .., last] = parts.as_slice() else {
            return None;
        };
        if *first.kind() != HirKind::Look(Look::Start) || *last.kind() != HirKind::Look(Look::End) {
            return None;
        }
        let mut steps = Vec::new();
        for part in parts {
            push_steps(part, &mut steps)?;
        }
        if !is_deterministic(&steps) {
            return None;
        }
        let mut classes: Vec<u128> = Vec::new();
        let mut runs = Vec::new();
        for step in &steps {
            let at = classes.iter().position(|class| *class == step.class);
            let at = at.unwrap_or_else(|| {
                classes.push(step.class);
                classes.len() - 1
            });
            let bit = 1_u32.checked_shl(u32::try_from(at).ok()?)?;
            runs.push(Run {
                bit,
                min: step.min,
                max: step.max,
            });
        }
        let mut table = Box::new([0; 256]);
        for (at, class) in classes.iter().enumerate() {
            for byte in 0..128 {
                table[byte] |= u32::from(class >> byte & 1 == 1) << at;
            }
        }
        let len_min = runs.iter().map(|run| run.min).sum();
        let fixed = len_min <= STEPS_MAX && runs.iter().all(|run| run.min == run.max);
        let each = runs
            .iter()
            .filter(|_| fixed)
            .flat_map(|run| std::iter::repeat_n(run.bit, run.min));
        Some(Self {
            table,
            len_min,
            each: each.collect(),
            len_max: runs.iter().fold(0, |sum, run| sum.saturating_add(run.max)),
            steps: runs.into_boxed_slice(),
        })
    }

    #[inline]
    pub(super) fn matches(&self, bytes: &[u8]) -> bool {
        if bytes.len() < self.len_min || bytes.len() > self.len_max {
            return false;
        }
        if !self.each.is_empty() {
            // Without a branch a byte: most texts match to the end.
            let found = |(byte, bit): (&u8, &u32)| self.table[usize::from(*byte)] & bit;
            let all = bytes.iter().zip(&self.each).map(found);
            return all.fold(true, |all, found| all & (found != 0));
        }
        let mut rest = bytes;
        for step in &self.steps {
            let most = &rest[..rest.len().min(step.max)];
            let run = if step.min == step.max {
                let all = most
                    .iter()
                    .fold(u32::MAX, |all, b| all & self.table[usize::from(*b)]);
                if all & step.bit == 0 { 0 } else { most.len() }
            } else {
                let end = most
                    .iter()
                    .position(|b| self.table[usize::from(*b)] & step.bit == 0);
                end.unwrap_or(most.len())
            };
            if run < step.min {
                return false;
            }
            rest = &rest[run..];
        }
        rest.is_empty()
    }
}

fn push_steps(hir: &Hir, steps: &mut Vec<Step>) -> Option<()> {
    match hir.kind() {
        HirKind::Empty => {}
        HirKind::Literal(literal) => {
            for byte in &literal.0 {
                let class = 1_u128.checked_shl(u32::from(*byte))?;
                push(
                    steps,
                    Step {
                        class,
                        min: 1,
                        max: 1,
                    },
                )?;
            }
        }
        HirKind::Class(class) => push(
            steps,
            Step {
                class: ascii(class)?,
                min: 1,
                max: 1,
            },
        )?,
        HirKind::Capture(capture) => push_steps(&capture.sub, steps)?,
        HirKind::Concat(parts) => {
            for part in parts {
                push_steps(part, steps)?;
            }
        }
        HirKind::Repetition(repetition) => {
            let mut inner = Vec::new();
            push_steps(&repetition.sub, &mut inner)?;
            let min = usize::try_from(repetition.min).ok()?;
            let max = match repetition.max {
                Some(max) => usize::try_from(max).ok()?,
                None => usize::MAX,
            };
            match inner.as_slice() {
                [
                    Step {
                        class,
                        min: 1,
                        max: 1,
                    },
                ] => push(
                    steps,
                    Step {
                        class: *class,
                        min,
                        max,
                    },
                )?,
                _ if min == max && min.saturating_mul(inner.len()) <= STEPS_MAX => {
                    for step in std::iter::repeat_n(&inner, min).flatten() {
                        push(steps, step.clone())?;
                    }
                }
                _ => return None,
            }
        }
        HirKind::Look(_) | HirKind::Alternation(_) => return None,
    }
    Some(())
}

/// Adds a step, as a longer run of the last one where that says the same.
fn push(steps: &mut Vec<Step>, step: Step) -> Option<()> {
    match steps.last_mut() {
        Some(last) if last.class == step.class && last.min == last.max && step.min == step.max => {
            last.min = last.min.checked_add(step.min)?;
            last.max = last.min;
        }
        _ => steps.push(step),
    }
    (steps.len() <= STEPS_MAX).then_some(())
}

fn ascii(class: &Class) -> Option<u128> {
    let mut bits = 0_u128;
    let mut add = |from: u32, to: u32| {
        (from..=to.min(127)).for_each(|byte| bits |= 1_u128 << byte);
        to < 128
    };
    let all_ascii = match class {
        Class::Unicode(class) => class
            .iter()
            .all(|range| add(u32::from(range.start()), u32::from(range.end()))),
        Class::Bytes(class) => class
            .iter()
            .all(|range| add(u32::from(range.start()), u32::from(range.end()))),
    };
    (all_ascii && bits != 0).then_some(bits)
}

/// Whether taking as many bytes as each step allows can never be wrong: a step of variable length is followed by one
/// that must take a byte and shares none with it, or by the end.
fn is_deterministic(steps: &[Step]) -> bool {
    steps.windows(2).all(|pair| match pair {
        [step, next] => step.min == step.max || (next.min > 0 && step.class & next.class == 0),
        _ => true,
    })
}
