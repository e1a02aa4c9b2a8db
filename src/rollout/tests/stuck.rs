//! StatefulSets that an unready pod holds up: what is deleted, when, and what never is.

use super::play::Fate;
use super::workloads::{Behaviour, set_image};
use super::world::{World, spec};
use crate::api::effect::{Effect, Refused};
use crate::api::status::{Phase, Step, StuckPod};
use crate::api::time::Duration;
use crate::api::view::ContainerRun;
use crate::api::{Image, Reason};
use crate::rollout::evidence;

/// One stage, one StatefulSet, at rest on `sha-a1`.
fn verified() -> World {
    let yaml = "
image: {repository: ghcr.io/acme/shop, tag: sha-a1}
stages:
- name: staging
  promotion: {mode: Automatic}
  targets: [{name: web, kubernetes: {kind: StatefulSet, name: db, containers: [app]}}]
  healthChecks: [{name: health, http: {pods: {port: 8080}, path: /health}, retry: {attempts: 3, interval: 1s}}]";
    let mut w = World::of(spec(yaml), "sha-a1");
    w.run();
    assert_eq!(w.phase(), Phase::Verified, "{}", w.message());
    w.forget();
    w
}

/// Its rollout of `sha-b2` has failed, and is being taken back.
fn stuck() -> World {
    let mut w = verified().behave("sha-b2", Behaviour::CrashLoop);
    w.tag("sha-b2");
    w.run_until(|w| w.step_name() == Step::Restoring && w.writes.len() == 2);
    w
}

fn remembered(w: &World) -> Vec<StuckPod> {
    let stages = w.rel.status.rollout.iter().flat_map(|r| &r.stages);
    stages.flat_map(|s| &s.targets).flat_map(|t| t.stuck_pods.clone()).collect()
}

#[test]
fn a_pod_that_holds_up_the_restore_is_deleted_after_a_while() {
    let mut w = stuck();
    let since = w.now;
    w.run_until(|w| !w.deleted.is_empty());
    assert_eq!(w.now.since(since), Duration::from_secs(10), "its own controller may be quicker");
    w.run();
    assert_eq!((w.phase(), w.reason(), w.deleted.len()), (Phase::RolledBack, Reason::RolledBack, 1), "{}", w.message());
    assert!(w.announced(Reason::StuckPodDeleted));
    let known = remembered(&w);
    assert!(known.len() == 1 && known[0].deleted && !known[0].asked && known[0].uid == w.deleted[0].uid, "{known:?}");
}

#[test]
fn one_that_is_ready_is_left_to_its_controller() {
    let mut w = verified().behave("sha-b2", Behaviour::FailsHealth);
    w.tag("sha-b2");
    w.run();
    assert_eq!((w.phase(), w.deleted.len()), (Phase::RolledBack, 0), "{}", w.message());
}

#[test]
fn only_one_that_is_not_ready_not_going_and_not_wanted_is_deleted() {
    let mut w = verified().behave("sha-b2", Behaviour::FailsHealth);
    w.tag("sha-b2");
    w.run_until(|w| w.writes.len() == 2);
    let live = w.live("staging");
    (live.observed_generation, live.revision) = (live.generation, Some("old".into()));
    w.pass(Duration::from_secs(20));
    for (what, ready, terminating, tag, deleted) in [
        ("ready, and waits its turn", true, false, "sha-b2", false),
        ("going", false, true, "sha-b2", false),
        ("of another revision of what is wanted", false, false, "sha-a1", false),
        ("of an image that nobody brought through us", false, false, "human", false),
        ("in the way", false, false, "sha-b2", true),
    ] {
        let pod = &mut w.live("staging").stateful.as_mut().unwrap().outdated[0];
        (pod.ready, pod.terminating) = (ready, terminating);
        pod.images[0].image = Image::new(format!("ghcr.io/acme/shop:{tag}"));
        assert_eq!(matches!(w.decide().effect, Some(Effect::DeletePod(_))), deleted, "{what}");
    }
}

