//! Killed before and after every write of every play, and twice by samples.

use crate::campaign::{Dice, all, must_hold, sampled};
use crate::plan::{Class, Fault, Kind, Plan, WRITES};
use crate::plays::plays;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Every write of these is crashed at, always.
const WHOLE: [&str; 1] = ["good"];

/// What happens in each play when nothing goes wrong: how many of each class.
pub(crate) fn recorded() -> &'static BTreeMap<String, BTreeMap<Class, u32>> {
    static RECORDED: OnceLock<BTreeMap<String, BTreeMap<Class, u32>>> = OnceLock::new();
    RECORDED.get_or_init(|| {
        let plans = plays().iter().map(|p| Plan::of(p.name, &[])).collect();
        let outcomes = must_hold("1 Nothing goes wrong", plans);
        outcomes.into_iter().map(|o| (o.plan.play, o.counts)).collect()
    })
}

/// Before each write of a play, then after each: whoever samples one in two must not take all of one kind.
fn points(play: &str) -> Vec<Fault> {
    let counts = &recorded()[play];
    let count = |on: &Class| counts.get(on).copied().unwrap_or(0);
    let writes: Vec<_> = WRITES.iter().flat_map(|on| (1..=count(on)).map(|n| (*on, n))).collect();
    let kinds = [Kind::CrashBefore, Kind::CrashAfter].into_iter();
    kinds.flat_map(|kind| writes.iter().map(move |(on, n)| Fault::new(kind, *on, *n))).collect()
}

#[test]
fn nothing_goes_wrong() {
    let writes: u32 = recorded().values().flat_map(|c| WRITES.map(|w| c.get(&w).copied().unwrap_or(0))).sum();
    let some = std::env::var_os("PROOF_PLAYS").is_some();
    assert!(some || plays().len() >= 50 && writes > 1000, "{} plays with {writes} writes", plays().len());
}

#[test]
fn killed_at_every_write() {
    let mut plans = Vec::new();
    for play in plays() {
        let single = points(play.name).into_iter().map(|f| Plan::of(play.name, &[f])).collect();
        plans.extend(if all() || WHOLE.contains(&play.name) { single } else { sampled(single, 60) });
    }
    must_hold("2 Killed before and after writes", plans);
}

#[test]
fn killed_twice() {
    let mut dice = Dice::new(2);
    let mut plans = Vec::new();
    for play in plays() {
        let points = points(play.name);
        for _ in 0..if all() { 8 } else { 1 } {
            let one = points[dice.below(points.len())];
            // Nobody dies twice of one write.
            let others: Vec<_> = points.iter().copied().filter(|two| !one.hides(two)).collect();
            plans.push(Plan::of(play.name, &[one, others[dice.below(others.len())]]));
        }
    }
    must_hold("3 Killed twice", if all() { plans } else { sampled(plans, 6) });
}
