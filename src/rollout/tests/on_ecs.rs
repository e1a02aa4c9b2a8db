//! Whole decisions about an ECS service, one read after the other: what is done, and what is waited for.

use super::begun::id;
use super::play::Fate;
use super::services::{NEW, OLD, service};
use super::workloads::{Behaviour, set_image};
use super::world::{REPOSITORY, World};
use crate::api::effect::{Answer, Effect};
use crate::api::status::{Step, TargetState, TargetStep};
use crate::api::time::Duration;
use crate::api::view::DeploymentStatus::{self, InProgress, RollbackRequested, Successful};
use crate::api::{Image, Reason, annotation};

/// `old` is verified in both stages, and `new` is asked for. The first stage is a service that is polled every ten seconds.
fn asked() -> World {
    let mut w = World::verified("old");
    reads(&mut w, OLD, Successful);
    w.tag("new");
    w
}

/// The next reads of the service say that `revision` is there, brought by the newest service deployment.
fn reads(w: &mut World, revision: &str, status: DeploymentStatus) {
    let mut seen = service(revision, revision, status);
    let live = w.live("staging");
    let newest = seen.ecs.as_mut().unwrap().newest.as_mut().unwrap();
    newest.effect = live.stamp.as_ref().map(|s| s.effect.clone());
    (live.ecs, live.revision, live.containers) = (seen.ecs, seen.revision, seen.containers);
    live.observed_generation = live.generation;
}

/// `new` is written, and ECS is so far with it.
fn written(status: DeploymentStatus) -> World {
    let mut w = asked();
    assert!(writes_after(&mut w, 0), "{}", w.message());
    accepts(&mut w, NEW);
    reads(&mut w, NEW, status);
    w
}

/// ECS takes the write that is due, as `revision`.
fn accepts(w: &mut World, revision: &str) {
    w.carry_out(w.decide(), Fate::Done);
    let Some(Answer::Applied { resource_version, .. }) = &mut w.answer else { panic!("{:?}", w.answer) };
    *resource_version = revision.into();
}

fn target(w: &World) -> &TargetState {
    &w.rel.status.rollout.as_ref().unwrap().stages[0].targets[0]
}

fn abort(w: &mut World) {
    let id = id(w);
    w.annotate(annotation::ABORT, &id);
}

/// Decides until the next write is due, which is not made. Whether it is, after so long.
fn writes_after(w: &mut World, pause: i64) -> bool {
    w.pass(Duration::from_secs(pause));
    loop {
        match w.next_write() {
            Some(_) => return true,
            None if w.turn() => {}
            None => return false,
        }
    }
}

/// The process ended before it heard whether the write was made.
#[test]
fn what_may_be_under_way_is_waited_for_before_the_old_version_counts_as_restored() {
    let mut w = asked();
    assert!(writes_after(&mut w, 0), "{}", w.message());
    w.carry_out(w.decide(), Fate::Crash);
    abort(&mut w);
    for pause in [0, 29] {
        w.pass(Duration::from_secs(pause));
        w.come_to_rest();
        assert_eq!(target(&w).state, TargetStep::Writing, "{}", w.message());
    }
    w.pass(Duration::from_secs(1));
    w.come_to_rest();
    assert_ne!(target(&w).state, TargetStep::Writing, "{}", w.message());
    assert!(w.writes.is_empty(), "there was nothing to take back");
}

#[test]
fn a_restore_that_nobody_heard_of_is_not_brought_twice_at_once() {
    let mut w = written(Successful);
    abort(&mut w);
    assert!(writes_after(&mut w, 0), "{}", w.message());
    w.carry_out(w.decide(), Fate::Crash);
    assert_eq!([0, 29, 1].map(|pause| writes_after(&mut w, pause)), [false, false, true], "{}", w.message());
    assert_eq!(w.writes.len(), 1);
}

/// What it did shows with the next poll.
#[test]
fn a_write_that_nobody_answered_is_repeated_after_a_poll() {
    let mut w = asked();
    assert!(writes_after(&mut w, 0), "{}", w.message());
    w.carry_out(w.decide(), Fate::NotDone);
    assert_eq!([0, 15, 1].map(|pause| writes_after(&mut w, pause)), [false, false, true], "{}", w.message());
}

/// A read may be older than what is known, but not newer.
#[test]
fn what_somebody_else_brought_since_is_believed_at_once() {
    let mut w = written(Successful);
    w.rest_or(|w| w.step_name() == Step::Verifying && !w.results.is_empty());
    reads(&mut w, "4000", InProgress);
    let decision = w.decide();
    assert!(!decision.hold, "a revision that is neither ours nor the one before was brought by somebody");
    w.turn();
    let cause = w.rel.status.rollout.as_ref().unwrap().cause.as_ref().map(|c| c.reason);
    assert_eq!(cause, Some(Reason::Contended), "{}", w.message());
}

#[test]
fn a_way_back_that_is_there_is_not_doubted() {
    let mut w = written(Successful);
    abort(&mut w);
    assert!(writes_after(&mut w, 0), "{}", w.message());
    accepts(&mut w, "3000");
    reads(&mut w, "3000", Successful);
    w.come_to_rest();
    w.pass(Duration::from_secs(30));
    w.rest_or(|w| w.step_name() == Step::VerifyingRestore && !w.results.is_empty());
    assert!(!w.results.is_empty() && !w.decide().hold, "{}", w.message());
    assert_eq!(target(&w).doubted_since, None);
}

/// A deployment that is under way is waited for, unless it is the one that is taken over.
#[test]
fn a_newer_tag_does_not_wait_for_the_deployment_that_it_takes_over() {
    let mut w = written(InProgress);
    w.come_to_rest();
    w.tag("newer");
    assert!(writes_after(&mut w, 0), "{}", w.message());
    assert_eq!(w.next_write().unwrap().images[0].image.short(), "newer");
}

#[test]
fn what_ecs_takes_back_is_not_taken_over() {
    let mut w = written(InProgress);
    w.come_to_rest();
    reads(&mut w, NEW, RollbackRequested);
    w.tag("newer");
    w.come_to_rest();
    assert_eq!(w.rel.status.rollout.as_ref().unwrap().image.short(), "new", "{}", w.message());
    assert!(!matches!(w.decide().effect, Some(Effect::Write(_))), "ECS is at work");
}

/// What was verified last is brought with its own task definition, not with that of what came after it.
#[test]
fn a_way_back_is_one_task_definition() {
    let mut w = World::verified("old").behave("x9", Behaviour::FailsHealth);
    reads(&mut w, OLD, Successful);
    let stable = w.rel.status.stable.iter_mut().find(|s| s.stage == "staging").unwrap();
    stable.task_definition = Some("td-old".into());
    set_image(w.live("staging"), "app", Image::build(REPOSITORY, Some("x9"), None), "somebody");
    let live = w.live("staging");
    (live.observed_generation, live.revision) = (live.generation, Some("9000".into()));
    let ecs = live.ecs.as_mut().unwrap();
    ecs.task_definition = "td-x9".into();
    let newest = ecs.newest.as_mut().unwrap();
    (newest.brings, newest.task_definition) = ("9000".into(), Some("td-x9".into()));
    newest.images[0].image = Image::build(REPOSITORY, Some("x9"), None);
    w.tag("new");
    while w.next_write().is_none() {
        w.come_to_rest();
        w.now = w.again.unwrap();
    }
    w.turn();
    let back = target(&w).way_back.as_ref().unwrap();
    assert_eq!(
        (back.images[0].image.short().as_str(), back.task_definition.as_deref()),
        ("old", Some("td-old")),
        "{}",
        w.message()
    );
}
