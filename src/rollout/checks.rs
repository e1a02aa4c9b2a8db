//! Asking a list of checks: which round is due, which results count, when a check has passed or failed.

use super::draft::{Draft, Work};
use super::{baseline, jobs, performance, plan, strategy};
use crate::api::ask::{Ask, AskId, AskResult, Outcome, PodsOf, Query};
use crate::api::spec::{Retry, Stage};
use crate::api::status::{CheckKind, CheckState, Purpose, Verdict};
use crate::api::time::{Duration, Time};
use serde_json::json;

/// So many rounds there are before it counts that nobody could ask, however few attempts a check has: what is asked once
/// is not to hang on a single answer of a name server or of the API server.
const UNASKED: i32 = 4;

/// One check, as it is to be asked now.
#[derive(Clone)]
pub(super) struct Question {
    pub name: String,
    pub kind: CheckKind,
    pub query: Query,
    pub retry: Retry,
    pub delay: Duration,
    /// Asked once and reported; decides nothing.
    pub informative: bool,
}

pub(super) enum Asked {
    Waiting,
    Passed,
    /// The application answered wrongly: which check, and what it said.
    Failed(CheckState),
    /// Nobody could ask.
    Inconclusive(CheckState),
}

impl Question {
    /// What tells whether it is the same question with the same expectation.
    pub(super) fn hash(&self) -> String {
        match &self.query {
            Query::Http(http) => plan::hash(&json!([self.kind, http.probe, http.path, http.headers, http.expect])),
            Query::Tcp(tcp) => plan::hash(&json!([self.kind, "tcp", tcp.peer])),
            Query::Grpc(grpc) => plan::hash(&json!([self.kind, "grpc", grpc.peer, grpc.service_name()])),
            Query::Job(job) => plan::hash(&json!([self.kind, "job", job.test.source])),
            Query::Load(load) => plan::hash(&json!([self.kind, load])),
            Query::Prometheus(_) | Query::Cloudwatch(_) => plan::hash(&json!([self.kind, self.query])),
        }
    }
}

/// What tells whether a version is well: health checks and smoke tests.
pub(super) fn questions(stage: &Stage) -> Vec<Question> {
    let health = stage.health_checks.iter().map(|c| Question {
        name: c.name.clone(),
        kind: CheckKind::Health,
        query: Query::from(&c.question),
        retry: c.retry.clone(),
        delay: c.initial_delay.unwrap_or_default(),
        informative: false,
    });
    let smoke = stage.smoke_tests.iter().map(|c| Question {
        name: c.name.clone(),
        kind: CheckKind::Smoke,
        query: Query::from(&c.question),
        retry: c.retry.clone(),
        delay: Duration::ZERO,
        informative: false,
    });
    health.chain(smoke).collect()
}

/// What a new version has to pass: everything that tells whether it is well, then the load.
pub(super) fn of_new_version(stage: &Stage) -> Vec<Question> {
    let load = stage.performance_checks.iter().map(|c| Question {
        name: c.name.clone(),
        kind: CheckKind::Performance,
        query: Query::Load(c.http.clone()),
        retry: Retry::once(),
        delay: Duration::ZERO,
        informative: false,
    });
    questions(stage).into_iter().chain(load).collect()
}

/// Counts what was answered and asks what is due. Health checks together, then all others one after the other.
/// `base`: when the stage became available.
pub(super) fn ask(d: &mut Draft, w: &mut Work, purpose: Purpose, questions: &[Question], base: Time) -> Asked {
    reset_for(w, purpose, questions);
    let revision = revisions(d, w.stage());
    let asleep = asleep(d, w.stage());
    count(d, w, purpose, &revision, questions, base, asleep.as_deref());
    for question in questions {
        let Some(i) = position(w, question) else { continue };
        if open_before(w, question) || w.state().checks[i].verdict.is_some() {
            continue;
        }
        let state = &w.state().checks[i];
        let due = state.at.map_or(base.plus(question.delay), |at| at.plus(question.retry.interval));
        if !d.due(due) {
            continue;
        }
        if let Some(asleep) = &asleep {
            let now = d.now;
            score(&mut w.state_mut().checks[i], Outcome::Error, nobody(asleep), now, question);
            continue;
        }
        let number = state.number + 1;
        let id = AskId {
            release: d.rel.uid.clone(),
            rollout: w.rollout.id,
            stage: w.stage_name(),
            check: question.name.clone(),
            purpose,
            number,
            revision: revision.clone(),
        };
        let pods = pods_of(d, w.stage(), &question.query);
        let query = jobs::of_question(d, w.stage(), &question.query, &id);
        d.asks.push(Ask { id, release: d.rel.name.clone(), query, pods });
    }
    if asleep.is_some() {
        d.look_again_in(Duration::from_secs(1));
    }
    sum_up(w)
}

/// Forgets every round: what was asked is no longer what runs.
pub(super) fn void(w: &mut Work) {
    w.state_mut().checks.clear();
    w.state_mut().purpose = None;
}

fn reset_for(w: &mut Work, purpose: Purpose, questions: &[Question]) {
    let state = w.state_mut();
    if state.purpose == Some(purpose) {
        return;
    }
    state.purpose = Some(purpose);
    let fresh = |q: &Question| CheckState {
        name: q.name.clone(),
        kind: q.kind,
        informative: q.informative,
        number: 0,
        passes: 0,
        fails: 0,
        errors: 0,
        verdict: None,
        message: None,
        at: None,
    };
    state.checks = questions.iter().map(fresh).collect();
}

