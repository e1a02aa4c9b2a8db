//! Writing a stage's targets in their order, and waiting until all are available on the new revision.

use super::draft::{Draft, Flow, Work, cause};
use super::preflight::Blocked;
use super::{ecs, entry, evidence, foreign, hooks, plan, restore, sight, strategy, stuck, supersede, warnings, write};
use crate::api::effect::{Answer, EcsWrite, Refused};
use crate::api::status::{Cause, ContainerImage, Refusal, Step, TargetState, TargetStep, Unanswered, Written};
use crate::api::time::Duration;
use crate::api::view::{LiveTarget, TargetView};
use crate::api::{EffectId, Reason, TargetId, Verb};

/// How often a forward intent is recorded anew because somebody else writes first.
const MAX_INTENTS: i32 = 5;

pub(super) fn advance(d: &mut Draft, w: &mut Work) -> Flow {
    ecs::heard(d, w);
    accepted(d, w);
    if ecs::doubted(d, w) {
        return deadline(d, w).unwrap_or(Flow::Stay);
    }
    if let Some(flow) = claimed_meanwhile(d, w).or_else(|| foreign::changed_by_others(d, w)) {
        return flow;
    }
    take_stock(d, w);
    if all_available(d, w) {
        let now = d.now;
        warnings::not_looked_up(d, std::slice::from_ref(w.stage()), ecs::health_denied);
        w.state_mut().available_at = Some(now);
        return w.go(Step::Verifying);
    }
    if let Some(failure) = failed(d, w) {
        return restore::fail_stage(d, w, failure);
    }
    // Before the next write: what has no time left, or makes room, writes nothing more.
    if let Some(flow) = deadline(d, w).or_else(|| supersede::make_room(d, w)) {
        return flow;
    }
    write_next(d, w)
}

/// Another Release wrote a target between our look and our write. Where nothing is written yet, that only stops us.
fn claimed_meanwhile(d: &mut Draft, w: &mut Work) -> Option<Flow> {
    let stage = w.stage_name();
    let waits = |t: &TargetState| matches!(t.state, TargetStep::Untouched | TargetStep::Writing);
    let (i, live, other) = w.state().targets.iter().enumerate().filter(|(_, t)| waits(t)).find_map(|(i, t)| {
        let live = sight::current(d, &stage, t)?;
        Some((i, live, live.claimed_by.clone()?))
    })?;
    let message = format!("{} belongs to Release {other}", live.workload);
    let state = &mut w.state_mut().targets[i];
    state.not_written();
    if w.wrote() {
        let busy = cause(Reason::TargetBusy, message, false, d.now);
        return Some(restore::fail_stage(d, w, busy));
    }
    w.state_mut().first_write_at = None;
    Some(entry::block(d, w, Blocked { reason: Reason::TargetBusy, message }))
}

/// ECS says that it took the write: its reads may not show it for a while, but it is made.
fn accepted(d: &Draft, w: &mut Work) {
    let Some(Answer::Applied { generation, resource_version }) = d.obs.answer.clone() else { return };
    let stage = w.stage().clone();
    let writing = |t: &TargetState| t.state == TargetStep::Writing;
    let Some(i) = w.state().targets.iter().position(writing) else { return };
    let Some(live) = d.live(&stage.name, &stage.targets[i].name).filter(|l| l.ecs.is_some()) else { return };
    let images = write::writable(live, plan::wanted(&w.spec, &stage.targets[i]));
    w.rollout.blocked = None;
    seen(w, i, Written { images, generation, revision: Some(resource_version) });
}

/// What was intended and is seen to run is written, whoever told us.
fn take_stock(d: &Draft, w: &mut Work) {
    let stage = w.stage().clone();
    for (i, target) in stage.targets.iter().enumerate() {
        let state = &w.state().targets[i];
        let Some(live) = sight::current(d, &stage.name, state).filter(|_| state.state == TargetStep::Writing) else {
            continue;
        };
        let images = write::writable(live, plan::wanted(&w.spec, target));
        let made = live.ecs.as_ref().and_then(|e| ecs::made(&w.state().targets[i], e));
        if made.is_some() || live.runs(&images) {
            w.rollout.blocked = None;
            let revision = made.or_else(|| live.ecs.as_ref().and(live.revision.clone()));
            seen(w, i, Written { images, generation: live.generation, revision });
        }
    }
}

