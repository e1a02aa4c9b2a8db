//! Hooks that are ECS tasks: at most one for each hook, whatever happens around it.

use super::errands::ended;
use super::jobs::Ending;
use super::play::Fate;
use super::workloads::Behaviour;
use super::world::World;
use crate::api::effect::{Effect, Refused};
use crate::api::hook::HookRun;
use crate::api::spec::{Hook, TargetKind};
use crate::api::status::{HookState, HookStep, Phase, Step};
use crate::api::time::Duration;
use crate::api::{Reason, annotation};
use serde_json::json;
use std::collections::BTreeSet;

fn hook(name: &str, more: serde_json::Value) -> Hook {
    let mut hook = json!({"name": name, "timeout": "60s", "ecsTask": {"container": "app", "command": ["migrate"]}});
    hook.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    serde_json::from_value(hook).unwrap()
}

/// `sha-a1` is stable in both stages; `sha-b2` comes with these hooks in staging, whose target stands in the spec as an ECS
/// service. It rolls as a Deployment does: how services roll is not what is looked at here.
fn with(hooks: Vec<Hook>, on_rollback: Vec<Hook>) -> World {
    let mut w = World::new("sha-a1", "sha-a1");
    let ecs = json!({"region": "eu-west-1", "cluster": "prod", "service": "web", "containers": ["app"]});
    w.edit(|s| s.stages[0].targets[0].kind = TargetKind::Ecs(serde_json::from_value(ecs).unwrap()));
    let workload = w.rel.spec.stages[0].targets[0].workload("shop");
    w.live("staging").workload = workload;
    w.run();
    assert_eq!(w.phase(), Phase::Verified, "{}", w.message());
    w.forget();
    w.edit(|s| {
        (s.stages[0].hooks, s.stages[0].on_rollback) = (hooks, on_rollback);
        s.image.tag = Some("sha-b2".into());
    });
    w
}

fn one() -> World {
    with(vec![hook("one", json!({}))], vec![])
}

fn state(w: &World) -> HookState {
    w.rel.status.rollout.as_ref().unwrap().stages[0].hooks[0].clone()
}

/// One that is at work and does not end.
fn at_work(hooks: Vec<Hook>, on_rollback: Vec<Hook>) -> World {
    let mut w = with(hooks, on_rollback);
    w.endings.insert("one".into(), Ending::Never);
    w.run_until(|w| w.tasks.len() == 1 && state(w).task.is_some_and(|t| t.seen));
    w
}

fn reason(w: &World) -> Reason {
    let cause = w.rel.status.rollout.as_ref().and_then(|r| r.cause.as_ref()).map(|c| c.reason);
    cause.unwrap_or(w.reason())
}

#[test]
fn they_run_in_turn_before_the_first_write_and_bring_the_new_image() {
    let mut w = with(vec![hook("one", json!({})), hook("two", json!({}))], vec![]);
    w.run_until(|w| matches!(w.decide().effect, Some(Effect::RunHook(_))));
    let decision = w.decide();
    let Some(Effect::RunHook(HookRun::Task(run))) = decision.effect else { panic!() };
    assert_eq!((run.images[0].short().as_str(), run.containers[0].as_str()), ("sha-b2", "app"));
    let intended = decision.status.running().unwrap().stages[0].hooks[0].clone();
    assert_eq!((intended.state, intended.task.unwrap().started_by), (HookStep::Starting, run.started_by));
    w.run_until(|w| w.created.len() == 2);
    assert!(w.writes.is_empty());
    w.run();
    assert_eq!((w.step_name(), w.created.len(), w.writes.len()), (Step::AwaitingPromotion, 2, 1), "{}", w.message());
    let state = state(&w);
    assert_eq!((state.state, state.task.unwrap().id()), (HookStep::Succeeded, Some("0")));
    assert!(state.message.unwrap().contains("ECS task prod/0"));
}

