//! Where log lines belong: which Release, rollout, stage and targets they speak of.

use crate::api::effect::TargetWrite;
use crate::api::{NsName, ReleaseStatus, RolloutId};
use tracing::field::display;
use tracing::{Span, info_span};

/// The rollout of a status, its stage and that stage's targets.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    rollout: Option<RolloutId>,
    stage: Option<String>,
    targets: Option<String>,
}

impl Place {
    pub(super) fn of(status: &ReleaseStatus) -> Self {
        let Some(rollout) = &status.rollout else { return Self::default() };
        let state = rollout.stage.as_ref().and_then(|stage| rollout.stage_state(stage));
        let targets = state.map(|s| s.targets.iter().map(|t| t.name.as_str()).collect::<Vec<_>>().join(","));
        Self { rollout: Some(rollout.id), stage: rollout.stage.clone(), targets }
    }

    pub(super) fn span(&self, release: &NsName) -> Span {
        let Self { rollout, stage, targets } = self;
        let (rollout, stage, target) = (rollout.map(display), stage.as_deref(), targets.as_deref());
        info_span!(parent: None, "look", %release, rollout, stage, target)
    }
}

pub(super) fn span(release: &NsName, status: &ReleaseStatus) -> Span {
    Place::of(status).span(release)
}

/// The same of one write.
pub(super) fn span_of_write(release: &NsName, write: &TargetWrite) -> Span {
    let rollout = write.stamp.effect.parts().map(|p| display(p.rollout));
    let (stage, target) = (write.stage.as_str(), write.target.as_str());
    info_span!(parent: None, "write", %release, rollout, stage, target)
}
