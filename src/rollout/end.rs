//! How a rollout ends: once, with a phase, a reason, and what is owed, settled and remembered.

use super::draft::{Draft, Work};
use super::{history, hooks, plan, quarantine, rest};
use crate::api::spec::RollbackMode;
use crate::api::status::{Debt, HistoryEntry, Phase, Step, TargetStep};
use crate::api::{Image, Reason, annotation};

/// Ends that keep their own reason although the stage was taken back.
const KEEP: [Reason; 8] = [
    Reason::Aborted,
    Reason::Superseded,
    Reason::Contended,
    Reason::PromotionExpired,
    Reason::TargetGone,
    Reason::Deleted,
    Reason::Quarantined,
    Reason::StatusUnreadable,
];

/// Ends that say nothing of what runs.
const HOOKS: [Reason; 3] = [Reason::HookFailed, Reason::HookTimedOut, Reason::HookVanished];

/// What a person can do after an end that is no success.
pub(super) const AGAIN: &str = "to try again set tidegate.dev/retry to a new value, or set a new tag";
/// Debts that are remembered of one target: the last write may not have been made.
const MAX_DEBTS: usize = 2;

pub(super) fn finish(d: &mut Draft, w: &mut Work, reason: Reason) {
    let (phase, reason) = outcome(w, reason);
    let fault = w.rollout.cause.as_ref().is_some_and(|c| c.fault);
    if phase == Phase::Verified {
        quarantine::lift(d, &w.rollout.image.clone(), w.rollout.digest.clone().as_ref());
        if let Some(value) = rest::retry_asked(d) {
            d.status.handled.retry = Some(value);
            d.normal(Reason::RetryDropped, "the rollout that was running is verified, so nothing is tried again");
        }
    } else if fault && (w.wrote_anywhere() || w.state().targets.is_empty()) {
        // Every stage has targets. Where a damaged status has lost them, it is not known what was written.
        let why = w.rollout.cause.as_ref().map_or(reason, |c| c.reason);
        quarantine::add(d, w, why);
    }
    keep_debts(d, w);
    let settled_for = if reason == Reason::StatusUnreadable { &d.rel.spec } else { &w.spec };
    d.status.settled = Some(plan::settled(settled_for));
    w.rollout.spec = None;
    (w.rollout.blocked, w.rollout.held) = (None, None);
    w.rollout.promotion = None;
    w.rollout.step = Step::Ended;
    w.rollout.reason = Some(reason);
    w.rollout.ended_at = Some(d.now);
    d.asks.clear();
    history::keep_answers(w);
    history::remember(d, w, phase, reason);
    d.status.phase = Some(phase);
    let message = message(w, phase, reason);
    if phase == Phase::Verified || matches!(reason, Reason::Superseded | Reason::Deleted) {
        d.normal(reason, message.clone());
    } else {
        d.warning(reason, message.clone());
    }
    d.status.message = Some(message);
}

fn outcome(w: &Work, reason: Reason) -> (Phase, Reason) {
    if reason == Reason::Verified {
        return (Phase::Verified, reason);
    }
    let cause = w.rollout.cause.as_ref().map_or(reason, |c| c.reason);
    if matches!(reason, Reason::RollbackAwaited | Reason::RollbackForbidden) {
        let kept = matches!(cause, Reason::Superseded | Reason::Deleted | Reason::TargetGone);
        return (Phase::Failed, if kept { cause } else { reason });
    }
    // Stages before are concerned where they were taken back too.
    let targets = || w.rollout.stages[w.at..].iter().flat_map(|s| &s.targets);
    let mut troubles: Vec<Reason> = targets().filter_map(|t| t.trouble.as_ref()).map(|c| c.reason).collect();
    troubles.sort_by_key(|r| *r != Reason::RollbackFailed);
    if let Some(worst) = troubles.first() {
        return (Phase::Failed, *worst);
    }
    if reason == Reason::RollbackFailed || w.rollout.stages[w.at..].iter().any(|s| hooks::not_undone(s).is_some()) {
        return (Phase::Failed, Reason::RollbackFailed);
    }
    let restored = targets().any(|t| t.state == TargetStep::Restored);
    let gone = targets().any(|t| t.state == TargetStep::Gone);
    let lost = targets().any(|t| matches!(t.state, TargetStep::Foreign | TargetStep::Gone));
    let phase = if restored && !lost { Phase::RolledBack } else { Phase::Failed };
    let kept = if KEEP.contains(&cause) {
        cause
    } else if gone {
        Reason::TargetGone
    } else if restored {
        Reason::RolledBack
    } else if HOOKS.contains(&cause) {
        cause
    } else if w.state().adopted || targets().any(|t| t.state == TargetStep::Adopted) {
        Reason::AdoptedUnhealthy
    } else {
        cause
    };
    (phase, kept)
}

