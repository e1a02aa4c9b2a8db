//! Services on ECS: what AWS was asked to write, and what was stored before.
//!
//! No precondition tells which status a call was decided on: it is the last one from before the call. Whose call it is, is
//! told by the service, and by the tag of the effect where two intend to write it.

mod definitions;
mod standing;

pub(super) use definitions::{
    exactly_the_way_back, image_of_the_spec, images_and_nothing_else, over_our_own, way_back_differs, way_back_first,
    way_back_kept,
};
pub(super) use standing::{available_first, restored_runs, what_runs};

use super::approval::entered_rightly;
use crate::support::oracle::{Call, History, Life, Moment, Violation};
use jiff::Timestamp;
use std::collections::BTreeMap;
use tidegate::api::EffectId;
use tidegate::api::status::{HookState, HookStep, Rollout, StageState, Step, TargetState, TargetStep, Workload};

/// The tag by which a registered task definition says which effect made it.
const EFFECT: &str = "tidegate.dev/effect";

/// A target on ECS in the last status from before a call.
#[derive(Clone, Copy)]
struct Intent<'h> {
    life: &'h Life,
    moment: &'h Moment,
    rollout: &'h Rollout,
    stage: &'h StageState,
    target: &'h TargetState,
}

/// A call that began a deployment or turned one round, and whose it was.
struct Change<'h> {
    call: &'h Call,
    of: Intent<'h>,
    forward: bool,
}

/// Before ECS is asked to change a service or to run a task, a stored status says that it will be. So it is before a task
/// definition is registered, for the effect that its tag names.
pub(super) fn intended_first(h: &History) -> Vec<Violation> {
    let intended = |c: &Call| match c.op.as_str() {
        "UpdateService" | "StopServiceDeployment" => !intents(h, c).is_empty(),
        "RegisterTaskDefinition" => of_hook(h, c) || registered_for(h, c),
        "RunTask" | "StopTask" => of_hook(h, c),
        _ => true,
    };
    let unknown = h.sources.calls.iter().filter(|c| !intended(c));
    let says = |c: &Call| format!("{} of {} at {} was intended by no stored status", c.op, service(c), c.at);
    unknown.map(|c| Violation::at(0, says(c))).collect()
}

/// A rollout updates a service at most once forward and at most once back, and stops it at most once.
pub(super) fn once_each_way(h: &History) -> Vec<Violation> {
    let mut counts = BTreeMap::<_, usize>::new();
    let mut broken = Vec::new();
    for Change { call, of, forward } in changes(h) {
        let whose = (&of.life.uid, of.rollout.id, &of.stage.name, &of.target.name);
        let count = counts.entry((whose, forward, &call.op)).or_default();
        *count += 1;
        if *count == 2 {
            let way = if forward { "forward" } else { "back" };
            let says = format!("rollout {} had {} changed twice {way} by {}", of.rollout.id, service(call), call.op);
            broken.push(Violation::at(of.moment.revision, says));
        }
    }
    broken
}

/// A service is updated forward only after all stages before its own were verified in the same rollout.
pub(super) fn stages_in_order(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for Change { call, of, .. } in changes(h).into_iter().filter(|c| c.forward && c.of.trusted()) {
        let before = of.rollout.stages.iter().take_while(|s| s.name != of.stage.name);
        for open in before.filter(|s| s.verified_at.is_none()) {
            let says = format!("{} was updated before {} was verified", service(call), open.name);
            broken.push(Violation::at(of.moment.revision, says));
        }
    }
    broken
}

/// A service in a stage that waits for approval is updated only after a stored status held one of this rollout.
pub(super) fn approved_first(h: &History) -> Vec<Violation> {
    let forward = changes(h).into_iter().filter(|c| c.forward && c.of.trusted());
    let rightly = |of: &Intent| entered_rightly(of.life, of.rollout.id, &of.stage.name, of.moment.revision + 1);
    let unapproved = forward.filter(|c| !rightly(&c.of));
    let says = |c: &Change| {
        format!("{} was updated by rollout {}, which nobody had approved", service(c.call), c.of.rollout.id)
    };
    unapproved.map(|c| Violation::at(c.of.moment.revision, says(&c))).collect()
}

/// What has ended asks nothing more: neither in its own name, nor of a service that nobody has in work.
pub(super) fn nothing_after_the_end(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for call in h.sources.calls.iter().filter(|c| c.made) {
        // What a restore brings may be what an earlier rollout had registered; what a hook runs, too.
        let own = match call.op.as_str() {
            "RegisterTaskDefinition" => true,
            "UpdateService" => intents(h, call).iter().all(|i| i.target.state != TargetStep::Restoring),
            _ => false,
        };
        let of_ended = effect(call).filter(|_| own).is_some_and(|e| ended(h, &e, call.at));
        let of_service: Vec<Intent> = targets(h, call).collect();
        let all_ended = !of_service.is_empty() && of_service.iter().all(|i| i.rollout.step == Step::Ended);
        if of_ended || all_ended {
            let at = of_service.first().map_or(0, |i| i.moment.revision);
            broken.push(Violation::at(at, format!("{} of {} came after the end", call.op, service(call))));
        }
    }
    broken
}

/// A service that one Release has updated and neither verified nor taken back is changed for no other.
pub(super) fn one_at_a_time(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for Change { call, of, .. } in changes(h) {
        let others = targets(h, call).filter(|i| i.life.uid != of.life.uid && i.trusted());
        for other in others.filter(|i| i.rollout.step != Step::Ended && busy(i.target.state)) {
            let says = format!("{} was changed while {} had it in work", service(call), other.life.key);
            broken.push(Violation::at(other.moment.revision, says));
        }
    }
    broken
}

