//! What is called available, verified or restored is that.

use crate::support::oracle::write::{runs, runs_where_it_can};
use crate::support::oracle::{History, Key, Life, Moment, Version, Violation, images, workload_key};
use serde_json::Value;
use tidegate::api::Phase;
use tidegate::api::status::{Rollout, StageState, Step, TargetStep};

/// A stage whose checks are asked was available: every replica of every target on its newest revision.
pub(super) fn available_first(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for life in &h.lives {
        for (before, now) in life.steps().filter(|(_, now)| now.ours()) {
            let Some(rollout) = now.status.rollout.as_ref().filter(|r| r.step == Step::Verifying) else { continue };
            for stage in rollout.stages.iter().filter(|s| s.available_at.is_some()) {
                let was = before.stage(rollout.id, &stage.name).and_then(|s| s.available_at);
                if was == stage.available_at {
                    continue;
                }
                for target in &stage.targets {
                    let Some(key) = workload_key(&target.workload) else { continue };
                    let written = target.written.as_ref().map(|w| w.images.as_slice());
                    let brought = |v: &Value| written.is_none_or(|w| runs_where_it_can(&images(v), w));
                    if !h.in_sight(&key, now).iter().any(|v| brought(&v.value) && followed(&v.value)) {
                        let says = format!("{} was called available, and {key} was not", stage.name);
                        broken.push(Violation::at(now.revision, says));
                    }
                }
            }
        }
    }
    broken
}

/// A stage that is verified runs the rollout's image; a rollout that is verified has verified all its stages.
pub(super) fn what_runs(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for (_, now, rollout, stage) in newly_verified(h) {
        for stable in now.status.stable.iter().filter(|s| s.stage == stage.name) {
            let Some(key) = workload_key(&stable.workload) else { continue };
            let wanted = stable.images.iter().all(|i| i.image.tag() == rollout.image.tag());
            let ran = |v: &Value| runs_where_it_can(&images(v), &stable.images) && observed(v);
            if !wanted || !h.in_sight(&key, now).iter().any(|v| ran(&v.value)) {
                let says =
                    format!("{} was called verified with {}, which {key} did not run", stage.name, rollout.image);
                broken.push(Violation::at(now.revision, says));
            }
        }
    }
    for life in &h.lives {
        for (before, now) in life.steps().filter(|(_, now)| now.ours()) {
            let Some(rollout) = &now.status.rollout else { continue };
            let ended =
                rollout.step == Step::Ended && before.rollout(rollout.id).is_some_and(|r| r.step != Step::Ended);
            let verified = ended && now.status.phase == Some(Phase::Verified);
            for open in rollout.stages.iter().filter(|s| verified && s.verified_at.is_none()) {
                broken.push(Violation::at(now.revision, format!("all is verified, but {} is not", open.name)));
            }
        }
    }
    broken
}

/// A stage is verified while all of it is available, unless a person accepted it as it was.
pub(super) fn still_available(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for (life, now, rollout, stage) in newly_verified(h) {
        let earlier = life.of_rollout(rollout.id).take_while(|(m, _)| m.revision < now.revision);
        if earlier.last().is_some_and(|(_, r)| r.step == Step::Holding) {
            continue;
        }
        for stable in now.status.stable.iter().filter(|s| s.stage == stage.name) {
            let Some(key) = workload_key(&stable.workload) else { continue };
            let well = |v: &Value| runs_where_it_can(&images(v), &stable.images) && up(v);
            if !h.in_sight(&key, now).iter().any(|v| well(&v.value)) {
                let says = format!("{} was called verified, and {key} was not available in full", stage.name);
                broken.push(Violation::at(now.revision, says));
            }
        }
    }
    broken
}

/// `RolledBack` is said only after every restored target was available on its way back; while it is, if one stage went back.
pub(super) fn restored_runs(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for (_, now, rollout) in rolled_back(h) {
        let back = |s: &&StageState| s.targets.iter().any(|t| t.state == TargetStep::Restored);
        let alone = rollout.stages.iter().filter(back).count() == 1;
        for target in rollout.stages.iter().flat_map(|s| &s.targets).filter(|t| t.state == TargetStep::Restored) {
            let (Some(key), Some(back)) = (workload_key(&target.workload), &target.way_back) else { continue };
            let latest = h.of(&key).rfind(|v| v.revision < now.revision);
            let back_to = |v: &Value| runs_where_it_can(&images(v), &back.images);
            // From the newest version on backwards, as long as it runs the way back.
            let since = h.of(&key).rev().filter(|v| v.revision < now.revision).take_while(|v| back_to(&v.value));
            let seen = h.in_sight(&key, now);
            let still = |v: &Version| !alone || seen.iter().any(|s| s.revision == v.revision);
            // Right after the write the old counts still stand there: whoever has not followed yet shows nothing.
            let (mut back_again, mut well) = (false, false);
            for v in since {
                back_again |= followed(&v.value);
                well |= up(&v.value) && still(v);
            }
            if !(back_again && well) {
                let live = latest.map(|v| images(&v.value));
                let says = format!("{key} was called restored to {:?}; it ran {live:?}", back.images);
                broken.push(Violation::at(now.revision, says));
            }
        }
    }
    broken
}

