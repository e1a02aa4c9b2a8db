//! What is concluded from one look at an ECS service, as tables.

use super::workloads::deployment;
use super::world::{REPOSITORY, World};
use crate::api::status::Step;
use crate::api::status::{Accepted, ContainerImage, EcsService, TargetState, TargetStep, WayBack, Workload, Written};
use crate::api::time::Duration;
use crate::api::view::{DeploymentStatus, EcsView, LiveTarget, Lookup, RolloutState, ServiceDeployment};
use crate::api::{EffectId, Image, Reason, RolloutId, TargetId, Verb};
use crate::rollout::ecs::{self, Way};
use crate::rollout::plan;
use DeploymentStatus::{
    InProgress, Pending, RollbackFailed, RollbackInProgress, RollbackRequested, RolledBack, StopRequested, Stopped,
    Successful, Unknown,
};

pub(super) const OLD: &str = "1000";
pub(super) const NEW: &str = "2000";
const BACK: &str = "3000";

fn images(tag: &str) -> Vec<ContainerImage> {
    vec![ContainerImage { container: "app".into(), image: Image::build(REPOSITORY, Some(tag), None), digest: None }]
}

fn tag_of(revision: &str) -> &'static str {
    if revision == NEW { "new" } else { "old" }
}

/// A service whose PRIMARY deployment is `primary`, and whose newest service deployment brings `brings`.
pub(super) fn service(primary: &str, brings: &str, status: DeploymentStatus) -> LiveTarget {
    let state = if status.is_settled() { RolloutState::Completed } else { RolloutState::InProgress };
    let mut live = deployment("web", tag_of(primary), &["app".to_owned()]);
    live.workload = Workload::Ecs(EcsService {
        region: "eu-west-1".into(),
        cluster: "prod".into(),
        service: "web".into(),
        role_arn: None,
        external_id: None,
    });
    live.revision = Some(primary.into());
    live.ecs = Some(Box::new(EcsView {
        task_definition: format!("td-{}", tag_of(primary)),
        rollout_state: Some(state),
        newest: Some(ServiceDeployment {
            arn: format!("sd-{brings}"),
            status,
            reason: None,
            brings: brings.into(),
            task_definition: Some(format!("td-{}", tag_of(brings))),
            images: images(tag_of(brings)),
            effect: None,
            way_back: None,
        }),
        previous: None,
        controller: None,
        express: false,
        no_room: false,
        stopped: vec![],
        failed: vec![],
        placement: None,
        health: Lookup::NotAsked,
        image: Lookup::NotAsked,
        look_again: Duration::from_secs(10),
    }));
    live
}

pub(super) fn view(live: &LiveTarget) -> &EcsView {
    live.ecs.as_ref().unwrap()
}

pub(super) fn target(step: TargetStep) -> TargetState {
    let spec = super::world::two_stages("new");
    let mut state = plan::stage_states(&spec, "shop").remove(0).targets.remove(0);
    state.state = step;
    state.written = Some(Written { images: images("new"), generation: 2000, revision: Some(NEW.into()) });
    state.way_back = Some(WayBack {
        images: images("old"),
        verified: true,
        passed: vec![],
        quarantined: false,
        task_definition: Some("td-old".into()),
        revision: Some(OLD.into()),
    });
    state
}

#[test]
fn only_success_of_what_is_primary_is_success() {
    for (primary, brings, status, done) in [
        (NEW, NEW, Successful, true),
        // A read of the service that is older than that of its deployments, and the other way round.
        (OLD, NEW, Successful, false),
        (NEW, OLD, Successful, false),
        (NEW, NEW, Pending, false),
        (NEW, NEW, InProgress, false),
        (NEW, NEW, Unknown, false),
        (NEW, NEW, RolledBack, false),
        (NEW, NEW, RollbackFailed, false),
        // ECS is back where it was.
        (OLD, NEW, RolledBack, true),
        (OLD, NEW, RollbackInProgress, false),
        (OLD, NEW, RollbackFailed, false),
    ] {
        let live = service(primary, brings, status);
        assert_eq!(ecs::rolled_out(&live, view(&live)), done, "{primary} {brings} {status:?}");
        let mut few = live;
        few.replicas.available = 1;
        assert!(!ecs::rolled_out(&few, view(&few)), "one of two tasks runs");
    }
    let mut old = service(NEW, NEW, Successful);
    let ecs = old.ecs.as_mut().unwrap();
    (ecs.newest, ecs.rollout_state) = (None, Some(RolloutState::Completed));
    assert!(ecs::rolled_out(&old, view(&old)), "where there are no service deployments");
    old.ecs.as_mut().unwrap().rollout_state = None;
    assert!(!ecs::rolled_out(&old, view(&old)), "nothing is known");
}