#[test]
fn only_the_exit_code_of_the_named_container_counts() {
    for (code, exit, says) in [
        ("EssentialContainerExited", Some(0), None),
        ("EssentialContainerExited", Some(3), Some("exited with 3")),
        ("TaskFailedToStart", None, Some("has no exit code")),
        ("SpotInterruption", Some(0), Some("says nothing of its work")),
        ("UserInitiated", Some(0), Some("says nothing of its work")),
    ] {
        let mut w = at_work(vec![hook("one", json!({}))], vec![]);
        ended(&mut w.tasks[0].view, code, exit);
        w.run();
        let Some(says) = says else {
            assert_eq!(w.step_name(), Step::AwaitingPromotion, "{}", w.message());
            continue;
        };
        assert_eq!((w.phase(), reason(&w), w.writes.len()), (Phase::Failed, Reason::HookFailed, 0), "{}", w.message());
        assert!(w.message().contains(says) && w.message().contains(code), "{}", w.message());
        assert!(w.rel.status.quarantine.is_empty() && w.created.len() == 1);
    }
    let mut w = at_work(vec![hook("one", json!({}))], vec![]);
    ended(&mut w.tasks[0].view, "EssentialContainerExited", Some(0));
    w.tasks[0].view.container = None;
    w.run();
    assert!(reason(&w) == Reason::HookFailed && w.message().contains("no container app"), "{}", w.message());
}

#[test]
fn where_there_is_no_room_it_is_tried_again_under_another_token() {
    for kind in [Refused::NoCapacity, Refused::Throttled] {
        let mut w = one();
        w.run_until(|w| matches!(w.decide().effect, Some(Effect::RunHook(_))));
        w.refuse = Some((kind, "ecs:RunTask: RESOURCE:MEMORY".into()));
        w.run_until(|w| w.tokens.len() == 3);
        assert!(w.message().contains("RESOURCE:MEMORY"), "{}", w.message());
        w.run_until(|w| w.message().contains("is to be run again: ecs:RunTask"));
        w.refuse = None;
        w.run();
        let tokens: BTreeSet<_> = w.tokens.iter().collect();
        assert_eq!((w.step_name(), w.created.len(), tokens.len()), (Step::AwaitingPromotion, 1, 4), "{}", w.message());
        assert_eq!(state(&w).task.unwrap().attempt, 4);
    }
}

/// The process that goes on has a clock an hour behind.
#[test]
fn it_is_tried_again_before_a_clock_has_caught_up() {
    let mut w = one();
    w.run_until(|w| matches!(w.decide().effect, Some(Effect::RunHook(_))));
    w.refuse = Some((Refused::NoCapacity, "ecs:RunTask: AGENT".into()));
    w.run_until(|w| w.tokens.len() == 2);
    w.come_to_rest();
    w.refuse = None;
    w.now = w.now.minus(Duration::from_secs(3600));
    let began = w.now;
    w.run_until(|w| w.created.len() == 1);
    assert_eq!(w.now.since(began), Duration::from_secs(10));
}

#[test]
fn without_room_until_its_time_is_over_nothing_was_run() {
    let mut w = one();
    w.run_until(|w| matches!(w.decide().effect, Some(Effect::RunHook(_))));
    w.refuse = Some((Refused::NoCapacity, "ecs:RunTask: AGENT".into()));
    w.run();
    assert_eq!((reason(&w), w.created.len(), w.writes.len()), (Reason::HookTimedOut, 0, 0), "{}", w.message());
    assert!(w.message().contains("could not be run in time: ecs:RunTask: AGENT"), "{}", w.message());
    assert!(w.tokens.len() > 3 && w.tokens.len() < 10, "{}", w.tokens.len());
}

#[test]
fn what_is_refused_for_good_ends_it() {
    let mut w = one();
    w.run_until(|w| matches!(w.decide().effect, Some(Effect::RunHook(_))));
    w.refuse = Some((Refused::Invalid, "ecs:RunTask: ATTRIBUTE".into()));
    w.run();
    assert_eq!((reason(&w), w.tokens.len()), (Reason::HookFailed, 1), "{}", w.message());
    assert!(!state(&w).at_work && w.message().contains("could not be run: ecs:RunTask: ATTRIBUTE"), "{}", w.message());
}

