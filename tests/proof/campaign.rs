//! Many runs side by side, and what became of them.

use crate::plan::Plan;
use crate::played::Played;
use crate::report;
use crate::run::{Outcome, run};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Everything, or a part that stands for it.
pub(crate) fn all() -> bool {
    std::env::var("PROOF").is_ok_and(|v| v == "all")
}

/// Of everything, one in so many: `PROOF_ONE_IN`, for a night that is short.
fn one_in() -> usize {
    std::env::var("PROOF_ONE_IN").ok().and_then(|v| v.parse().ok()).filter(|_| all()).unwrap_or(1)
}

/// Of many, one in so many, beginning with the seed.
pub(crate) fn sampled<T>(many: Vec<T>, one_in: usize) -> Vec<T> {
    let first = usize::try_from(seed()).unwrap_or_default() % one_in;
    many.into_iter().skip(first).step_by(one_in).collect()
}

/// What the samples are drawn by. Another one: `PROOF_SEED`.
pub(crate) fn seed() -> u64 {
    std::env::var("PROOF_SEED").ok().and_then(|v| v.parse().ok()).unwrap_or(1)
}

/// The same numbers from the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(salt: u64) -> Self {
        Self(seed().wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ salt.wrapping_mul(0xD1B5_4A32_D192_ED03) | 1)
    }
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % end.max(1)
    }
}

/// Plays them, and fails at the end if one was violated. Sections take turns.
pub(crate) fn must_hold(section: &str, plans: Vec<Plan>) -> Vec<Outcome> {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut different = BTreeSet::new();
    let plans: Vec<Plan> = plans.into_iter().filter(|p| different.insert(p.to_string())).collect();
    let (started, planned) = (Instant::now(), plans.len());
    let whole = plans.iter().all(|p| p.faults.is_empty() && p.replicas == 1 && !p.play.contains('.'));
    let plans = if whole { plans } else { sampled(plans, one_in()) };
    let outcomes = if all() { go_on(plans) } else { play_all(plans, &|_| {}) };
    report::section(section, planned, &outcomes, started.elapsed());
    let violated: Vec<_> = outcomes.iter().filter_map(|o| Some((o, o.end.as_ref().err()?))).collect();
    for (outcome, why) in &violated {
        eprintln!("=== VIOLATED {}\n    {}\n{why}\n", outcome.plan, outcome.plan.replay());
    }
    let names: Vec<_> = violated.iter().map(|(o, _)| o.plan.to_string()).collect();
    assert!(violated.is_empty(), "{} of {} runs were violated: {names:#?}", names.len(), outcomes.len());
    outcomes
}

/// Plays those that did not hold before.
fn go_on(plans: Vec<Plan>) -> Vec<Outcome> {
    let played = Played::open();
    let (before, open): (Vec<_>, Vec<_>) =
        plans.into_iter().map(|p| (played.outcome(&p.to_string()), p)).partition(|(o, _)| o.is_some());
    let played = Mutex::new(played);
    let mut outcomes: Vec<Outcome> = before.into_iter().filter_map(|(outcome, _)| outcome).collect();
    if !outcomes.is_empty() {
        eprintln!("{} held before", outcomes.len());
    }
    let keep = |outcome: &Outcome| played.lock().unwrap_or_else(PoisonError::into_inner).keep(outcome);
    outcomes.extend(play_all(open.into_iter().map(|(_, plan)| plan).collect(), &keep));
    let played = played.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.iter_mut().for_each(|o| o.violated_before = played.violated(&o.plan.to_string()));
    outcomes
}

fn play_all(plans: Vec<Plan>, keep: &(dyn Fn(&Outcome) + Sync)) -> Vec<Outcome> {
    let workers: usize = std::env::var("PROOF_WORKERS").ok().and_then(|v| v.parse().ok()).unwrap_or(6);
    let (total, queue, done) = (plans.len(), Mutex::new(VecDeque::from(plans)), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..workers.min(total) {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(plan) = next else { return };
                    let outcome = run(&plan);
                    keep(&outcome);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    let how = outcome.end.as_ref().map_or("VIOLATED", |e| e.as_str());
                    let missed = if outcome.struck { "" } else { " (not every fault came to pass)" };
                    eprintln!("{}/{total} {} {:.1?}: {how}{missed}", done.len() + 1, outcome.plan, outcome.took);
                    done.push(outcome);
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}
