//! What the status says to people and to GitOps tools: phase, message, conditions, observed generation.

use super::draft::Draft;
use super::{end, hold, hooks, promotion, standing, warnings};
use crate::api::Reason;
use crate::api::condition::{self, AWAITING_PROMOTION, READY, RECONCILING, STALLED, Wanted};
use crate::api::spec::ReleaseSpec;
use crate::api::status::{Baseline, Phase, Rollout, Stable, Step};

const MAX_MESSAGE: usize = 1024;

pub(super) fn conclude(d: &mut Draft) {
    if d.discarded || (d.rel.deleting && d.status == d.rel.status) {
        return;
    }
    d.status.observed_generation = observed_generation(d);
    let mut wanted = match d.status.running().cloned() {
        Some(rollout) => working(d, &rollout),
        None => ended(d),
    };
    tags(d);
    standing::degraded(d, &mut wanted);
    warnings::drifted(d, &mut wanted);
    warnings::contended(d, &mut wanted);
    for w in &mut wanted {
        w.message = w.message.chars().take(MAX_MESSAGE).collect();
    }
    let message = d.status.message.take();
    d.status.message = message.map(|m| m.chars().take(MAX_MESSAGE).collect());
    announce_phase(d, &wanted);
    let generation = d.status.observed_generation;
    d.status.conditions = condition::merge(&d.rel.status.conditions, wanted, generation, d.now);
}

/// No phase is entered in silence: where nothing else is announced, the phase itself is.
fn announce_phase(d: &mut Draft, wanted: &[Wanted]) {
    if d.status.phase == d.rel.status.phase || !d.silent() {
        return;
    }
    if let (Some(ready), Some(message)) = (wanted.iter().find(|w| w.type_ == READY), d.status.message.clone()) {
        d.normal(ready.reason, message);
    }
}

/// A running rollout speaks of the spec that it froze; an edit of `suspend` alone is followed.
fn observed_generation(d: &Draft) -> i64 {
    let Some(rollout) = d.status.running() else { return d.rel.generation };
    let Some(frozen) = &rollout.spec else { return d.rel.generation };
    let same = serde_json::from_value::<ReleaseSpec>(frozen.clone()).is_ok_and(|spec| {
        let now = d.rel.spec.resolved();
        ReleaseSpec { suspend: now.suspend, ..spec } == now
    });
    if same { d.rel.generation } else { d.rel.status.observed_generation.max(rollout.id.generation) }
}

fn working(d: &mut Draft, rollout: &Rollout) -> Vec<Wanted> {
    let phase = match rollout.step {
        Step::Preflight | Step::ChoosingWayBack => Phase::Pending,
        Step::AwaitingPromotion | Step::Holding => Phase::AwaitingPromotion,
        // A first write that was refused and is tried again.
        Step::Rolling if rollout.blocked.is_some() => Phase::Pending,
        Step::RunningHooks | Step::Rolling => Phase::Rolling,
        Step::Verifying => Phase::Verifying,
        Step::Restoring | Step::RunningRollbackHooks | Step::VerifyingRestore | Step::Ended => Phase::Restoring,
    };
    let (reason, text) = sentence(d, rollout);
    let waits = d.rel.generation > d.status.observed_generation;
    let what = match d.rel.spec.image.at(None) == rollout.image {
        true => "an edit of the spec".to_owned(),
        false => d.rel.spec.image.short(),
    };
    let message = if waits { format!("{text} ({what} waits until this rollout ends)") } else { text };
    d.status.phase = Some(phase);
    d.status.message = Some(message.clone());
    let stalled = stalled(d, rollout);
    let mut wanted = Vec::new();
    if let Some(reason) = stalled {
        wanted.push(want(READY, "False", reason, &message));
        wanted.push(want(STALLED, "True", reason, &message));
    } else {
        wanted.push(want(READY, "Unknown", reason, &message));
        wanted.push(want(RECONCILING, "True", reason, &message));
    }
    if matches!(rollout.step, Step::AwaitingPromotion | Step::Holding) {
        wanted.push(want(AWAITING_PROMOTION, "True", reason, &message));
    }
    wanted
}

