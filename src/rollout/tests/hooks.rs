//! Hooks: once, before the first write, and what a bad end of one means.

use super::jobs::Ending;
use super::play::Fate;
use super::workloads::Behaviour;
use super::world::World;
use crate::api::effect::{Effect, Refused};
use crate::api::hook::JobView;
use crate::api::spec::{Hook, RollbackScope};
use crate::api::status::{HookStep, Phase, Step};
use crate::api::time::Duration;
use crate::api::{Image, NsName, Reason, annotation};
use serde_json::json;

pub(super) fn hook(name: &str, more: serde_json::Value) -> Hook {
    let mut hook = json!({"name": name, "timeout": "60s", "job": {"fromCronJob": {"name": name}}});
    hook.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    serde_json::from_value(hook).unwrap()
}

/// `sha-a1` is stable in both stages; `sha-b2` comes with the hooks `one` and `two` in staging.
pub(super) fn with(hooks: Vec<Hook>, on_rollback: Vec<Hook>) -> World {
    let mut w = World::verified("sha-a1");
    w.edit(|s| {
        (s.stages[0].hooks, s.stages[0].on_rollback) = (hooks, on_rollback);
        s.image.tag = Some("sha-b2".into());
    });
    w
}

fn two() -> World {
    with(vec![hook("one", json!({})), hook("two", json!({}))], vec![])
}

fn end(w: &World) -> (Phase, Reason, Reason) {
    let cause = w.rel.status.rollout.as_ref().and_then(|r| r.cause.as_ref()).map(|c| c.reason);
    (w.phase(), w.reason(), cause.unwrap_or(w.reason()))
}

fn states(w: &World) -> Vec<HookStep> {
    w.rel.status.rollout.as_ref().unwrap().stages[0].hooks.iter().map(|h| h.state).collect()
}

#[test]
fn hooks_run_in_turn_before_the_first_write() {
    let mut w = two();
    w.run_until(|w| w.created.len() == 2);
    assert!(w.writes.is_empty() && w.runs_of("one") == 1, "{:?}", w.created);
    assert_eq!((w.phase(), w.step_name()), (Phase::Rolling, Step::RunningHooks));
    w.run();
    assert_eq!((w.step_name(), w.created.len(), w.writes.len()), (Step::AwaitingPromotion, 2, 1), "{}", w.message());
    assert_eq!(states(&w), [HookStep::Succeeded; 2]);
    assert!(w.announced(Reason::HookStarted) && w.announced(Reason::HookSucceeded));
}

#[test]
fn a_stage_that_runs_the_image_already_runs_none() {
    let mut w = two();
    for stage in ["staging", "production"] {
        super::workloads::set_image(w.live(stage), "app", Image::new("ghcr.io/acme/shop:sha-b2"), "x");
    }
    w.unfit = Some((Reason::HookNotFound, "CronJob shop/one does not exist".into()));
    w.converge();
    w.run();
    assert_eq!((w.phase(), w.created.len()), (Phase::Verified, 0), "{}", w.message());
}

#[test]
fn what_a_hook_is_made_from_is_waited_for_before_anything_is_touched() {
    let mut w = two();
    w.unfit = Some((Reason::HookNotFound, "CronJob shop/one does not exist".into()));
    w.turn();
    w.come_to_rest();
    assert_eq!((w.phase(), w.created.len(), w.writes.len()), (Phase::Pending, 0, 0));
    assert!(w.message().contains("hook one of staging: CronJob shop/one does not exist"), "{}", w.message());
    assert_eq!(w.condition("Ready").unwrap().1, "HookNotFound");
    w.unfit = None;
    w.run();
    assert_eq!(w.created.len(), 2, "{}", w.message());
}

