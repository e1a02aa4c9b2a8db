//! Pods that hold up a StatefulSet: deleted, because nobody else does it.
//!
//! With `podManagementPolicy: OrderedReady`, which is the default, the StatefulSet controller replaces no pod while one is
//! not ready, even if that one is of a template that is gone: taken back, a broken version stays. So a pod that is not
//! ready, and runs what was taken away, is deleted: recorded first, once per pod, as the version that was seen. What
//! others brought is never deleted, only named.

use super::draft::{Draft, Work};
use super::{sight, write};
use crate::api::effect::{Answer, Effect, PodDeletion, Refused};
use crate::api::status::{ContainerImage, Phase, StuckPod, TargetState, TargetStep};
use crate::api::text::{MESSAGE, tidy};
use crate::api::time::{Duration, Time};
use crate::api::view::{LiveTarget, OutdatedPod, StatefulView};
use crate::api::{Image, Reason};

/// So long its own controller may take to replace a pod, and no longer than a quarter of the stage's deadline: with
/// `Parallel` it does, at once.
const GRACE: Duration = Duration::from_secs(10);
/// Pods that are remembered of one target.
const MOST: usize = 20;

/// Deletes what holds up the targets of the stage in work, one pod per decision. `since`: when their write was due.
pub(super) fn free(d: &mut Draft, w: &mut Work, since: Time) {
    heard_of(d, w);
    let stage = w.stage_name();
    let grace = GRACE.min(Duration::from_millis(w.stage().progress_deadline.millis() / 4));
    for i in (0..w.state().targets.len()).rev() {
        let state = &w.state().targets[i];
        let Some(live) = sight::observed(d, &stage, state) else { continue };
        let Some(set) = live.stateful.as_ref().filter(|_| state.uid.as_ref() == Some(&live.uid)) else { continue };
        let gone = notice(&mut w.state_mut().targets[i], set);
        for pod in gone {
            let note = format!("pod {pod} of {} held it up with what was taken away; it was deleted", live.workload);
            d.normal(Reason::StuckPodDeleted, note);
        }
        let containers = w.stage().targets[i].containers();
        let held_up = |p: &&OutdatedPod| holds_up(p) && ours(d, &stage, &w.state().targets[i], live, containers, p);
        let held_up: Vec<&OutdatedPod> = set.outdated.iter().filter(held_up).collect();
        if held_up.is_empty() || d.effect.is_some() || live.on_delete || !d.due(since.plus(grace)) {
            continue;
        }
        for pod in held_up {
            if delete(d, &mut w.state_mut().targets[i], live, pod) {
                break;
            }
        }
    }
}

/// Whether the last effect of the stage was a pod's deletion: what is answered speaks of it.
pub(super) fn asked(w: &Work) -> bool {
    w.state().targets.iter().flat_map(|t| &t.stuck_pods).any(|p| p.asked)
}

/// Which pod holds it up, for a message at the deadline.
pub(super) fn told(live: &LiveTarget) -> Option<String> {
    let pod = live.stateful.as_ref()?.outdated.iter().find(|p| holds_up(p))?;
    let namespace = &live.workload.kubernetes()?.namespace;
    let name = &pod.name;
    Some(format!(
        "pod {name} of an earlier revision is not ready and may hold it up: kubectl delete pod {name} -n {namespace}"
    ))
}

fn holds_up(pod: &OutdatedPod) -> bool {
    !pod.ready && !pod.terminating
}

/// Whether it runs what was ours and is not wanted any more: what this rollout brought and took back, or took over, or
/// what an earlier one brought and did not verify. What is stable there is nobody's leftover.
fn ours(
    d: &Draft,
    stage: &str,
    state: &TargetState,
    live: &LiveTarget,
    containers: &[String],
    pod: &OutdatedPod,
) -> bool {
    let runs: Vec<ContainerImage> = pod.images.iter().filter(|i| containers.contains(&i.container)).cloned().collect();
    let mut stable = d.status.stable.iter().filter(|s| s.stage == stage && s.target == state.name);
    if live.runs(&runs) || stable.any(|s| pod.runs(&s.images)) {
        return false;
    }
    let taken = state.written.iter().filter(|_| state.state == TargetStep::Restored);
    let inherited = state.inherited.iter().map(|i| &i.written);
    let brought = taken.chain(inherited).any(|x| pod.runs(&x.images));
    let debts = d.status.debts.iter().filter(|b| b.stage == stage && b.target == state.name && b.uid == live.uid);
    let written = matches!(state.state, TargetStep::Written | TargetStep::Restored);
    written && (brought || debts.into_iter().any(|b| pod.runs(&b.written)) || failed_before(d, live, &runs))
}

