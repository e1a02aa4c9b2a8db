//! Looks that are older than what is known already: a list without the newest ReplicaSet, a workload from before our write.

use super::begun::rolling;
use super::hooks::hook;
use super::play::Fate;
use super::workloads::{Behaviour, set_image};
use super::world::{REPOSITORY, World};
use crate::api::effect::Refused;
use crate::api::spec::Hook;
use crate::api::status::{Phase, Step, TargetStep};
use crate::api::time::{Duration, Time};
use crate::api::view::LiveTarget;
use crate::api::{Image, NsName};

/// Looks once without the revision, and goes on. Whether it wanted to look again although nothing happens.
fn blink(w: &mut World) -> bool {
    let revision = w.live("staging").revision.take();
    w.come_to_rest();
    w.live("staging").revision = revision;
    let Some(at) = soon(w) else { return false };
    w.now = at;
    true
}

/// When it looks again, if that is soon.
fn soon(w: &World) -> Option<Time> {
    w.again.filter(|at| w.now.plus(Duration::from_secs(10)) > *at)
}

#[test]
fn what_is_asked_is_no_new_revision_and_is_looked_at_again() {
    let mut w = rolling(|_| {});
    w.run_until(|w| w.step_name() == Step::Verifying);
    assert!(blink(&mut w));
    assert_eq!((w.phase(), w.step_name()), (Phase::Verifying, Step::Verifying));
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
}

/// A look from before our own write says nothing of what others did.
#[test]
fn what_ran_before_our_write_was_brought_by_nobody() {
    let mut w = rolling(|_| {});
    w.run_until(|w| w.writes.is_empty() && w.decide().effect.is_some());
    let before = w.live("staging").clone();
    w.run_until(|w| w.step_name() == Step::Verifying);
    let now = std::mem::replace(w.live("staging"), before);
    w.come_to_rest();
    assert!(w.rel.status.running().is_some_and(|r| r.cause.is_none()), "{}", w.message());
    assert!(soon(&w).is_some());
    *w.live("staging") = now;
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
}

/// Looks once at the workload as it was `before`, and says how the target stands then.
fn look_back(w: &mut World, before: &LiveTarget) -> TargetStep {
    let now = std::mem::replace(w.live("staging"), before.clone());
    w.come_to_rest();
    *w.live("staging") = now;
    w.rel.status.running().unwrap().stages[0].targets[0].state
}

/// A look at the failed version, from before it was taken back, does not say that somebody brought it again, or that it
/// is the restored one.
#[test]
fn what_ran_before_the_restore_was_not_brought_after_it() {
    let mut w = rolling(|_| {}).behave("sha-b2", Behaviour::FailsHealth);
    w.run_until(|w| w.step_name() == Step::Verifying);
    let failed = w.live("staging").clone();
    w.run_until(|w| w.writes.len() == 2);
    w.run_until(|w| w.rel.status.running().is_some_and(|r| r.stages[0].targets[0].state == TargetStep::Restored));
    assert_eq!((look_back(&mut w, &failed), w.step_name()), (TargetStep::Restored, Step::Restoring));
    assert!(soon(&w).is_some(), "nothing may happen that would tell more");
    w.run_until(|w| w.step_name() == Step::VerifyingRestore);
    assert_eq!((look_back(&mut w, &failed), w.step_name()), (TargetStep::Restored, Step::VerifyingRestore));
    assert!(soon(&w).is_some());
    w.run();
    assert_eq!((w.phase(), w.writes.len()), (Phase::RolledBack, 2), "{}", w.message());
}

/// A look from before the first write does not say that the old version is back, where the controller ended before it
/// brought it.
#[test]
fn what_ran_before_our_write_is_not_what_came_back() {
    let mut w = rolling(|_| {}).behave("sha-b2", Behaviour::FailsHealth);
    w.run_until(|w| w.writes.is_empty() && w.decide().effect.is_some());
    let before = w.live("staging").clone();
    w.run_until(|w| w.writes.len() == 1 && w.step_name() == Step::Verifying && w.decide().effect.is_some());
    let intended = w.decide();
    w.carry_out(intended, Fate::Crash);
    assert_eq!((w.step_name(), w.writes.len()), (Step::Restoring, 1));
    assert_eq!((look_back(&mut w, &before), w.step_name()), (TargetStep::Restoring, Step::Restoring));
    w.run();
    assert_eq!((w.phase(), w.writes.len()), (Phase::RolledBack, 2), "{}", w.message());
}