#[test]
fn whenever_the_controller_dies_one_is_made() {
    for fate in [Fate::Crash, Fate::CrashAfter, Fate::AnswerLost, Fate::NotDone] {
        for hidden in [false, true] {
            let mut w = one();
            w.run_while_hooks_meet(fate, hidden);
            let said = format!("{fate:?} {hidden}: {}", w.message());
            assert_eq!((w.step_name(), w.created.len()), (Step::AwaitingPromotion, 1), "{said}");
            let tokens: BTreeSet<_> = w.tokens.iter().collect();
            assert_eq!(tokens.len(), 1, "{said}");
        }
    }
}

/// Who does not know whether the first try made it must not use another token, whatever the next answer is.
#[test]
fn a_doubtful_try_keeps_its_token_where_there_is_no_room() {
    let mut w = one();
    w.run_until(|w| matches!(w.decide().effect, Some(Effect::RunHook(_))));
    w.refuse = Some((Refused::NoCapacity, "no room".into()));
    let decision = w.decide();
    w.carry_out(decision, Fate::AnswerLost);
    w.run_until(|w| w.tokens.len() == 4);
    w.refuse = None;
    w.run();
    let tokens: BTreeSet<_> = w.tokens.iter().collect();
    assert_eq!((w.step_name(), tokens.len(), w.created.len()), (Step::AwaitingPromotion, 1, 1), "{}", w.message());
}

#[test]
fn one_that_is_gone_is_never_run_again() {
    let mut w = at_work(vec![hook("one", json!({}))], vec![]);
    w.tasks.clear();
    w.run();
    assert_eq!((reason(&w), w.created.len(), w.writes.len()), (Reason::HookVanished, 1, 0), "{}", w.message());
    assert!(w.message().contains("not run again"), "{}", w.message());
}

/// A list or a description may leave out for a while what is there.
#[test]
fn one_that_is_not_shown_for_a_moment_is_not_gone() {
    let mut w = at_work(vec![hook("one", json!({}))], vec![]);
    w.tasks_hidden = true;
    w.look_on(Duration::from_secs(8));
    assert!(state(&w).task.unwrap().missing_since.is_some());
    w.tasks_hidden = false;
    w.endings.clear();
    w.run();
    assert_eq!((w.step_name(), w.created.len()), (Step::AwaitingPromotion, 1), "{}", w.message());
}

#[test]
fn after_long_absence_a_doubtful_try_is_not_repeated() {
    let mut w = one();
    w.run_until(|w| matches!(w.decide().effect, Some(Effect::RunHook(_))));
    let decision = w.decide();
    w.carry_out(decision, Fate::CrashAfter);
    // It ended, and ECS has forgotten it and its token.
    w.tasks.clear();
    w.pass(Duration::from_secs(2 * 3600));
    w.run();
    assert_eq!((reason(&w), w.created.len()), (Reason::HookVanished, 1), "{}", w.message());
}

/// It was asked for by a process whose clock was two hours ahead. ECS keeps no token for as long as that.
#[test]
fn a_doubtful_try_is_not_repeated_until_a_clock_has_caught_up() {
    let mut w = with(vec![hook("one", json!({"timeout": "3h"}))], vec![]);
    w.run_until(|w| matches!(w.decide().effect, Some(Effect::RunHook(_))));
    w.tasks_hidden = true;
    let decision = w.decide();
    w.carry_out(decision, Fate::CrashAfter);
    w.now = w.now.minus(Duration::from_secs(2 * 3600));
    let began = w.now;
    w.run();
    assert_eq!((reason(&w), w.created.len()), (Reason::HookVanished, 1), "{}", w.message());
    assert!(w.now.since(began) < Duration::from_secs(3600), "{:?}", w.now.since(began));
}

#[test]
fn one_that_takes_too_long_is_stopped() {
    let mut w = at_work(vec![hook("one", json!({}))], vec![]);
    w.run();
    assert_eq!((w.phase(), reason(&w), w.stops), (Phase::Failed, Reason::HookTimedOut, 1), "{}", w.message());
    assert!(w.message().contains("how far it came is not known"), "{}", w.message());
    assert!(w.writes.is_empty() && w.rel.status.quarantine.is_empty() && !state(&w).at_work);
}

