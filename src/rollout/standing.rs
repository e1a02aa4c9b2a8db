//! What is asked while nothing is done: of verified stages while the rollout waits for approval, and at rest.
//!
//! It decides nothing: a stage that is not well any more is said, as condition and event.

use super::checks::{self, Question};
use super::draft::Draft;
use super::watching::{self, Grid, told};
use super::{ReleaseView, say};
use crate::api::condition::{DEGRADED, Wanted};
use crate::api::spec::{ReleaseSpec, Stage};
use crate::api::status::{CheckKind, Phase, Purpose, Rollout, Step};
use crate::api::time::Time;
use crate::api::{ReleaseStatus, RolloutId};

/// While a rollout waits, a health check is asked so many times more rarely than while its stage was verified.
const WAITING: i64 = 12;

pub(super) fn advance(d: &mut Draft) {
    watching::forget(d);
    if d.effect.is_some() || d.discarded || d.rel.deleting {
        return;
    }
    if let Some((id, since)) = stands_since(&d.status) {
        return all_at_rest(d, id, since);
    }
    let Some(rollout) = d.status.rollout.clone() else { return };
    match &rollout.promotion {
        Some(promotion) if rollout.step == Step::AwaitingPromotion => {
            let since = promotion.since;
            let spec = rollout.spec.clone().and_then(|s| serde_json::from_value::<ReleaseSpec>(s).ok());
            let before =
                spec.into_iter().flat_map(|s| s.stages).take_while(|s| Some(&s.name) != rollout.stage.as_ref());
            for stage in before {
                waiting(d, &rollout, &stage, since);
            }
        }
        _ => {}
    }
}

/// Whether smoke tests are asked of it again and again while nothing is done.
pub(super) fn watched(release: &ReleaseView) -> bool {
    let stands = stands_since(&release.status).is_some();
    stands && !release.deleting && release.spec.stages.iter().any(|s| s.every.is_some())
}

pub(super) fn degraded(d: &Draft, wanted: &mut Vec<Wanted>) {
    let said: Vec<_> = d.status.failing.iter().filter(|f| f.said).collect();
    let Some(first) = said.first() else { return };
    let message: Vec<String> = said.iter().map(|f| format!("{}: {}", f.stage, told(f))).collect();
    wanted.push(say::want(DEGRADED, "True", watching::reason(first), &message.join("; ")));
}

/// Since when what was verified stands, and by which rollout. One that was withdrawn before it began changes nothing.
fn stands_since(status: &ReleaseStatus) -> Option<(RolloutId, Time)> {
    if !matches!(status.phase, Some(Phase::Verified | Phase::RolledBack)) {
        return None;
    }
    match &status.rollout {
        Some(rollout) => Some((rollout.id, rollout.ended_at?)),
        None => {
            let last = status.attempts?;
            let since = status.stable.iter().map(|s| s.at).max()?;
            Some((RolloutId { generation: last.generation, attempt: last.highest }, since))
        }
    }
}

fn all_at_rest(d: &mut Draft, id: RolloutId, since: Time) {
    let mut asked = Vec::new();
    for stage in d.rel.spec.stages.iter().filter(|s| s.every.is_some()) {
        let questions = passed(d, stage, CheckKind::Smoke);
        asked.extend(questions.iter().map(|q| (stage.name.clone(), q.name.clone())));
        at_rest(d, id, stage, questions, since);
    }
    // What is not asked any more, since the spec was edited, will never be heard to pass.
    d.status.failing.retain(|f| asked.iter().any(|(stage, name)| f.stage == *stage && f.name == *name));
}

fn waiting(d: &mut Draft, rollout: &Rollout, stage: &Stage, since: Time) {
    let questions = passed(d, stage, CheckKind::Health);
    let questions: Vec<_> = questions
        .into_iter()
        .map(|q| {
            let every = q.retry.interval.times(WAITING);
            (q, Grid { since, every, until: None })
        })
        .collect();
    let words = watching::ask(d, rollout.id, stage, Purpose::Waiting, &questions);
    watching::say(d, &words);
}

fn at_rest(d: &mut Draft, id: RolloutId, stage: &Stage, questions: Vec<Question>, since: Time) {
    let every = stage.every.unwrap_or_default();
    let questions: Vec<_> = questions.into_iter().map(|q| (q, Grid { since, every, until: None })).collect();
    let words = watching::ask(d, id, stage, Purpose::Rest, &questions);
    watching::say(d, &words);
}

/// The checks that what runs there has passed: others say nothing of it.
fn passed(d: &Draft, stage: &Stage, kind: CheckKind) -> Vec<Question> {
    let stable: Vec<_> = d.status.stable.iter().filter(|s| s.stage == stage.name).collect();
    let known = |q: &Question| !stable.is_empty() && stable.iter().all(|s| s.passed.contains(&q.hash()));
    checks::questions(stage).into_iter().filter(|q| q.kind == kind && known(q)).collect()
}
