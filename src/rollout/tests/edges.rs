//! Scenes at the edge of what may be believed and what may be written.

use super::workloads::{Behaviour, container, digest, set_image};
use super::world::{REPOSITORY, World, spec};
use crate::api::effect::{Refused, TargetWrite};
use crate::api::spec::TargetKind;
use crate::api::status::{Phase, Progressing, Step, Workload};
use crate::api::time::{Duration, Time};
use crate::api::{Image, MANAGER, Reason};

/// Decides for ten seconds while the world stands still.
fn look_on(w: &mut World, until: impl Fn(&World) -> bool) {
    for _ in 0..20 {
        if until(w) {
            return;
        }
        w.turn();
        w.pass(Duration::from_millis(500));
    }
}

fn brought(write: &TargetWrite) -> Vec<(&str, String)> {
    write.images.iter().map(|i| (i.container.as_str(), i.image.short())).collect()
}

#[test]
fn what_runs_and_is_not_well_is_no_way_back() {
    let mut w =
        World::verified("sha-a1").behave("human", Behaviour::FailsHealth).behave("sha-b2", Behaviour::FailsHealth);
    set_image(w.live("staging"), "app", Image::build(REPOSITORY, Some("human"), None), "kubectl-edit");
    w.converge();
    w.run();
    w.tag("sha-b2");
    w.run();
    assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::RolledBack, "sha-a1"), "{}", w.message());
}

#[test]
fn numbers_of_the_old_generation_are_no_availability() {
    let mut w = World::verified("sha-a1");
    w.tag("sha-b2");
    w.run_until(|w| w.writes.len() == 1);
    let live = w.live("staging");
    live.replicas.updated = live.replicas.wanted;
    live.revision = Some("old".into());
    assert!(live.observed_generation < live.generation);
    w.turn();
    w.turn();
    assert_eq!(w.step_name(), Step::Rolling);
}

#[test]
fn a_stamp_that_came_back_with_another_image_is_no_debt() {
    let mut w = World::verified("sha-a1");
    w.tag("sha-b2");
    w.run();
    w.rel.status = Default::default();
    assert_eq!(w.decide().status.debts.len(), 1, "what runs as we wrote it is owed");
    set_image(w.live("staging"), "app", Image::build(REPOSITORY, Some("human"), None), "kubectl-rollout");
    w.converge();
    assert_eq!(w.decide().status.debts, []);
}

#[test]
fn a_deadline_that_was_exceeded_before_the_write_says_nothing_of_it() {
    let exceeded = |ms| Progressing {
        status: "False".into(),
        reason: "ProgressDeadlineExceeded".into(),
        last_update: Some(Time::from_millis(ms)),
    };
    let mut w = World::verified("sha-a1");
    w.tag("sha-b2");
    w.run_until(|w| w.next_write().is_some());
    w.live("staging").progressing = Some(exceeded(1));
    w.turn();
    w.turn();
    let live = w.live("staging");
    (live.observed_generation, live.revision) = (live.generation, Some("new".into()));
    w.turn();
    assert_eq!(w.step_name(), Step::Rolling, "{}", w.message());
    w.live("staging").progressing = Some(exceeded(2));
    w.turn();
    assert_eq!(w.step_name(), Step::Restoring, "{}", w.message());
}

#[test]
fn production_runs_the_digest_that_staging_verified() {
    let mut w = World::verified("sha-a1");
    w.tag("sha-b2");
    w.run();
    w.approve();
    let production =
        |w: &World| w.rel.status.rollout.as_ref().is_some_and(|r| r.stage.as_deref() == Some("production"));
    w.run_until(|w| production(w) && w.step_name() == Step::Verifying);
    w.live("production").containers[0].digest = Some(digest(&Image::new("another")));
    look_on(&mut w, |w| w.step_name() == Step::Restoring);
    assert_eq!(w.step_name(), Step::Restoring, "{}", w.message());
    w.run();
    let cause = w.rel.status.rollout.as_ref().unwrap().cause.as_ref().unwrap().reason;
    assert_eq!((cause, w.rel.status.quarantine.len()), (Reason::DigestDiffers, 0));
    assert_eq!((w.phase(), w.runs("production").as_str()), (Phase::RolledBack, "sha-a1"));
}

#[test]
fn a_restore_that_brings_another_digest_is_none() {
    let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::FailsHealth);
    w.tag("sha-b2");
    w.run_until(|w| w.step_name() == Step::VerifyingRestore);
    w.live("staging").containers[0].digest = Some(digest(&Image::new("another")));
    look_on(&mut w, |w| w.step_name() == Step::Ended);
    assert_eq!((w.phase(), w.reason()), (Phase::Failed, Reason::RollbackFailed), "{}", w.message());
    assert!(w.message().contains("the tag was moved"), "{}", w.message());
}

#[test]
fn another_repository_needs_the_workload_to_allow_it() {
    let mut w = World::verified("sha-a1");
    set_image(w.live("staging"), "app", Image::new("elsewhere/other:1"), "kubectl-edit");
    w.converge();
    w.tag("sha-b2");
    w.run();
    assert_eq!((w.condition("Ready").unwrap().1.as_str(), w.writes.len()), ("RepositoryDiffers", 0));
    w.live("staging").allow_repository = Some(REPOSITORY.into());
    w.run();
    assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::AwaitingPromotion, "sha-b2"), "{}", w.message());
}

