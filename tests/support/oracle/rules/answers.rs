//! Answers count only if they were given, by what runs, and after it ran.

use super::verified::{available_since, newly_verified, rolled_back};
use crate::support::oracle::{History, Life, Moment, Violation};
use jiff::Timestamp;
use tidegate::api::ask::Outcome;
use tidegate::api::spec::{HttpCheck, Probe, Question, SmokeQuestion, SmokeTest, Stage};
use tidegate::api::status::{CheckKind, CheckState, Purpose, Rollout, StageState, TargetStep, Verdict};

/// A stage is verified only after its checks reached pods, as often as they must pass, once it was available.
pub(super) fn asked_of_what_runs(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for (life, now, rollout, stage) in newly_verified(h) {
        let Some(spec) = frozen(life, now, rollout, stage).filter(|_| !accepted(rollout, stage)) else { continue };
        let Some(since) = available_since(life, now, rollout, stage) else { continue };
        let images: Vec<_> =
            now.status.stable.iter().filter(|s| s.stage == stage.name).flat_map(|s| &s.images).collect();
        for (check, name, successes) in http(&spec) {
            let new = |image: &str| {
                !matches!(check.probe, Probe::Pods(_)) || images.iter().any(|i| i.image.as_str() == image)
            };
            let passed = reached(h, since, now, check, new);
            if passed.is_some_and(|p| p < usize::try_from(successes).unwrap_or_default()) {
                let says = format!(
                    "{} was verified, but {name} passed {passed:?} of {successes} times after it was available",
                    stage.name
                );
                broken.push(Violation::at(now.revision, says));
            }
        }
    }
    broken
}

/// A stage is verified only when each check that decides has passed and each metric gate has, unless a person accepted it.
pub(super) fn all_passed(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for (life, now, rollout, stage) in newly_verified(h) {
        let Some(spec) = frozen(life, now, rollout, stage).filter(|_| !accepted(rollout, stage)) else { continue };
        let passed = |name: &str| stage.checks.iter().any(|c| c.name == name && c.verdict == Some(Verdict::Passed));
        let open = deciding(&spec).into_iter().filter(|name| stage.purpose != Some(Purpose::Verify) || !passed(name));
        let measured = |name: &str| stage.gates.iter().any(|g| g.name == name && g.outcome == Outcome::Pass);
        let gates = spec.metric_gates.iter().map(|g| g.name.as_str());
        for name in open.chain(gates.filter(|name| !measured(name))) {
            let says = format!("{} was verified, and {name} had not passed", stage.name);
            broken.push(Violation::at(now.revision, says));
        }
    }
    broken
}

/// `RolledBack` is said only after the checks of the restored version have passed, and did reach it.
pub(super) fn asked_after_the_restore(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for (life, now, rollout) in rolled_back(h) {
        for stage in rollout.stages.iter().filter(|s| s.targets.iter().any(|t| t.state == TargetStep::Restored)) {
            let Some(spec) = frozen(life, now, rollout, stage) else { continue };
            let checked = !spec.health_checks.is_empty() || !spec.smoke_tests.is_empty();
            let proven = stage.purpose == Some(Purpose::Restore)
                && stage.checks.iter().all(|c| c.informative || c.verdict == Some(Verdict::Passed));
            if checked && !proven {
                let says = format!("{} was called restored before its checks had passed", stage.name);
                broken.push(Violation::at(now.revision, says));
                continue;
            }
            let Some(since) = available_since(life, now, rollout, stage) else { continue };
            let backs: Option<Vec<_>> = stage.targets.iter().map(|t| t.way_back.as_ref()).collect();
            let backs: Vec<_> = backs.into_iter().flatten().flat_map(|b| &b.images).collect();
            let deciding = |name: &str| stage.checks.iter().any(|c| c.name == name && !c.informative);
            for (check, name, successes) in http(&spec).into_iter().filter(|(_, name, _)| deciding(name)) {
                let old = |image: &str| {
                    let any = !matches!(check.probe, Probe::Pods(_)) || backs.is_empty();
                    any || backs.iter().any(|i| i.image.as_str() == image)
                };
                let passed = reached(h, since, now, check, old);
                if passed.is_some_and(|p| p < usize::try_from(successes).unwrap_or_default()) {
                    let says = format!(
                        "{} was called restored, but {name} passed {passed:?} of {successes} times after it was",
                        stage.name
                    );
                    broken.push(Violation::at(now.revision, says));
                }
            }
        }
    }
    broken
}

/// A check has passed, failed or come to nothing only when as many rounds as the spec gives it said so.
pub(super) fn verdicts_by_the_budget(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for life in &h.lives {
        for (before, now) in life.steps().filter(|(_, now)| now.ours()) {
            let Some(rollout) = &now.status.rollout else { continue };
            for stage in &rollout.stages {
                let was = before.stage(rollout.id, &stage.name);
                let Some(spec) = frozen(life, now, rollout, stage) else { continue };
                for check in stage.checks.iter().filter(|c| !was.is_some_and(|w| w.checks.contains(c))) {
                    if let Some(verdict) = check.verdict.filter(|v| !earned(check, *v, &spec)) {
                        let says = format!("{} of {} was called {verdict:?} after {check:?}", check.name, stage.name);
                        broken.push(Violation::at(now.revision, says));
                    }
                }
            }
        }
    }
    broken
}

