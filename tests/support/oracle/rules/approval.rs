//! Who let a rollout into a stage.

use crate::support::oracle::{History, Life, Moment, Violation};
use std::collections::BTreeMap;
use tidegate::api::annotation::PROMOTE;
use tidegate::api::spec::PromotionMode;
use tidegate::api::status::Approval;
use tidegate::api::{RolloutId, Verb};

/// A stage that waits for approval is written only after a stored status held one of this rollout.
pub(super) fn approved_first(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for w in h.writes.iter().filter(|w| w.changed() && w.verb() == Some(Verb::Forward)) {
        let Some((stamp, parts)) = &w.stamp else { continue };
        let Some(life) = h.life(&stamp.uid).filter(|l| l.trusted(w.revision)) else { continue };
        if !entered_rightly(life, parts.rollout, &parts.target.stage, w.revision) {
            let says = format!("{} was written by {}, which nobody had approved", w.key, stamp.effect);
            broken.push(Violation::at(w.revision, says));
        }
    }
    broken
}

/// Whether the stage needs no approval, or a status from before `revision` holds it.
pub(super) fn entered_rightly(life: &Life, id: RolloutId, stage: &str, revision: u64) -> bool {
    let Some(spec) = life.spec_of(id, revision) else { return true };
    let Some((at, _)) = spec.stage(stage) else { return true };
    let stored = life.before(revision).and_then(|m| m.rollout(id));
    let approved =
        stored.is_some_and(|r| r.approvals.iter().any(|a| a.stage == stage && !a.token.starts_with("accept/")));
    spec.promotion(at).mode == PromotionMode::Automatic || approved
}

/// An approval is what the annotation says when it is recorded; it was set for this rollout, and no other has used it.
pub(super) fn counts_once(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for life in &h.lives {
        let mut used = BTreeMap::new();
        for (before, now) in life.steps() {
            for (id, approval) in new_approvals(before, now) {
                let says = unfounded(life, now, id, approval);
                broken.extend(says.map(|says| Violation::at(now.revision, says)));
                let first = used.insert((set_at(life, now), approval.stage.clone()), id);
                if let Some(other) = first.filter(|other| *other != id) {
                    let says = format!("{:?} approved rollout {other} and then {id}", approval.token);
                    broken.push(Violation::at(now.revision, says));
                }
            }
        }
    }
    broken
}

fn new_approvals<'m>(before: &'m Moment, now: &'m Moment) -> Vec<(RolloutId, &'m Approval)> {
    let Some(rollout) = &now.status.rollout else { return Vec::new() };
    let known = before.rollout(rollout.id).map(|r| r.approvals.as_slice()).unwrap_or_default();
    let new = rollout.approvals.iter().filter(|a| !known.iter().any(|k| k.stage == a.stage && k.token == a.token));
    new.map(|a| (rollout.id, a)).collect()
}

fn unfounded(life: &Life, now: &Moment, id: RolloutId, approval: &Approval) -> Option<String> {
    let token = &approval.token;
    if now.annotations.get(PROMOTE) != Some(token) {
        return Some(format!(
            "{token:?} was recorded as an approval, but the annotation says {:?}",
            now.annotations.get(PROMOTE)
        ));
    }
    let (named, bound) = token.split_once('#').map_or((token.as_str(), None), |(n, b)| (n, Some(b)));
    let named = named.trim_start_matches("accept/");
    let (stage, tag) = named.split_once(':').map_or((None, named), |(s, t)| (Some(s), t));
    let image = now.rollout(id).map(|r| r.image.short());
    if stage.is_some_and(|s| s != approval.stage) || image.as_deref().is_some_and(|i| i != tag) {
        return Some(format!("{token:?} approved {image:?} in {}", approval.stage));
    }
    if let Some(bound) = bound {
        return (bound != id.to_string()).then(|| format!("{token:?} approved rollout {id}"));
    }
    let early = life.began(id).is_some_and(|began| set_at(life, now) <= began);
    early.then(|| format!("{token:?} was there before rollout {id} began, and approved it"))
}

/// When the annotation got the value that it has in `now`.
fn set_at(life: &Life, now: &Moment) -> u64 {
    let value = now.annotations.get(PROMOTE);
    let until = life.moments.iter().rev().filter(|m| m.revision <= now.revision);
    until.take_while(|m| m.annotations.get(PROMOTE) == value).last().map_or(0, |m| m.revision)
}