#[test]
fn one_that_does_not_end_when_told_is_said_to_be_at_work() {
    let mut w = at_work(vec![hook("one", json!({}))], vec![hook("undo", json!({}))]);
    w.deaf = true;
    w.run();
    assert_eq!((reason(&w), w.runs_of("undo")), (Reason::HookTimedOut, 0), "{}", w.message());
    assert!(state(&w).at_work && w.announced(Reason::HookSkipped), "{}", w.message());
}

#[test]
fn an_abort_and_a_deletion_stop_it() {
    let mut w = at_work(vec![hook("one", json!({}))], vec![]);
    let id = w.rel.status.rollout.as_ref().unwrap().id.to_string();
    w.annotate(annotation::ABORT, &id);
    w.run();
    assert_eq!((reason(&w), state(&w).state, w.stops), (Reason::Aborted, HookStep::Stopped, 1), "{}", w.message());

    let mut w = at_work(vec![hook("one", json!({}))], vec![]);
    w.rel.deleting = true;
    for _ in 0..20 {
        w.turn();
        w.converge();
    }
    assert_eq!((w.rel.finalizer, w.stops), (false, 1), "{}", w.message());
}

/// Where nobody knows whether it was made, it is looked for before anything is said of it.
#[test]
fn an_abort_finds_what_a_lost_answer_hides() {
    let mut w = one();
    w.endings.insert("one".into(), Ending::Never);
    w.run_until(|w| matches!(w.decide().effect, Some(Effect::RunHook(_))));
    let decision = w.decide();
    w.tasks_hidden = true;
    w.carry_out(decision, Fate::AnswerLost);
    let id = w.rel.status.rollout.as_ref().unwrap().id.to_string();
    w.annotate(annotation::ABORT, &id);
    w.look_on(Duration::from_secs(5));
    assert!(state(&w).under_way(), "{}", w.message());
    w.tasks_hidden = false;
    w.run();
    assert_eq!((reason(&w), state(&w).state, w.stops), (Reason::Aborted, HookStep::Stopped, 1), "{}", w.message());
    assert!(w.tasks[0].view.stopped && w.tokens.len() == 1);
}

#[test]
fn a_new_image_waits_for_it() {
    let mut w = at_work(vec![hook("one", json!({}))], vec![]);
    w.tag("sha-c3");
    w.come_to_rest();
    assert!(state(&w).under_way(), "it is let to finish");
    w.endings.clear();
    w.run();
    assert_eq!((w.created.len(), w.stops, w.step_name()), (2, 0, Step::AwaitingPromotion), "{}", w.message());
}

#[test]
fn somebody_elses_task_is_no_verdict() {
    let mut w = at_work(vec![hook("one", json!({}))], vec![]);
    w.tasks[0].view.started_by = Some("somebody".into());
    ended(&mut w.tasks[0].view, "EssentialContainerExited", Some(0));
    w.run();
    assert_eq!((reason(&w), w.writes.len()), (Reason::HookFailed, 0), "{}", w.message());
}

#[test]
fn irreversible_and_on_rollback_mean_what_they_mean_for_jobs() {
    let undo = || vec![hook("undo", json!({}))];
    let mut w = with(vec![hook("one", json!({"irreversible": true}))], undo()).behave("sha-b2", Behaviour::FailsHealth);
    w.run();
    assert_eq!((w.reason(), w.runs("staging"), w.runs_of("undo")), (Reason::RollbackForbidden, "sha-b2".into(), 0));

    let mut w = with(vec![hook("one", json!({}))], undo()).behave("sha-b2", Behaviour::FailsHealth);
    w.run_until(|w| w.runs_of("undo") == 1);
    assert_eq!((w.runs("staging"), w.step_name()), ("sha-a1".into(), Step::RunningRollbackHooks));
    w.run();
    assert_eq!(w.phase(), Phase::RolledBack, "{}", w.message());

    let mut w = with(vec![hook("one", json!({}))], undo()).behave("sha-b2", Behaviour::FailsHealth);
    w.endings.insert("undo".into(), Ending::Never);
    w.run();
    assert_eq!((w.reason(), w.stops), (Reason::RollbackFailed, 1), "{}", w.message());
    assert!(w.message().contains("hook undo of staging"), "{}", w.message());
}