/// What was written forward and neither verified nor taken back outlives the rollout.
///
/// A debt of an earlier rollout stays until its target is verified, restored, changed by others, or gone.
pub(super) fn keep_debts(d: &mut Draft, w: &Work) {
    use TargetStep::{Adopted, Inherited, Restoring, Untouched, Writing, Written};
    let stage = w.stage().clone();
    let irreversible = hooks::barred(d, w);
    for (state, target) in w.state().targets.iter().zip(&stage.targets) {
        let of_it = |b: &Debt| b.stage == stage.name && b.target == state.name;
        if !matches!(state.state, Untouched | Inherited | Writing | Adopted) {
            d.status.debts.retain(|b| !of_it(b));
        }
        let (Some(effect), Some(way_back), Some(uid)) = (&state.effect, &state.way_back, &state.uid) else { continue };
        if !matches!(state.state, Inherited | Writing | Written | Restoring) {
            continue;
        }
        let inherited = state.inherited.as_ref().filter(|_| state.state == Inherited).map(|i| &i.written);
        let written = state.written.as_ref().or(inherited);
        let written = written.map_or_else(|| plan::wanted(&w.spec, target), |x| x.images.clone());
        d.status.debts.retain(|b| !of_it(b) || b.written != written);
        d.status.debts.push(Debt {
            stage: stage.name.clone(),
            target: state.name.clone(),
            workload: state.workload.clone(),
            uid: uid.clone(),
            rollout: w.rollout.id,
            effect: effect.clone(),
            written,
            way_back: way_back.clone(),
            irreversible,
        });
        let extra = d.status.debts.iter().filter(|b| of_it(b)).count().saturating_sub(MAX_DEBTS);
        let mut drop = 0;
        d.status.debts.retain(|b| {
            !of_it(b) || {
                drop += 1;
                drop > extra
            }
        });
    }
}

pub(super) fn verified(image: &Image) -> String {
    format!("{} is verified in every stage", image.short())
}

/// How an ended rollout reads when only the history knows of it.
pub(super) fn said_of(last: &HistoryEntry) -> String {
    if last.phase == Phase::Verified {
        return verified(&last.image);
    }
    let cause = last.cause.as_ref().map(|c| c.message.as_str()).unwrap_or_default();
    format!("{} ended as {}: {cause}; {AGAIN}", last.image.short(), last.reason)
}

/// Why nobody but a person goes back, and what that person may do.
fn irreversible(w: &Work, cause: &str) -> String {
    let (tag, stage) = (w.rollout.image.short(), w.failed());
    let hook = hooks::irreversible(w.state()).unwrap_or("a rollout before");
    let left = if w.wrote() {
        format!(
            "{tag} is left running, because {hook} has succeeded and is irreversible: go forward with a mended tag; only \
             if the old version can run with what it did, set {}: {}",
            annotation::ROLLBACK,
            w.rollout.id
        )
    } else {
        format!(
            "nothing was written, but {hook} has succeeded and is irreversible: look whether what runs can live with it; {AGAIN}"
        )
    };
    format!("{tag} ended in {stage}: {cause}; {left}")
}

fn message(w: &Work, phase: Phase, reason: Reason) -> String {
    let tag = w.rollout.image.short();
    let stage = w.failed();
    let cause = w.rollout.cause.as_ref().map(|c| c.message.clone()).unwrap_or_default();
    let targets = w.rollout.stages[w.at..].iter().flat_map(|s| s.targets.iter().map(move |t| (s, t)));
    let troubles: Vec<_> = targets.filter_map(|(s, t)| Some((&s.name, t.trouble.as_ref()?))).collect();
    let undone = w.rollout.stages[w.at..].iter().filter_map(|s| Some((&s.name, hooks::not_undone(s)?)));
    let undone: Vec<_> = undone.collect();
    let mut trouble: Vec<&str> = troubles.iter().map(|(_, c)| c.message.as_str()).collect();
    trouble.extend(undone.iter().map(|(_, m)| m.as_str()));
    trouble.dedup();
    let trouble = trouble.join("; ");
    let mut bad: Vec<&str> = troubles.iter().map(|(s, _)| s.as_str()).collect();
    bad.extend(undone.iter().map(|(s, _)| s.as_str()));
    bad.dedup();
    let look_at = if bad.is_empty() { stage.to_owned() } else { bad.join(" and ") };
    let again = AGAIN;
    match (phase, reason) {
        (Phase::Verified, _) => verified(&w.rollout.image),
        (_, Reason::Superseded | Reason::Deleted) => format!("{tag} ended in {stage}: {cause}"),
        (_, Reason::RollbackAwaited) => format!(
            "{tag} failed in {stage}: {cause}; it is left as it is, because rollback.mode is Manual; to restore {stage} set {}: {}",
            annotation::ROLLBACK,
            w.rollout.id
        ),
        (_, Reason::RollbackForbidden) if w.stage().rollback.mode != RollbackMode::Never => irreversible(w, &cause),
        (_, Reason::RollbackForbidden) => {
            format!("{tag} failed in {stage}: {cause}; it is left as it is, because rollback.mode is Never; {again}")
        }
        (Phase::RolledBack, _) => {
            let back =
                w.state().targets.iter().find_map(|t| t.way_back.as_ref()?.images.first().map(|i| i.image.short()));
            let back = back.unwrap_or_default();
            format!("{tag} failed in {stage}: {cause}; {back} is restored and verified; {again}")
        }
        (_, Reason::RollbackFailed | Reason::RollbackBlocked) => {
            format!(
                "{tag} failed in {stage} ({cause}) and was not brought back: {trouble}; look at {look_at} now; {again}"
            )
        }
        _ => format!("{tag} ended in {stage}: {cause}; {again}"),
    }
}
