//! ECS tasks as they are to be run: beside which service, with which images, under which names.

use super::hooks::Planned;
use super::jobs;
use crate::api::EffectId;
use crate::api::hook::{HookRun, TaskRun};
use crate::api::spec::{EcsTarget, EcsTaskHook, Stage, Target, TargetKind};
use crate::api::status::TaskRef;
use crate::api::text::sha256;
use crate::api::time::Time;

/// Before what a task is started by: people find it in the console by it.
const PREFIX: &str = "tidegate/";
/// Hex digits after it.
const DIGITS: usize = 40;

/// A hook that is an ECS task, as it was last tried. `None`: there is no target beside which it could run.
pub(super) fn of_hook(of: Planned, task: &EcsTaskHook, last: Option<&TaskRef>) -> Option<HookRun> {
    let (target, ecs) = beside(of.stage, task)?;
    let effect = of.effect();
    let attempt = last.map_or(1, |t| t.attempt);
    let mut images = jobs::images(of.spec, of.stage);
    let containers = match task.task_definition {
        Some(_) => Vec::new(),
        None => ecs.containers.clone(),
    };
    let own = of.spec.image.at(target.repository.as_deref());
    images.retain(|i| *i != own);
    images.insert(0, own);
    Some(HookRun::Task(Box::new(TaskRun {
        release: of.rel.name.clone(),
        service: ecs.into(),
        task: task.clone(),
        images,
        containers,
        rollout: of.rollout,
        stage: of.stage.name.clone(),
        started_by: started_by(&effect),
        // 64 hex digits, the most that ECS takes as a token.
        token: sha256(format!("{effect}#{attempt}")),
        arn: last.and_then(|t| t.arn.clone()),
        effect,
    })))
}

/// The target beside which it runs.
pub(super) fn beside<'a>(stage: &'a Stage, task: &EcsTaskHook) -> Option<(&'a Target, &'a EcsTarget)> {
    let mut all = stage.targets.iter().filter_map(|t| match &t.kind {
        TargetKind::Ecs(ecs) => Some((t, ecs)),
        TargetKind::Kubernetes(_) => None,
    });
    all.find(|(t, _)| task.target.as_ref().is_none_or(|name| *name == t.name))
}

/// Its first try, which is about to be made.
pub(super) fn first(run: &TaskRun, now: Time) -> TaskRef {
    TaskRef {
        cluster: run.service.cluster_name().to_owned(),
        started_by: run.started_by.clone(),
        attempt: 1,
        asked_at: now,
        doubtful: false,
        again_at: None,
        arn: None,
        seen: false,
        missing_since: None,
    }
}

fn started_by(effect: &EffectId) -> String {
    let digits: String = sha256(effect.as_str()).chars().take(DIGITS).collect();
    format!("{PREFIX}{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{HookId, RolloutId};

    #[test]
    fn names_are_such_as_ecs_takes() {
        let id = HookId { stage: "staging".into(), hook: "migrate".into(), on_rollback: false };
        let effect = |attempt| EffectId::of_hook("u-1", RolloutId { generation: 1, attempt }, &id);
        let (one, two) = (started_by(&effect(1)), started_by(&effect(2)));
        assert!(one != two && one.len() <= 128 && one == started_by(&effect(1)));
        assert!(one.chars().all(|c| c.is_ascii_alphanumeric() || "-/_".contains(c)), "{one}");
        assert_eq!(sha256("x").len(), 64);
    }
}
