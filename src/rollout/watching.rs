//! Asking on and on: while a stage bakes, while the rollout waits for approval, and at rest.
//!
//! Rounds lie on a grid in time, and an answer is kept in memory until the next one is due. So a round that passed costs
//! no write, and after a crash at most one round is asked again; only what fails is stored.

use super::checks::{self, Question};
use super::draft::Draft;
use crate::api::ask::{Ask, AskId, Outcome, Query};
use crate::api::spec::Stage;
use crate::api::status::{CheckKind, Failing, Purpose};
use crate::api::time::{Duration, Time};
use crate::api::{Reason, RolloutId};

/// Between two rounds of a check that is known to fail.
const LATER: Duration = Duration::from_secs(60);
/// Rounds are numbered by the time at which they were due, in so many milliseconds.
const TICK: i64 = 100;
/// Beside the timeout of a request, in milliseconds: connecting, and the looks before and after.
const SLACK: i64 = 900;
/// Pods that one round asks, and how many of them at once.
const MOST_PODS: i32 = 100;
const AT_ONCE: i32 = 8;

/// When rounds are due.
pub(super) struct Grid {
    pub since: Time,
    /// From one round to the next, while the last one passed.
    pub every: Duration,
    /// From then on a round has the last word; the grid is left for it.
    pub until: Option<Time>,
}

/// What is known of one check.
pub(super) enum Word {
    /// Its newest round passed. The flag: it was the one that has the last word.
    Well(bool),
    /// It has not been answered for this time, or has failed not often enough.
    Open,
    /// It failed as often in a row as it may.
    Bad(Failing),
}

/// Asks `questions` of what `stage` runs, each in its time.
pub(super) fn ask(
    d: &mut Draft,
    rollout: RolloutId,
    stage: &Stage,
    purpose: Purpose,
    questions: &[(Question, Grid)],
) -> Vec<Word> {
    let revision = checks::revisions(d, stage);
    let mut words = Vec::new();
    for (question, grid) in questions {
        let before = position(d, stage, question).map(|i| d.status.failing[i].clone());
        let every = before.as_ref().map_or(grid.every, |f| pace(f, question, grid));
        let Some((number, at)) = slot(d, grid, every.max(room(d, stage, question))) else {
            words.push(Word::Open);
            continue;
        };
        let last = grid.until.is_some_and(|until| at >= until);
        if let Some(failing) = before.as_ref().filter(|f| f.number == number) {
            words.push(verdict(failing.clone(), question));
            continue;
        }
        let id = AskId {
            release: d.rel.uid.clone(),
            rollout,
            stage: stage.name.clone(),
            check: question.name.clone(),
            purpose,
            number,
            revision: revision.clone(),
        };
        let answer = d.obs.results.iter().find(|r| r.id == id).map(|r| (r.outcome, r.message.clone()));
        let asleep = checks::asleep(d, stage);
        let word = match (answer, asleep) {
            (Some((Outcome::Pass, _)), _) => {
                recover(d, stage, question);
                d.kept.push(id);
                Word::Well(last)
            }
            (Some(_), _) if before.as_ref().is_some_and(|f| f.said) => {
                // It is known and said: nothing new is to be stored.
                d.kept.push(id);
                Word::Open
            }
            (Some((outcome, message)), _) => fail(d, stage, question, number, outcome, message),
            (None, Some(asleep)) => {
                let message = format!("{asleep}: there is nobody to ask");
                fail(d, stage, question, number, Outcome::Error, message)
            }
            (None, None) => {
                let pods = checks::pods_of(d, stage, &question.query);
                d.asks.push(Ask { id, release: d.rel.name.clone(), query: question.query.clone(), pods });
                Word::Open
            }
        };
        words.push(word);
    }
    words
}

/// Says what has failed as often as it may, once, and that it passes again.
pub(super) fn say(d: &mut Draft, words: &[Word]) {
    for word in words {
        let Word::Bad(failing) = word else { continue };
        let known = d.status.failing.iter_mut().find(|f| same(f, &failing.stage, &failing.name, failing.kind));
        if let Some(known) = known.filter(|f| !f.said) {
            known.said = true;
            d.warning(reason(failing), format!("{}: {}", failing.stage, told(failing)));
        }
    }
}