/// Writes the next target, if one is left; else what holds one up is looked for.
fn write_next(d: &mut Draft, w: &mut Work) -> Flow {
    let stage = w.stage().clone();
    for (i, target) in stage.targets.iter().enumerate() {
        if !matches!(w.state().targets[i].state, TargetStep::Untouched | TargetStep::Inherited | TargetStep::Writing) {
            continue;
        }
        let state = &w.state().targets[i];
        let Some(live) = sight::current(d, &stage.name, state) else {
            d.look_again_in(sight::AGAIN);
            return Flow::Stay;
        };
        let images = write::writable(live, plan::wanted(&w.spec, target));
        return write(d, w, i, live, images);
    }
    let since = w.state().first_write_at.unwrap_or(d.now);
    stuck::free(d, w, since);
    // Of what could not be read nothing may be heard again.
    let says_less = |t: &TargetState| d.live(&stage.name, &t.name).is_none_or(|l| sight::says_less(l, t));
    if w.state().targets.iter().any(says_less) {
        d.look_again_in(sight::AGAIN);
    }
    Flow::Stay
}

fn seen(w: &mut Work, i: usize, written: Written) {
    let state = &mut w.state_mut().targets[i];
    state.state = TargetStep::Written;
    state.refused = None;
    state.written = Some(written);
}

/// Records the intent, or carries out the one that is recorded.
fn write(d: &mut Draft, w: &mut Work, i: usize, live: &LiveTarget, images: Vec<ContainerImage>) -> Flow {
    let written_before = w.state().targets.iter().any(|t| t.state == TargetStep::Written);
    match d.obs.answer.clone() {
        Some(Answer::Refused { kind: kind @ (Refused::Forbidden | Refused::Invalid), message }) => {
            return refused(d, w, i, kind, message, written_before);
        }
        Some(Answer::Ambiguous { message }) if live.ecs.is_some() => {
            // What it did shows late. To write again too soon would be a second write.
            let now = d.now;
            let state = &mut w.state_mut().targets[i];
            let count = ecs::unsure(live).max(state.refused.as_ref().map_or(0, |r| r.count + 1));
            state.refused = Some(Refusal { message, at: now, count });
            d.look_again(now.plus(write::pause(count)));
            return Flow::Stay;
        }
        Some(Answer::Ambiguous { .. } | Answer::Refused { kind: Refused::Throttled, .. }) => {
            d.look_again_in(Duration::from_secs(1));
            return Flow::Stay;
        }
        _ => {}
    }
    if let Some(r) = &w.state().targets[i].refused
        && !d.due(r.at.plus(write::pause(r.count)))
    {
        return Flow::Stay;
    }
    if ecs::unheard(d, &mut w.state_mut().targets[i], live) {
        return Flow::Stay;
    }
    let (id, stage) = (w.rollout.id, w.stage_name());
    if let Some(why) = changed_while_hooks_ran(w, i, live) {
        let contended = cause(Reason::Contended, why, false, d.now);
        return restore::fail_stage(d, w, contended);
    }
    if w.state().targets[i].state != TargetStep::Writing {
        warn_orphans(d, live, w.stage().targets[i].containers());
        if let Some(kept) = strategy::kept(live) {
            d.warning(Reason::PartitionKeepsPods, kept);
        }
    }
    let found = live.images(w.stage().targets[i].containers());
    let state = &mut w.state_mut().targets[i];
    let effect = EffectId::new(&d.rel.uid, id, &TargetId::new(&stage, &state.name), Verb::Forward);
    if state.intent_generation != Some(live.generation) || state.state != TargetStep::Writing {
        state.intents += 1;
        if state.intents > MAX_INTENTS {
            let message = format!("{} is changed by others as often as Tidegate tries to write it", live.workload);
            let contended = cause(Reason::Contended, message, false, d.now);
            return restore::fail_stage(d, w, contended);
        }
    }
    state.state = TargetStep::Writing;
    state.effect = Some(effect.clone());
    state.intent_generation = Some(live.generation);
    state.found = found;
    state.unanswered = live.ecs.as_ref().map(|_| Unanswered::default());
    state.progressing_before = live.progressing.clone();
    state.restarts_before = evidence::restarts(live, None);
    let way_back = state.way_back.clone();
    let mut stamp = write::stamp(d, effect, &images, way_back.as_ref());
    stamp.irreversible = hooks::barred(d, w);
    let how = live.ecs.as_ref().map(|_| EcsWrite::Copy);
    d.effect = Some(write::target_write(&stage, &w.state().targets[i], live, images, stamp, how));
    Flow::Stay
}

