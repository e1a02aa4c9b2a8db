//! Questions that are asked on and on, in the midst of changes.

use super::begun::{baking, brought, rolling};
use super::play::Fate;
use super::workloads::{Behaviour, set_image};
use super::world::{REPOSITORY, World, smoke_path};
use crate::api::ask::Outcome;
use crate::api::condition::DEGRADED;
use crate::api::spec::OnInconclusive;
use crate::api::status::{Phase, Step, Workload};
use crate::api::time::Duration;
use crate::api::view::TargetView;
use crate::api::{Image, Reason, TargetId};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn an_answer_that_takes_longer_than_the_interval_is_waited_for() {
    let mut w = World::verified("sha-a1");
    w.edit(|s| {
        s.image.tag = Some("sha-b2".into());
        s.stages[0].bake = Some(MINUTE);
    });
    w.run_until(|w| w.rel.status.rollout.as_ref().is_some_and(|r| r.stages[0].bake_until.is_some()));
    w.mute = true;
    // A hung application: each round is answered when its timeout, five seconds, is over.
    let mut asked: Vec<(crate::api::ask::AskId, crate::api::Time)> = vec![];
    for _ in 0..600 {
        let decision = w.decide();
        // What is not asked any more is cancelled.
        asked.retain(|(id, _)| decision.asks.iter().any(|a| a.id == *id));
        for ask in &decision.asks {
            if asked.iter().all(|(id, _)| *id != ask.id) {
                asked.push((ask.id.clone(), w.now));
            }
        }
        w.carry_out(decision, Fate::Done);
        if w.step_name() != Step::Verifying {
            break;
        }
        w.pass(Duration::from_millis(100));
        let now = w.now;
        let over = |at: crate::api::Time| now >= at.plus(Duration::from_millis(5100));
        for (id, at) in asked.iter().filter(|(_, at)| over(*at)) {
            let _ = at;
            let message = "no complete answer within 5s".to_owned();
            w.results.push(crate::api::ask::AskResult {
                id: id.clone(),
                outcome: Outcome::Fail,
                message,
                at: now,
                measured: None,
            });
        }
        asked.retain(|(_, at)| !over(*at));
    }
    let cause = w.rel.status.rollout.as_ref().unwrap().cause.as_ref().map(|c| c.reason);
    assert_eq!(cause, Some(Reason::HealthCheckFailed), "{:?} {}", w.step_name(), w.message());
}

#[test]
fn a_check_that_is_edited_at_rest_is_not_said_to_fail_for_ever() {
    let mut w = World::verified("sha-a1");
    w.edit(|s| s.stages[1].every = Some(HOUR));
    w.run();
    w.behaviour.insert("production:sha-a1".into(), Behaviour::FailsSmoke);
    w.look_on(Duration::from_secs(2 * 3600));
    assert!(w.condition(DEGRADED).is_some());
    w.edit(|s| smoke_path(&mut s.stages[1].smoke_tests[0].question, "/other"));
    w.look_on(MINUTE);
    assert!(w.condition(DEGRADED).is_none(), "nobody asks it any more: {:?}", w.rel.status.failing);
}

#[test]
fn a_rollout_that_was_withdrawn_leaves_the_smoke_tests_at_rest_as_they_were() {
    let mut w = World::verified("sha-a1");
    w.edit(|s| s.stages[1].every = Some(HOUR));
    w.run();
    w.live("staging").paused = true;
    w.tag("sha-b2");
    w.look_on(MINUTE);
    assert_eq!(w.phase(), Phase::Pending, "{}", w.message());
    w.live("staging").paused = false;
    w.tag("sha-a1");
    w.look_on(MINUTE);
    assert_eq!(w.phase(), Phase::Verified, "{}", w.message());
    assert!(!crate::rollout::rests(&w.rel));
    w.behaviour.insert("production:sha-a1".into(), Behaviour::FailsSmoke);
    w.look_on(Duration::from_secs(2 * 3600));
    assert!(w.condition(DEGRADED).is_some());
}

#[test]
fn drift_that_is_over_is_not_said_on_because_of_what_is_never_read_at_rest() {
    let mut w = brought(|_| {});
    // As if staging were a service on AWS.
    let service = crate::api::status::EcsService {
        region: "eu-west-1".into(),
        cluster: "c".into(),
        service: "s".into(),
        role_arn: None,
        external_id: None,
    };
    w.rel.status.stable.iter_mut().find(|s| s.stage == "staging").unwrap().workload = Workload::Ecs(service);
    let observed = |w: &World| {
        let mut o = w.observed();
        o.targets.retain(|id, _| id.stage == "production");
        o
    };
    set_image(w.live("production"), "app", Image::build(REPOSITORY, Some("x9"), None), "kubectl");
    let d = crate::rollout::step(&w.rel, &observed(&w), w.now);
    w.store(&d);
    assert!(w.condition("Drifted").is_some());
    set_image(w.live("production"), "app", Image::build(REPOSITORY, Some("sha-b2"), None), "kubectl");
    let d = crate::rollout::step(&w.rel, &observed(&w), w.now);
    w.store(&d);
    assert!(w.condition("Drifted").is_none());
}

#[test]
fn rounds_of_an_older_revision_count_nothing_in_the_bake_of_the_next() {
    let mut w = baking();
    w.behaviour.insert("staging:sha-b2".into(), Behaviour::FailsHealth);
    w.look_on(Duration::from_secs(2));
    assert_eq!(w.rel.status.failing[0].fails, 2);
    w.behaviour.clear();
    w.edits.insert(TargetId::new("staging", "web"), 1);
    w.live("staging").generation += 1;
    w.converge();
    w.turn();
    assert!(w.rel.status.failing.is_empty(), "{:?}", w.rel.status.failing);
}

#[test]
fn a_stage_that_nobody_can_see_is_held_too() {
    let mut w = rolling(|r| r.on_inconclusive = OnInconclusive::Hold);
    w.run_until(|w| w.step_name() == Step::Verifying);
    let id = TargetId::new("staging", "web");
    let seen = w.targets.insert(id.clone(), TargetView::Unreachable("no answer".into())).unwrap();
    w.look_on(HOUR);
    assert_eq!((w.step_name(), w.phase()), (Step::Holding, Phase::AwaitingPromotion), "{}", w.message());
    w.approve();
    w.look_on(HOUR);
    assert_eq!(w.step_name(), Step::Holding, "what cannot be seen cannot be accepted");
    w.targets.insert(id, seen);
    w.run();
    assert_eq!((w.step_name(), w.runs("staging").as_str()), (Step::AwaitingPromotion, "sha-b2"), "{}", w.message());
}
