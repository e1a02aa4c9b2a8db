//! How the old version does under load, measured once, right before a stage is written: what limits compare with.
//!
//! A stage whose limits could never be judged is not written at all.

use super::draft::{Draft, Flow, Work, cause};
use super::performance::{self, Old};
use super::{checks, choose, restore};
use crate::api::Reason;
use crate::api::ask::{Ask, AskId, Query};
use crate::api::spec::{PerformanceCheck, Stage};
use crate::api::status::{Baseline, Purpose, Step};
use crate::api::time::Duration;

/// For one measurement, with its turn among those of others.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// So long it may take until what runs is available in full.
const SETTLES: Duration = Duration::from_secs(60);
/// Characters of a reason that are remembered.
const MAX_WHY: usize = 200;

/// `None`: everything is measured that limits of this stage compare with.
pub(super) fn measure(d: &mut Draft, w: &mut Work) -> Option<Flow> {
    let stage = w.stage().clone();
    for check in stage.performance_checks.iter().filter(|c| c.compares()) {
        let i = entry(d, w, &check.name);
        let known = &w.state().baselines[i];
        if known.measured.is_some() {
            continue;
        }
        if known.missing.is_none() {
            let answer = ask(d, w, &stage, check, i);
            w.state_mut().baselines[i] = answer;
        }
        let known = &w.state().baselines[i];
        if let Some(why) = known.missing.clone() {
            return Some(give_up(d, w, check, &why));
        }
        if known.measured.is_none() {
            w.rollout.step = Step::ChoosingWayBack;
            return Some(Flow::Stay);
        }
    }
    None
}

/// What the new version is compared with.
pub(super) fn old<'a>(w: &'a Work, check: &str) -> Old<'a> {
    let state = w.state();
    if state.adopted {
        return Old::Same;
    }
    let known = state.baselines.iter().find(|b| b.check == check);
    match known.and_then(|b| b.measured.as_ref()) {
        Some(measured) => Old::Measured(measured),
        None => Old::Unknown("the new version ran already when the rollout began"),
    }
}

fn entry(d: &Draft, w: &mut Work, check: &str) -> usize {
    let baselines = &mut w.state_mut().baselines;
    baselines.iter().position(|b| b.check == check).unwrap_or_else(|| {
        baselines.push(Baseline { check: check.to_owned(), since: d.now, measured: None, missing: None });
        baselines.len() - 1
    })
}

fn ask(d: &mut Draft, w: &Work, stage: &Stage, check: &PerformanceCheck, i: usize) -> Baseline {
    let known = w.state().baselines[i].clone();
    let missing = |why: &str| Baseline { missing: Some(why.chars().take(MAX_WHY).collect()), ..known.clone() };
    if choose::owes(d, w) {
        return missing("what runs now was brought by a rollout that was neither verified nor taken back");
    }
    let revision = checks::revisions(d, stage);
    let id = AskId {
        release: d.rel.uid.clone(),
        rollout: w.rollout.id,
        stage: stage.name.clone(),
        check: check.name.clone(),
        purpose: Purpose::Baseline,
        number: 1,
        revision,
    };
    let answer = d.obs.results.iter().find(|r| r.id == id && r.at >= known.since);
    if let Some(result) = answer {
        let Some(measured) = &result.measured else { return missing(&result.message) };
        let doubt = performance::incomparable(check, measured);
        return doubt.map_or_else(
            || Baseline { measured: Some(measured.clone()), ..known.clone() },
            |why| missing(&format!("{why}; {}", result.message)),
        );
    }
    if d.due(known.since.plus(PATIENCE)) {
        return missing(&format!("it took longer than {PATIENCE}"));
    }
    if !choose::stands(d, stage) {
        if d.due(known.since.plus(SETTLES)) {
            return missing("it is not available in full");
        }
        d.look_again_in(Duration::from_secs(1));
        return known;
    }
    let query = Query::Load(check.http.clone());
    let pods = checks::pods_of(d, stage, &query);
    d.asks.push(Ask { id, release: d.rel.name.clone(), query, pods });
    known
}

/// Nothing is written yet, and nothing would be known of the new version if it were.
fn give_up(d: &mut Draft, w: &mut Work, check: &PerformanceCheck, why: &str) -> Flow {
    let message = format!(
        "{} could not be measured with the version that runs now, which its maxIncrease compares with, so nothing was \
         written: {why}; use max instead to go on without it",
        check.name
    );
    let why = cause(Reason::Inconclusive, message, false, d.now);
    restore::fail_stage(d, w, why)
}
