//! Whether a stage may be entered by what CI found out about the image. Judged once per stage, before anybody is asked
//! and anything is touched.
//!
//! Evidence about another image, or from too long ago, is none. None is no score: the rollout waits for it.

mod evidence;

use super::draft::{Draft, Flow, Work, cause};
use super::preflight::Blocked;
use super::{entry, restore};
use crate::api::spec::Readiness;
use crate::api::status::Ready;
use crate::api::text::tidy;
use crate::api::view::EvidenceView;
use crate::api::{Reason, annotation};
use evidence::{Evidence, Score};

/// Characters of what could not be understood that are passed on.
const MAX_WHY: usize = 160;

/// `None`: the stage asks for no evidence, or there is enough.
pub(super) fn judge(d: &mut Draft, w: &mut Work) -> Option<Flow> {
    let asked = w.stage().readiness.clone()?;
    if w.state().ready.is_some() {
        return None;
    }
    let stage = w.stage_name();
    let (tag, now) = (w.rollout.image.short(), d.now);
    let found = find(d, &asked, &tag);
    let score = found.and_then(|(text, bound)| {
        let evidence = Evidence::read(&text).map_err(|why| tidy(&why, MAX_WHY))?;
        evidence.is_of(bound, w.rollout.image.tag(), w.rollout.digest.as_ref())?;
        evidence.is_fresh(asked.max_age, now)?;
        evidence.score(&asked.weights)
    });
    match score {
        Err(why) => {
            let message = format!("{stage} asks for evidence about {tag}: {why}");
            Some(entry::block(d, w, Blocked { reason: Reason::EvidenceMissing, message }))
        }
        Ok(score) if score.total < asked.threshold => {
            let message = format!("{stage} asks for {} of 100, and {score}", asked.threshold);
            let why = cause(Reason::ReadinessTooLow, message, false, now);
            Some(restore::fail_stage(d, w, why))
        }
        Ok(score) => {
            d.normal(Reason::ReadinessPassed, format!("{tag} may enter {stage}: {score}"));
            w.state_mut().ready = Some(Ready { score: score.total, parts: score.parts(), at: now });
            None
        }
    }
}

/// The evidence, and whether where it lies says already which image it is about.
fn find(d: &Draft, asked: &Readiness, tag: &str) -> Result<(String, bool), String> {
    let Some(map) = &asked.config_map else {
        let given = d.rel.annotations.get(annotation::EVIDENCE).filter(|v| !v.is_empty());
        return given.map(|v| (v.clone(), false)).ok_or_else(|| format!("set {} on the Release", annotation::EVIDENCE));
    };
    let name = &map.name;
    match d.obs.evidence.get(name) {
        Some(EvidenceView::Found(data)) => {
            let given = data.get(tag).cloned();
            given.map(|v| (v, true)).ok_or_else(|| format!("ConfigMap {name} has no key {tag}"))
        }
        Some(EvidenceView::Absent) => Err(format!("ConfigMap {name} does not exist")),
        Some(EvidenceView::Denied(why) | EvidenceView::Unreachable(why)) => Err(tidy(why, MAX_WHY)),
        None => Err(format!("ConfigMap {name} has not been looked at yet")),
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "has {} ({})", self.total, self.parts())
    }
}
