//! Bringing written targets to their way back: which are owed, and the write itself.
//!
//! A newer change by somebody else is never overwritten, and a target that cannot be written holds up no other.

use super::draft::{Draft, Work, cause};
use super::ecs::{self, Way};
use super::{choose, foreign, plan, sight, stuck, write};
use crate::api::effect::{Answer, EcsWrite, Refused};
use crate::api::status::{ContainerImage, Refusal, Step, TargetState, TargetStep, Unanswered, WayBack, Written};
use crate::api::time::Duration;
use crate::api::view::{LiveContainer, LiveTarget, TargetView};
use crate::api::{EffectId, MANAGER, Reason, TargetId, Verb};

/// Writes what is still owed, in reverse order, at most one target per decision. Whether something stays owed.
pub(super) fn bring_back(d: &mut Draft, w: &mut Work) -> bool {
    let stage = w.stage_name();
    let mut owed = false;
    let mut answer = d.obs.answer.clone().filter(|_| !stuck::asked(w));
    for i in (0..w.state().targets.len()).rev() {
        let state = w.state().targets[i].clone();
        if !matches!(
            state.state,
            TargetStep::Inherited
                | TargetStep::Writing
                | TargetStep::Written
                | TargetStep::Restoring
                | TargetStep::Restored
        ) {
            continue;
        }
        if state.effect.is_none() {
            continue;
        }
        match d.view(&stage, &state.name) {
            TargetView::Absent | TargetView::Terminating => gone(&mut w.state_mut().targets[i]),
            TargetView::Live(l) if state.uid.as_ref().is_some_and(|u| *u != l.uid) => {
                gone(&mut w.state_mut().targets[i]);
            }
            TargetView::Live(live) => owed |= restore(d, w, i, &live, &mut answer),
            TargetView::Denied(message) | TargetView::Unreachable(message) => {
                owed |= state.state != TargetStep::Restored;
                put_off(d, w, i, message);
            }
        }
    }
    owed
}

/// What ECS accepted is done, whatever its reads show for a while.
pub(super) fn heard_of(d: &Draft, w: &mut Work) {
    let mut all = w.state_mut().targets.iter_mut().filter_map(|t| t.accepted.as_mut());
    let Some(accepted) = all.find(|a| a.asked) else { return };
    match d.obs.answer.clone() {
        Some(Answer::Applied { resource_version, .. }) => accepted.revision = Some(resource_version),
        Some(Answer::Stopping { deployment }) => accepted.stopped = Some(deployment),
        _ => {}
    }
}

/// Brings one target back. Whether its write is still owed.
fn restore(d: &mut Draft, w: &mut Work, i: usize, live: &LiveTarget, answer: &mut Option<Answer>) -> bool {
    let state = w.state().targets[i].clone();
    let Some(way_back) = state.way_back.clone() else { return false };
    if sight::older(live, &state) {
        // Neither is the old version back, nor did somebody bring another one. Nothing may happen that would tell more.
        d.look_again_in(sight::AGAIN);
        return state.state != TargetStep::Restored;
    }
    let back = write::writable(live, way_back.images.clone());
    // What still runs the old version may be about to show the new one.
    if state.state == TargetStep::Writing && ecs::unheard(d, &mut w.state_mut().targets[i], live) {
        return true;
    }
    if live.runs(&back) {
        arrived(d, w, i, live);
        return false;
    }
    let Some(ours) = put_there(d, w, &state, i, live) else {
        left_alone(d, w, i, live);
        return false;
    };
    if let Some(misfit) = misfit(&way_back, live) {
        put_off(d, w, i, misfit);
        return true;
    }
    if d.effect.is_some() {
        return true;
    }
    if let Some(r) = state.refused.as_ref().filter(|r| d.now < r.at.plus(write::pause(r.count))) {
        d.look_again(r.at.plus(write::pause(r.count)));
        return true;
    }
    let answered = !matches!(answer, Some(Answer::Ambiguous { .. }));
    if state.state == TargetStep::Restoring
        && let Some(Answer::Refused { message, .. } | Answer::Ambiguous { message }) =
            answer.take().filter(|a| !stale(a))
    {
        let unsure = if answered { 0 } else { ecs::unsure(live) };
        let count = unsure.max(state.refused.as_ref().map_or(0, |r| r.count) + 1);
        let now = d.now;
        w.state_mut().targets[i].refused = Some(Refusal { message, at: now, count });
        d.look_again(now.plus(write::pause(count)));
        return true;
    }
    match to_do(d, w, i, live) {
        ToDo::Write(how) => write(d, w, i, live, (ours, back), how),
        ToDo::Wait => {}
        ToDo::Nothing => return false,
    }
    true
}

