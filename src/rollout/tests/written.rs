//! When an ECS service may be written, and what tells that it was.

use super::services::{NEW, OLD, service, target, view};
use super::workloads::deployment;
use crate::api::status::{Inherited, TargetStep};
use crate::api::time::Duration;
use crate::api::view::DeploymentStatus::{InProgress, Successful, Unknown};
use crate::api::view::{LiveTarget, RolloutState};
use crate::api::{EffectId, Reason, RolloutId, TargetId, Verb};
use crate::rollout::{ecs, write};

fn effect(attempt: i32) -> EffectId {
    EffectId::new("uid", RolloutId { generation: 2, attempt }, &TargetId::new("staging", "web"), Verb::Forward)
}

#[test]
fn a_service_is_written_when_it_is_at_rest_or_what_moves_is_ours() {
    let refused = |live: &LiveTarget, ours: Option<&Inherited>| ecs::refused(live, view(live), ours).map(|b| b.reason);
    let written = target(TargetStep::Written).written.unwrap();
    let inherited = |effect: EffectId| Inherited { effect, written: written.clone() };
    let mut live = service(NEW, NEW, InProgress);
    assert_eq!(refused(&live, None), Some(Reason::DeploymentInFlight));
    live.ecs.as_mut().unwrap().newest.as_mut().unwrap().effect = Some(effect(1));
    assert_eq!(refused(&live, Some(&inherited(effect(1)))), None, "it is our own");
    assert_eq!(refused(&live, Some(&inherited(effect(2)))), Some(Reason::DeploymentInFlight));
    live = service(NEW, NEW, Successful);
    assert_eq!(refused(&live, None), None);
    live.ecs.as_mut().unwrap().rollout_state = None;
    assert_eq!(refused(&live, None), None, "a service deployment says more than the older field");
    live = service(NEW, NEW, Unknown);
    live.ecs.as_mut().unwrap().rollout_state = Some(RolloutState::Completed);
    assert_eq!(refused(&live, None), None, "what there is no word for is judged by the older field");
    live.replicas.wanted = 0;
    assert_eq!(refused(&live, None), Some(Reason::TargetScaledToZero));
}

#[test]
fn a_service_deployment_with_our_effect_tells_that_the_write_was_made() {
    let mut live = service(OLD, NEW, InProgress);
    let mut state = target(TargetStep::Writing);
    assert_eq!(ecs::made(&state, view(&live)), None, "neither has an effect");
    state.effect = Some(effect(1));
    live.ecs.as_mut().unwrap().newest.as_mut().unwrap().effect = Some(effect(2));
    assert_eq!(ecs::made(&state, view(&live)), None);
    live.ecs.as_mut().unwrap().newest.as_mut().unwrap().effect = Some(effect(1));
    assert_eq!(ecs::made(&state, view(&live)).as_deref(), Some(NEW));
}

/// What a write that nobody answered did shows with the next poll, so it is not tried again before that.
#[test]
fn the_pause_after_silence_is_a_poll_at_least() {
    for (poll, pause) in [(1, 1), (10, 16), (16, 16), (30, 30), (3600, 30)] {
        let mut live = service(OLD, OLD, Successful);
        live.ecs.as_mut().unwrap().look_again = Duration::from_secs(poll);
        assert_eq!(write::pause(ecs::unsure(&live)), Duration::from_secs(pause), "polled every {poll} s");
    }
    assert_eq!(ecs::unsure(&deployment("web", "old", &["app".to_owned()])), 0);
}
