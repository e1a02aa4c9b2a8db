//! A stage whose checks could not be asked, where `rollback.onInconclusive: Hold` leaves the decision to a person.

use super::draft::{Draft, Flow, Work};
use super::{plan, promotion, restore, supersede, verify};
use crate::api::spec::OnInconclusive;
use crate::api::status::{Approval, Cause, PromotionState, Step};
use crate::api::{NsName, Reason, RolloutId, annotation};

/// Waits for a person, or takes the stage back where the spec does not ask for that.
pub(super) fn inconclusive(d: &mut Draft, w: &mut Work, why: Cause) -> Flow {
    if w.stage().rollback.on_inconclusive != OnInconclusive::Hold {
        return restore::fail_stage(d, w, why);
    }
    d.asks.clear();
    let token = accept(w);
    let orders = orders(&d.rel.name, &w.stage_name(), w.rollout.id, &token);
    d.warning(Reason::Inconclusive, format!("{}: {}; {orders}", w.stage_name(), why.message));
    w.rollout.promotion = Some(PromotionState {
        stage: w.stage_name(),
        token,
        since: d.now,
        given: None,
        last_refused: d.rel.annotations.get(annotation::PROMOTE).cloned(),
    });
    w.rollout.held = Some(why);
    w.go(Step::Holding)
}

pub(super) fn advance(d: &mut Draft, w: &mut Work) -> Flow {
    if let (Some(held), Some(why)) = (&w.rollout.promotion, w.rollout.held.clone())
        && d.due(held.since.plus(w.spec.promotion(w.at).timeout))
    {
        return restore::fail_stage(d, w, why);
    }
    if let Some(flow) = verify::disturbed(d, w) {
        if w.rollout.step != Step::Holding {
            release(w);
        }
        return flow;
    }
    let Some(held) = w.rollout.promotion.clone() else {
        return w.go(Step::Verifying);
    };
    let value = d.rel.annotations.get(annotation::PROMOTE).filter(|v| !v.is_empty()).cloned();
    match value {
        Some(value) if value == held.token => accepted(d, w, value),
        value => {
            if let Some(value) = value.filter(|v| held.last_refused.as_ref() != Some(v)) {
                let note = format!("{value:?} does not accept {}; expected {}", w.stage_name(), held.token);
                d.warning(Reason::PromotionRefused, note);
                if let Some(p) = &mut w.rollout.promotion {
                    p.last_refused = Some(value);
                }
            }
            supersede::make_room(d, w).unwrap_or(Flow::Stay)
        }
    }
}

/// What a person is told.
pub(super) fn orders(release: &NsName, stage: &str, id: RolloutId, token: &str) -> String {
    let how = promotion::how(release, token);
    format!("to accept {stage} as it is: {how}; to take it back set {}: {id}", annotation::ABORT)
}

fn release(w: &mut Work) {
    (w.rollout.held, w.rollout.promotion) = (None, None);
}

/// Not the token of the promotion: that one is there already.
fn accept(w: &Work) -> String {
    format!("accept/{}", plan::token(&w.stage_name(), &w.rollout.image, w.rollout.id))
}

fn accepted(d: &mut Draft, w: &mut Work, token: String) -> Flow {
    if verify::digest_may_come(d, w) {
        return Flow::Stay;
    }
    let by = d.rel.annotations.get(annotation::PROMOTED_BY).cloned();
    let stage = w.stage_name();
    d.normal(Reason::PromotionGiven, format!("{} accepted {stage} as it is", by.as_deref().unwrap_or("somebody")));
    d.status.handled.promote = Some(token.clone());
    w.rollout.approvals.push(Approval { stage, token, by, at: d.now });
    release(w);
    verify::passed(d, w)
}