#[test]
fn a_failed_hook_ends_the_rollout_and_nothing_was_written() {
    let mut w = two();
    w.endings.insert("one".into(), Ending::Badly);
    w.run();
    assert_eq!(end(&w), (Phase::Failed, Reason::HookFailed, Reason::HookFailed));
    assert!(w.writes.is_empty() && w.created.len() == 1);
    assert!(w.message().contains("exited with 3") && w.message().contains("no such table"), "{}", w.message());
    assert!(w.rel.status.quarantine.is_empty() && w.rel.status.debts.is_empty());
    assert_eq!(w.condition("Stalled"), Some(("True".into(), "HookFailed".into())));
    // Once more, and only when it is asked for.
    w.endings.clear();
    w.annotate(annotation::RETRY, "again");
    w.run();
    assert_eq!((w.step_name(), w.runs_of("one"), w.runs_of("two")), (Step::AwaitingPromotion, 2, 1), "{}", w.message());
}

#[test]
fn one_that_takes_too_long_is_stopped_and_nothing_is_held_against_the_image() {
    let mut w = two();
    w.endings.insert("one".into(), Ending::Never);
    w.run();
    assert_eq!(end(&w), (Phase::Failed, Reason::HookTimedOut, Reason::HookTimedOut), "{}", w.message());
    assert!(
        w.message().contains("not done within 60s") || w.message().contains("not done within 1m"),
        "{}",
        w.message()
    );
    assert!(w.rel.status.quarantine.is_empty() && w.writes.is_empty());
    assert_eq!(states(&w), [HookStep::TimedOut]);
}

#[test]
fn whenever_the_controller_dies_it_is_created_once() {
    for fate in [Fate::Crash, Fate::CrashAfter, Fate::AnswerLost, Fate::NotDone] {
        let mut w = two();
        w.run_while_hooks_meet(fate, false);
        assert_eq!(
            (w.step_name(), w.runs_of("one"), w.runs_of("two")),
            (Step::AwaitingPromotion, 1, 1),
            "{fate:?}: {}",
            w.message()
        );
    }
}

#[test]
fn one_that_is_gone_is_never_run_again() {
    let mut w = two();
    w.endings.insert("one".into(), Ending::Never);
    w.run_until(|w| states_are(w, &[HookStep::Running]));
    w.jobs_vanish();
    w.run();
    assert_eq!(end(&w), (Phase::Failed, Reason::HookVanished, Reason::HookVanished), "{}", w.message());
    assert_eq!((w.created.len(), w.writes.len()), (1, 0));
    assert!(w.message().contains("not run again"), "{}", w.message());
}

/// An API server that lags behind does not know yet what it was told to make, nor that it is at work when it is to end.
#[test]
fn one_that_is_missing_for_a_moment_is_not_gone() {
    for told in [false, true] {
        let mut w = two();
        w.endings.insert("one".into(), Ending::Never);
        w.run_until(|w| states_are(w, &[HookStep::Running]));
        if told {
            let id = w.rel.status.rollout.as_ref().unwrap().id.to_string();
            w.annotate(annotation::ABORT, &id);
        }
        let jobs = std::mem::take(&mut w.jobs);
        for _ in 0..3 {
            w.come_to_rest();
            assert!(states_are(&w, &[HookStep::Running]), "{}", w.message());
            w.now = w.again.unwrap();
        }
        w.jobs = jobs;
        w.endings.clear();
        w.run();
        let wanted = if told { Step::Ended } else { Step::AwaitingPromotion };
        assert_eq!((w.step_name(), w.runs_of("one")), (wanted, 1), "{}", w.message());
        assert!(!w.announced(Reason::HookVanished));
    }
}

/// The process that goes on has a clock an hour behind.
#[test]
fn one_that_is_missing_is_not_waited_for_until_a_clock_has_caught_up() {
    let mut w = two();
    w.endings.insert("one".into(), Ending::Never);
    w.run_until(|w| states_are(w, &[HookStep::Running]));
    w.jobs_vanish();
    w.come_to_rest();
    w.now = w.now.minus(Duration::from_secs(3600));
    let began = w.now;
    w.run();
    assert_eq!(end(&w).1, Reason::HookVanished, "{}", w.message());
    assert!(w.now.since(began) < Duration::from_secs(30), "{:?}", w.now.since(began));
}