/// The way back was chosen for what ran before the hooks.
fn changed_while_hooks_ran(w: &Work, i: usize, live: &LiveTarget) -> Option<String> {
    let state = &w.state().targets[i];
    let found = write::writable(live, state.found.clone());
    let untouched = state.state == TargetStep::Untouched && !found.is_empty();
    if !untouched || live.runs(&found) { None } else { foreign::difference(live, &found) }
}

fn warn_orphans(d: &mut Draft, live: &LiveTarget, listed: &[String]) {
    for container in live.containers.iter().filter(|c| c.orphaned && listed.contains(&c.name)) {
        let note =
            format!("container {} of {} was removed by its owner; Tidegate gives it up", container.name, live.workload);
        d.warning(Reason::ContainerOrphaned, note);
    }
}

/// A refused write: before the stage's first write that only stops the rollout, after it the clock decides.
fn refused(d: &mut Draft, w: &mut Work, i: usize, kind: Refused, message: String, written_before: bool) -> Flow {
    let now = d.now;
    let state = &mut w.state_mut().targets[i];
    let count = state.refused.as_ref().map_or(0, |r| r.count) + 1;
    state.refused = Some(Refusal { message: message.clone(), at: now, count });
    // Nobody wrote in between: trying again is not a fight.
    state.intents = 0;
    d.look_again(now.plus(write::pause(count)));
    if written_before {
        return Flow::Stay;
    }
    state.not_written();
    w.state_mut().first_write_at = None;
    // Roles refuse with these words; admission has its own.
    let rights = ["cannot patch resource", "not authorized to perform"];
    let no_right = kind == Refused::Forbidden && rights.iter().any(|r| message.contains(r));
    let reason = if no_right { Reason::PermissionDenied } else { Reason::WriteRefused };
    entry::block(d, w, Blocked { reason, message })
}

fn all_available(d: &Draft, w: &mut Work) -> bool {
    let stage = w.stage_name();
    let mut all = true;
    for state in &mut w.state_mut().targets {
        let Some(live) = sight::current(d, &stage, state) else { return false };
        let Some(written) = &mut state.written else { return false };
        if evidence::rolled_out(live, Some(&written.images)) {
            written.revision = live.revision.clone();
            written.generation = live.generation;
        } else {
            all = false;
        }
    }
    all
}

/// Proof from the pods of any written target that it will not become available.
pub(super) fn failed(d: &mut Draft, w: &mut Work) -> Option<Cause> {
    let stage = w.stage_name();
    let now = d.now;
    for i in 0..w.state().targets.len() {
        let state = &mut w.state_mut().targets[i];
        let Some(live) = sight::observed(d, &stage, state) else { continue };
        if !matches!(state.state, TargetStep::Written | TargetStep::Adopted) {
            continue;
        }
        if let Some(f) = evidence::failure(live, state, now) {
            return Some(cause(f.reason, f.message, f.fault, now));
        }
        if let Some(at) = evidence::next_look(state, now) {
            d.look_again(at);
        }
    }
    None
}

/// Ends the stage when its clock has run out.
fn deadline(d: &mut Draft, w: &mut Work) -> Option<Flow> {
    let start = w.state().first_write_at?;
    if !d.due(start.plus(w.stage().progress_deadline)) {
        return None;
    }
    let stage = w.stage().clone();
    let mut why = (Reason::ProgressDeadlineExceeded, String::from("its targets were not available"));
    for target in &stage.targets {
        match d.view(&stage.name, &target.name) {
            TargetView::Live(live) if !evidence::rolled_out(&live, None) => why = evidence::waiting_for(&live),
            TargetView::Denied(m) | TargetView::Unreachable(m) => why = (Reason::Inconclusive, m),
            _ => {}
        }
    }
    let message = format!("not available within {}: {}", stage.progress_deadline, why.1);
    let late = cause(why.0, message, false, d.now);
    Some(restore::fail_stage(d, w, late))
}
