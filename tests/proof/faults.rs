//! Everything that an API server, or what stands before it, can do wrong to a request or to a watch.

use crate::campaign::{Dice, all, must_hold, sampled};
use crate::crashes::recorded;
use crate::plan::{Class, Fault, Kind, Plan, WRITES};
use crate::plays::plays;

/// What may happen to a write.
const OF_WRITES: [Kind; 11] = [
    Kind::Conflict,
    Kind::Invalid,
    Kind::TooMany,
    Kind::Unavailable,
    Kind::TimeoutAfter,
    Kind::ResetBefore,
    Kind::ResetAfter,
    Kind::CutAfter,
    Kind::Hole,
    Kind::HoleAfter,
    Kind::Late,
];
const OF_READS: [Kind; 6] =
    [Kind::TooMany, Kind::Unavailable, Kind::ResetBefore, Kind::CutAfter, Kind::Hole, Kind::Stale];
const OF_WATCHES: [Kind; 11] = [
    Kind::TooMany,
    Kind::Unavailable,
    Kind::Gone,
    Kind::Hole,
    Kind::GoneInStream,
    Kind::Torn,
    Kind::HalfOpen,
    Kind::Drop,
    Kind::Twice,
    Kind::Swap,
    Kind::Coalesce,
];
const READS: [Class; 4] = [Class::GetRelease, Class::GetWorkload, Class::ListPods, Class::Read];
const WATCHES: [Class; 4] = [Class::WatchReleases, Class::WatchDeployments, Class::WatchSets, Class::WatchPods];

/// One fault of each kind on each class that occurs in this play, at a place that the dice choose.
fn each(play: &str, dice: &mut Dice) -> Vec<Fault> {
    let counts = &recorded()[play];
    let pairs = |kinds: &[Kind], classes: &[Class]| -> Vec<(Kind, Class)> {
        kinds.iter().flat_map(|k| classes.iter().map(|c| (*k, *c))).collect()
    };
    let all = [pairs(&OF_WRITES, &WRITES), pairs(&OF_READS, &READS), pairs(&OF_WATCHES, &WATCHES)].concat();
    let mut faults = Vec::new();
    for (kind, on) in all {
        let Some(count) = counts.get(&on).copied().filter(|c| *c > 0) else { continue };
        let nth = 1 + u32::try_from(dice.below(count as usize)).unwrap_or_default();
        let times = if matches!(kind, Kind::Hole | Kind::HoleAfter | Kind::Late | Kind::HalfOpen) { 1 } else { 3 };
        faults.push(Fault::new(kind, on, nth).times(times));
    }
    faults
}

#[test]
fn faults() {
    let (mut dice, mut plans) = (Dice::new(3), Vec::new());
    for play in plays() {
        plans.extend(each(play.name, &mut dice).into_iter().map(|f| Plan::of(play.name, &[f])));
    }
    let mut plans = if all() { plans } else { sampled(plans, 110) };
    // In every sample: no event of a workload or a pod comes at all, so what rolls out or goes back is only looked at.
    let silence = [Class::WatchDeployments, Class::WatchPods].map(|on| Fault::new(Kind::Drop, on, 1).times(999));
    plans.extend(["good", "abort"].map(|play| Plan::of(play, &silence)));
    must_hold("4 Faults of requests and watches", plans);
}

#[test]
fn faults_by_twos() {
    let (mut dice, mut plans) = (Dice::new(4), Vec::new());
    for play in plays() {
        let faults = each(play.name, &mut dice);
        let crash =
            [Kind::CrashBefore, Kind::CrashAfter].map(|k| Fault::new(k, Class::Status, 1 + dice.below(4) as u32));
        for n in 0..if all() { 8 } else { 1 } {
            let one = if n % 2 == 0 { crash[n / 2 % 2] } else { faults[dice.below(faults.len())] };
            let others: Vec<_> = faults.iter().copied().filter(|two| !one.hides(two)).collect();
            plans.push(Plan::of(play.name, &[one, others[dice.below(others.len())]]));
        }
    }
    let mut plans = if all() { plans } else { sampled(plans, 6) };
    // In every sample: events wait for an answer that does not come while the rollout goes on, and then the process dies.
    let silent = Fault::new(Kind::Hole, Class::Event, 2);
    plans.extend([4, 7].map(|n| Plan::of("good", &[silent, Fault::new(Kind::CrashAfter, Class::Status, n)])));
    must_hold("5 Faults by twos", plans);
}

/// Plays in which a process that starts believes what was true some writes ago.
const LAGGING: [&str; 10] = [
    "good",
    "production-health",
    "abort",
    "supersede-staging",
    "supersede-production",
    "restore-fails",
    "delete",
    "human-edit-production",
    "two-targets-bad",
    "stuck-pod",
];

/// A process that starts while the API server refuses or swallows its first questions, or answers what was true once.
#[test]
fn faults_at_the_start() {
    let mut refused = Vec::new();
    for on in [Class::ListReleases, Class::ListDeployments] {
        let kinds = [Kind::TooMany, Kind::Unavailable, Kind::ResetBefore, Kind::CutAfter, Kind::Hole, Kind::Gone];
        for kind in kinds.into_iter().chain([Kind::Stale]) {
            let crash = Fault::new(Kind::CrashAfter, Class::Status, 3);
            refused.push(Plan::of("good", &[crash, Fault::new(kind, on, 1).times(2)]));
        }
    }
    let mut lagging = Vec::new();
    for play in LAGGING {
        for on in [Class::Status, Class::Image, Class::Pod] {
            let count = recorded()[play].get(&on).copied().unwrap_or(0);
            // Before the second status there is nothing to be behind of.
            let first = if on == Class::Status { 2 } else { 1 };
            lagging.extend((first..=count).map(|n| Plan::of(play, &[Fault::new(Kind::CrashLagging, on, n)])));
        }
    }
    let plans = if all() { [refused, lagging].concat() } else { [sampled(refused, 4), sampled(lagging, 40)].concat() };
    must_hold("6 Faults at the start of a process", plans);
}
