//! Services on ECS: what AWS was asked to write, and what was stored before.

use crate::support::oracle::{Call, History, Violation};
use std::collections::BTreeMap;
use tidegate::api::RolloutId;
use tidegate::api::status::{HookState, HookStep, Rollout, Step, TargetStep};

/// What a call belongs to: the Release, its rollout, and the stage and target that are written forward or taken back.
type Of<'h> = (&'h str, RolloutId, &'h str, &'h str, bool);

/// Before ECS is asked to change a service or to run a task, a stored status says that it will be, and what a restore would bring.
pub(super) fn intended_first(h: &History) -> Vec<Violation> {
    let changing = ["UpdateService", "StopServiceDeployment", "RunTask", "StopTask"];
    let changes = h.sources.calls.iter().filter(|c| changing.contains(&c.op.as_str()));
    let unknown = changes.filter(|c| intents(h, c).is_empty() && !of_hook(h, c));
    unknown.map(|c| Violation::at(0, format!("{} at {} was intended by no stored status", c.op, c.at))).collect()
}

/// A rollout updates a service at most once forward and at most once back.
pub(super) fn once_each_way(h: &History) -> Vec<Violation> {
    let mut counts = BTreeMap::<Of, usize>::new();
    let mut broken = Vec::new();
    for call in h.sources.calls.iter().filter(|c| c.made && c.op == "UpdateService") {
        // With several at once nobody knows whose it is.
        let [of] = intents(h, call)[..] else { continue };
        let count = counts.entry(of).or_default();
        *count += 1;
        if *count == 2 {
            let way = if of.4 { "forward" } else { "back" };
            broken.push(Violation::at(0, format!("rollout {} updated {}/{} twice {way}", of.1, of.2, of.3)));
        }
    }
    broken
}

/// Whether a hook's task was about to be run, or to be stopped.
fn of_hook(h: &History, call: &Call) -> bool {
    let intended = |hook: &HookState| match call.op.as_str() {
        "RegisterTaskDefinition" | "RunTask" => hook.task.is_some() && hook.state == HookStep::Starting,
        "StopTask" => hook.task.is_some() && hook.under_way() && hook.stop_at.is_some(),
        _ => false,
    };
    stored(h, call).any(|(_, r)| r.stages.iter().flat_map(|s| s.hooks.iter().chain(&s.on_rollback)).any(intended))
}

/// The rollouts in work, by the last status from before the call, with the uid of their Release.
fn stored<'h>(h: &'h History, call: &Call) -> impl Iterator<Item = (&'h str, &'h Rollout)> {
    h.lives.iter().filter_map(|life| {
        let stored = life.moments.iter().rfind(|m| m.by.as_ref().is_some_and(|b| b.begun < call.at))?;
        let rollout = stored.status.rollout.as_ref().filter(|r| r.step != Step::Ended)?;
        Some((life.uid.as_str(), rollout))
    })
}

/// Targets on ECS whose write was intended, by the last status from before the call.
fn intents<'h>(h: &'h History, call: &Call) -> Vec<Of<'h>> {
    let mut all = Vec::new();
    for (uid, rollout) in stored(h, call) {
        for stage in &rollout.stages {
            for target in stage.targets.iter().filter(|t| t.workload.ecs().is_some() && t.way_back.is_some()) {
                let forward = target.state == TargetStep::Writing;
                if forward || target.state == TargetStep::Restoring {
                    all.push((uid, rollout.id, stage.name.as_str(), target.name.as_str(), forward));
                }
            }
        }
    }
    all
}
