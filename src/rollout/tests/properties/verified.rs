//! The laws of what is called well: a stage when it becomes verified, a rollout when it ends well.

use super::super::world::World;
use super::laws::{Law, law};
use crate::api::spec::{ReleaseSpec, Stage};
use crate::api::status::{CheckKind, Phase, Purpose, Rollout, StageState, TargetStep, Verdict};
use crate::api::view::TargetView;
use crate::api::{TargetId, Time};
use crate::rollout::Decision;
use std::collections::BTreeMap;

type Seen = BTreeMap<TargetId, TargetView>;

/// Each stage that a decision calls verified has passed every check, unless a person accepted it as it is, and runs
/// what was brought.
pub(super) fn stages(w: &World, decision: &Decision) -> Law {
    let Some(rollout) = &decision.status.rollout else { return Ok(()) };
    let before = w.rel.status.rollout.as_ref();
    let known = |s: &StageState| -> Option<Time> { before?.stage_state(&s.name)?.verified_at };
    let fresh = rollout.stages.iter().filter(|s| s.verified_at.is_some() && s.verified_at != known(s));
    for state in fresh {
        let frozen = before.filter(|b| b.id == rollout.id).and_then(|b| b.spec.clone());
        let frozen = frozen.map(|spec| serde_json::from_value::<ReleaseSpec>(spec).unwrap());
        let spec = frozen.unwrap_or_else(|| w.rel.spec.clone());
        let (_, stage) = spec.stage(&state.name).unwrap();
        runs(&w.targets, state, TargetStep::Verified)?;
        let accepts = |token: &str| token.starts_with(&format!("accept/{}:", state.name));
        if !rollout.approvals.iter().any(|a| a.stage == state.name && accepts(&a.token)) {
            passed(stage, state)?;
        }
        let baked = stage.bake.is_none() || state.bake_until.is_some_and(|until| until <= w.now);
        law(baked, || format!("{} is verified before it has baked", state.name))?;
    }
    Ok(())
}

/// A good end is said only of what is seen to run and has passed its checks.
pub(super) fn end(phase: Option<Phase>, seen: &Seen, rollout: &Rollout) -> Law {
    match phase {
        Some(Phase::Verified) => {
            let open = rollout.stages.iter().find(|s| s.verified_at.is_none());
            law(open.is_none(), || format!("Verified without {:?}", open.map(|s| &s.name)))
        }
        Some(Phase::RolledBack) => {
            let last = rollout.stage_state(rollout.stage.as_deref().unwrap_or_default()).unwrap();
            runs(seen, last, TargetStep::Restored)?;
            let back = |s: &&StageState| s.targets.iter().any(|t| t.state == TargetStep::Restored);
            rollout.stages.iter().filter(back).try_for_each(proven)
        }
        _ => Ok(()),
    }
}

/// What is restored was asked again. Checks that it never passed before are only reported.
fn proven(state: &StageState) -> Law {
    let open = state.checks.iter().find(|c| !c.informative && c.verdict != Some(Verdict::Passed));
    let asked = state.purpose == Some(Purpose::Restore) && !state.checks.is_empty();
    law(asked && open.is_none(), || format!("RolledBack though {} has {open:?} of {:?}", state.name, state.purpose))
}

fn passed(stage: &Stage, state: &StageState) -> Law {
    let health = stage.health_checks.iter().map(|c| (&c.name, CheckKind::Health));
    let smoke = stage.smoke_tests.iter().map(|c| (&c.name, CheckKind::Smoke));
    let load = stage.performance_checks.iter().map(|c| (&c.name, CheckKind::Performance));
    for (name, kind) in health.chain(smoke).chain(load) {
        let found = state.checks.iter().find(|c| c.name == *name && c.kind == kind);
        let well = found.is_some_and(|c| !c.informative && c.verdict == Some(Verdict::Passed));
        law(well && state.purpose == Some(Purpose::Verify), || format!("{} is verified though {found:?}", state.name))?;
    }
    Ok(())
}

fn runs(seen: &Seen, stage: &StageState, step: TargetStep) -> Law {
    for target in stage.targets.iter().filter(|t| t.state == step || step == TargetStep::Verified) {
        let Some(TargetView::Live(live)) = seen.get(&TargetId::new(&stage.name, &target.name)) else {
            return law(false, || format!("{step:?} though {} was not seen", target.workload));
        };
        let expected = match step {
            TargetStep::Verified => target.written.as_ref().map(|x| &x.images),
            _ => target.way_back.as_ref().map(|b| &b.images),
        };
        law(expected.is_some_and(|e| live.runs(e)), || {
            format!("{step:?} though {} runs something else", target.workload)
        })?;
    }
    Ok(())
}