fn states_are(w: &World, wanted: &[HookStep]) -> bool {
    w.rel.status.running().is_some_and(|r| r.stages[0].hooks.iter().map(|h| h.state).eq(wanted.iter().copied()))
}

#[test]
fn a_job_of_that_name_that_is_not_ours_is_left_alone() {
    let mut w = two();
    w.run_until(|w| w.created.len() == 1);
    let name = w.job("one");
    let mut w = two();
    let view = JobView {
        uid: "x".into(),
        effect: None,
        release: None,
        verdict: None,
        waits: None,
        began: false,
        fell: false,
        disrupted: false,
    };
    w.jobs.insert(NsName::clone(&name), super::jobs::SimJob { hook: "one".into(), view });
    w.endings.insert("one".into(), Ending::Never);
    w.run();
    assert_eq!((end(&w).1, w.created.len()), (Reason::HookFailed, 0), "{}", w.message());
    assert!(w.message().contains("somebody else's"), "{}", w.message());
}

#[test]
fn a_refused_job_says_why() {
    let mut w = two();
    w.run_until(|w| matches!(w.decide().effect, Some(Effect::RunHook(_))));
    w.refuse = Some((Refused::Forbidden, "exceeded quota: jobs".into()));
    w.run();
    assert_eq!(end(&w).1, Reason::HookFailed);
    assert!(w.message().contains("could not be created: exceeded quota"), "{}", w.message());
}

/// It could be made a moment before: who refuses it now may think better of it.
#[test]
fn a_job_that_is_refused_for_a_moment_is_made() {
    let mut w = two();
    w.run_until(|w| matches!(w.decide().effect, Some(Effect::RunHook(_))));
    w.refuse = Some((Refused::Invalid, "denied by policy".into()));
    for _ in 0..3 {
        w.come_to_rest();
        assert!(states_are(&w, &[HookStep::Starting]) && w.message().contains("denied by policy"), "{}", w.message());
        assert_eq!(w.decide().effect, None, "not before its time");
        w.now = w.again.unwrap();
    }
    w.refuse = None;
    w.run();
    assert_eq!((w.step_name(), w.created.len()), (Step::AwaitingPromotion, 2), "{}", w.message());
}

/// The process that goes on has a clock an hour behind.
#[test]
fn a_refused_job_is_tried_again_before_a_clock_has_caught_up() {
    let mut w = two();
    w.run_until(|w| matches!(w.decide().effect, Some(Effect::RunHook(_))));
    w.refuse = Some((Refused::Invalid, "denied by policy".into()));
    w.come_to_rest();
    assert!(w.message().contains("is to be run again: denied by policy"), "{}", w.message());
    w.refuse = None;
    w.now = w.now.minus(Duration::from_secs(3600));
    let began = w.now;
    w.run_until(|w| w.runs_of("one") == 1);
    assert_eq!(w.now.since(began), Duration::from_secs(5));
}

#[test]
fn a_new_image_waits_for_the_hook_that_runs_and_an_abort_stops_it() {
    let mut w = two();
    w.endings.insert("one".into(), Ending::Never);
    w.run_until(|w| states_are(w, &[HookStep::Running]));
    w.tag("sha-c3");
    w.come_to_rest();
    assert!(states_are(&w, &[HookStep::Running]), "it is let to finish");
    w.endings.clear();
    w.run();
    let superseded = w.rel.status.history.iter().find(|h| h.image.short() == "sha-b2").unwrap();
    assert_eq!(superseded.reason, Reason::Superseded);
    assert_eq!((w.runs_of("one"), w.runs_of("two"), w.step_name()), (2, 1, Step::AwaitingPromotion), "{}", w.message());

    let mut w = two();
    w.endings.insert("one".into(), Ending::Never);
    w.run_until(|w| states_are(w, &[HookStep::Running]));
    let id = w.rel.status.rollout.as_ref().unwrap().id.to_string();
    w.annotate(annotation::ABORT, &id);
    w.run();
    assert_eq!(end(&w), (Phase::Failed, Reason::Aborted, Reason::Aborted), "{}", w.message());
    assert_eq!(states(&w), [HookStep::Stopped]);
}

