//! Jobs of hooks.

use super::approval::entered_rightly;
use crate::support::oracle::{History, Version, Violation};
use std::collections::BTreeSet;
use tidegate::api::RolloutId;
use tidegate::api::annotation::EFFECT;

/// The parts of a hook's effect: the Release's uid, the rollout, the stage, the hook, and whether it undoes.
pub(super) struct Of {
    pub(super) effect: String,
    pub(super) uid: String,
    pub(super) rollout: RolloutId,
    stage: String,
    hook: String,
    undo: bool,
}

/// A hook has one Job for ever, and a stored status intended it before it was there.
pub(super) fn one_job_for_ever(h: &History) -> Vec<Violation> {
    let mut made = BTreeSet::new();
    let mut broken = Vec::new();
    for (version, of) in created(h) {
        let life = h.life(&of.uid).filter(|l| l.trusted(version.revision));
        let stage = life.map(|l| l.before(version.revision).and_then(|m| m.stage(of.rollout, &of.stage)));
        let intended = |s: &tidegate::api::status::StageState| {
            s.hooks.iter().chain(&s.on_rollback).any(|k| k.effect.as_str() == of.effect)
        };
        if stage.is_some_and(|s| !s.is_some_and(intended)) {
            broken.push(Violation::at(version.revision, format!("{} was intended by no stored status", of.effect)));
        }
        if !made.insert(of.effect.clone()) {
            broken.push(Violation::at(version.revision, format!("{} was begun twice", of.effect)));
        }
    }
    broken
}

/// A stage's hooks begin only when it may be entered; what undoes them only where the spec declares it.
pub(super) fn in_order(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for (version, of) in created(h) {
        let Some(life) = h.life(&of.uid).filter(|l| l.trusted(version.revision)) else { continue };
        let Some(rollout) = life.before(version.revision).and_then(|m| m.rollout(of.rollout)) else { continue };
        let mut before = rollout.stages.iter().take_while(|s| s.name != of.stage);
        let open = before.any(|s| s.verified_at.is_none());
        let spec = life.spec_of(of.rollout, version.revision);
        let stage = spec.as_ref().and_then(|s| s.stage(&of.stage)).map(|(_, s)| s);
        let declared = stage.is_some_and(|s| {
            let list = if of.undo { &s.on_rollback } else { &s.hooks };
            list.iter().any(|k| k.name == of.hook)
        });
        if open || !declared || !entered_rightly(life, of.rollout, &of.stage, version.revision) {
            let says = format!("{} began, but its turn had not come (declared: {declared})", of.effect);
            broken.push(Violation::at(version.revision, says));
        }
    }
    broken
}

/// First versions of Jobs that a hook's effect made.
pub(super) fn created(h: &History) -> impl Iterator<Item = (&Version, Of)> {
    let new = h.versions.iter().filter(|v| v.key.resource == "jobs" && !v.gone() && v.before.is_none());
    new.filter_map(|v| Some((v, of(v.value["metadata"]["annotations"][EFFECT].as_str()?)?)))
}

fn of(effect: &str) -> Option<Of> {
    let parts: Vec<&str> = effect.split('/').collect();
    let [uid, rollout, stage, hook, verb @ ("run" | "undo")] = parts[..] else { return None };
    let [uid, stage, hook] = [uid, stage, hook].map(str::to_owned);
    Some(Of { effect: effect.to_owned(), uid, rollout: rollout.parse().ok()?, stage, hook, undo: verb == "undo" })
}
