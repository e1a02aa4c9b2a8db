//! What stops a rollout before its next write. Being stopped is no end: it goes on when the cause is mended.

use super::draft::{Draft, Work};
use super::{ecs, sight, strategy, unsupported};
use crate::api::spec::{ReleaseSpec, Stage, Target};
use crate::api::status::Inherited;
use crate::api::view::{LiveTarget, TargetView};
use crate::api::{NsName, Reason};
use std::collections::BTreeSet;

/// The largest spec that is frozen into the status, in bytes of JSON.
const MAX_SPEC: usize = 128 * 1024;

pub(super) struct Blocked {
    pub reason: Reason,
    pub message: String,
}

/// What is wrong with the spec itself; only an edit mends it.
pub(super) fn of_spec(spec: &ReleaseSpec, namespace: &str) -> Option<Blocked> {
    if let Some(field) = unsupported::field(spec) {
        return blocked(
            Reason::NotSupported,
            format!("{field} is not supported by this version of Tidegate; remove it"),
        );
    }
    let size = serde_json::to_vec(spec).map_or(usize::MAX, |s| s.len());
    if size > MAX_SPEC {
        return blocked(Reason::SpecTooLarge, format!("the spec is {size} bytes of JSON, more than {MAX_SPEC}"));
    }
    let mut seen = BTreeSet::new();
    for (stage, target) in spec.stages.iter().flat_map(|s| s.targets.iter().map(move |t| (s, t))) {
        let workload = target.workload(namespace);
        if !seen.insert(workload.clone()) {
            let message = format!("{workload} is listed twice, the second time as {}/{}", stage.name, target.name);
            return blocked(Reason::TargetDuplicate, message);
        }
    }
    None
}

/// What is wrong with the targets of the stages from the one in work (`all`), or of that one alone.
pub(super) fn of_targets(d: &Draft, w: &Work, all: bool) -> Option<Blocked> {
    let last = if all { w.spec.stages.len() } else { w.at + 1 };
    let stages = w.spec.stages.iter().enumerate().take(last).skip(w.at);
    let mut targets = stages.flat_map(|(i, s)| s.targets.iter().map(move |t| (i, s, t)));
    targets.find_map(|(i, stage, target)| {
        let workload = target.workload(&d.rel.name.namespace);
        match d.view(&stage.name, &target.name) {
            TargetView::Absent if workload.ecs().is_some() => {
                blocked(Reason::TargetNotFound, format!("{workload} does not exist, or is INACTIVE"))
            }
            TargetView::Absent => {
                blocked(Reason::TargetNotFound, format!("{workload} of {}/{} does not exist", stage.name, target.name))
            }
            TargetView::Terminating => blocked(Reason::TargetTerminating, format!("{workload} is being deleted")),
            TargetView::Denied(message) => blocked(Reason::PermissionDenied, message),
            TargetView::Unreachable(message) => blocked(Reason::TargetUnreachable, format!("{workload}: {message}")),
            TargetView::Live(live) if sight::before_stable(d, &stage.name, &target.name, &live) => {
                let message = format!("{workload} was shown as it was before it was last verified; it is read again");
                blocked(Reason::TargetUnreachable, message)
            }
            TargetView::Live(live) => of_live(&d.rel.name, &w.spec, stage, target, &live)
                .or_else(|| ecs::image_missing(&live))
                .or_else(|| if i == w.at { not_ready(&live, inherited(w, &target.name)) } else { None }),
        }
    })
}

fn of_live(release: &NsName, spec: &ReleaseSpec, stage: &Stage, target: &Target, live: &LiveTarget) -> Option<Blocked> {
    let workload = &live.workload;
    let elsewhere = workload.kubernetes().is_some_and(|k| k.namespace != release.namespace);
    if elsewhere && !consents(&live.allow_from, release) {
        let message = format!("{workload} must be annotated tidegate.dev/allow-from: {release}, or its Namespace");
        return blocked(Reason::ConsentMissing, message);
    }
    if let Some(other) = &live.claimed_by {
        return blocked(Reason::TargetBusy, format!("{workload} belongs to Release {other}"));
    }
    if let Some(unfit) = ecs::unfit(live).or_else(|| strategy::unfit(live)) {
        return Some(unfit);
    }
    if target.containers().iter().all(|name| live.container(name).is_some_and(|c| c.orphaned)) {
        let message =
            format!("{workload} lost all containers named in {}/{}: its owner removed them", stage.name, target.name);
        return blocked(Reason::ContainerNotFound, message);
    }
    for name in target.containers() {
        let Some(container) = live.container(name) else {
            let message = format!("{workload} has no container {name:?}, named in {}/{}", stage.name, target.name);
            return blocked(Reason::ContainerNotFound, message);
        };
        let wanted = target.repository.as_deref().unwrap_or(&spec.image.repository);
        let found = container.image.repository();
        if found != wanted && live.allow_repository.as_deref() != Some(wanted) && !container.orphaned {
            let message = format!(
                "container {name:?} of {workload} runs an image of {found}, not of {wanted}; \
                 to allow it {} tidegate.dev/allow-repository: {wanted}",
                if live.ecs.is_some() { "tag the service" } else { "annotate the workload" }
            );
            return blocked(Reason::RepositoryDiffers, message);
        }
    }
    None
}

/// What makes no sense to write to now.
fn not_ready(live: &LiveTarget, inherited: Option<&Inherited>) -> Option<Blocked> {
    if let Some(service) = &live.ecs {
        return ecs::refused(live, service, inherited);
    }
    if live.paused {
        return blocked(Reason::TargetPaused, format!("{} is paused; kubectl rollout resume it", live.workload));
    }
    let asleep = strategy::asleep(live)?;
    blocked(Reason::TargetScaledToZero, format!("{asleep}, so nothing could be verified"))
}

/// What the rollout before left on a target of the stage in work.
fn inherited<'a>(w: &'a Work, target: &str) -> Option<&'a Inherited> {
    w.state().targets.iter().find(|t| t.name == target)?.inherited.as_ref()
}

fn consents(allow_from: &[String], release: &NsName) -> bool {
    let (exact, any) = (release.to_string(), format!("{}/*", release.namespace));
    allow_from.iter().any(|a| *a == exact || *a == any)
}

fn blocked(reason: Reason, message: String) -> Option<Blocked> {
    Some(Blocked { reason, message })
}
