//! Instants of another clock: the process before this one had one that was ahead, or the node's was set back.
//!
//! Whoever waited until such an instant has passed would stand still for as long as the clocks differ, and no answer
//! would be younger than what it is held against. So they count as now: every wait that hangs on them begins anew, and
//! none is cut short.

use crate::api::status::Rollout;
use crate::api::time::Time;

/// Brings whatever lies ahead to `now`. What is meant to lie ahead, the end of a bake, is not touched.
pub(super) fn tame(rollout: &mut Rollout, now: Time) {
    let tame = |at: &mut Time| *at = (*at).min(now);
    tame(&mut rollout.started_at);
    [&mut rollout.cause, &mut rollout.held, &mut rollout.blocked].into_iter().flatten().for_each(|c| tame(&mut c.at));
    if let Some(promotion) = &mut rollout.promotion {
        tame(&mut promotion.since);
        promotion.given.iter_mut().for_each(|g| tame(&mut g.at));
    }
    for stage in &mut rollout.stages {
        let own = [
            &mut stage.first_write_at,
            &mut stage.choosing_since,
            &mut stage.available_at,
            &mut stage.restore_at,
            &mut stage.verified_at,
            &mut stage.unseen_since,
            &mut stage.unavailable_since,
            &mut stage.undigested_since,
            &mut stage.resolved_at,
        ];
        own.into_iter().flatten().for_each(tame);
        for target in &mut stage.targets {
            let own = [&mut target.pull_error_since, &mut target.create_error_since, &mut target.doubted_since];
            own.into_iter().flatten().for_each(tame);
            target.unanswered.iter_mut().filter_map(|u| u.unheard_since.as_mut()).for_each(tame);
            target.refused.iter_mut().for_each(|r| tame(&mut r.at));
        }
        for hook in stage.hooks.iter_mut().chain(&mut stage.on_rollback) {
            tame(&mut hook.started_at);
            let (job, task) = (hook.job.as_mut(), hook.task.as_mut());
            let of_job = job.into_iter().flat_map(|j| [&mut j.tried_at, &mut j.missing_since]);
            let of_task = task.into_iter().map(|t| &mut t.missing_since);
            of_job.chain(of_task).chain([&mut hook.stop_at]).flatten().for_each(tame);
        }
        stage.baselines.iter_mut().for_each(|b| tame(&mut b.since));
        stage.checks.iter_mut().filter_map(|c| c.at.as_mut()).for_each(tame);
    }
}