#[test]
fn what_rolls_out_is_looked_at_again() {
    let mut w = rolling(|_| {});
    w.run_until(|w| w.writes.len() == 1);
    w.converge();
    assert!(blink(&mut w));
    assert_eq!(w.step_name(), Step::Rolling);
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
}

/// Neither is it another revision of what was restored: the proof goes on.
#[test]
fn what_was_restored_is_looked_at_again() {
    let mut w = rolling(|_| {}).behave("sha-b2", Behaviour::FailsHealth);
    w.run_until(|w| w.step_name() == Step::VerifyingRestore);
    assert!(blink(&mut w));
    assert_eq!(w.step_name(), Step::VerifyingRestore);
    w.run();
    assert_eq!(w.phase(), Phase::RolledBack, "{}", w.message());
}

/// `sha-c3` has taken over what `sha-b2` left on its way. With how the workload looked before anything of that.
fn taking_over() -> (World, LiveTarget) {
    let mut w = rolling(|_| {}).behave("sha-b2", Behaviour::NeverReady);
    let before = w.live("staging").clone();
    w.run_until(|w| w.writes.len() == 1);
    w.turn();
    w.tag("sha-c3");
    (w, before)
}

/// A look from before what was inherited does not say that somebody took our write away, whose answer nobody heard.
#[test]
fn what_ran_before_what_was_inherited_was_brought_by_nobody() {
    let (mut w, before) = taking_over();
    w.run_until(|w| w.writes.len() == 1 && w.decide().effect.is_some_and(|_| w.step_name() == Step::Rolling));
    let intended = w.decide();
    w.carry_out(intended, Fate::CrashAfter);
    for _ in 0..2 {
        assert_eq!(
            (look_back(&mut w, &before), w.step_name()),
            (TargetStep::Writing, Step::Rolling),
            "{}",
            w.message()
        );
    }
    w.run();
    assert_eq!((w.phase(), w.writes.len()), (Phase::AwaitingPromotion, 2), "{}", w.message());
    assert_eq!(w.runs("staging"), "sha-c3");
}

/// Nor that it belongs to another Release, which has long let go of it.
#[test]
fn who_had_it_before_what_was_inherited_does_not_have_it_now() {
    let (mut w, mut before) = taking_over();
    w.run_until(|w| w.writes.len() == 1 && w.decide().effect.is_some_and(|_| w.step_name() == Step::Rolling));
    let intended = w.decide();
    w.carry_out(intended, Fate::CrashAfter);
    before.claimed_by = Some(NsName::new("shop", "other"));
    assert_eq!((look_back(&mut w, &before), w.step_name()), (TargetStep::Writing, Step::Rolling), "{}", w.message());
    w.run();
    assert_eq!((w.phase(), w.runs("staging")), (Phase::AwaitingPromotion, "sha-c3".into()), "{}", w.message());
}

/// Nor that nothing is owed any more, while the newer rollout may not write.
#[test]
fn what_was_inherited_is_not_forgotten_for_an_old_look() {
    let (mut w, before) = taking_over();
    w = w.behave("sha-c3", Behaviour::FailsHealth);
    w.refuse = Some((Refused::Invalid, "denied by policy".into()));
    w.run_until(|w| w.condition("Ready").is_some_and(|(_, reason)| reason == "WriteRefused"));
    w.refuse = None;
    for _ in 0..3 {
        w.now = w.now.plus(Duration::from_secs(5));
        assert_eq!(look_back(&mut w, &before), TargetStep::Inherited, "{}", w.message());
    }
    w.run();
    assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::RolledBack, "sha-a1"), "{}", w.message());
}

