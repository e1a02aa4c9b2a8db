//! Processes that begin with a wrong clock. While one runs its clock cannot jump: it reads the wall clock once.
//!
//! The library that shows a process another time is `libfaketime`, which `make test` and `make proof` bring from Debian's
//! package of that name, or what `PROOF_FAKETIME` names. Where there is none, nothing of this is played, and the report
//! says so.

use crate::campaign::{all, must_hold, sampled};
use crate::crashes::recorded;
use crate::plan::{Class, Fault, Kind, Plan};
use crate::report;
use std::path::PathBuf;

const BROUGHT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/faketime/libfaketime.so.1");
const BEHIND: [&str; 6] = ["good", "production-health", "expiry", "abort", "restore-fails", "delete"];
const AHEAD: [&str; 6] = ["staging-health", "expiry", "restore-fails", "first-bad", "good", "bake"];

fn library() -> Option<PathBuf> {
    let named = std::env::var_os("PROOF_FAKETIME").map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(BROUGHT)).filter(|p| p.exists()))
}

/// What a process that follows such an end is started with.
pub(crate) fn environment(after: Option<Kind>) -> Vec<(&'static str, String)> {
    let shift = match after {
        // What was announced more than an hour ago is not published again: events live for an hour.
        Some(Kind::CrashAhead) => "+59m",
        Some(Kind::CrashBehind) => "-1h",
        _ => return Vec::new(),
    };
    let library = library().unwrap_or_else(|| panic!("set PROOF_FAKETIME to libfaketime.so.1"));
    vec![
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME", shift.to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
}

/// A stage, an approval or a restore that another clock finds overdue ends so, which is no less safe: nothing is brought
/// that was not asked for. So does a stage that bakes: its last word must come from after the bake, and by that clock none
/// came for longer than anybody waits. A clock that is ahead by less than the stage's deadline would end the bake early
/// instead, which the oracle calls wrong; that is not played.
pub(crate) fn may_be_overdue(plan: &Plan, end: &str) -> bool {
    const OVERDUE: [&str; 4] = ["ProgressDeadlineExceeded", "Inconclusive", "PromotionExpired", "RollbackFailed"];
    plan.faults.iter().any(|f| f.kind == Kind::CrashAhead) && OVERDUE.iter().any(|r| end.contains(r))
}

#[test]
fn the_clock_jumps_by_an_hour() {
    if library().is_none() {
        return report::note("9 The clock jumps by an hour", "Not played: there is no libfaketime.\n".to_owned());
    }
    let mut plans = Vec::new();
    let plays = BEHIND.map(|p| (p, Kind::CrashBehind)).into_iter().chain(AHEAD.map(|p| (p, Kind::CrashAhead)));
    for (play, kind) in plays {
        let count = recorded()[play].get(&Class::Status).copied().unwrap_or(0);
        plans.extend((1..=count).map(|n| Plan::of(play, &[Fault::new(kind, Class::Status, n)])));
    }
    must_hold("9 The clock jumps by an hour", if all() { plans } else { sampled(plans, 16) });
}