#[test]
fn it_is_recorded_before_it_is_deleted_and_deleted_once_whatever_becomes_of_the_answer() {
    for fate in [Fate::Crash, Fate::CrashAfter, Fate::AnswerLost, Fate::NotDone] {
        let mut w = stuck();
        w.run_until(|w| matches!(w.decide().effect, Some(Effect::DeletePod(_))));
        let decision = w.decide();
        w.carry_out(decision, fate);
        assert_eq!(remembered(&w).len(), 1, "{fate:?}: it stands in the status");
        w.run();
        assert_eq!((w.phase(), w.deleted.len()), (Phase::RolledBack, 1), "{fate:?}: {}", w.message());
        let said = w.events.iter().filter(|e| e.0 == Reason::StuckPodDeleted).count();
        assert_eq!((remembered(&w).len(), said), (1, 1), "{fate:?}");
    }
}

#[test]
fn a_refusal_is_said_once_and_the_end_names_the_pod() {
    let mut w = stuck();
    w.refuse = Some((Refused::Forbidden, "cannot delete resource \"pods\"".into()));
    w.run();
    assert_eq!((w.phase(), w.reason()), (Phase::Failed, Reason::RollbackFailed), "{}", w.message());
    let said: Vec<_> = w.events.iter().filter(|e| e.0 == Reason::StuckPodKept).map(|e| e.1.clone()).collect();
    assert!(said.len() == 1 && said[0].contains("kubectl delete pod uid-db-1 -n shop"), "{said:?}");
    let trouble = format!("{:?}", w.rel.status.rollout);
    assert!(trouble.contains("kubectl delete pod uid-db-1"), "{trouble}");
}

#[test]
fn a_conflict_is_tried_again() {
    let mut w = stuck();
    w.run_until(|w| matches!(w.decide().effect, Some(Effect::DeletePod(_))));
    w.refuse = Some((Refused::Conflict, "the object has been modified".into()));
    w.turn();
    w.refuse = None;
    w.run();
    assert_eq!((w.phase(), w.deleted.len()), (Phase::RolledBack, 1), "{}", w.message());
    assert_eq!(remembered(&w)[0].count, 2);
    assert!(!w.announced(Reason::StuckPodKept));
}

/// A pod of a revision that nobody brought through us is somebody else's affair, but the message names it.
#[test]
fn what_others_brought_is_named_and_never_deleted() {
    let mut w = verified().behave("sha-c3", Behaviour::NeverReady);
    set_image(w.live("staging"), "app", Image::new("ghcr.io/acme/shop:sha-c3"), "kubectl-edit");
    w.run();
    w.tag("sha-b2");
    w.run();
    assert_eq!(w.deleted, [], "{}", w.message());
    assert_eq!(w.phase(), Phase::Failed);
    let cause = w.rel.status.rollout.clone().unwrap().cause.unwrap();
    assert!(cause.message.contains("kubectl delete pod uid-db-1 -n shop"), "{}", cause.message);
}

/// The restore could not be finished; the next image is brought over what it left.
#[test]
fn the_next_rollout_frees_what_the_last_one_could_not() {
    let mut w = stuck();
    w.refuse = Some((Refused::Forbidden, "no".into()));
    w.run();
    assert_eq!(w.reason(), Reason::RollbackFailed);
    w.refuse = None;
    assert!(!w.live("staging").stateful.as_ref().unwrap().outdated.is_empty(), "it is stuck still");
    w.tag("sha-d4");
    w.run();
    assert_eq!((w.phase(), w.deleted.len()), (Phase::Verified, 1), "{}", w.message());
}

