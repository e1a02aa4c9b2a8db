//! What follows from the spec alone: images, identities, hashes, tokens.

use super::ReleaseView;
use crate::api::spec::{KubernetesTarget, ReleaseSpec, Stage, Target, TargetKind};
use crate::api::status::{ContainerImage, Rollout, Settled, StageState, Step, TargetState, TargetStep, Workload};
use crate::api::text::short_hash;
use crate::api::{Image, RolloutId, TargetId};
use serde::Serialize;

/// The version of [`shape_hash`]: a hash of another version starts nothing.
const HASH_VERSION: &str = "v1:";

/// What an approver types: `<stage>:<tag>#<rollout id>`.
pub fn token(stage: &str, image: &Image, id: RolloutId) -> String {
    format!("{stage}:{}#{id}", image.short())
}

pub(super) fn settled(spec: &ReleaseSpec) -> Settled {
    Settled { image: spec.image.at(None), hash: shape_hash(spec) }
}

/// Whether `before` was for something else than `spec` asks for. A hash of an unknown version differs from nothing.
pub(super) fn differs(before: &Settled, spec: &ReleaseSpec) -> bool {
    let now = settled(spec);
    before.image != now.image || (before.hash.starts_with(HASH_VERSION) && before.hash != now.hash)
}

/// The images that `target` should run.
pub(super) fn wanted(spec: &ReleaseSpec, target: &Target) -> Vec<ContainerImage> {
    let image = spec.image.at(target.repository.as_deref());
    let entry =
        |c: &String| ContainerImage { container: c.clone(), image: image.clone(), digest: spec.image.digest.clone() };
    target.containers().iter().map(entry).collect()
}

/// Fresh state for every stage and target of `spec`, in its order.
pub(super) fn stage_states(spec: &ReleaseSpec, namespace: &str) -> Vec<StageState> {
    let target = |t: &Target| TargetState {
        name: t.name.clone(),
        workload: t.workload(namespace),
        uid: None,
        state: TargetStep::Untouched,
        effect: None,
        intent_generation: None,
        intents: 0,
        way_back: None,
        found: vec![],
        written: None,
        progressing_before: None,
        restarts_before: vec![],
        pull_error_since: None,
        create_error_since: None,
        refused: None,
        stuck_pods: vec![],
        trouble: None,
        accepted: None,
        unanswered: None,
        inherited: None,
        doubted_since: None,
    };
    let stage = |s: &Stage| StageState {
        name: s.name.clone(),
        first_write_at: None,
        choosing_since: None,
        resolved_at: None,
        available_at: None,
        bake_until: None,
        gates: vec![],
        restore_at: None,
        verified_at: None,
        unseen_since: None,
        unavailable_since: None,
        undigested_since: None,
        adopted: false,
        ready: None,
        baselines: vec![],
        targets: s.targets.iter().map(target).collect(),
        hooks: vec![],
        on_rollback: vec![],
        purpose: None,
        checks: vec![],
        answers: vec![],
    };
    spec.stages.iter().map(stage).collect()
}

pub(super) fn targets_of_spec(release: &ReleaseView) -> Vec<(TargetId, TargetKind)> {
    let targets = release.spec.stages.iter().flat_map(|s| s.targets.iter().map(move |t| (s, t)));
    targets
        .map(|(s, t)| {
            let id = TargetId::new(&s.name, &t.name);
            (id, named(&t.workload(&release.name.namespace), t.containers().to_vec()))
        })
        .collect()
}

/// The ConfigMaps with evidence that `rollout` may need next: for the stage in work and the one after it.
pub(super) fn evidence_of_rollout(rollout: &Rollout) -> Vec<String> {
    let at = rollout.stages.iter().position(|s| Some(&s.name) == rollout.stage.as_ref()).unwrap_or(0);
    let near = rollout.stages.iter().enumerate().skip(at).take(2);
    let open = near.filter(|(_, s)| s.ready.is_none() && s.first_write_at.is_none());
    open.filter_map(|(i, _)| {
        let name = rollout.spec.as_ref()?.pointer(&format!("/stages/{i}/readiness/configMap/name"))?;
        name.as_str().map(str::to_owned)
    })
    .collect()
}

/// The same for a rollout of `spec` that begins.
pub(super) fn evidence_of_spec(spec: &ReleaseSpec) -> Vec<String> {
    let asked = spec.stages.iter().take(2).filter_map(|s| s.readiness.as_ref()?.config_map.as_ref());
    asked.map(|map| map.name.clone()).collect()
}

/// `workload` as a spec would name it.
pub(super) fn named(workload: &Workload, containers: Vec<String>) -> TargetKind {
    match workload {
        Workload::Kubernetes(k) => TargetKind::Kubernetes(KubernetesTarget {
            kind: k.kind,
            name: k.name.clone(),
            namespace: Some(k.namespace.clone()),
            containers,
        }),
        Workload::Ecs(service) => TargetKind::Ecs(service.target(containers)),
    }
}

/// The targets that `rollout` runs on, told from its typed state: that is readable even where the frozen spec is not.
///
/// The stage in work, the next one, into which one step may lead, and while the rollout waits those before, which may
/// drift. Of services on AWS, which are asked for by polling alone, those before are left out.
pub(super) fn targets_of_rollout(rollout: &Rollout) -> Vec<(TargetId, TargetKind)> {
    if matches!(rollout.step, Step::RunningHooks | Step::RunningRollbackHooks) {
        // Nothing is concluded from them meanwhile; they are looked at anew before anything is.
        return vec![];
    }
    let at = rollout.stages.iter().position(|s| Some(&s.name) == rollout.stage.as_ref()).unwrap_or(0);
    let targets = rollout.stages.iter().enumerate().flat_map(|(i, s)| s.targets.iter().map(move |t| (i, s, t)));
    let waits = matches!(rollout.step, Step::Preflight | Step::AwaitingPromotion);
    let near = targets
        .filter(|(i, _, t)| (at..=at + 1).contains(i) || (*i < at && waits && t.workload.kubernetes().is_some()));
    near.map(|(_, s, t)| {
        let images = t.written.as_ref().map(|w| &w.images).or(t.way_back.as_ref().map(|w| &w.images));
        let containers = images.map(|i| i.iter().map(|c| c.container.clone()).collect()).unwrap_or_default();
        (TargetId::new(&s.name, &t.name), named(&t.workload, containers))
    })
    .collect()
}

/// A short hash of anything that serializes, for telling whether it is the same again.
pub(super) fn hash(value: &impl Serialize) -> String {
    short_hash(serde_json::to_vec(value).unwrap_or_default())
}

/// Stage names, order, target identities, repositories and containers: with the image, exactly what starts a rollout.
fn shape_hash(spec: &ReleaseSpec) -> String {
    let target = |t: &Target| match &t.kind {
        TargetKind::Kubernetes(k) => serde_json::json!([t.name, t.repository, "kubernetes", k]),
        TargetKind::Ecs(e) => {
            serde_json::json!([t.name, t.repository, "ecs", e.region, e.cluster, e.service, e.containers])
        }
    };
    let stage = |s: &Stage| serde_json::json!([s.name, s.targets.iter().map(target).collect::<Vec<_>>()]);
    format!("{HASH_VERSION}{}", hash(&spec.stages.iter().map(stage).collect::<Vec<_>>()))
}