#[test]
fn a_workload_of_another_namespace_must_consent() {
    for (consent, given) in
        [("shop/checkout", true), ("shop/*", true), ("shop/other", false), ("other/checkout", false)]
    {
        let mut w = World::verified("sha-a1");
        let Workload::Kubernetes(workload) = &mut w.live("staging").workload else { unreachable!() };
        workload.namespace = "elsewhere".into();
        w.edit(|s| {
            let TargetKind::Kubernetes(target) = &mut s.stages[0].targets[0].kind else { unreachable!() };
            target.namespace = Some("elsewhere".into());
            s.image.tag = Some("sha-b2".into());
        });
        look_on(&mut w, |_| false);
        assert_eq!((w.condition("Ready").unwrap().1.as_str(), w.writes.len()), ("ConsentMissing", 0));
        w.live("staging").allow_from = vec![consent.into()];
        look_on(&mut w, |w| !w.writes.is_empty());
        assert_eq!(w.runs("staging") == "sha-b2", given, "{consent}: {}", w.message());
    }
}

/// One stage whose target lists two containers.
fn two_containers() -> World {
    let yaml = format!(
        "image: {{repository: {REPOSITORY}, tag: sha-a1}}
stages:
- name: staging
  promotion: {{mode: Automatic}}
  targets: [{{name: web, kubernetes: {{kind: Deployment, name: staging, containers: [app, web]}}}}]
  checks: None"
    );
    let mut w = World::of(spec(&yaml), "sha-a1");
    w.run();
    assert_eq!(w.phase(), Phase::Verified, "{}", w.message());
    w
}

#[test]
fn a_container_that_its_owner_removed_is_left_out() {
    let mut w = two_containers();
    w.live("staging").containers[0].orphaned = true;
    w.tag("sha-b2");
    w.run_until(|w| w.next_write().is_some());
    assert_eq!(brought(&w.next_write().unwrap()), [("web", "sha-b2".to_owned())]);
    assert!(w.decide().status.announced.iter().any(|a| a.reason == Reason::ContainerOrphaned));
}

#[test]
fn a_container_that_we_own_and_list_no_more_keeps_its_image() {
    let mut w = two_containers();
    let mut side = container("side", Image::build(REPOSITORY, Some("sha-9"), None));
    side.owners = vec![MANAGER.into()];
    w.live("staging").containers.push(side);
    w.tag("sha-b2");
    w.run_until(|w| w.next_write().is_some());
    let write = w.next_write().unwrap();
    let two = "sha-b2".to_owned();
    assert_eq!(brought(&write), [("app", two.clone()), ("web", two), ("side", "sha-9".to_owned())]);
}

/// The process that goes on has a clock an hour behind: nothing waits for that hour to pass.
#[test]
fn a_clock_that_goes_back_holds_nothing_up() {
    const HOUR: Duration = Duration::from_secs(3600);
    let steps = [Step::ChoosingWayBack, Step::Rolling, Step::Verifying, Step::Restoring, Step::VerifyingRestore];
    for (behaviour, step) in
        [Behaviour::Healthy, Behaviour::FailsHealth].into_iter().flat_map(|b| steps.map(|s| (b, s)))
    {
        let mut w = World::verified("sha-a1").behave("sha-b2", behaviour);
        w.tag("sha-b2");
        let mut seen = false;
        for _ in 0..60 {
            seen = w.step_name() == step;
            if seen || !(w.turn() || w.converge()) {
                break;
            }
        }
        if !seen {
            continue;
        }
        w.now = w.now.minus(HOUR);
        w.results.clear();
        let began = w.now;
        w.run();
        let took = w.now.since(began);
        assert!(took < Duration::from_secs(600), "{step:?} {behaviour:?}: {took:?}, {}", w.message());
    }
}

/// The first write, refused again and again: the pauses between two tries grow to half a minute.
#[test]
fn a_refused_write_is_tried_more_and_more_rarely() {
    let mut w = World::verified("sha-a1");
    w.tag("sha-b2");
    w.refuse = Some((Refused::Invalid, "no".into()));
    let tried = |w: &World| w.rel.status.rollout.as_ref()?.stages[0].targets[0].refused.as_ref().map(|r| r.at);
    let mut tries = Vec::new();
    while tries.len() < 8 {
        w.come_to_rest();
        tries.extend(tried(&w).filter(|at| tries.last() != Some(at)));
        w.now = w.again.unwrap();
    }
    let pauses: Vec<i64> = tries.windows(2).map(|t| t[1].since(t[0]).millis() / 1000).collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
}

/// What stops a rollout before its first write may be mended by an edit of the spec, so it is not held to the old one.
#[test]
fn what_is_stopped_before_anything_is_written_begins_anew_with_an_edit() {
    let mut w = World::verified("sha-a1");
    set_image(w.live("staging"), "app", Image::build(REPOSITORY, Some("human"), None), "kubectl-edit");
    w.converge();
    w.tag("sha-b2");
    let chooses = |w: &World| w.step_name() == Step::ChoosingWayBack;
    w.rest_or(chooses);
    let frozen = |w: &World| w.rel.status.rollout.as_ref().is_some_and(|r| r.spec.is_some());
    assert!(chooses(&w) && frozen(&w));
    w.live("staging").paused = true;
    w.come_to_rest();
    assert_eq!((w.condition("Ready").unwrap().1.as_str(), frozen(&w)), ("TargetPaused", false), "{}", w.message());
}

/// A look that tells everything is not repeated before something is due.
#[test]
fn what_rolls_out_and_is_seen_is_not_looked_at_for_nothing() {
    let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::NeverReady);
    w.tag("sha-b2");
    w.run_until(|w| w.writes.len() == 1);
    w.converge();
    w.come_to_rest();
    assert_eq!(w.step_name(), Step::Rolling);
    assert!(w.again.unwrap() > w.now.plus(Duration::from_secs(60)), "{:?}", w.again.unwrap().since(w.now));
    w.live("staging").revision = None;
    w.turn();
    assert_eq!(w.again, Some(w.now.plus(Duration::from_secs(5))), "its revision may come without an event");
}
