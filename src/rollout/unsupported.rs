//! What the resource can say but this version does not do. Nothing is ever silently ignored: the field is named.

use crate::api::spec::{OnInconclusive, ReleaseSpec, RollbackMode, RollbackScope, Stage, TargetKind, WorkloadKind};

/// The first field that asks for something this version does not do.
pub(super) fn field(spec: &ReleaseSpec) -> Option<String> {
    if spec.image.require_digest {
        return Some("spec.image.requireDigest".into());
    }
    spec.stages.iter().find_map(|stage| of_stage(stage).map(|f| format!("spec.stages[{}].{f}", stage.name)))
}

fn of_stage(stage: &Stage) -> Option<String> {
    let target = stage.targets.iter().find_map(|t| match &t.kind {
        TargetKind::Ecs(_) => Some(format!("targets[{}].ecs", t.name)),
        TargetKind::Kubernetes(k) if k.kind != WorkloadKind::Deployment => {
            Some(format!("targets[{}].kubernetes.kind: {}", t.name, k.kind))
        }
        TargetKind::Kubernetes(_) => None,
    });
    let rollback = &stage.rollback;
    target
        .or_else(|| stage.hooks.first().map(|h| format!("hooks[{}]", h.name)))
        .or_else(|| stage.performance_checks.first().map(|c| format!("performanceChecks[{}]", c.name)))
        .or_else(|| stage.bake.map(|_| "bake".into()))
        .or_else(|| (rollback.mode != RollbackMode::Automatic).then(|| format!("rollback.mode: {:?}", rollback.mode)))
        .or_else(|| (rollback.scope != RollbackScope::Stage).then(|| format!("rollback.scope: {:?}", rollback.scope)))
        .or_else(|| {
            (rollback.on_inconclusive != OnInconclusive::Restore).then(|| "rollback.onInconclusive: Hold".into())
        })
}