/// A rollout that cannot go on without a person: blocked for longer than its deadline, or a restore that was not done.
fn stalled(d: &Draft, rollout: &Rollout) -> Option<Reason> {
    let stage = rollout.stage.as_ref().and_then(|s| rollout.stage_state(s));
    let gave_up = stage.is_some_and(|s| {
        s.targets.iter().any(|t| t.trouble.as_ref().is_some_and(|c| c.reason == Reason::RollbackFailed))
    });
    if matches!(rollout.step, Step::Restoring | Step::RunningRollbackHooks | Step::VerifyingRestore) && gave_up {
        return Some(Reason::RollbackFailed);
    }
    let blocked = rollout.blocked.as_ref()?;
    let name = rollout.stage.as_deref().unwrap_or_default();
    let patience = d.rel.spec.stage(name).map(|(_, s)| s.progress_deadline).unwrap_or_default();
    let at_once = matches!(blocked.reason, Reason::NotSupported | Reason::TargetDuplicate | Reason::SpecTooLarge);
    let late = blocked.reason != Reason::Suspended && d.now >= blocked.at.plus(patience);
    (at_once || late).then_some(blocked.reason)
}

fn sentence(d: &Draft, rollout: &Rollout) -> (Reason, String) {
    let tag = rollout.image.short();
    let stage = rollout.stage.clone().unwrap_or_default();
    let why = rollout.cause.as_ref().map(|c| c.message.as_str()).unwrap_or_default();
    if let Some(blocked) = &rollout.blocked {
        return (blocked.reason, format!("{tag} waits before {stage}: {}", blocked.message));
    }
    match rollout.step {
        Step::Preflight => (Reason::Preflight, format!("{tag}: looking whether {stage} has everything it needs")),
        Step::ChoosingWayBack if measuring(rollout, &stage).is_some() => {
            let check = measuring(rollout, &stage).unwrap_or_default();
            (Reason::ChoosingWayBack, format!("{tag}: measuring with {check} what {stage} runs now"))
        }
        Step::ChoosingWayBack => {
            (Reason::ChoosingWayBack, format!("{tag}: asking whether what {stage} runs now is well"))
        }
        Step::AwaitingPromotion => {
            let token = rollout.promotion.as_ref().map(|p| p.token.clone()).unwrap_or_default();
            let how = promotion::how(&d.rel.name, &token);
            (Reason::AwaitingPromotion, format!("{tag} waits for approval to enter {stage}: {how}"))
        }
        Step::RunningHooks => {
            (Reason::RunningHooks, format!("{tag} waits before {stage}: {}", hooks::said(rollout, false)))
        }
        Step::RunningRollbackHooks => {
            (Reason::RunningHooks, format!("{tag} failed in {stage} ({why}); {}", hooks::said(rollout, true)))
        }
        Step::Rolling if rollout.stage_state(&stage).is_some_and(|s| s.adopted) => {
            (Reason::Rolling, format!("{tag} runs in {stage} already; waiting until it is available"))
        }
        Step::Rolling => (Reason::Rolling, format!("{tag} is rolling out to {stage}")),
        Step::Verifying if rollout.stage_state(&stage).is_some_and(|s| s.unavailable_since.is_some()) => (
            Reason::Verifying,
            format!("{tag} passed its checks in {stage}; waiting until all of it is available again"),
        ),
        Step::Verifying if rollout.stage_state(&stage).is_some_and(|s| s.undigested_since.is_some()) => (
            Reason::DigestUnknown,
            format!("{tag} passed its checks in {stage}; its pods do not tell their digest yet"),
        ),
        Step::Verifying if baking(rollout, &stage).is_some() => {
            let until = baking(rollout, &stage).map(|t| t.to_string()).unwrap_or_default();
            (Reason::Baking, format!("{tag} passed its checks in {stage}, and bakes until {until}"))
        }
        Step::Verifying => (Reason::Verifying, format!("{tag} is available in {stage}; {}", asked(rollout, &stage))),
        Step::Holding => {
            let token = rollout.promotion.as_ref().map(|p| p.token.clone()).unwrap_or_default();
            let why = rollout.held.as_ref().map(|c| c.message.as_str()).unwrap_or_default();
            (
                Reason::Inconclusive,
                format!("{tag} in {stage}: {why}; {}", hold::orders(&d.rel.name, &stage, rollout.id, &token)),
            )
        }
        Step::Restoring | Step::Ended => match restoring_trouble(rollout, &stage) {
            Some(trouble) => (Reason::RollbackFailed, format!("{tag} failed in {stage} ({why}): {trouble}")),
            None => {
                (Reason::Restoring, format!("{tag} failed in {stage} ({why}); its previous version is being restored"))
            }
        },
        Step::VerifyingRestore => {
            (Reason::Restoring, format!("{tag} failed in {stage} ({why}); the restored version is being checked"))
        }
    }
}

