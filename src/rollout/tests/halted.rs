//! Hooks that are not at work yet, or are being stopped: what is done meanwhile, and what is said.

use super::begun::id;
use super::hooks::{hook, with};
use super::jobs::Ending;
use super::play::Fate;
use super::world::World;
use crate::api::effect::Effect;
use crate::api::status::{HookStep, Step};
use crate::api::time::Duration;
use crate::api::{Reason, annotation};
use serde_json::json;

/// `sha-b2` comes with a Job that is to run first.
fn with_a_job() -> World {
    with(vec![hook("one", json!({}))], vec![])
}

fn cause(w: &World) -> Option<Reason> {
    w.rel.status.rollout.as_ref().unwrap().cause.as_ref().map(|c| c.reason)
}

/// Why a rollout ends is said once: a second order while its hook ends changes nothing.
#[test]
fn the_first_of_two_orders_is_the_cause() {
    let mut w = with_a_job();
    w.endings.insert("one".into(), Ending::Never);
    let at_work = |w: &World| {
        w.rel.status.rollout.as_ref().is_some_and(|r| {
            r.step == Step::RunningHooks && r.stages[0].hooks.iter().any(|h| h.state == HookStep::Running)
        })
    };
    w.run_until(at_work);
    assert_eq!(cause(&w), None);
    let rollout = id(&w);
    w.annotate(annotation::ABORT, &rollout);
    let decision = w.decide();
    w.store(&decision);
    assert_eq!(cause(&w), Some(Reason::Aborted), "{}", w.message());
    w.rel.deleting = true;
    let decision = w.decide();
    w.store(&decision);
    assert_eq!((cause(&w), at_work(&w)), (Some(Reason::Aborted), true), "{}", w.message());
}

/// The Job has one name, so nothing is lost by waiting until it can be seen.
#[test]
fn a_job_of_which_nothing_is_heard_is_looked_for_before_it_is_created_again() {
    let mut w = with_a_job();
    let creates = |w: &World| matches!(w.decide().effect, Some(Effect::RunHook(_)));
    w.run_until(creates);
    w.carry_out(w.decide(), Fate::NotDone);
    assert!(!creates(&w), "the answer is the news now");
    w.turn();
    let state = &w.rel.status.rollout.as_ref().unwrap().stages[0].hooks[0];
    assert_eq!(state.message.as_deref(), Some("no answer in time"));
    assert_eq!(w.again, Some(w.now.plus(Duration::from_secs(5))));
    w.run();
    assert_eq!((w.step_name(), w.runs_of("one")), (Step::AwaitingPromotion, 1), "{}", w.message());
}
