//! The pure core: what to do next, as a function of what is seen and the time.
//!
//! No client, no clock, no randomness, no await in here, and nothing of the crate but [`crate::api`]. Everything that
//! waits is an instant in the status, so a crash at any point goes on from what was stored.
//!
//! Reading order: [`step`], [`running`], then one file per step of a rollout: [`entry`] (preflight, way back, promotion,
//! first intent), [`hooks`], [`rolling`], [`verify`], [`bake`], [`restore`], [`proof`], [`end`]; and [`rest`] for a Release
//! with no rollout in work. Who makes room for a newer image is in [`supersede`], what an image is in [`identity`], and
//! what is different about ECS services in [`ecs`].

mod back;
mod bake;
mod baseline;
mod checks;
mod choose;
mod decision;
mod draft;
mod ecs;
mod end;
mod entry;
mod evidence;
mod foreign;
mod gates;
mod history;
mod hold;
mod hooks;
mod identity;
mod instants;
mod jobs;
mod lost;
mod observed;
mod performance;
mod plan;
mod preflight;
mod promotion;
mod proof;
mod quarantine;
mod readiness;
mod rest;
mod restore;
mod rollback;
mod rolling;
mod running;
mod say;
mod sight;
mod standing;
mod strategy;
mod stuck;
mod supersede;
mod tasks;
mod unsupported;
mod verify;
mod warnings;
mod watching;
mod write;

#[cfg(test)]
mod tests;

pub use decision::{Decision, Need};
pub use ecs::image_to_bring;
pub use observed::{Observed, ReleaseView};
pub use plan::token;

use crate::api::spec::TargetKind;
use crate::api::time::Time;
use draft::Draft;

/// What must be read before [`step`] can decide, told from the Release alone.
///
/// `touched`: a workload of it changed since the last look. An undisturbed Release needs nothing.
pub fn need(release: &ReleaseView, touched: bool) -> Need {
    match release.status.running() {
        Some(rollout) if rollout.spec.is_some() => Need {
            targets: plan::targets_of_rollout(rollout),
            hooks: hooks::looks(release, false),
            evidence: plan::evidence_of_rollout(rollout),
            active: true,
        },
        Some(_) => Need {
            targets: plan::targets_of_spec(release),
            hooks: hooks::looks(release, false),
            evidence: plan::evidence_of_spec(&release.spec),
            active: true,
        },
        None => {
            let starts = rest::wants_rollout(release) || rest::wants_rollback(release);
            let owes = release.deleting && release.finalizer;
            let mut targets = Vec::new();
            if touched || starts || owes || standing::watched(release) {
                targets = plan::targets_of_spec(release);
            }
            if !starts && !owes {
                // Nothing of AWS is asked for a Release at rest.
                targets.retain(|(_, t)| matches!(t, TargetKind::Kubernetes(_)));
            }
            let evidence = if starts { plan::evidence_of_spec(&release.spec) } else { vec![] };
            Need { targets, hooks: hooks::looks(release, starts), evidence, active: starts || owes }
        }
    }
}

/// Whether nothing is to be done before the Release or a workload of it changes. Needs nothing but the Release.
pub fn rests(release: &ReleaseView) -> bool {
    let need = need(release, false);
    if need.active || !need.targets.is_empty() {
        return false;
    }
    // At rest no clock runs. Where one does, it has not run out at this time, and the decision names it.
    let decision = step(release, &Observed::default(), Time::from_millis(0));
    decision.status == release.status
        && decision.effect.is_none()
        && decision.asks.is_empty()
        && decision.again.is_none()
}

/// What to do next.
pub fn step(release: &ReleaseView, observed: &Observed, now: Time) -> Decision {
    let mut draft = Draft::new(release, observed, now);
    rest::first_look(&mut draft);
    if draft.status.running().is_some() {
        running::advance(&mut draft);
    }
    // An end is stored before anything new begins: the next look then reads what the new spec names.
    let ended = draft.status.rollout.is_some() && release.status.running().is_some();
    if draft.effect.is_none() && draft.status.running().is_none() && !ended {
        rest::advance(&mut draft);
    }
    standing::advance(&mut draft);
    draft.put_off_passes();
    say::conclude(&mut draft);
    draft.finish()
}
