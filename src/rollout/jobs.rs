//! Jobs as they are to be created: under which name, with which images, for how long.

use super::draft::Draft;
use super::hooks::Planned;
use crate::api::ask::{AskId, JobQuestion, Query};
use crate::api::hook::{HookRun, JobRun, Keep};
use crate::api::spec::{JobHook, JobSource, ReleaseSpec, Stage};
use crate::api::text::sha256;
use crate::api::time::Duration;
use crate::api::{EffectId, Image, NsName, TargetId};

/// A finished hook is kept so long at least: while it is there it cannot be run again.
const KEEP: Duration = Duration::from_secs(24 * 3600);
/// And a smoke test so long.
const KEEP_TEST: Duration = Duration::from_secs(3600);
/// Longest name of a Job whose pods can bear it as a label.
const MAX_NAME: usize = 63;
/// Hex digits at its end.
const DIGITS: usize = 10;

/// A hook that is a Job, and may take `timeout` from now on.
pub(super) fn of_hook(of: Planned, job: &JobHook, timeout: Duration) -> HookRun {
    let effect = of.effect();
    HookRun::Job(Box::new(JobRun {
        job: name(&of.rel.name, &job.source, [&of.id.stage, &of.id.hook], &effect),
        effect,
        release: of.rel.name.clone(),
        uid: of.rel.uid.clone(),
        source: job.source.clone(),
        images: images(of.spec, of.stage),
        rollout: of.rollout,
        stage: of.stage.name.clone(),
        timeout,
        keep: Keep::AtLeast(KEEP),
    }))
}

/// `query` as it is to be asked under `id`: a Job gets the images that the stage runs now, and a name of its own.
pub(super) fn of_question(d: &Draft, stage: &Stage, query: &Query, id: &AskId) -> Query {
    let Query::Job(job) = query else { return query.clone() };
    let lives = stage.targets.iter().filter_map(|t| Some((t, d.live(&stage.name, &t.name)?)));
    let mut images: Vec<Image> = lives.flat_map(|(t, l)| l.images(t.containers())).map(|i| i.image).collect();
    images.dedup();
    let round = format!("{:?}-{}-{}", id.purpose, id.number, id.revision).to_lowercase();
    let effect = EffectId::of_question(&id.release, id.rollout, &TargetId::new(&id.stage, &id.check), &round);
    let run = JobRun {
        job: name(&d.rel.name, &job.test.source, [&id.stage, &id.check], &effect),
        effect,
        release: d.rel.name.clone(),
        uid: id.release.clone(),
        source: job.test.source.clone(),
        rollout: id.rollout,
        stage: id.stage.clone(),
        timeout: job.test.timeout(),
        keep: Keep::For(KEEP_TEST),
        images,
    };
    let run = Some(run).filter(|r| !r.images.is_empty());
    Query::Job(Box::new(JobQuestion { test: job.test.clone(), run }))
}

/// `<release>-<stage>-<what>-<hash of the effect>`: the same for the same effect, and for no other.
pub(super) fn name(release: &NsName, source: &JobSource, of: [&str; 2], effect: &EffectId) -> NsName {
    let hash: String = sha256(effect.as_str()).chars().take(DIGITS).collect();
    let [stage, what] = of;
    let whole = format!("{}-{stage}-{what}", release.name).replace('.', "-");
    let head: String = whole.chars().take(MAX_NAME - DIGITS - 1).collect();
    let namespace = source.namespace(&release.namespace);
    NsName::new(namespace, format!("{}-{hash}", head.trim_end_matches('-')))
}

/// What the stage brings: as its first target pulls it, then as the others do, then as the Release names it.
pub(super) fn images(spec: &ReleaseSpec, stage: &Stage) -> Vec<Image> {
    let of_targets = stage.targets.iter().map(|t| t.repository.as_deref());
    let mut images: Vec<Image> = Vec::new();
    for image in of_targets.chain([None]).map(|repository| spec.image.at(repository)) {
        if !images.contains(&image) {
            images.push(image);
        }
    }
    images
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{HookId, RolloutId};

    #[test]
    fn a_name_is_short_plain_and_of_one_effect() {
        let (release, long) = (NsName::new("shop", "a.".repeat(26)), "s".repeat(30));
        let source = JobSource::Template(serde_json::json!({}));
        let name = |attempt| {
            let id = HookId { stage: long.clone(), hook: "migrate".into(), on_rollback: false };
            let effect = EffectId::of_hook("u-1", RolloutId { generation: 1, attempt }, &id);
            super::name(&release, &source, [&long, "migrate"], &effect)
        };
        let first = name(1);
        assert!(first.name.len() <= MAX_NAME && !first.name.contains('.'), "{first}");
        assert_eq!((first.namespace.as_str(), first == name(1), first == name(2)), ("shop", true, false));
    }
}