/// The revisions of the stage's targets: what a result must have been asked of.
pub(super) fn revisions(d: &Draft, stage: &Stage) -> String {
    let of = |t: &crate::api::spec::Target| {
        let live = d.live(&stage.name, &t.name);
        live.and_then(|l| l.revision.clone()).unwrap_or_else(|| "-".into())
    };
    stage.targets.iter().map(of).collect::<Vec<_>>().join(",")
}

/// `asleep`: why there was nobody to ask. What is wrong then is nobody's fault.
fn count(
    d: &Draft,
    w: &mut Work,
    purpose: Purpose,
    revision: &str,
    questions: &[Question],
    base: Time,
    asleep: Option<&str>,
) {
    let (id, stage) = (w.rollout.id, w.stage_name());
    for result in &d.obs.results {
        let r = &result.id;
        let ours = r.rollout == id && r.stage == stage && r.purpose == purpose && r.revision == revision;
        let (outcome, message) = match (judged(w, result), asleep) {
            ((Outcome::Fail, _), Some(asleep)) => (Outcome::Error, nobody(asleep)),
            (judged, _) => judged,
        };
        let state = w.state_mut().checks.iter_mut().find(|c| c.name == r.check);
        let question = questions.iter().find(|q| q.name == r.check);
        if let (true, Some(state), Some(question)) = (ours, state, question)
            && r.number == state.number + 1
            && state.verdict.is_none()
            && result.at >= base
        {
            score(state, outcome, message, result.at, question);
        }
    }
}

fn nobody(asleep: &str) -> String {
    format!("{asleep}: there is nobody to ask")
}

/// What an answer says: of a load, what its thresholds make of it.
fn judged(w: &Work, result: &AskResult) -> (Outcome, String) {
    let check = w.stage().performance_checks.iter().find(|c| c.name == result.id.check);
    match (check, &result.measured) {
        (Some(check), Some(found)) => performance::judge(check, found, baseline::old(w, &check.name), &result.message),
        _ => (result.outcome, result.message.clone()),
    }
}

fn score(state: &mut CheckState, outcome: Outcome, message: String, at: Time, question: &Question) {
    state.number += 1;
    state.at = Some(at);
    state.message = Some(message);
    match outcome {
        Outcome::Pass => (state.passes, state.fails, state.errors) = (state.passes + 1, 0, 0),
        Outcome::Fail => (state.passes, state.fails) = (0, state.fails + 1),
        Outcome::Error | Outcome::NoData => (state.passes, state.errors) = (0, state.errors + 1),
    }
    let attempts = if question.informative { 1 } else { question.retry.attempts };
    let over = state.fails + state.errors >= attempts || (outcome != Outcome::Pass && spent(state, question));
    if state.passes >= question.retry.successes || (question.informative && state.passes > 0) {
        state.verdict = Some(Verdict::Passed);
    } else if over && (state.number >= UNASKED || !unasked(outcome, question)) {
        // Only what the application itself did wrong counts against it.
        let failed = state.fails >= attempts || state.fails > state.errors;
        state.verdict = Some(if failed { Verdict::Failed } else { Verdict::Inconclusive });
    }
}

/// Whether the question may not have been put at all. A Job may have done something, and a load that says too little does so again.
fn unasked(outcome: Outcome, question: &Question) -> bool {
    match question.query {
        _ if question.informative => false,
        Query::Job(_) => false,
        Query::Load(_) => outcome == Outcome::Error,
        _ => matches!(outcome, Outcome::Error | Outcome::NoData),
    }
}

/// One that answers now so, now so, comes to an end too.
fn spent(state: &CheckState, question: &Question) -> bool {
    let Retry { attempts, successes, .. } = question.retry;
    state.number >= attempts.saturating_mul(successes.saturating_add(1))
}

fn position(w: &Work, question: &Question) -> Option<usize> {
    w.state().checks.iter().position(|c| c.name == question.name && c.kind == question.kind)
}

/// Whether something must be answered before this one is asked.
fn open_before(w: &Work, question: &Question) -> bool {
    let before = w.state().checks.iter().take_while(|c| c.name != question.name || c.kind != question.kind);
    question.kind != CheckKind::Health && before.into_iter().any(|c| c.verdict.is_none())
}

fn sum_up(w: &Work) -> Asked {
    let deciding = || w.state().checks.iter().filter(|c| !c.informative);
    if let Some(failed) = deciding().find(|c| c.verdict == Some(Verdict::Failed)) {
        return Asked::Failed(failed.clone());
    }
    if let Some(open) = deciding().find(|c| c.verdict == Some(Verdict::Inconclusive)) {
        return Asked::Inconclusive(open.clone());
    }
    let done = w.state().checks.iter().all(|c| c.verdict.is_some());
    if done { Asked::Passed } else { Asked::Waiting }
}

/// Why nobody runs a workload of the stage.
pub(super) fn asleep(d: &Draft, stage: &Stage) -> Option<String> {
    stage.targets.iter().filter_map(|t| d.live(&stage.name, &t.name)).find_map(strategy::asleep)
}

pub(super) fn pods_of(d: &Draft, stage: &Stage, query: &Query) -> Option<PodsOf> {
    let pods = query.pods()?;
    let target = stage.targets.iter().find(|t| pods.target.as_ref().is_none_or(|n| *n == t.name))?;
    let live = d.live(&stage.name, &target.name)?;
    Some(PodsOf { workload: live.workload.kubernetes()?.clone(), revision: live.revision.clone()? })
}
