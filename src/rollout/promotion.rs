//! Approvals: which values count, for which rollout, once.

use super::draft::{Draft, Flow, Work, cause};
use super::{plan, restore};
use crate::api::spec::PromotionMode;
use crate::api::status::{Approval, PromotionState, Step};
use crate::api::{Reason, annotation};

/// Whether the stage in work may be entered; if not, the rollout waits, or has ended.
pub(super) fn granted(d: &mut Draft, w: &mut Work) -> Option<Flow> {
    let promotion = w.spec.promotion(w.at);
    let stage = w.stage_name();
    if promotion.mode == PromotionMode::Automatic || w.rollout.approvals.iter().any(|a| a.stage == stage) {
        return None;
    }
    let since = waiting_since(d, w, &stage);
    let expires = since.plus(promotion.timeout);
    if d.now >= expires {
        let message = format!(
            "nobody approved {stage} within {}; to start again set tidegate.dev/retry to a new value",
            promotion.timeout
        );
        let expired = cause(Reason::PromotionExpired, message, false, d.now);
        return Some(restore::fail_stage(d, w, expired));
    }
    match judge(d, w, &stage) {
        Some(Judgement::Right(approval)) => {
            d.normal(Reason::PromotionGiven, format!("{} approved {}", by(&approval), approval.token));
            d.status.handled.promote = Some(approval.token.clone());
            if let Some(p) = &mut w.rollout.promotion {
                p.given = Some(approval.clone());
            }
            w.rollout.approvals.push(approval);
            None
        }
        Some(Judgement::Wrong(value, why)) => {
            let token = plan::token(&stage, &w.rollout.image, w.rollout.id);
            d.warning(Reason::PromotionRefused, format!("{value:?} does not approve {stage}: {why}; expected {token}"));
            if let Some(p) = &mut w.rollout.promotion {
                p.last_refused = Some(value);
            }
            d.look_again(expires);
            Some(Flow::Stay)
        }
        None => {
            d.look_again(expires);
            Some(Flow::Stay)
        }
    }
}

fn by(approval: &Approval) -> &str {
    approval.by.as_deref().unwrap_or("somebody")
}

/// Since when this rollout waits for `stage`; begins to wait if it does not yet.
fn waiting_since(d: &mut Draft, w: &mut Work, stage: &str) -> crate::api::Time {
    if let Some(p) = w.rollout.promotion.as_ref().filter(|p| p.stage == stage) {
        w.rollout.step = Step::AwaitingPromotion;
        return p.since;
    }
    let token = plan::token(stage, &w.rollout.image, w.rollout.id);
    let at_start = w.rollout.promote_at_start.clone();
    let stale = at_start.clone().filter(|v| *v != token && d.rel.annotations.get(annotation::PROMOTE) == Some(v));
    w.rollout.promotion = Some(PromotionState {
        stage: stage.to_owned(),
        token: token.clone(),
        since: d.now,
        given: None,
        last_refused: stale.clone(),
    });
    w.rollout.step = Step::AwaitingPromotion;
    d.normal(Reason::AwaitingPromotion, format!("{stage} waits for approval: {}", how(&d.rel.name, &token)));
    // A token that was used before is still there in each later rollout, and nobody's mistake.
    if let Some(value) = stale.filter(|v| d.status.handled.promote.as_ref() != Some(v)) {
        let note = format!("{value:?} was there when the rollout started, so it approves nothing; expected {token}");
        d.warning(Reason::PromotionRefused, note);
    }
    d.now
}

/// The command that approves.
pub(super) fn how(release: &crate::api::NsName, token: &str) -> String {
    format!(
        "kubectl annotate release {} -n {} --overwrite --field-manager=tidegate-approver {}='{token}'",
        release.name,
        release.namespace,
        annotation::PROMOTE
    )
}

enum Judgement {
    Right(Approval),
    /// The value, and why it does not count.
    Wrong(String, &'static str),
}

/// What the annotation says now; `None` where it says nothing new.
fn judge(d: &Draft, w: &Work, stage: &str) -> Option<Judgement> {
    let value = d.rel.annotations.get(annotation::PROMOTE).filter(|v| !v.is_empty())?;
    let refused = w.rollout.promotion.as_ref().and_then(|p| p.last_refused.as_ref());
    let used = w.rollout.approvals.iter().any(|a| a.token == *value);
    let (short, id) = (w.rollout.image.short(), w.rollout.id.to_string());
    let whole = plan::token(stage, &w.rollout.image, w.rollout.id);
    let (named, bound) = value.split_once('#').map_or((value.as_str(), None), |(n, i)| (n, Some(i)));
    let (in_stage, tag) = named.split_once(':').map_or((None, named), |(s, t)| (Some(s), t));
    let right = Judgement::Right(Approval {
        stage: stage.to_owned(),
        token: value.clone(),
        by: d.rel.annotations.get(annotation::PROMOTED_BY).cloned(),
        at: d.now,
    });
    if *value == whole {
        return Some(right);
    }
    if refused == Some(value) || used {
        return None;
    }
    let why = if bound.is_some_and(|b| b != id) {
        "it names another rollout"
    } else if tag != short {
        "it names another tag"
    } else if in_stage.is_some_and(|s| s != stage) {
        "it names another stage"
    } else if w.rollout.promote_at_start.as_ref() == Some(value) {
        "it was there when the rollout started"
    } else if in_stage.is_none() && manual_stages(w) > 1 {
        "several stages wait for approval, so it must name one"
    } else {
        return Some(right);
    };
    Some(Judgement::Wrong(value.clone(), why))
}

fn manual_stages(w: &Work) -> usize {
    (0..w.spec.stages.len()).filter(|i| w.spec.promotion(*i).mode == PromotionMode::Manual).count()
}
