//! How long a world may take to its end once the adversary rests.

use crate::api::spec::{OnInconclusive, PromotionMode, ReleaseSpec, Retry, RollbackScope, Stage};
use crate::api::time::Duration;

/// Rounds that a check has at least, when nobody could ask.
const UNASKED: i32 = 4;

/// Everything that may be waited for, one after the other, to its deadline: by the rollout in work, and by one more for
/// each of `orders`.
pub(super) fn longest(spec: &ReleaseSpec, orders: u8) -> Duration {
    let ahead = sum(spec.stages.iter().enumerate().map(|(at, stage)| forward(spec, at, stage)));
    // One stage is taken back, unless one of them takes those before with it.
    let all = spec.stages.iter().any(|s| s.rollback.scope == RollbackScope::Release);
    let each = spec.stages.iter().map(back);
    let behind = if all { sum(each) } else { each.max().unwrap_or_default() };
    sum([ahead, behind]).times(1 + i64::from(orders))
}

/// A stage is approved, its hooks run, it becomes available, is asked, bakes, and is then missed in part or not seen;
/// at last a person may be asked.
fn forward(spec: &ReleaseSpec, at: usize, stage: &Stage) -> Duration {
    let promotion = spec.promotion(at);
    let asked = i64::from(promotion.mode != PromotionMode::Automatic);
    let held = i64::from(stage.rollback.on_inconclusive == OnInconclusive::Hold);
    let hooks = sum(stage.hooks.iter().map(|h| h.timeout()));
    let progress = stage.progress_deadline.times(2);
    sum([promotion.timeout.times(asked + held), hooks, progress, checks(stage), stage.bake.unwrap_or_default()])
}

/// It becomes available on its way back, what its hooks did is undone, it is asked, and then missed in part or not seen.
fn back(stage: &Stage) -> Duration {
    let hooks = sum(stage.on_rollback.iter().map(|h| h.timeout()));
    sum([stage.progress_deadline.times(2), hooks, checks(stage)])
}

/// As many rounds as one check after the other may have.
fn checks(stage: &Stage) -> Duration {
    let rounds =
        |r: &Retry| r.interval.times(r.attempts.saturating_mul(r.successes.saturating_add(1)).max(UNASKED).into());
    let health = stage.health_checks.iter().flat_map(|c| [c.initial_delay.unwrap_or_default(), rounds(&c.retry)]);
    sum(health.chain(stage.smoke_tests.iter().map(|c| rounds(&c.retry))))
}

fn sum(all: impl IntoIterator<Item = Duration>) -> Duration {
    Duration::from_millis(all.into_iter().map(Duration::millis).sum())
}