fn earned(check: &CheckState, verdict: Verdict, spec: &Stage) -> bool {
    let retry = match check.kind {
        CheckKind::Health => spec.health_checks.iter().find(|c| c.name == check.name).map(|c| &c.retry),
        CheckKind::Smoke => spec.smoke_tests.iter().find(|c| c.name == check.name).map(|c| &c.retry),
        CheckKind::Performance => None,
    };
    let Some(retry) = retry else { return check.number > 0 };
    let (attempts, successes) = if check.informative { (1, 1) } else { (retry.attempts, retry.successes) };
    // What nobody could ask is asked four times, but for a Job.
    let job = |c: &SmokeTest| c.name == check.name && matches!(c.question, SmokeQuestion::Job(_));
    let job = check.kind == CheckKind::Smoke && spec.smoke_tests.iter().any(job);
    let asked = check.fails > 0 || check.number >= 4 || check.informative || job;
    let spent = check.fails + check.errors >= attempts || check.number >= attempts * (successes + 1);
    match verdict {
        Verdict::Passed => check.passes >= successes,
        Verdict::Failed => spent && (check.fails > check.errors || check.fails >= attempts),
        Verdict::Inconclusive => spent && asked && check.errors >= check.fails && check.fails < attempts,
    }
}

/// A stage that bakes is verified no earlier than its bake is long, by the API server's clock.
pub(super) fn baked_in_full(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for (life, now, rollout, stage) in newly_verified(h) {
        let spec = frozen(life, now, rollout, stage).filter(|_| !accepted(rollout, stage));
        let Some(bake) = spec.and_then(|s| s.bake) else { continue };
        let since = available_since(life, now, rollout, stage).and_then(|m| m.by.as_ref());
        let Some((since, until)) = since.zip(now.by.as_ref()) else { continue };
        let took = i64::try_from(until.done.duration_since(since.begun).as_millis()).unwrap_or_default();
        if took < bake.millis() {
            let says = format!("{} baked {took} ms of {} ms", stage.name, bake.millis());
            broken.push(Violation::at(now.revision, says));
        }
    }
    broken
}

/// A person took it as it was.
fn accepted(rollout: &Rollout, stage: &StageState) -> bool {
    rollout.approvals.iter().any(|a| a.stage == stage.name && a.token.starts_with("accept/"))
}

/// The names of those that decide.
fn deciding(stage: &Stage) -> Vec<&str> {
    let health = stage.health_checks.iter().map(|c| c.name.as_str());
    let smoke = stage.smoke_tests.iter().map(|c| c.name.as_str());
    let loads = stage.performance_checks.iter().map(|c| c.name.as_str());
    health.chain(smoke).chain(loads).collect()
}

fn frozen(life: &Life, now: &Moment, rollout: &Rollout, stage: &StageState) -> Option<Stage> {
    let spec = life.spec_of(rollout.id, now.revision)?;
    spec.stage(&stage.name).map(|(_, s)| s.clone())
}

/// The checks by HTTP within the cluster: what is asked, its name, and how often it must pass in a row.
fn http(stage: &Stage) -> Vec<(&HttpCheck, &str, i32)> {
    let health = stage.health_checks.iter().filter_map(|c| match &c.question {
        Question::Http(http) => Some((http, c.name.as_str(), c.retry.successes)),
        _ => None,
    });
    let smoke = stage.smoke_tests.iter().filter_map(|c| match &c.question {
        SmokeQuestion::Http(http) => Some((http, c.name.as_str(), c.retry.successes)),
        _ => None,
    });
    health.chain(smoke).filter(|(c, _, _)| !matches!(c.probe, Probe::Url(_))).collect()
}

/// How many requests of a check were answered as expected between two versions, by pods with such an image. `None`: the
/// log does not reach back so far.
fn reached(
    h: &History,
    since: &Moment,
    until: &Moment,
    check: &HttpCheck,
    image: impl Fn(&str) -> bool,
) -> Option<usize> {
    let (since, until): (Timestamp, Timestamp) = (since.by.as_ref()?.begun, until.by.as_ref()?.done);
    if h.sources.complete_since.is_some_and(|c| c > since) {
        return None;
    }
    let right = |status: u16| match check.expect.status.as_slice() {
        [] => (200..300).contains(&status),
        some => some.contains(&i32::from(status)),
    };
    let asked = h.sources.requests.iter().filter(|r| r.path == check.path() && r.time >= since && r.time <= until);
    Some(asked.filter(|r| right(r.status) && image(&r.image) && r.user_agent.starts_with("tidegate")).count())
}
