//! What holds between the nodes of one schema: cycles, which are refused, and nodes that only name others.

use super::index::Place;
use super::node::{Id, Node};

/// The nodes that close a cycle, by depth-first search with a stack of its own.
pub(super) fn on_cycles(edges: &[Vec<Id>]) -> Vec<usize> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let mut states = vec![State::New; edges.len()];
    let mut closing = Vec::new();
    for start in 0..edges.len() {
        if states[start] != State::New {
            continue;
        }
        states[start] = State::Open;
        let mut stack = vec![(start, 0)];
        while let Some((at, next)) = stack.last_mut() {
            let Some(id) = edges[*at].get(*next) else {
                states[*at] = State::Done;
                stack.pop();
                continue;
            };
            *next += 1;
            let (from, to) = (*at, id.0 as usize);
            match states[to] {
                State::New => {
                    states[to] = State::Open;
                    stack.push((to, 0));
                }
                State::Open => closing.push(from),
                State::Done => {}
            }
        }
    }
    closing
}

/// Makes every reference skip the schemas that are mere `$ref`s: each would cost another walk. There are no cycles.
pub(super) fn unalias(nodes: &mut [(Node, Option<Place>)]) {
    let mut targets: Vec<Id> = (0..nodes.len())
        .map(|at| Id(u32::try_from(at).unwrap_or(u32::MAX)))
        .collect();
    for start in 0..nodes.len() {
        let (mut at, mut passed) = (start, Vec::new());
        // What was resolved before is not followed again: the cost of long chains stays linear.
        while let Some(next) = nodes[at].0.alias_of()
            && targets[at].0 as usize == at
        {
            passed.push(at);
            at = next.0 as usize;
        }
        let target = targets[at];
        passed.into_iter().for_each(|alias| targets[alias] = target);
    }
    let mut change = |id: &mut Id| *id = targets[id.0 as usize];
    for (node, _) in nodes {
        node.each_in_place(&mut change);
        node.each_child(&mut change);
    }
}
