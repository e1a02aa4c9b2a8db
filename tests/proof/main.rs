//! No crash, race, lost answer or stale read leaves production wrong: shown by trying.
//!
//! Each run is a play (`plays`) under a plan (`plan`): the real controller behind a proxy (`proxy`) that ends it, or does
//! to its requests what the plan says. The end must be one that the play may come to, the judge of `support::audit`
//! reads every write of the run, and `support::oracle` its whole history. By default a part that stands for all; everything: `make proof`. A violation names
//! the command that plays it again.
//!
//! Reading order: `plan`, `plays`, `run`, `proxy`, `played`, then what is tried: `crashes`, `faults`, `leaders`,
//! `clock`, `poison`.

// A test that panics has failed; that is what it is for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod campaign;
mod clock;
mod crashes;
mod end;
mod faults;
mod keeper;
mod leaders;
mod plan;
mod played;
mod plays;
mod poison;
mod proxy;
mod report;
mod run;

/// One plan, named by `PLAN`, as a violation prints it. Without it there is nothing to play.
#[test]
fn replay() {
    let Ok(text) = std::env::var("PLAN") else { return };
    let plans = text.split_whitespace().map(|plan| plan.parse().unwrap()).collect();
    campaign::must_hold("0 Replayed", plans);
}