fn busy(state: TargetStep) -> bool {
    matches!(state, TargetStep::Writing | TargetStep::Written | TargetStep::Restoring | TargetStep::Inherited)
}

/// What changed a service, each with the one that intended it. Those that nobody intended are `intended_first`'s.
fn changes(h: &History) -> Vec<Change<'_>> {
    let made = h.sources.calls.iter().filter(|c| c.made && c.turned);
    let whose = |call| {
        let (intents, effect) = (intents(h, call), effect(call));
        let named = intents.iter().find(|i| effect.is_some() && i.target.effect == effect);
        let of = *named.or(intents.first())?;
        Some(Change { call, of, forward: of.target.state == TargetStep::Writing })
    };
    made.filter_map(whose).collect()
}

/// Targets that are this call's service and whose write was intended.
fn intents<'h>(h: &'h History, call: &Call) -> Vec<Intent<'h>> {
    let of_service = targets(h, call).filter(|i| i.rollout.step != Step::Ended);
    of_service.filter(|i| matches!(i.target.state, TargetStep::Writing | TargetStep::Restoring)).collect()
}

/// Whether the effect that this registration bears in its tags was intended.
fn registered_for(h: &History, call: &Call) -> bool {
    // One that was refused has no tags to show.
    let Some(effect) = effect(call) else { return call.brings.is_none() || !all(h, call.at).is_empty() };
    let intended = |i: &Intent| {
        let writes = matches!(i.target.state, TargetStep::Writing | TargetStep::Restoring);
        writes && i.target.effect.as_ref() == Some(&effect)
    };
    all(h, call.at).iter().any(intended)
}

/// Whether a hook's task was about to be run, or to be stopped.
fn of_hook(h: &History, call: &Call) -> bool {
    let intended = |hook: &HookState| match call.op.as_str() {
        "RegisterTaskDefinition" | "RunTask" => hook.task.is_some() && hook.state == HookStep::Starting,
        "StopTask" => hook.task.is_some() && hook.under_way() && hook.stop_at.is_some(),
        _ => false,
    };
    let running = rollouts(h, call.at).filter(|(_, _, r)| r.step != Step::Ended);
    running.flat_map(|(_, _, r)| &r.stages).flat_map(|s| s.hooks.iter().chain(&s.on_rollback)).any(intended)
}

/// The targets that are this call's service, by the last statuses from before it.
fn targets<'h>(h: &'h History, call: &Call) -> impl Iterator<Item = Intent<'h>> {
    let of_call = (call.region.clone(), call.cluster.clone(), call.service.clone());
    all(h, call.at).into_iter().filter(move |i| named(&i.target.workload).is_some_and(|of| of == of_call))
}

/// Region, cluster and name of a service.
fn named(workload: &Workload) -> Option<(String, String, String)> {
    let ecs = workload.ecs()?;
    let name = ecs.service.rsplit('/').next()?;
    Some((ecs.region.clone(), ecs.cluster_name().to_owned(), name.to_owned()))
}

/// All targets on ECS, by the last statuses from before `at`.
fn all(h: &History, at: Timestamp) -> Vec<Intent<'_>> {
    let mut all = Vec::new();
    for (life, moment, rollout) in rollouts(h, at) {
        for stage in &rollout.stages {
            let targets = stage.targets.iter().filter(|t| t.workload.ecs().is_some());
            all.extend(targets.map(|target| Intent { life, moment, rollout, stage, target }));
        }
    }
    all
}

/// The last rollouts of the Releases that were there.
fn rollouts(h: &History, at: Timestamp) -> impl Iterator<Item = (&Life, &Moment, &Rollout)> {
    let known = h.versions.iter().filter(|v| v.by.as_ref().is_some_and(|b| b.done < at));
    let seen = known.map(|v| v.revision).max().unwrap_or_default();
    let there = h.lives.iter().filter(move |life| life.gone.is_none_or(|gone| gone > seen));
    there.filter_map(move |life| {
        let moment = latest(life, at)?;
        Some((life, moment, moment.status.rollout.as_ref()?))
    })
}

/// Whether a status from before `at` says that the rollout of this effect has ended.
fn ended(h: &History, effect: &EffectId, at: Timestamp) -> bool {
    let Some(parts) = effect.parts() else { return false };
    let known = h.life(&parts.uid).into_iter().flat_map(|life| life.of_rollout(parts.rollout));
    let mut before = known.filter(|(m, _)| m.by.as_ref().is_some_and(|b| b.begun < at));
    before.any(|(_, r)| r.step == Step::Ended)
}

fn latest(life: &Life, at: Timestamp) -> Option<&Moment> {
    life.moments.iter().rfind(|m| m.by.as_ref().is_some_and(|b| b.begun < at))
}

/// The effect that registered what this call registers or brings.
fn effect(call: &Call) -> Option<EffectId> {
    let brings = call.brings.as_ref().filter(|_| call.op != "StopServiceDeployment");
    brings.and_then(|d| serde_json::from_value(d.tags.get(EFFECT)?.as_str().into()).ok())
}

fn service(call: &Call) -> String {
    format!("{}/{}/{}", call.region, call.cluster, call.service)
}

impl Intent<'_> {
    /// Whether nobody else has written what is remembered there.
    fn trusted(&self) -> bool {
        self.life.trusted(self.moment.revision)
    }
}
