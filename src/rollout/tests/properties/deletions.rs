//! The law of the one thing that is ever deleted.

use super::super::world::World;
use super::laws::{Law, law};
use crate::api::TargetId;
use crate::api::effect::PodDeletion;
use crate::api::status::{ContainerImage, Phase, TargetStep};
use crate::api::view::TargetView;
use crate::rollout::Decision;

/// Only what is recorded, is not ready, holds up what we wrote, and runs what was ours and is not wanted any more.
pub(super) fn allowed(w: &World, decision: &Decision, deletion: &PodDeletion) -> Law {
    let what = || format!("pod {} of {}", deletion.uid, deletion.workload);
    let Some(rollout) = decision.status.running() else { return law(false, || format!("{} by nobody", what())) };
    let mut targets = rollout.stages.iter().flat_map(|s| s.targets.iter().map(move |t| (s, t)));
    let Some((stage, state)) = targets.find(|(_, t)| t.workload == deletion.workload) else {
        return law(false, || format!("{} is of no target", what()));
    };
    law(matches!(state.state, TargetStep::Written | TargetStep::Restored), || {
        format!("{} is deleted before the write is seen", what())
    })?;
    law(state.stuck_pods.iter().any(|p| p.uid == deletion.uid && !p.deleted && p.asked), || {
        format!("{} is not recorded", what())
    })?;
    let Some(TargetView::Live(live)) = w.targets.get(&TargetId::new(&stage.name, &state.name)) else {
        return law(false, || format!("{} is deleted blindly", what()));
    };
    let mut outdated = live.stateful.iter().flat_map(|s| &s.outdated);
    let Some(pod) = outdated.find(|p| p.uid == deletion.uid) else {
        return law(false, || format!("{} is not in the way", what()));
    };
    law(!pod.ready && !pod.terminating, || format!("{} is ready or going", what()))?;
    let app = |images: &[ContainerImage]| {
        images.iter().find(|i| i.container == "app").map(|i| i.image.to_string()).unwrap_or_default()
    };
    let runs = app(&pod.images);
    let debts = decision.status.debts.iter().any(|b| b.target == state.name && app(&b.written) == runs);
    let mut history = decision.status.history.iter();
    let failed = history.any(|h| h.phase != Phase::Verified && h.image.to_string() == runs);
    let debts = debts || state.inherited.iter().any(|i| app(&i.written.images) == runs);
    law(runs == rollout.image.to_string() || debts || failed, || {
        format!("{} runs {runs}, which was never ours", what())
    })?;
    law(!live.runs(&pod.images), || format!("{} runs what is wanted", what()))
}