/// Why a way back cannot be one of this workload: somebody changed the status, and a write of it would prove nothing.
fn misfit(way_back: &WayBack, live: &LiveTarget) -> Option<String> {
    if way_back.images.is_empty() {
        return Some(format!("the way back of {} names no image", live.workload));
    }
    let other = way_back.images.iter().find(|b| live.container(&b.container).is_none())?;
    Some(format!("the way back of {} is of a container that it does not have: {:?}", live.workload, other.container))
}

/// Nothing can be done about what is owed there now; why is said at the deadline.
fn put_off(d: &mut Draft, w: &mut Work, i: usize, message: String) {
    let now = d.now;
    let state = &mut w.state_mut().targets[i];
    if state.state != TargetStep::Restored {
        let count = state.refused.as_ref().map_or(1, |r| r.count);
        let at = state.refused.as_ref().filter(|r| r.message == message).map_or(now, |r| r.at);
        state.refused = Some(Refusal { message, at, count });
    }
    d.look_again_in(Duration::from_secs(10));
}

enum ToDo {
    Write(Option<EcsWrite>),
    Wait,
    /// It is lost.
    Nothing,
}

/// How the way back is to be brought now.
fn to_do(d: &mut Draft, w: &mut Work, i: usize, live: &LiveTarget) -> ToDo {
    let state = &mut w.state_mut().targets[i];
    let (Some(service), Some(back)) = (&live.ecs, state.way_back.clone()) else { return ToDo::Write(None) };
    match ecs::way(live, service, state, &back) {
        Way::Wait => ToDo::Wait,
        Way::Stop(deployment) => ToDo::Write(Some(EcsWrite::Stop(deployment))),
        Way::Bring if ecs::unheard(d, state, live) => ToDo::Wait,
        Way::Bring => {
            let definition = ecs::definition(live, &back).cloned();
            let again = state.unanswered.is_some();
            ToDo::Write(Some(definition.map_or(EcsWrite::Copy, |arn| EcsWrite::TaskDefinition { arn, again })))
        }
        Way::Lost(message) => {
            state.trouble = Some(cause(Reason::RollbackFailed, message, false, d.now));
            ToDo::Nothing
        }
    }
}

/// The object changed since it was read: that is no refusal, and costs no pause.
fn stale(answer: &Answer) -> bool {
    matches!(answer, Answer::Refused { kind: Refused::Conflict, .. })
}

/// What was owed went with the object.
fn gone(state: &mut TargetState) {
    state.state = TargetStep::Gone;
    state.trouble = None;
}

/// It runs its way back, whoever brought it.
fn arrived(d: &Draft, w: &mut Work, i: usize, live: &LiveTarget) {
    let (now, patience, verifying) = (d.now, w.stage().progress_deadline, w.rollout.step == Step::VerifyingRestore);
    let wanted = plan::wanted(&w.spec, &w.stage().targets[i]);
    let state = w.state_mut();
    let target = &mut state.targets[i];
    target.refused = None;
    if target.state != TargetStep::Restored {
        target.state = TargetStep::Restored;
        if live.ecs.is_some() {
            let ours = target.written.as_ref().and_then(|x| x.revision.clone());
            target.accepted.get_or_insert_default().forward = ours;
        }
        // A write that was intended and never made has left none. Which revision is judged is not known yet.
        let inherited = target.inherited.as_ref().map(|i| i.written.clone());
        let images = target.written.take().or(inherited).map_or(wanted, |x| x.images);
        target.written = Some(Written { images, generation: live.generation, revision: None });
        // Paid late, it still gets its time to become available.
        if state.restore_at.is_some_and(|at| now >= at.plus(patience)) {
            state.restore_at = Some(now);
        }
    }
    let target = &mut state.targets[i];
    let blocked = target.trouble.as_ref().is_some_and(|t| t.reason == Reason::RollbackBlocked);
    if live.paused && !verifying && !blocked {
        let message = format!("{} is paused: its old image is written, and comes when it is resumed", live.workload);
        target.trouble = Some(cause(Reason::RollbackBlocked, message, false, now));
    } else if blocked && !live.paused {
        target.trouble = None;
    }
}

