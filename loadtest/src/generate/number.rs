//! Numbers within bounds.

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use serde_json::Value;

use super::facets::Facets;

/// How far a number may go from its only bound.
const REACH: f64 = 10_000.0;
/// The largest magnitude at which every integer is also a double.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
/// Chances of an extreme value: at a bound, or far away where there is none.
const AT_BOUND_SHARE: f64 = 0.03;
/// Numbers written without a fraction although they may have one.
const WHOLE_SHARE: f64 = 0.15;

struct Bounds {
    least: f64,
    most: f64,
    open_least: bool,
    open_most: bool,
}

fn bounds(facets: &Facets<'_>, rng: &mut Xoshiro256PlusPlus) -> Bounds {
    let tighter = |inclusive: Option<f64>, exclusive: Option<f64>, above: bool| match (
        inclusive, exclusive,
    ) {
        (Some(closed), Some(open)) if (open >= closed) == above => (Some(open), true),
        (Some(closed), _) => (Some(closed), false),
        (None, Some(open)) => (Some(open), true),
        (None, None) => (None, false),
    };
    let (least, open_least) = tighter(
        facets.largest("minimum"),
        facets.largest("exclusiveMinimum"),
        true,
    );
    let (most, open_most) = tighter(
        facets.smallest("maximum"),
        facets.smallest("exclusiveMaximum"),
        false,
    );
    let far = if rng.random_bool(AT_BOUND_SHARE) {
        EXACT_MAX
    } else {
        REACH
    };
    let (least, most) = match (least, most) {
        (Some(least), Some(most)) => (least, most),
        (Some(least), None) => (least, (least + far).min(EXACT_MAX.max(least))),
        (None, Some(most)) => ((most - far).max(most.min(-EXACT_MAX)), most),
        (None, None) => (if rng.random_bool(0.2) { -far } else { 0.0 }, far),
    };
    Bounds {
        least,
        most,
        open_least,
        open_most,
    }
}

/// A number within the bounds; none when there is none.
pub(super) fn make(
    facets: &Facets<'_>,
    whole: bool,
    rng: &mut Xoshiro256PlusPlus,
) -> Option<Value> {
    let bounds = bounds(facets, rng);
    let step = facets.smallest("multipleOf").filter(|step| *step > 0.0);
    match step {
        None if whole || rng.random_bool(WHOLE_SHARE) => {
            integer(&bounds, rng).or_else(|| if whole { None } else { fraction(&bounds, rng) })
        }
        None => fraction(&bounds, rng),
        Some(step) if whole => stepped(&bounds, step.max(1.0).ceil(), rng),
        Some(step) => stepped(&bounds, step, rng),
    }
}

fn integer(bounds: &Bounds, rng: &mut Xoshiro256PlusPlus) -> Option<Value> {
    let least = bounds.least.ceil();
    let most = bounds.most.floor();
    let open = |open: bool, bound: f64, inner: f64| open && bound == inner;
    let least = least
        + if open(bounds.open_least, bounds.least, least) {
            1.0
        } else {
            0.0
        };
    let most = most
        - if open(bounds.open_most, bounds.most, most) {
            1.0
        } else {
            0.0
        };
    if least > most {
        return None;
    }
    Some(Value::from(between(least, most, rng)))
}

/// An integer from `least` to `most`, now and then one of the two.
fn between(least: f64, most: f64, rng: &mut Xoshiro256PlusPlus) -> i64 {
    // `as` saturates, which is what bounds beyond i64 need.
    let (least, most) = (least as i64, most as i64);
    if rng.random_bool(AT_BOUND_SHARE) {
        return if rng.random_bool(0.5) { least } else { most };
    }
    rng.random_range(least..=most.max(least))
}

fn fraction(bounds: &Bounds, rng: &mut Xoshiro256PlusPlus) -> Option<Value> {
    let within = |value: f64| {
        let above = value > bounds.least || (value == bounds.least && !bounds.open_least);
        let below = value < bounds.most || (value == bounds.most && !bounds.open_most);
        above && below
    };
    let width = bounds.most - bounds.least;
    for digits in [100.0, 1_000_000.0] {
        let value = bounds.least + width * rng.random::<f64>();
        let rounded = (value * digits).round() / digits;
        if within(rounded) {
            return Some(Value::from(rounded));
        }
    }
    let middle = bounds.least + width / 2.0;
    within(middle).then(|| Value::from(middle))
}

fn stepped(bounds: &Bounds, step: f64, rng: &mut Xoshiro256PlusPlus) -> Option<Value> {
    let steps = Bounds {
        least: bounds.least / step,
        most: bounds.most / step,
        ..*bounds
    };
    let count = integer(&steps, rng)?.as_i64()?;
    if step.fract() == 0.0 && step < EXACT_MAX {
        return Some(Value::from(count.checked_mul(step as i64)?));
    }
    // Dividing by 100 gives the double nearest to the decimal that multiplying by 0.01 would miss.
    let parts = (1.0 / step).round();
    let exact = (1.0 / parts - step).abs() < f64::EPSILON * step;
    let count = count as f64;
    Some(Value::from(if exact {
        count / parts
    } else {
        count * step
    }))
}
