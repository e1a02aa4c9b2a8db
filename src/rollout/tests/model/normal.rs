//! The normal form of a world: two that the core cannot tell apart have the same one.
//!
//! - It is always the same time. Every instant is moved along, and one that lies further back than any deadline reaches
//!   is moved to where the deadlines end.
//! - What only people read (messages, events, the times in the history) is dropped.
//! - Versions of objects are the newest or an older one.
//!
//! That the core cannot tell them apart is not believed but shown, by `a_world_and_its_normal_form_go_on_alike`.

use super::acts::Play;
use crate::api::condition::{DRIFTED, TARGET_CONTENDED};
use crate::api::effect::Answer;
use crate::api::status::{Cause, ReleaseStatus, Rollout, StageState, TargetState};
use crate::api::time::{Duration, Time};
use crate::api::view::TargetView;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;

/// It is always this time.
pub(super) const NOW: i64 = 1_790_000_000_000;
/// Longer than any deadline of any configuration.
const HORIZON: Duration = Duration::from_secs(150);
/// A write that was refused so often is tried again no later if it is refused once more.
const OFTEN: i32 = 8;
const NEWEST: &str = "newest";
const OLDER: &str = "older";

pub(super) fn normalize(play: &mut Play) {
    if !play.lands() {
        play.late = None;
    }
    let w = &mut play.w;
    let (now, past) = (Time::from_millis(NOW), w.now.since(Time::from_millis(NOW)));
    let moved = |at: &mut Time| *at = at.minus(past).max(now.minus(HORIZON));
    of_status(&mut w.rel.status, &moved);
    w.results.iter_mut().chain(&mut w.last_result).for_each(|r| moved(&mut r.at));
    (w.now, w.again, w.version, w.status_writes) = (now, None, 1, 0);
    if let Some(Answer::Applied { resource_version, .. }) = &mut w.answer {
        *resource_version = NEWEST.into();
    }
    w.writes.clear();
    w.events.clear();
    w.phases.clear();
    w.images.clear();
    w.asked_for.clear();
    let mut newest = true;
    for (id, view) in w.targets.iter_mut().chain(&mut w.hidden) {
        let TargetView::Live(live) = view else { continue };
        if let Some(late) = play.late.as_ref().filter(|l| l.stage == id.stage && l.target == id.target) {
            newest = late.resource_version == live.resource_version;
        }
        live.resource_version = NEWEST.into();
    }
    w.past.values_mut().for_each(|live| live.resource_version = OLDER.into());
    if let Some(late) = &mut play.late {
        late.resource_version = if newest { NEWEST } else { OLDER }.into();
    }
    if let Some(rollout) = &w.rel.status.rollout {
        play.laws.only_of(rollout.id);
    }
}

fn of_status(status: &mut ReleaseStatus, moved: &impl Fn(&mut Time)) {
    status.message = None;
    status.announced.clear();
    status.announcements = 0;
    for condition in &mut status.conditions {
        condition.last_transition_time = meta::Time(Time::from_millis(NOW).timestamp());
        if ![DRIFTED, TARGET_CONTENDED].contains(&condition.type_.as_str()) {
            condition.message.clear();
        }
    }
    let over = |at: &mut Time| *at = Time::from_millis(NOW).minus(HORIZON);
    status.stable.iter_mut().for_each(|s| over(&mut s.at));
    status.quarantine.iter_mut().for_each(|q| over(&mut q.at));
    status.failing.iter_mut().for_each(|f| moved(&mut f.since));
    for entry in &mut status.history {
        over(&mut entry.started_at);
        over(&mut entry.ended_at);
        entry.cause.iter_mut().for_each(|c| over(&mut c.at));
        entry.approvals.iter_mut().for_each(|a| over(&mut a.at));
        for stage in &mut entry.stages {
            let own = [&mut stage.first_write_at, &mut stage.verified_at, &mut stage.restore_at];
            own.into_iter().flatten().for_each(over);
        }
    }
    // One that has ended too: a person may have it taken back.
    if let Some(rollout) = &mut status.rollout {
        of_rollout(rollout, moved);
    }
}

fn of_rollout(rollout: &mut Rollout, moved: &impl Fn(&mut Time)) {
    // Only the history tells when it began.
    rollout.started_at = Time::from_millis(NOW).minus(HORIZON);
    rollout.ended_at.iter_mut().for_each(moved);
    let causes: [&mut Option<Cause>; 3] = [&mut rollout.cause, &mut rollout.held, &mut rollout.blocked];
    causes.into_iter().flatten().for_each(|c| moved(&mut c.at));
    if let Some(promotion) = &mut rollout.promotion {
        moved(&mut promotion.since);
        promotion.given.iter_mut().for_each(|g| moved(&mut g.at));
    }
    rollout.approvals.iter_mut().for_each(|a| moved(&mut a.at));
    for stage in &mut rollout.stages {
        of_stage(stage, moved);
        stage.targets.iter_mut().for_each(|t| of_target(t, moved));
    }
}

fn of_stage(stage: &mut StageState, moved: &impl Fn(&mut Time)) {
    let own = [
        &mut stage.first_write_at,
        &mut stage.choosing_since,
        &mut stage.resolved_at,
        &mut stage.available_at,
        &mut stage.bake_until,
        &mut stage.restore_at,
        &mut stage.verified_at,
        &mut stage.unseen_since,
        &mut stage.unavailable_since,
        &mut stage.undigested_since,
    ];
    own.into_iter().flatten().for_each(moved);
    for hook in stage.hooks.iter_mut().chain(&mut stage.on_rollback) {
        moved(&mut hook.started_at);
        [&mut hook.ended_at, &mut hook.stop_at].into_iter().flatten().for_each(moved);
        let of_job = hook.job.iter_mut().flat_map(|j| [&mut j.again_at, &mut j.missing_since]);
        of_job.flatten().for_each(moved);
    }
    stage.checks.iter_mut().filter_map(|c| c.at.as_mut()).for_each(moved);
    stage.gates.iter_mut().for_each(|g| moved(&mut g.at));
    stage.baselines.iter_mut().for_each(|b| moved(&mut b.since));
    stage.ready.iter_mut().for_each(|r| moved(&mut r.at));
}

fn of_target(target: &mut TargetState, moved: &impl Fn(&mut Time)) {
    let own = [&mut target.pull_error_since, &mut target.create_error_since, &mut target.doubted_since];
    own.into_iter().flatten().for_each(moved);
    if let Some(refused) = &mut target.refused {
        moved(&mut refused.at);
        refused.count = refused.count.min(OFTEN);
    }
    for pod in &mut target.stuck_pods {
        moved(&mut pod.at);
        pod.count = pod.count.min(OFTEN);
    }
    target.trouble.iter_mut().for_each(|c| moved(&mut c.at));
    target.unanswered.iter_mut().filter_map(|u| u.unheard_since.as_mut()).for_each(moved);
}
