//! What is called available, verified or restored on ECS is that: by how the services really stood, whatever was answered.

use super::super::verified::{newly_verified, rolled_back};
use super::named;
use crate::support::oracle::write::runs_where_it_can;
use crate::support::oracle::{History, Moment, SIGHT, Standing, Violation};
use tidegate::api::status::{ContainerImage, StageState, Step, TargetStep, Workload};

/// A stage whose checks are asked had landed: every service, with all of its tasks.
pub(in super::super) fn available_first(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for life in &h.lives {
        for (before, now) in life.steps().filter(|(_, now)| now.ours()) {
            let Some(rollout) = now.status.rollout.as_ref().filter(|r| r.step == Step::Verifying) else { continue };
            let was = |s: &StageState| before.stage(rollout.id, &s.name).and_then(|s| s.available_at);
            let new = rollout.stages.iter().filter(|s| s.available_at.is_some() && was(s) != s.available_at);
            for (stage, target) in new.flat_map(|s| s.targets.iter().map(move |t| (s, t))) {
                let written = target.written.as_ref().map_or(&[][..], |w| &w.images);
                if stood_otherwise(h, now, &target.workload, written) {
                    let says = format!("{} was called available, and {} was not", stage.name, target.workload);
                    broken.push(Violation::at(now.revision, says));
                }
            }
        }
    }
    broken
}

/// A service in a stage that is verified has landed with the rollout's images and all of its tasks, unless a person accepted
/// it as it was.
pub(in super::super) fn what_runs(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for (life, now, rollout, stage) in newly_verified(h) {
        let earlier = life.of_rollout(rollout.id).take_while(|(m, _)| m.revision < now.revision);
        if earlier.last().is_some_and(|(_, r)| r.step == Step::Holding) {
            continue;
        }
        for stable in now.status.stable.iter().filter(|s| s.stage == stage.name) {
            if stood_otherwise(h, now, &stable.workload, &stable.images) {
                let says = format!(
                    "{} was called verified with {}, which {} did not run",
                    stage.name, rollout.image, stable.workload
                );
                broken.push(Violation::at(now.revision, says));
            }
        }
    }
    broken
}

/// `RolledBack` is said only after every restored service had landed on its way back; while it is so, if one stage went back.
pub(in super::super) fn restored_runs(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for (_, now, rollout) in rolled_back(h) {
        let back = |s: &&StageState| s.targets.iter().any(|t| t.state == TargetStep::Restored);
        let alone = rollout.stages.iter().filter(back).count() == 1;
        for target in rollout.stages.iter().flat_map(|s| &s.targets).filter(|t| t.state == TargetStep::Restored) {
            let Some(back) = &target.way_back else { continue };
            let ran = |s: &Standing| runs_where_it_can(&s.images, &back.images);
            let stood = until(h, now, &target.workload);
            let seen = stood.is_some();
            let mut since = stood.into_iter().flatten().take_while(|s| ran(s));
            let was_back = !seen || since.any(well);
            if !was_back || alone && stood_otherwise(h, now, &target.workload, &back.images) {
                let says =
                    format!("{} was called restored to {:?}, which it did not run", target.workload, back.images);
                broken.push(Violation::at(now.revision, says));
            }
        }
    }
    broken
}

/// Whether a service was never seen, right before this was written, to have landed with these images and all of its tasks.
fn stood_otherwise(h: &History, now: &Moment, workload: &Workload, images: &[ContainerImage]) -> bool {
    let (Some(mut all), Some(by)) = (until(h, now, workload), &now.by) else { return false };
    let since = by.begun.saturating_sub(SIGHT).unwrap_or(by.begun);
    // The last one from before still held when the window opened.
    all.truncate(all.iter().take_while(|s| s.at >= since).count() + 1);
    let ran = |s: &Standing| images.is_empty() || runs_where_it_can(&s.images, images);
    !all.into_iter().any(|s| well(s) && ran(s))
}

/// How a service stood before this was written, newest first; `None` for any other workload, or where nobody saw it.
fn until<'h>(h: &'h History, now: &Moment, workload: &Workload) -> Option<Vec<&'h Standing>> {
    let ((region, cluster, service), by) = named(workload).zip(now.by.as_ref())?;
    let of_it = |s: &&Standing| (&s.region, &s.cluster, &s.service) == (&region, &cluster, &service) && s.at < by.done;
    Some(h.sources.standings.as_ref()?.iter().rev().filter(of_it).collect())
}

/// All of it is there.
fn well(standing: &Standing) -> bool {
    standing.landed && standing.running >= standing.desired
}
