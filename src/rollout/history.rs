//! What is remembered of a rollout that ended, within bounds: who approved, what each check came to, why it ended.

use super::draft::{Draft, Work};
use crate::api::Reason;
use crate::api::status::{
    CheckRecord, CheckState, GateRecord, GateState, HistoryEntry, Phase, Purpose, StageRecord, StageState,
    TargetRecord, TargetState, Verdict,
};
use crate::api::text::tidy;

/// Of each of targets, checks and gates so many are kept of one rollout, and so many characters of what they said.
const MOST: usize = 12;
const MAX_SAID: usize = 160;

/// Keeps what the checks of the new version came to, before others are asked.
pub(super) fn keep_answers(w: &mut Work) {
    let state = w.state_mut();
    if matches!(state.purpose, Some(Purpose::Verify | Purpose::Bake)) {
        let mut answers: Vec<CheckRecord> = state.checks.iter().map(answer).collect();
        bad_first(&mut answers);
        answers.truncate(MOST);
        state.answers = answers;
    }
}

/// Puts a rollout that ends now before those that ended earlier.
pub(super) fn remember(d: &mut Draft, w: &Work, phase: Phase, reason: Reason) {
    let entry = HistoryEntry {
        id: w.rollout.id,
        image: w.rollout.image.clone(),
        digest: w.rollout.digest.clone(),
        phase,
        reason,
        cause: w.rollout.cause.clone(),
        approvals: w.rollout.approvals.clone(),
        stages: stages(&w.rollout.stages),
        started_at: w.rollout.started_at,
        ended_at: d.now,
    };
    d.status.history.insert(0, entry);
    d.status.history.truncate(usize::try_from(d.rel.spec.history_limit).unwrap_or(0));
}

/// The stages that were entered. Those that come last say more of the end, so they are cut last.
fn stages(all: &[StageState]) -> Vec<StageRecord> {
    let mut left = Left { targets: MOST, checks: MOST, gates: MOST };
    let entered = all.iter().filter(|s| s.first_write_at.is_some() || s.restore_at.is_some());
    let mut records: Vec<StageRecord> = entered.rev().map(|s| stage(s, &mut left)).collect();
    records.reverse();
    records
}

/// How many of each may still be kept.
struct Left {
    targets: usize,
    checks: usize,
    gates: usize,
}

fn stage(state: &StageState, left: &mut Left) -> StageRecord {
    let record = StageRecord {
        name: state.name.clone(),
        adopted: state.adopted,
        ready: state.ready.clone(),
        first_write_at: state.first_write_at,
        verified_at: state.verified_at,
        restore_at: state.restore_at,
        targets: state.targets.iter().take(left.targets).map(target).collect(),
        checks: state.answers.iter().take(left.checks).cloned().collect(),
        gates: state.gates.iter().take(left.gates).map(gate).collect(),
    };
    left.targets -= record.targets.len();
    left.checks -= record.checks.len();
    left.gates -= record.gates.len();
    record
}

fn target(state: &TargetState) -> TargetRecord {
    let back = state.way_back.as_ref().and_then(|b| b.images.first());
    TargetRecord {
        name: state.name.clone(),
        before: state.found.first().or(back).map(|i| i.image.short()),
        state: state.state,
        trouble: state.trouble.as_ref().map(|c| tidy(&c.message, MAX_SAID)),
    }
}

fn gate(state: &GateState) -> GateRecord {
    GateRecord { name: state.name.clone(), outcome: state.outcome, message: tidy(&state.message, MAX_SAID) }
}

fn answer(check: &CheckState) -> CheckRecord {
    CheckRecord {
        name: check.name.clone(),
        kind: check.kind,
        verdict: check.verdict,
        rounds: check.number,
        message: check.message.as_deref().map(|m| tidy(m, MAX_SAID)),
    }
}

/// What failed, then what measured, then the rest, each in the order in which it was asked.
fn bad_first(answers: &mut [CheckRecord]) {
    let rank = |c: &CheckRecord| match c.verdict {
        Some(Verdict::Failed | Verdict::Inconclusive) => 0,
        _ if c.kind == crate::api::status::CheckKind::Performance => 1,
        _ => 2,
    };
    answers.sort_by_key(rank);
}