/// The first stage is taken over at once, without a restore in between: the broken pod is in the new one's way.
#[test]
fn a_newer_tag_that_takes_over_at_once_frees_what_it_took_over() {
    let stage = |name: &str| {
        format!(
            "
- name: {name}
  targets: [{{name: web, kubernetes: {{kind: StatefulSet, name: {name}, containers: [app]}}}}]
  healthChecks: [{{name: health, http: {{pods: {{port: 8080}}, path: /health}}, retry: {{attempts: 3, interval: 1s}}}}]"
        )
    };
    let image = "image: {repository: ghcr.io/acme/shop, tag: sha-a1}";
    let mut w = World::of(spec(&format!("{image}\nstages:{}{}", stage("staging"), stage("production"))), "sha-a1");
    w.run();
    w = w.behave("sha-b2", Behaviour::NeverReady).behave("sha-c3", Behaviour::NeverReady);
    w.tag("sha-b2");
    w.run_until(|w| w.writes.len() == 1);
    w.converge();
    // Twice: the pod is of the one before the one before.
    w.tag("sha-c3");
    w.run_until(|w| w.writes.len() == 2);
    w.converge();
    w.tag("sha-d4");
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
    assert_eq!((w.runs("staging").as_str(), w.writes.len(), w.deleted.len()), ("sha-d4", 3, 1));
}

/// The next pod of a StatefulSet has the name of the one before, and none of its restarts.
#[test]
fn restarts_of_the_pod_before_excuse_nobody() {
    let mut w = verified();
    let live = w.live("staging");
    live.pods[0].containers[0].restarts = 9;
    let before = evidence::restarts(live, None);
    assert_eq!((before.len(), before[0].uid.is_empty()), (1, false));
    let mut state = w.rel.status.rollout.clone().unwrap().stages[0].targets[0].clone();
    state.restarts_before = before;
    let now = w.now;
    let live = w.live("staging");
    live.pods[0].containers[0].restarts = 10;
    assert_eq!(evidence::failure(live, &mut state.clone(), now), None, "the same pod");
    live.pods[0].uid = "another".into();
    live.pods[0].containers[0].restarts = 3;
    live.pods[0].containers[0].state = ContainerRun::Running;
    let failure = evidence::failure(live, &mut state, now).unwrap();
    assert_eq!(failure.reason, Reason::CrashLoop);
    assert!(failure.message.ends_with("it exits, restarted 3 times"), "{}", failure.message);
}

/// A pod of what is stable, or of an image that was verified once, is in nobody's way, whatever else is known of its image.
#[test]
fn pods_of_versions_that_were_well_are_never_deleted() {
    let mut w = verified();
    w.tag("sha-b2");
    w.run();
    assert_eq!(w.phase(), Phase::Verified, "{}", w.message());
    // At its first try it was not well.
    let mut first = w.rel.status.history[0].clone();
    (first.phase, first.reason) = (Phase::RolledBack, Reason::RolledBack);
    w.rel.status.history.push(first);
    w.forget();
    w.behaviour.insert("sha-c3".into(), Behaviour::NeverReady);
    w.tag("sha-c3");
    w.run_until(|w| w.writes.len() == 1);
    w.turn();
    let live = w.live("staging");
    (live.observed_generation, live.revision) = (live.generation, Some("new".into()));
    w.pass(Duration::from_secs(20));
    for (what, tag, deleted) in
        [("stable", "sha-b2", false), ("verified once", "sha-a1", false), ("never verified", "sha-c3", false)]
    {
        let pod = &mut w.live("staging").stateful.as_mut().unwrap().outdated[0];
        (pod.ready, pod.terminating) = (false, false);
        pod.images[0].image = Image::new(format!("ghcr.io/acme/shop:{tag}"));
        assert_eq!(matches!(w.decide().effect, Some(Effect::DeletePod(_))), deleted, "{what}");
    }
    let mut failed = w.rel.status.history[0].clone();
    (failed.phase, failed.reason) = (Phase::RolledBack, Reason::RolledBack);
    failed.image = Image::new("ghcr.io/acme/shop:sha-0");
    w.rel.status.history.push(failed);
    w.live("staging").stateful.as_mut().unwrap().outdated[0].images[0].image = Image::new("ghcr.io/acme/shop:sha-0");
    assert!(matches!(w.decide().effect, Some(Effect::DeletePod(_))), "brought once, and never verified");
}
