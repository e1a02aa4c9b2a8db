//! What a write to a target consists of, forward or back, and how long to wait after one that was refused.

use super::draft::Draft;
use crate::api::effect::{EcsWrite, Effect, Stamp, TargetWrite};
use crate::api::status::{ContainerImage, TargetState, WayBack};
use crate::api::time::Duration;
use crate::api::view::LiveTarget;
use crate::api::{EffectId, MANAGER};

/// Between two tries, in seconds.
const LONGEST_PAUSE: i64 = 30;

pub(super) fn stamp(d: &Draft, effect: EffectId, images: &[ContainerImage], way_back: Option<&WayBack>) -> Stamp {
    Stamp {
        effect,
        release: d.rel.name.clone(),
        uid: d.rel.uid.clone(),
        images: images.to_vec(),
        way_back: way_back.map(|b| b.images.clone()).unwrap_or_default(),
        verified: way_back.is_some_and(|b| b.verified),
        irreversible: false,
        task_definition: way_back.and_then(|b| b.task_definition.clone()),
        took: vec![],
    }
}

/// The write of `images`, with every other container that we own there: leaving one out would ask to remove its image.
pub(super) fn target_write(
    stage: &str,
    state: &TargetState,
    live: &LiveTarget,
    mut images: Vec<ContainerImage>,
    stamp: Stamp,
    ecs: Option<EcsWrite>,
) -> Effect {
    let ours = live.containers.iter().filter(|c| !c.orphaned && c.owners.iter().any(|o| o == MANAGER));
    for container in ours {
        if images.iter().all(|i| i.container != container.name) {
            let (container, image) = (container.name.clone(), container.image.clone());
            images.push(ContainerImage { container, image, digest: None });
        }
    }
    let init = live.containers.iter().filter(|c| c.init && images.iter().any(|i| i.container == c.name));
    let init = init.map(|c| c.name.clone()).collect();
    Effect::Write(Box::new(TargetWrite {
        stage: stage.to_owned(),
        target: state.name.clone(),
        workload: live.workload.clone(),
        uid: live.uid.clone(),
        resource_version: live.resource_version.clone(),
        images,
        init,
        stamp,
        ecs,
    }))
}

/// The containers among `wanted` that somebody still has; one that its owner removed is given up.
pub(super) fn writable(live: &LiveTarget, wanted: Vec<ContainerImage>) -> Vec<ContainerImage> {
    let kept = |i: &ContainerImage| live.container(&i.container).is_none_or(|c| !c.orphaned);
    wanted.into_iter().filter(kept).collect()
}

/// 1, 2, 4 ... at most 30 seconds.
pub(super) fn pause(count: i32) -> Duration {
    Duration::from_secs((1_i64 << (count - 1).clamp(0, 6)).min(LONGEST_PAUSE))
}
