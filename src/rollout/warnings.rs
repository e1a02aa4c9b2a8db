//! What is said beside the phase and changes nothing: `Drifted`, `TargetContended` and `LookupDenied`.

use super::draft::Draft;
use super::say::want;
use crate::api::condition::{self, DRIFTED, TARGET_CONTENDED, Wanted};
use crate::api::spec::Stage;
use crate::api::status::{Phase, Step};
use crate::api::view::LiveTarget;
use crate::api::{MANAGER, Reason};

/// At rest, and in the verified stages of a rollout that waits: said once, nothing is written.
pub(super) fn drifted(d: &mut Draft, wanted: &mut Vec<Wanted>) {
    let speaks = match d.status.rollout.as_ref().map(|r| r.step) {
        Some(Step::Ended) | None => matches!(d.status.phase, Some(Phase::Verified | Phase::RolledBack)),
        Some(step) => step == Step::AwaitingPromotion,
    };
    if !speaks {
        return;
    }
    let old = condition::find(&d.rel.status.conditions, DRIFTED).cloned();
    let mut found = None;
    let mut looked = true;
    for stable in &d.status.stable {
        let Some(live) = d.live(&stable.stage, &stable.target) else {
            // At rest services on AWS are never looked at: they are no reason to say on what was said of others.
            let it = format!("{} runs ", stable.workload);
            let said = old.as_ref().is_some_and(|c| c.message.starts_with(&it));
            looked &= stable.workload.ecs().is_some() && !said;
            continue;
        };
        if !live.runs(&stable.images) {
            let runs = stable.images.iter().find_map(|i| live.container(&i.container)).map(|c| c.image.to_string());
            let runs = runs.unwrap_or_default();
            found = Some(format!("{} runs {runs}, not what was verified there", live.workload));
        }
    }
    match (found, looked, old) {
        (Some(message), _, old) => {
            if old.is_none() {
                d.warning(Reason::Drifted, message.clone());
            }
            wanted.push(want(DRIFTED, "True", Reason::Drifted, &message));
        }
        (None, false, Some(old)) => wanted.push(want(DRIFTED, "True", Reason::Drifted, &old.message)),
        _ => {}
    }
}

/// What is done without because AWS does not allow it; said at a point that a rollout or stage comes to once.
pub(super) fn not_looked_up(d: &mut Draft, stages: &[Stage], denied: fn(&LiveTarget) -> Option<String>) {
    let mut said: Vec<String> = Vec::new();
    for (stage, target) in stages.iter().flat_map(|s| s.targets.iter().map(move |t| (s, t))) {
        let Some(live) = d.live(&stage.name, &target.name) else { continue };
        let Some(message) = denied(live).filter(|m| !said.contains(m)) else { continue };
        d.warning(Reason::LookupDenied, format!("{}: {message}", live.workload));
        said.push(message);
    }
}

/// A GitOps tool that owns an image we want: it may take the image back. A warning only, because managed fields cannot
/// show that the recipe is already in place.
pub(super) fn contended(d: &mut Draft, wanted: &mut Vec<Wanted>) {
    let old = condition::find(&d.rel.status.conditions, TARGET_CONTENDED).cloned();
    let Some(rollout) = &d.status.rollout else { return };
    let mut looked = true;
    let mut found = None;
    for (stage, target) in rollout.stages.iter().flat_map(|s| s.targets.iter().map(move |t| (s, t))) {
        let Some(live) = d.live(&stage.name, &target.name) else {
            looked &= target.workload.ecs().is_some();
            continue;
        };
        found = found.or_else(|| advice(live));
    }
    match (found, looked, old) {
        (Some(message), _, old) => {
            if old.is_none() {
                d.warning(Reason::TargetContended, message.clone());
            }
            wanted.push(want(TARGET_CONTENDED, "True", Reason::TargetContended, &message));
        }
        (None, false, Some(old)) => wanted.push(want(TARGET_CONTENDED, "True", Reason::TargetContended, &old.message)),
        _ => {}
    }
}

fn advice(live: &LiveTarget) -> Option<String> {
    let tool = live.gitops.as_deref()?;
    let theirs = live.containers.iter().find(|c| c.owners.iter().any(|o| o != MANAGER))?;
    let list = if theirs.init { "initContainers" } else { "containers" };
    let index = live.containers.iter().filter(|c| c.init == theirs.init).position(|c| c.name == theirs.name)?;
    let w = live.workload.kubernetes()?;
    let lines = match tool {
        t if t.starts_with("kustomize") => format!(
            "add to the Flux Kustomization: spec.ignore: [{{paths: [\"/spec/template/spec/{list}/{index}/image\"], \
             target: {{kind: {}, name: {}}}}}]",
            w.kind, w.name
        ),
        t if t.starts_with("argocd") => format!(
            "add to the Argo CD Application: spec.ignoreDifferences: [{{group: apps, kind: {}, name: {}, \
             managedFieldsManagers: [{MANAGER}]}}] and syncOptions: [RespectIgnoreDifferences=true, ServerSideApply=true]",
            w.kind, w.name
        ),
        _ => "set the image through its own values, or exclude it from drift correction".to_owned(),
    };
    Some(format!("{tool} applies {w} and may take the image back; {lines}"))
}
