//! Instants of another clock: the process before this one had one that was ahead, or the node's was set back.
//!
//! Whoever waited until such an instant has passed would stand still for as long as the clocks differ, and no answer
//! would be younger than what it is held against. So they count as now: every wait that hangs on them begins anew, and
//! none is cut short. What is meant to lie ahead counts as far ahead as it can be meant to.

use super::hooks;
use crate::api::status::{HookState, Rollout};
use crate::api::time::Time;

/// Brings whatever lies ahead to `now`. The end of a bake, which is meant to lie ahead, is not touched.
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
            tame_hook(hook, now);
        }
        stage.baselines.iter_mut().for_each(|b| tame(&mut b.since));
        stage.checks.iter_mut().filter_map(|c| c.at.as_mut()).for_each(tame);
    }
}

fn tame_hook(hook: &mut HookState, now: Time) {
    let tame = |at: &mut Time| *at = (*at).min(now);
    tame(&mut hook.started_at);
    hook.stop_at.iter_mut().for_each(tame);
    let next = now.plus(hooks::pause(hook));
    if let Some(job) = &mut hook.job {
        job.missing_since.iter_mut().for_each(tame);
        job.again_at = job.again_at.map(|at| at.min(next));
    }
    if let Some(task) = &mut hook.task {
        tame(&mut task.asked_at);
        task.missing_since.iter_mut().for_each(tame);
        task.again_at = task.again_at.map(|at| at.min(next));
    }
}