#[test]
fn what_was_stopped_and_is_complete_may_be_adopted() {
    let mut live = service(NEW, NEW, Stopped);
    assert!(ecs::rolled_out(&live, view(&live)), "stopped long ago, and ECS calls it complete");
    let adopted = target(TargetStep::Adopted);
    assert!(ecs::failure(&live, view(&live), &adopted).is_none());
    live.ecs.as_mut().unwrap().rollout_state = Some(RolloutState::Failed);
    assert!(!ecs::rolled_out(&live, view(&live)));
    let told = ecs::failure(&live, view(&live), &adopted).unwrap().message;
    assert!(told.contains("force-new-deployment"), "{told}");
}

#[test]
fn a_failing_deployment_of_ours_is_a_failure() {
    for (step, primary, brings, status, fails) in [
        (TargetStep::Written, NEW, NEW, InProgress, false),
        (TargetStep::Written, NEW, NEW, Unknown, false),
        (TargetStep::Written, NEW, NEW, StopRequested, true),
        (TargetStep::Written, OLD, NEW, RollbackRequested, true),
        (TargetStep::Written, OLD, NEW, RollbackInProgress, true),
        (TargetStep::Written, OLD, NEW, RolledBack, true),
        (TargetStep::Written, NEW, NEW, RollbackFailed, true),
        (TargetStep::Written, NEW, NEW, Stopped, true),
        (TargetStep::Written, OLD, OLD, Stopped, false),
        // It went back to what was there: that is what was wanted.
        (TargetStep::Restored, OLD, NEW, RolledBack, false),
        (TargetStep::Restored, OLD, NEW, RollbackFailed, true),
        (TargetStep::Restored, BACK, BACK, InProgress, false),
        (TargetStep::Restored, BACK, BACK, Stopped, true),
    ] {
        let live = service(primary, brings, status);
        let found = ecs::failure(&live, view(&live), &target(step));
        assert_eq!(found.is_some(), fails, "{step:?} {primary} {brings} {status:?}: {found:?}");
        assert!(found.is_none_or(|f| f.reason == Reason::DeploymentFailed && !f.fault));
    }
}

#[test]
fn a_failed_deployment_that_nobody_lists_any_more_is_known_by_its_event() {
    let mut live = service(OLD, OLD, Successful);
    assert!(ecs::failure(&live, view(&live), &target(TargetStep::Written)).is_none(), "an old read, for all we know");
    live.ecs.as_mut().unwrap().failed = vec![NEW.into()];
    assert!(ecs::failure(&live, view(&live), &target(TargetStep::Written)).is_some());
}

/// What a restore does next, in a word.
fn next(live: &LiveTarget, accepted: Accepted) -> String {
    let mut state = target(TargetStep::Restoring);
    state.accepted = Some(accepted);
    let back = state.way_back.clone().unwrap();
    match ecs::way(live, view(live), &state, &back) {
        Way::Wait => "wait".to_owned(),
        Way::Stop(arn) => format!("stop {arn}"),
        Way::Bring => "bring".to_owned(),
        Way::Lost(_) => "lost".to_owned(),
    }
}

#[test]
fn a_restore_waits_stops_or_brings() {
    let none = Accepted::default;
    let stopped = || Accepted { stopped: Some("sd-2000".into()), ..none() };
    let updated = || Accepted { revision: Some(BACK.into()), ..none() };
    for (primary, brings, status, accepted, wanted) in [
        (NEW, NEW, Pending, none(), "stop sd-2000"),
        (NEW, NEW, InProgress, none(), "stop sd-2000"),
        (NEW, NEW, InProgress, stopped(), "wait"),
        (NEW, NEW, StopRequested, none(), "wait"),
        (NEW, NEW, RollbackRequested, none(), "wait"),
        (NEW, NEW, RollbackInProgress, none(), "wait"),
        (NEW, NEW, Successful, none(), "bring"),
        (NEW, NEW, Stopped, stopped(), "bring"),
        (NEW, NEW, RollbackFailed, stopped(), "bring"),
        // Accepted, but not seen yet.
        (NEW, NEW, Successful, updated(), "wait"),
        (NEW, BACK, InProgress, none(), "wait"),
        // ECS took the restore itself back, to what it calls the last good one.
        (NEW, BACK, RollbackInProgress, updated(), "wait"),
        (NEW, BACK, RolledBack, updated(), "lost"),
    ] {
        let said = next(&service(primary, brings, status), accepted.clone());
        assert_eq!(said, wanted, "{primary} {brings} {status:?} {accepted:?}");
    }
}