/// What we put there, this rollout or one whose debt it took over, if it still runs. Only that is taken away.
fn put_there(d: &Draft, w: &Work, state: &TargetState, i: usize, live: &LiveTarget) -> Option<Vec<ContainerImage>> {
    let wanted = plan::wanted(&w.spec, &w.stage().targets[i]);
    if state.state == TargetStep::Restored {
        return came_late(state, live).then(|| write::writable(live, wanted)).filter(|ours| live.runs(ours));
    }
    let ours = write::writable(live, state.written.as_ref().map_or(wanted, |x| x.images.clone()));
    if live.runs(&ours) || live.ecs.as_ref().is_some_and(|e| ecs::took_back(live, e, state)) {
        return Some(ours);
    }
    if let Some(inherited) = state.inherited.as_ref().filter(|i| live.runs(&i.written.images)) {
        return Some(inherited.written.images.clone());
    }
    choose::debt_of(d, &w.stage_name(), &state.name, live).map(|debt| debt.written)
}

/// The forward write was given up on without an answer, the way back seemed to run, and then it was made after all.
/// Whoever else brings that image back later owns it, and the stamp alone says nothing.
fn came_late(state: &TargetState, live: &LiveTarget) -> bool {
    let forward = state.effect.as_ref().filter(|e| e.parts().is_some_and(|p| p.verb == Verb::Forward));
    let stamped = forward.is_some() && live.stamp.as_ref().map(|s| &s.effect) == forward;
    let ours = |c: &LiveContainer| !c.owners.is_empty() && c.owners.iter().all(|o| o == MANAGER);
    let written = || state.way_back.iter().flat_map(|b| &b.images).filter_map(|i| live.container(&i.container));
    live.ecs.is_none() && stamped && written().all(ours)
}

/// Something else runs there than what we wrote.
fn left_alone(d: &Draft, w: &mut Work, i: usize, live: &LiveTarget) {
    let state = &w.state().targets[i];
    if state.state == TargetStep::Writing
        && state.inherited.is_none()
        && live.stamp.as_ref().map(|s| &s.effect) != state.effect.as_ref()
    {
        // The write was never made: it runs what it ran before.
        let state = &mut w.state_mut().targets[i];
        state.state = TargetStep::Untouched;
        state.effect = None;
        return;
    }
    if let Some(message) = live.ecs.as_ref().and_then(|e| ecs::lost(live, e, state)) {
        let state = &mut w.state_mut().targets[i];
        state.state = TargetStep::Foreign;
        state.trouble = Some(cause(Reason::RollbackFailed, message, false, d.now));
        return;
    }
    let back = state.way_back.as_ref().map(|b| b.images.clone()).unwrap_or_default();
    let message = foreign::difference(live, &back)
        .unwrap_or_else(|| format!("{} was changed after it was restored", live.workload));
    let contended = w.rollout.cause.as_ref().is_some_and(|c| c.reason == Reason::Contended);
    let state = &mut w.state_mut().targets[i];
    state.state = TargetStep::Foreign;
    state.trouble = (!contended).then(|| cause(Reason::RollbackBlocked, message, false, d.now));
}

fn write(
    d: &mut Draft,
    w: &mut Work,
    i: usize,
    live: &LiveTarget,
    (ours, back): (Vec<ContainerImage>, Vec<ContainerImage>),
    how: Option<EcsWrite>,
) {
    let (id, stage) = (w.rollout.id, w.stage_name());
    for other in w.state_mut().targets.iter_mut().filter_map(|t| t.accepted.as_mut()) {
        other.asked = false;
    }
    let state = &mut w.state_mut().targets[i];
    if live.ecs.is_some() {
        state.accepted.get_or_insert_default().asked = true;
        state.unanswered = Some(Unanswered::default());
    }
    let effect = EffectId::new(&d.rel.uid, id, &TargetId::new(&stage, &state.name), Verb::Restore);
    if state.state != TargetStep::Restoring {
        state.progressing_before = live.progressing.clone();
        if state.written.is_none() {
            let revision = live.ecs.as_ref().and(live.revision.clone());
            state.written = Some(Written { images: ours.clone(), generation: live.generation, revision });
        }
    }
    state.state = TargetStep::Restoring;
    state.effect = Some(effect.clone());
    state.intent_generation = Some(live.generation);
    let way_back = w.state().targets[i].way_back.clone();
    let mut stamp = write::stamp(d, effect, &back, way_back.as_ref());
    stamp.way_back = back.clone();
    stamp.took = ours.into_iter().map(|o| o.image).collect();
    stamp.took.dedup();
    d.effect = Some(write::target_write(&stage, &w.state().targets[i], live, back, stamp, how));
}