/// Versions in which a stage becomes verified.
pub(super) fn newly_verified(h: &History) -> Vec<(&Life, &Moment, &Rollout, &StageState)> {
    let mut all = Vec::new();
    for life in &h.lives {
        for (before, now) in life.steps().filter(|(_, now)| now.ours()) {
            let Some((was, is)) = before.status.rollout.as_ref().zip(now.status.rollout.as_ref()) else { continue };
            let open = |s: &&StageState| was.stage_state(&s.name).is_some_and(|w| w.verified_at.is_none());
            let new = is.stages.iter().filter(|s| was.id == is.id && s.verified_at.is_some()).filter(open);
            all.extend(new.map(|stage| (life, now, is, stage)));
        }
    }
    all
}

/// Versions in which a rollout ends as `RolledBack`.
pub(super) fn rolled_back(h: &History) -> Vec<(&Life, &Moment, &Rollout)> {
    let mut all = Vec::new();
    for life in &h.lives {
        for (before, now) in life.steps().filter(|(_, now)| now.ours()) {
            let Some(rollout) = &now.status.rollout else { continue };
            let went_on = before.rollout(rollout.id).is_some_and(|r| r.step != Step::Ended);
            if went_on && rollout.step == Step::Ended && now.status.phase == Some(Phase::RolledBack) {
                all.push((life, now, rollout));
            }
        }
    }
    all
}

/// The workload's controller has seen its newest generation.
fn observed(workload: &Value) -> bool {
    workload["status"]["observedGeneration"].as_i64() >= workload["metadata"]["generation"].as_i64()
}

/// As many pods are available as are wanted.
fn up(workload: &Value) -> bool {
    let (spec, status) = (&workload["spec"], &workload["status"]);
    match workload["kind"].as_str() {
        Some("DaemonSet") => status["numberAvailable"].as_i64() >= status["desiredNumberScheduled"].as_i64(),
        _ => status["availableReplicas"].as_i64().unwrap_or_default() >= spec["replicas"].as_i64().unwrap_or(1),
    }
}

/// Every replica is available, and on the newest revision where its strategy brings that about by itself.
fn followed(workload: &Value) -> bool {
    let (spec, status) = (&workload["spec"], &workload["status"]);
    let count = |name: &str| status[name].as_i64().unwrap_or_default();
    let [wanted, total, updated, available] = match workload["kind"].as_str() {
        Some("DaemonSet") => {
            ["desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled", "numberAvailable"].map(count)
        }
        _ => [
            spec["replicas"].as_i64().unwrap_or(1),
            count("replicas"),
            count("updatedReplicas"),
            count("availableReplicas"),
        ],
    };
    // Pods below a StatefulSet's partition stay as they are.
    let kept = spec["updateStrategy"]["rollingUpdate"]["partition"].as_i64().unwrap_or_default();
    observed(workload) && [total, available] == [wanted; 2] && updated >= wanted - kept
}

/// Since when this stage is available as it is in `now`. A clock that was set back makes that time an earlier one, and
/// changes nothing else.
pub(super) fn available_since<'l>(
    life: &'l Life,
    now: &Moment,
    rollout: &Rollout,
    stage: &StageState,
) -> Option<&'l Moment> {
    let (mut since, mut said) = (None, stage.available_at?);
    for (moment, earlier) in life.of_rollout(rollout.id).rev().filter(|(m, _)| m.revision <= now.revision) {
        let Some(at) = earlier.stage_state(&stage.name).and_then(|s| s.available_at).filter(|at| *at >= said) else {
            break;
        };
        (since, said) = (Some(moment), at);
    }
    since
}

/// Keys of a stage's targets on this cluster.
pub(super) fn keys(stage: &StageState) -> Vec<Key> {
    stage.targets.iter().filter_map(|t| workload_key(&t.workload)).collect()
}
