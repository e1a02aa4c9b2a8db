//! A write to ECS whose answer nobody heard is not repeated too soon.

use super::services::{OLD, service, target};
use super::world::World;
use crate::api::status::{TargetStep, Unanswered};
use crate::api::time::Duration;
use crate::api::view::DeploymentStatus;
use crate::rollout::Observed;
use crate::rollout::draft::Draft;
use crate::rollout::ecs::unheard;

#[test]
fn nothing_is_written_again_before_three_polls() {
    let w = World::verified("sha-a1");
    let live = service(OLD, OLD, DeploymentStatus::Successful);
    let mut state = target(TargetStep::Writing);
    state.unanswered = Some(Unanswered::default());
    let observed = Observed::default();
    let mut waits = |past: i64| {
        let mut d = Draft::new(&w.rel, &observed, w.now.plus(Duration::from_secs(past)));
        unheard(&mut d, &mut state, &live)
    };
    // It is polled every ten seconds.
    assert_eq!([waits(0), waits(11), waits(29), waits(30)], [true, true, true, false]);
    state.unanswered = None;
    let mut d = Draft::new(&w.rel, &observed, w.now);
    assert!(!unheard(&mut d, &mut state, &live), "it was answered");
}