/// In a partition without service deployments.
#[test]
fn a_restore_that_ecs_took_back_is_known_by_its_event() {
    let updated = Accepted { revision: Some(BACK.into()), ..Accepted::default() };
    for (accepted, failed, state, wanted) in [
        (Accepted::default(), vec![], RolloutState::Completed, "bring"),
        (Accepted::default(), vec![], RolloutState::InProgress, "wait"),
        (updated.clone(), vec![], RolloutState::Completed, "wait"),
        (updated.clone(), vec![NEW.to_owned()], RolloutState::Completed, "wait"),
        (updated.clone(), vec![BACK.to_owned()], RolloutState::InProgress, "wait"),
        (updated, vec![BACK.to_owned()], RolloutState::Completed, "lost"),
    ] {
        let mut live = service(NEW, NEW, Successful);
        let ecs = live.ecs.as_mut().unwrap();
        (ecs.newest, ecs.rollout_state, ecs.failed) = (None, Some(state), failed);
        assert_eq!(next(&live, accepted.clone()), wanted, "{accepted:?} {:?}", view(&live));
    }
}

#[test]
fn an_unknown_state_is_judged_by_the_older_field() {
    for (state, wanted) in [
        (Some(RolloutState::InProgress), "stop sd-2000"),
        (Some(RolloutState::Completed), "bring"),
        (Some(RolloutState::Unknown), "wait"),
        (None, "wait"),
    ] {
        let mut live = service(NEW, NEW, Unknown);
        live.ecs.as_mut().unwrap().rollout_state = state;
        let said = next(&live, Accepted::default());
        assert_eq!(said, wanted, "{state:?}");
    }
}

/// One read that cannot be true, for all we know, costs no round that is under way.
#[test]
fn a_round_outlives_a_read_that_contradicts_what_is_known() {
    let mut w = World::verified("sha-a1");
    w.tag("sha-b2");
    w.run_until(|w| w.step_name() == Step::Verifying && !w.results.is_empty());
    let seen = w.live("staging").clone();
    let old = w.live("production").containers[0].image.clone();
    let live = w.live("staging");
    live.ecs = service(NEW, NEW, Successful).ecs;
    live.containers[0].image = old;
    let decision = w.decide();
    assert!(decision.hold && decision.counted.is_empty() && decision.asks.is_empty(), "{decision:?}");
    *w.live("staging") = seen;
    assert!(!w.decide().hold);
}

/// With the status the quarantine is lost. What ran before bears no stamp of a restore, but the deployments tell.
#[test]
fn what_was_taken_back_is_known_without_a_status() {
    let at = TargetId::new("staging", "web");
    let rollout = RolloutId { generation: 2, attempt: 1 };
    let held = |uid: &str, verb, change: &dyn Fn(&mut EcsView)| {
        let mut w = World::new("old", "new");
        let mut live = service(OLD, BACK, Successful);
        let ecs = live.ecs.as_mut().unwrap();
        ecs.previous = service(NEW, NEW, Successful).ecs.unwrap().newest;
        let previous = ecs.previous.as_mut().unwrap();
        let uid = if uid.is_empty() { &w.rel.uid } else { uid };
        previous.effect = Some(EffectId::new(uid, rollout, &at, verb));
        previous.way_back = Some("td-old".into());
        change(ecs);
        w.live("staging").ecs = live.ecs;
        w.decide().status.quarantine.iter().map(|q| q.image.short()).collect::<Vec<_>>()
    };
    let own = "";
    assert_eq!(held(own, Verb::Forward, &|_| {}), ["new"], "what ran before was brought over it");
    assert!(held("somebody", Verb::Forward, &|_| {}).is_empty());
    assert!(held(own, Verb::Restore, &|_| {}).is_empty());
    let next = |e: &mut EcsView| e.newest.as_mut().unwrap().task_definition = Some("td-next".into());
    assert!(held(own, Verb::Forward, &next).is_empty(), "something new was brought over it");
    let by_ecs = |e: &mut EcsView| {
        e.newest = e.previous.take();
        e.newest.as_mut().unwrap().status = RolledBack;
    };
    assert_eq!(held(own, Verb::Forward, &by_ecs), ["new"]);
}

#[test]
fn a_way_back_that_ecs_took_away_was_taken_by_nobody_else() {
    for (step, brings, status, taken) in [
        (TargetStep::Restored, BACK, RolledBack, true),
        (TargetStep::Restored, BACK, RollbackFailed, true),
        (TargetStep::Restored, BACK, Stopped, true),
        // It is as it was brought, or what failed is what was brought forward.
        (TargetStep::Restored, BACK, Successful, false),
        (TargetStep::Restored, NEW, RolledBack, false),
        (TargetStep::Written, BACK, RolledBack, false),
    ] {
        let live = service(NEW, brings, status);
        let lost = ecs::lost(&live, view(&live), &target(step));
        assert_eq!(lost.is_some(), taken, "{step:?} {brings} {status:?}: {lost:?}");
    }
}