fn restoring_trouble(rollout: &Rollout, stage: &str) -> Option<String> {
    let targets = &rollout.stage_state(stage)?.targets;
    targets.iter().find_map(|t| t.trouble.as_ref()).map(|c| c.message.clone())
}

fn baking(rollout: &Rollout, stage: &str) -> Option<crate::api::Time> {
    rollout.stage_state(stage)?.bake_until
}

fn measuring(rollout: &Rollout, stage: &str) -> Option<String> {
    let open = |b: &&Baseline| b.measured.is_none() && b.missing.is_none();
    rollout.stage_state(stage)?.baselines.iter().find(open).map(|b| b.check.clone())
}

fn asked(rollout: &Rollout, stage: &str) -> String {
    let checks = rollout.stage_state(stage).map(|s| s.checks.as_slice()).unwrap_or_default();
    let passed = checks.iter().filter(|c| c.verdict.is_some()).count();
    format!("{passed} of {} checks passed", checks.len())
}

/// At rest phase and message stay as the end of the last rollout left them.
fn ended(d: &mut Draft) -> Vec<Wanted> {
    let reason = match d.status.rollout.as_ref().and_then(|r| r.reason) {
        Some(reason) => reason,
        None if d.status.settled.is_none() => return vec![],
        None => withdrawn(d),
    };
    let message = d.status.message.clone().unwrap_or_default();
    if d.status.phase == Some(Phase::Verified) {
        return vec![want(READY, "True", reason, &message)];
    }
    vec![want(READY, "False", reason, &message), want(STALLED, "True", reason, &message)]
}

/// A rollout that had not begun was withdrawn by an edit, so what ended before it is said again.
fn withdrawn(d: &mut Draft) -> Reason {
    let (phase, reason, message) = match d.status.history.first() {
        Some(last) => (last.phase, last.reason, end::said_of(last)),
        None if all_stable(d) => (Phase::Verified, Reason::Verified, end::verified(&d.rel.spec.image.at(None))),
        None => (Phase::Failed, Reason::Superseded, format!("the last rollout was not verified; {}", end::AGAIN)),
    };
    d.status.phase = Some(phase);
    d.status.message = Some(message);
    reason
}

/// Whether every target was last verified with what the spec asks for.
fn all_stable(d: &Draft) -> bool {
    let targets = d.rel.spec.stages.iter().flat_map(|s| s.targets.iter().map(move |t| (s, t)));
    targets.into_iter().all(|(s, t)| {
        let image = d.rel.spec.image.at(t.repository.as_deref());
        let of_it = |b: &Stable| b.stage == s.name && b.target == t.name;
        d.status.stable.iter().any(|b| of_it(b) && b.images.iter().all(|i| i.image == image))
    })
}

/// The tags that `kubectl get` shows: of the rollout, and of what a restore of its last stage would bring.
fn tags(d: &mut Draft) {
    let Some(rollout) = &d.status.rollout else { return };
    let tag = rollout.image.short();
    let last = rollout.stages.last();
    let way_back = last.and_then(|s| s.targets.first()?.way_back.as_ref()?.images.first());
    let stable =
        d.status.stable.iter().find(|b| last.is_some_and(|s| s.name == b.stage)).and_then(|b| b.images.first());
    let previous = way_back.or(stable).map(|i| i.image.short()).filter(|p| *p != tag);
    d.status.previous_tag = previous.or(d.status.previous_tag.take().filter(|p| *p != tag));
    d.status.tag = Some(tag);
}

pub(super) fn want(type_: &'static str, status: &'static str, reason: Reason, message: &str) -> Wanted {
    Wanted { type_, status, reason, message: message.to_owned() }
}
