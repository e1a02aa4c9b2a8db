//! Whether the image that is to be brought can be pulled: looked up before the first write, where the registry tells.

use crate::api::status::Step;
use crate::api::view::{LiveTarget, Lookup};
use crate::api::{Image, Reason, ReleaseSpec};
use crate::rollout::preflight::Blocked;
use crate::rollout::{ReleaseView, plan};

/// The image that a rollout is about to bring to this target. `None`: it brings none, has begun to, or it runs there.
pub fn image_to_bring(release: &ReleaseView, live: &LiveTarget) -> Option<Image> {
    let rollout = release.status.running();
    let before = [Step::Preflight, Step::ChoosingWayBack, Step::AwaitingPromotion];
    if release.deleting || rollout.is_some_and(|r| !before.contains(&r.step)) {
        return None;
    }
    let frozen = rollout.and_then(|r| r.spec.clone());
    let spec = match frozen {
        Some(frozen) => serde_json::from_value::<ReleaseSpec>(frozen).ok()?,
        None => release.spec.resolved(),
    };
    let mut targets = spec.stages.iter().flat_map(|s| &s.targets);
    let target = targets.find(|t| t.workload(&release.name.namespace) == live.workload)?;
    let wanted = plan::wanted(&spec, target);
    if live.runs(&wanted) { None } else { wanted.into_iter().next().map(|c| c.image) }
}

/// Only a registry's clear word stops anything: what it does not tell will show when the image is pulled.
pub(in crate::rollout) fn missing(live: &LiveTarget) -> Option<Blocked> {
    match &live.ecs.as_ref()?.image {
        Lookup::Known(found) if !found.there => {
            let (image, workload) = (&found.image, &live.workload);
            let message = format!("{image} is not in its ECR repository, so {workload} could not pull it; push it");
            Some(Blocked { reason: Reason::ImageNotFound, message })
        }
        _ => None,
    }
}

/// What AWS said where the role may not look.
pub(in crate::rollout) fn denied(live: &LiveTarget) -> Option<String> {
    match &live.ecs.as_ref()?.image {
        Lookup::Denied(message) => Some(format!("whether the image exists is not looked up: {message}")),
        _ => None,
    }
}