#[test]
fn a_deletion_stops_it_too() {
    let mut w = two();
    w.endings.insert("one".into(), Ending::Never);
    w.run_until(|w| states_are(w, &[HookStep::Running]));
    w.rel.deleting = true;
    for _ in 0..20 {
        w.turn();
        w.converge();
    }
    assert!(!w.rel.finalizer, "{}", w.message());
    assert_eq!(end(&w).1, Reason::Deleted);
}

#[test]
fn after_an_irreversible_one_nothing_goes_back_by_itself() {
    let irreversible = || vec![hook("one", json!({"irreversible": true}))];
    let mut w = with(irreversible(), vec![hook("undo", json!({}))]).behave("sha-b2", Behaviour::FailsHealth);
    w.run();
    assert_eq!(end(&w), (Phase::Failed, Reason::RollbackForbidden, Reason::HealthCheckFailed), "{}", w.message());
    assert_eq!((w.runs("staging"), w.runs_of("undo")), ("sha-b2".into(), 0));
    assert!(w.rel.status.debts[0].irreversible);
    assert!(w.message().contains("go forward with a mended tag"), "{}", w.message());

    // The next one inherits the debt, and what stands in the way of going back.
    w.behaviour.insert("sha-c3".into(), Behaviour::FailsHealth);
    w.edit(|s| {
        s.stages[0].hooks.clear();
        s.image.tag = Some("sha-c3".into());
    });
    w.run();
    assert_eq!(end(&w).1, Reason::RollbackForbidden, "{}", w.message());
    assert_eq!(w.runs("staging"), "sha-c3");

    // A person may know better.
    w.behaviour.clear();
    let id = w.rel.status.rollout.as_ref().unwrap().id.to_string();
    w.annotate(annotation::ROLLBACK, &id);
    w.run();
    assert_eq!((w.phase(), w.runs("staging")), (Phase::RolledBack, "sha-a1".into()), "{}", w.message());
    assert!(w.rel.status.debts.is_empty());
}

#[test]
fn an_abort_after_an_irreversible_one_restores_nothing() {
    let mut w = with(vec![hook("one", json!({"irreversible": true}))], vec![]).behave("sha-b2", Behaviour::NeverReady);
    w.run_until(|w| w.writes.len() == 1 && w.step_name() == Step::Rolling);
    let id = w.rel.status.rollout.as_ref().unwrap().id.to_string();
    w.annotate(annotation::ABORT, &id);
    w.run();
    assert_eq!(end(&w), (Phase::Failed, Reason::RollbackForbidden, Reason::Aborted), "{}", w.message());
    assert_eq!(w.runs("staging"), "sha-b2");
}

#[test]
fn a_restore_of_the_whole_release_stops_at_an_irreversible_one() {
    let mut w = with(vec![hook("one", json!({"irreversible": true}))], vec![])
        .behave("production:sha-b2", Behaviour::FailsHealth);
    w.edit(|s| s.stages[1].rollback.scope = RollbackScope::Release);
    w.run();
    w.approve();
    w.run();
    assert_eq!((w.runs("staging"), w.runs("production")), ("sha-b2".into(), "sha-a1".into()), "{}", w.message());
    assert!(w.announced(Reason::RollbackForbidden) && w.phase() == Phase::RolledBack, "{}", w.message());
}

