//! Nothing is waited for longer than its deadline.

use crate::support::oracle::{History, Life, Violation};
use crate::support::wait::patience;
use jiff::{SignedDuration, Timestamp};
use tidegate::api::status::{Rollout, StageState, Step};

/// How much later than a deadline something may come on a machine that is busy, or after a crash.
pub(super) const LATE: SignedDuration = SignedDuration::from_secs(60);

/// A stage that was written is available by its deadline, or is given up.
pub(super) fn rolling(h: &History, life: &Life) -> Vec<Violation> {
    overdue(h, life, "is overdue, and rolls on", |rollout, stage| {
        rollout.step == Step::Rolling && stage.first_write_at.is_some()
    })
}

/// A stage that goes back is back by its deadline, or says that it is not.
pub(super) fn restoring(h: &History, life: &Life) -> Vec<Violation> {
    overdue(h, life, "is not back in time, and nobody is told", |rollout, stage| {
        let told = stage.targets.iter().any(|t| t.trouble.is_some());
        rollout.step == Step::Restoring && stage.restore_at.is_some() && !told
    })
}

/// Stages of which `waits` has been true, without a break, for longer than their deadline.
fn overdue(h: &History, life: &Life, says: &str, waits: fn(&Rollout, &StageState) -> bool) -> Vec<Violation> {
    let mut broken = Vec::new();
    for id in life.ids() {
        let mut since: Option<(String, Timestamp)> = None;
        for (moment, rollout) in life.of_rollout(id) {
            let stage = rollout.stage.as_ref().and_then(|s| rollout.stage_state(s));
            let (Some(stage), Some(by)) = (stage.filter(|s| waits(rollout, s)), &moment.by) else {
                since = None;
                continue;
            };
            if since.as_ref().is_none_or(|(name, _)| *name != stage.name) {
                since = Some((stage.name.clone(), by.begun));
            }
            let Some((name, begun)) = &since else { continue };
            let last = life.moments.last().is_some_and(|m| m.revision == moment.revision) && life.gone.is_none();
            let until = if last { h.sources.now } else { by.done };
            let spec = life.spec_of(id, moment.revision);
            let Some((_, stage)) = spec.as_ref().and_then(|s| s.stage(name)) else { continue };
            let deadline = SignedDuration::from_millis(stage.progress_deadline.millis());
            if until.duration_since(*begun) > deadline + LATE * i32::try_from(patience()).unwrap_or(1) {
                broken.push(Violation::at(moment.revision, format!("{name} {says}")));
            }
        }
    }
    broken
}