/// What fails is remembered as long as the Release stands where it stood.
pub(super) fn forget(d: &mut Draft) {
    let place = |s: &crate::api::ReleaseStatus| s.rollout.as_ref().map(|r| (r.id, r.step, r.stage.clone()));
    if place(&d.status) != place(&d.rel.status) {
        d.status.failing.clear();
    }
}

pub(super) fn reason(failing: &Failing) -> Reason {
    match failing.kind {
        _ if failing.fails <= failing.errors => Reason::Inconclusive,
        CheckKind::Health => Reason::HealthCheckFailed,
        CheckKind::Smoke => Reason::SmokeTestFailed,
        CheckKind::Performance => Reason::PerformanceCheckFailed,
    }
}

pub(super) fn told(failing: &Failing) -> String {
    let rounds = failing.fails + failing.errors;
    let word = if rounds == 1 { "round" } else { "rounds" };
    format!("{} fails for {rounds} {word}: {}", failing.name, failing.message)
}

/// The round that is due, by number and time; asks to be woken for the next one.
pub(super) fn slot(d: &mut Draft, grid: &Grid, every: Duration) -> Option<(i32, Time)> {
    let every = every.millis().max(1);
    let passed = d.now.since(grid.since).millis() / every;
    let next = grid.since.plus(Duration::from_millis(every).times(passed + 1));
    d.look_again(grid.until.filter(|u| *u > d.now).map_or(next, |u| next.min(u)));
    let mut at = grid.since.plus(Duration::from_millis(every).times(passed));
    if let Some(until) = grid.until.filter(|u| d.now >= *u && at < *u) {
        at = until;
    } else if passed == 0 || d.now < grid.since {
        return None;
    }
    Some((i32::try_from(at.since(grid.since).millis() / TICK).unwrap_or(i32::MAX), at))
}

/// The time that a round may take. The next one ends it: come sooner, what hangs would never be heard to fail.
fn room(d: &Draft, stage: &Stage, q: &Question) -> Duration {
    let pods = || stage.targets.iter().filter_map(|t| d.live(&stage.name, &t.name)).map(|l| l.replicas.wanted).max();
    let most = if q.query.pods().is_some() { pods().unwrap_or(1).clamp(1, MOST_PODS) } else { 1 };
    let waves = (most + AT_ONCE - 1) / AT_ONCE;
    time_for(&q.query).times(waves.into())
}

/// The time that one request may take.
pub(super) fn time_for(query: &Query) -> Duration {
    Duration::from_millis(query.timeout().millis() + SLACK)
}

/// How soon what fails is asked again: as its `retry` says, and when that is spent once a minute.
fn pace(failing: &Failing, q: &Question, grid: &Grid) -> Duration {
    if failing.said { q.retry.interval.max(grid.every.min(LATER)) } else { q.retry.interval }
}

fn fail(d: &mut Draft, stage: &Stage, q: &Question, number: i32, outcome: Outcome, message: String) -> Word {
    let i = position(d, stage, q).unwrap_or_else(|| {
        d.status.failing.push(Failing {
            stage: stage.name.clone(),
            name: q.name.clone(),
            kind: q.kind,
            number,
            fails: 0,
            errors: 0,
            message: String::new(),
            since: d.now,
            said: false,
        });
        d.status.failing.len() - 1
    });
    let failing = &mut d.status.failing[i];
    match outcome {
        Outcome::Fail => failing.fails += 1,
        _ => failing.errors += 1,
    }
    failing.number = number;
    failing.message = message;
    verdict(failing.clone(), q)
}

fn verdict(failing: Failing, q: &Question) -> Word {
    if failing.fails + failing.errors >= q.retry.attempts { Word::Bad(failing) } else { Word::Open }
}

fn recover(d: &mut Draft, stage: &Stage, q: &Question) {
    if let Some(i) = position(d, stage, q)
        && d.status.failing.remove(i).said
    {
        d.normal(Reason::Recovered, format!("{}: {} passes again", stage.name, q.name));
    }
}

fn position(d: &Draft, stage: &Stage, q: &Question) -> Option<usize> {
    d.status.failing.iter().position(|f| same(f, &stage.name, &q.name, q.kind))
}

fn same(failing: &Failing, stage: &str, name: &str, kind: CheckKind) -> bool {
    failing.stage == stage && failing.name == name && failing.kind == kind
}