#[test]
fn what_undoes_hooks_runs_after_the_restore_and_before_its_checks() {
    let undo = || vec![hook("undo", json!({}))];
    let mut w = with(vec![hook("one", json!({}))], undo()).behave("sha-b2", Behaviour::FailsHealth);
    w.run_until(|w| w.runs_of("undo") == 1);
    assert_eq!((w.runs("staging"), w.step_name()), ("sha-a1".into(), Step::RunningRollbackHooks));
    assert_eq!(w.phase(), Phase::Restoring);
    w.run();
    assert_eq!(end(&w), (Phase::RolledBack, Reason::RolledBack, Reason::HealthCheckFailed), "{}", w.message());

    // Nothing was written, and yet something may be to be undone.
    let mut w = with(vec![hook("one", json!({}))], undo());
    w.endings.insert("one".into(), Ending::Badly);
    w.run();
    assert_eq!((end(&w).1, w.runs_of("undo"), w.writes.len()), (Reason::HookFailed, 1, 0), "{}", w.message());

    // Nothing was begun, so nothing is undone.
    let mut w = with(vec![hook("one", json!({}))], undo());
    w.rel.annotations.clear();
    w.unfit = Some((Reason::HookNotFound, "no".into()));
    w.turn();
    w.tag("sha-a1");
    w.unfit = None;
    w.run();
    assert_eq!(w.created.len(), 0);
}

#[test]
fn what_cannot_be_undone_is_named() {
    for behaviour in [Some(Behaviour::FailsHealth), None] {
        let mut w = with(vec![hook("one", json!({}))], vec![hook("undo", json!({}))]);
        w.endings.insert("undo".into(), Ending::Badly);
        match behaviour {
            Some(b) => w = w.behave("sha-b2", b),
            None => drop(w.endings.insert("one".into(), Ending::Badly)),
        }
        w.run();
        assert_eq!((w.phase(), w.reason()), (Phase::Failed, Reason::RollbackFailed), "{}", w.message());
        assert!(w.message().contains("hook undo of staging"), "{}", w.message());
        assert_eq!(w.runs("staging"), "sha-a1");
    }
}

#[test]
fn what_others_bring_while_a_hook_runs_is_not_written_over() {
    let mut w = two();
    w.endings.insert("one".into(), Ending::Never);
    w.run_until(|w| states_are(w, &[HookStep::Running]));
    super::workloads::set_image(w.live("staging"), "app", Image::new("ghcr.io/acme/shop:human"), "kubectl");
    w.endings.clear();
    w.run();
    assert_eq!(
        (end(&w).1, w.runs("staging"), w.writes.len()),
        (Reason::Contended, "human".into(), 0),
        "{}",
        w.message()
    );
}

#[test]
fn a_first_write_that_is_refused_does_not_run_them_again() {
    let mut w = two();
    w.run_until(|w| w.next_write().is_some());
    w.refuse = Some((Refused::Forbidden, "cannot patch resource".into()));
    for _ in 0..30 {
        if !w.turn() {
            w.now = w.again.unwrap();
        }
    }
    assert_eq!((w.phase(), w.created.len()), (Phase::Pending, 2), "{}", w.message());
    w.refuse = None;
    w.run();
    assert_eq!((w.step_name(), w.created.len()), (Step::AwaitingPromotion, 2), "{}", w.message());
}

/// What the newer rollout takes over it owes with all that stands in the way of paying.
#[test]
fn who_takes_over_inherits_what_cannot_be_undone() {
    let mut w = with(vec![hook("one", json!({"irreversible": true}))], vec![]).behave("sha-b2", Behaviour::NeverReady);
    w.run_until(|w| w.writes.len() == 1 && w.step_name() == Step::Rolling);
    w.converge();
    w.turn();
    w.behaviour.insert("sha-c3".into(), Behaviour::FailsHealth);
    w.endings.insert("one".into(), Ending::Badly);
    w.tag("sha-c3");
    w.run();
    assert_eq!(
        (w.runs_of("one"), w.runs("staging"), end(&w).1),
        (2, "sha-b2".into(), Reason::RollbackForbidden),
        "{}",
        w.message()
    );
    assert!(w.rel.status.debts.iter().all(|b| b.irreversible) && !w.rel.status.debts.is_empty());
}