/// Whether all of `images` are those of a rollout of this Release that was not verified.
fn failed_before(d: &Draft, live: &LiveTarget, images: &[ContainerImage]) -> bool {
    let repository = |i: &ContainerImage| live.container(&i.container).map(|c| c.image.repository().to_owned());
    let of = |i: &ContainerImage, brought: &Image| {
        repository(i).as_deref() == Some(i.image.repository()) && i.image.short() == brought.short()
    };
    let adopted = |r: Reason| r == Reason::AdoptedUnhealthy;
    let mut unverified = d.status.history.iter().filter(|h| h.phase != Phase::Verified && !adopted(h.reason));
    !images.is_empty() && unverified.any(|h| images.iter().all(|i| of(i, &h.image)))
}

/// A refusal is said once, with what a person can do.
fn heard_of(d: &mut Draft, w: &mut Work) {
    let answer = d.obs.answer.clone();
    let mut notes = Vec::new();
    for target in &mut w.state_mut().targets {
        let namespace = target.workload.kubernetes().map(|k| k.namespace.clone()).unwrap_or_default();
        for pod in target.stuck_pods.iter_mut().filter(|p| p.asked) {
            pod.asked = false;
            let Some(Answer::Refused { kind: Refused::Forbidden | Refused::Invalid, message }) = &answer else {
                continue;
            };
            if pod.refused.replace(tidy(message, MESSAGE)).is_none() {
                notes.push(format!(
                    "pod {} of {} holds it up and may not be deleted: {message}; kubectl delete pod {} -n {namespace}",
                    pod.pod, target.workload, pod.pod
                ));
            }
        }
    }
    notes.into_iter().for_each(|note| d.warning(Reason::StuckPodKept, note));
}

/// Those that are gone, or going, for the first time.
fn notice(state: &mut TargetState, set: &StatefulView) -> Vec<String> {
    let stays = |uid: &str| set.outdated.iter().any(|p| p.uid == uid && !p.terminating);
    let gone = state.stuck_pods.iter_mut().filter(|p| !p.deleted && !stays(&p.uid));
    gone.map(|p| {
        p.deleted = true;
        p.pod.clone()
    })
    .collect()
}

/// Records and asks for one deletion. `false`: not now.
fn delete(d: &mut Draft, state: &mut TargetState, live: &LiveTarget, pod: &OutdatedPod) -> bool {
    let Some(of) = live.workload.kubernetes() else { return false };
    match state.stuck_pods.iter_mut().find(|p| p.uid == pod.uid) {
        Some(known) if known.deleted || !d.due(known.at.plus(write::pause(known.count))) => return false,
        Some(known) => (known.at, known.count, known.asked) = (d.now, known.count + 1, true),
        None => {
            if state.stuck_pods.len() >= MOST {
                let Some(old) = state.stuck_pods.iter().position(|p| p.deleted) else { return false };
                state.stuck_pods.remove(old);
            }
            let (name, uid) = (pod.name.clone(), pod.uid.clone());
            let (at, count) = (d.now, 1);
            let stuck = StuckPod { pod: name, uid, at, count, deleted: false, asked: true, refused: None };
            state.stuck_pods.push(stuck);
        }
    }
    d.effect = Some(Effect::DeletePod(Box::new(PodDeletion {
        workload: live.workload.clone(),
        namespace: of.namespace.clone(),
        pod: pod.name.clone(),
        uid: pod.uid.clone(),
        resource_version: pod.resource_version.clone(),
    })));
    true
}