/// A look from before what the write was decided on is nothing to write on, and does not say that it was made.
#[test]
fn what_ran_before_the_intent_was_brought_by_nobody() {
    for image in ["sha-b2", "x9"] {
        let mut w = rolling(|_| {});
        // It ran something else once, and was set back before the rollout began.
        let mut before = w.live("staging").clone();
        let generation = before.generation - 1;
        set_image(&mut before, "app", Image::build(REPOSITORY, Some(image), None), "kubectl");
        (before.generation, before.observed_generation) = (generation, generation);
        w.run_until(|w| w.writes.is_empty() && w.rel.finalizer && w.decide().effect.is_some());
        let intended = w.decide();
        w.carry_out(intended, Fate::Crash);
        assert_eq!(look_back(&mut w, &before), TargetStep::Writing, "{image}: {}", w.message());
        w.run();
        assert_eq!((w.phase(), w.writes.len()), (Phase::AwaitingPromotion, 1), "{image}: {}", w.message());
    }
}

/// `sha-b2` is verified, and `sha-c3` about to enter production. With how production looked while it ran `sha-a1`.
fn entering_production(hooks: Vec<Hook>) -> (World, LiveTarget) {
    let mut w = rolling(|_| {});
    let before = w.live("production").clone();
    w.run();
    w.approve();
    w.run();
    assert_eq!((w.phase(), w.runs("production")), (Phase::Verified, "sha-b2".into()), "{}", w.message());
    w.forget();
    w.edit(|s| {
        s.stages[1].hooks = hooks;
        s.image.tag = Some("sha-c3".into());
    });
    w.run();
    w.approve();
    (w, before)
}

/// Looks once at production as it was `before`.
fn look_back_at_production(w: &mut World, before: &LiveTarget) {
    let now = std::mem::replace(w.live("production"), before.clone());
    w.come_to_rest();
    *w.live("production") = now;
}

/// What was verified there since is no way back to anything older, and nobody brought it.
#[test]
fn what_ran_before_what_was_verified_is_not_what_runs() {
    let (mut w, before) = entering_production(vec![]);
    for _ in 0..3 {
        look_back_at_production(&mut w, &before);
        let target = w.rel.status.running().unwrap().stages[1].targets[0].clone();
        assert_eq!((target.state, target.way_back), (TargetStep::Untouched, None), "{}", w.message());
        w.now = w.again.unwrap();
    }
    w.run_until(|w| w.writes.len() == 2);
    let back = w.rel.status.running().unwrap().stages[1].targets[0].way_back.clone().unwrap();
    assert_eq!((back.images[0].image.short(), back.verified), ("sha-b2".into(), true));
    w.run();
    assert_eq!((w.phase(), w.runs("production")), (Phase::Verified, "sha-c3".into()), "{}", w.message());
}

/// The same after a rollout that was taken back: what it had brought is older than what was restored.
#[test]
fn what_ran_before_it_was_taken_back_is_not_what_runs() {
    let mut w = rolling(|_| {}).behave("production:sha-b2", Behaviour::FailsHealth);
    w.run();
    w.approve();
    w.run_until(|w| w.writes.len() == 2 && w.step_name() == Step::Verifying);
    let failed = w.live("production").clone();
    w.run();
    assert_eq!((w.phase(), w.runs("production")), (Phase::RolledBack, "sha-a1".into()), "{}", w.message());
    w.tag("sha-c3");
    w.run();
    w.approve();
    look_back_at_production(&mut w, &failed);
    assert_eq!(w.step_name(), Step::Preflight, "{}", w.message());
    w.run();
    assert_eq!((w.phase(), w.runs("production")), (Phase::Verified, "sha-c3".into()), "{}", w.message());
}

/// While hooks run nobody looks; the first look after them may be the old one.
#[test]
fn what_ran_before_the_way_back_was_chosen_was_brought_by_nobody() {
    let (mut w, before) = entering_production(vec![hook("migrate", serde_json::json!({}))]);
    w.run_until(|w| w.runs_of("migrate") == 1 && w.step_name() == Step::Rolling);
    assert_eq!(w.writes.len(), 1, "in staging");
    look_back_at_production(&mut w, &before);
    assert!(w.rel.status.running().is_some_and(|r| r.cause.is_none()), "{}", w.message());
    w.run();
    assert_eq!((w.phase(), w.runs("production")), (Phase::Verified, "sha-c3".into()), "{}", w.message());
}
