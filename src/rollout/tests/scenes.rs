//! Whole rollouts, from the edit to the end.

use super::workloads::{Behaviour, deployment};
use super::world::World;
use crate::api::spec::Hook;
use crate::api::status::{Phase, Progressing, Step};
use crate::api::time::Duration;
use crate::api::{Reason, TargetId, annotation};
use crate::rollout::{evidence, plan};

#[test]
fn a_good_tag_goes_through_both_stages() {
    let mut w = World::verified("sha-a1");
    w.tag("sha-b2");
    w.run();
    assert_eq!(
        (w.phase(), w.runs("staging").as_str(), w.runs("production").as_str()),
        (Phase::AwaitingPromotion, "sha-b2", "sha-a1")
    );
    assert_eq!(w.condition("AwaitingPromotion").unwrap().0, "True");
    w.approve();
    w.run();
    assert_eq!(w.phase(), Phase::Verified, "{}", w.message());
    assert_eq!((w.runs("production").as_str(), w.writes.len(), w.rel.finalizer), ("sha-b2", 2, false));
    assert!(w.status_writes <= 9, "{} status writes", w.status_writes);
    use Phase::{AwaitingPromotion, Rolling, Verified, Verifying};
    assert_eq!(w.phases, [Rolling, Verifying, AwaitingPromotion, Rolling, Verifying, Verified]);
}

#[test]
fn nothing_happens_at_rest() {
    let mut w = World::verified("sha-a1");
    for _ in 0..20 {
        w.rel.generation += 1;
        w.run();
    }
    assert_eq!(w.writes.len(), 0);
}

#[test]
fn a_round_that_passed_is_stored_with_the_next_answer_or_a_second_later() {
    let mut w = World::verified("sha-a1");
    w.tag("sha-b2");
    w.run_until(|w| w.step_name() == Step::Verifying && !w.results.is_empty());
    w.mute = true;
    w.turn();
    assert!(w.message().ends_with("0 of 2 checks passed"), "{}", w.message());
    assert_eq!(w.again, Some(w.now.plus(Duration::from_secs(1))));
    w.pass(Duration::from_secs(1));
    w.turn();
    assert!(w.message().ends_with("1 of 2 checks passed"), "{}", w.message());
}

#[test]
fn a_round_outlives_a_moment_in_which_nobody_sees_its_target() {
    let mut w = World::verified("sha-a1");
    w.tag("sha-b2");
    w.run_until(|w| w.step_name() == Step::Verifying && !w.results.is_empty());
    let answered = w.results.clone();
    w.live("staging").generation += 1;
    let decision = w.decide();
    assert!(decision.hold && decision.counted.is_empty(), "{:?}", decision.counted);
    w.turn();
    assert_eq!(w.results, answered);
    w.live("staging").observed_generation += 1;
    assert!(!w.decide().hold);
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
}

#[test]
fn a_stage_that_fails_is_restored_and_verified() {
    for (behaviour, reason) in [
        (Behaviour::FailsHealth, Reason::HealthCheckFailed),
        (Behaviour::FailsSmoke, Reason::SmokeTestFailed),
        (Behaviour::PullError, Reason::ImagePullFailed),
        (Behaviour::CrashLoop, Reason::CrashLoop),
        (Behaviour::NeverReady, Reason::ProgressDeadlineExceeded),
        (Behaviour::CannotAsk, Reason::Inconclusive),
    ] {
        let mut w = World::verified("sha-a1").behave("production:sha-b2", behaviour);
        w.tag("sha-b2");
        w.run();
        w.approve();
        w.run();
        let rollout = w.rel.status.rollout.clone().unwrap();
        assert_eq!((w.phase(), w.reason()), (Phase::RolledBack, Reason::RolledBack), "{behaviour:?}: {}", w.message());
        assert_eq!(rollout.cause.unwrap().reason, reason);
        assert_eq!((w.runs("staging").as_str(), w.runs("production").as_str()), ("sha-b2", "sha-a1"));
        assert_eq!(w.writes.len(), 3);
        let faults = [Reason::HealthCheckFailed, Reason::SmokeTestFailed, Reason::ImagePullFailed, Reason::CrashLoop];
        assert_eq!(w.rel.status.quarantine.len(), usize::from(faults.contains(&reason)), "{reason}");
        w.run();
        assert_eq!(w.writes.len(), 3, "at rest nothing is written");
    }
}

#[test]
fn a_broken_way_back_is_said() {
    let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::FailsHealth);
    w.tag("sha-b2");
    w.run_until(|w| w.step_name() == Step::Restoring);
    w.behaviour.insert("sha-a1".into(), Behaviour::FailsHealth);
    w.run();
    assert_eq!((w.phase(), w.reason()), (Phase::Failed, Reason::RollbackFailed), "{}", w.message());
    assert_eq!(w.runs("staging"), "sha-a1");
}

#[test]
fn a_quarantined_image_is_refused_until_retry() {
    let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::FailsHealth);
    w.tag("sha-b2");
    w.run();
    w.tag("sha-a1");
    w.run();
    assert_eq!(w.phase(), Phase::Verified, "{}", w.message());
    w.forget();
    w.tag("sha-b2");
    w.run();
    assert_eq!((w.reason(), w.writes.len()), (Reason::Quarantined, 0));
    w.behaviour.clear();
    w.annotate(annotation::RETRY, "again");
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
}

#[test]
fn an_approval_expires() {
    let mut w = World::verified("sha-a1");
    w.tag("sha-b2");
    w.run();
    w.pass(Duration::from_secs(24 * 3600));
    w.run();
    assert_eq!((w.reason(), w.runs("production").as_str(), w.writes.len()), (Reason::PromotionExpired, "sha-a1", 1));
}

#[test]
fn only_a_right_token_approves() {
    for (value, right) in [
        ("production:sha-b2#2-1", true),
        ("production:sha-b2", true),
        ("sha-b2", true),
        ("production:sha-b2#1-1", false),
        ("production:sha-a1", false),
        ("staging:sha-b2", false),
        ("true", false),
        ("sha-b", false),
    ] {
        let mut w = World::verified("sha-a1");
        w.tag("sha-b2");
        w.run();
        w.annotate(annotation::PROMOTE, value);
        w.run();
        assert_eq!(w.phase() == Phase::Verified, right, "{value}: {}", w.message());
        assert_eq!(w.announced(Reason::PromotionRefused), !right, "{value}");
        let events = w.events.len();
        w.run();
        assert_eq!(w.events.len(), events, "said once");
    }
}

#[test]
fn a_value_that_was_there_at_the_start_never_counts() {
    for value in ["sha-b2", "production:sha-b2"] {
        let mut w = World::verified("sha-a1");
        w.annotate(annotation::PROMOTE, value);
        w.tag("sha-b2");
        w.run();
        assert_eq!(w.phase(), Phase::AwaitingPromotion);
        assert!(w.announced(Reason::PromotionRefused));
        w.approve();
        w.run();
        assert_eq!(w.phase(), Phase::Verified);
    }
}

#[test]
fn abort_and_delete_take_the_stage_in_work_back() {
    for step in [Step::Rolling, Step::Verifying] {
        for delete in [false, true] {
            let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::CannotAsk);
            w.tag("sha-b2");
            w.run_until(|w| w.step_name() == step && !w.writes.is_empty());
            if delete {
                w.rel.deleting = true;
            } else {
                let id = w.rel.status.rollout.as_ref().unwrap().id.to_string();
                w.annotate(annotation::ABORT, &id);
            }
            w.run();
            let expected = if delete { Reason::Deleted } else { Reason::Aborted };
            assert_eq!((w.reason(), w.runs("staging").as_str()), (expected, "sha-a1"), "{step:?}");
            assert!(!w.rel.finalizer);
            assert!(w.rel.status.quarantine.is_empty());
        }
    }
}

#[test]
fn a_missing_workload_is_waited_for() {
    let mut w = World::verified("sha-a1");
    let id = TargetId::new("production", "web");
    let live = w.targets.remove(&id).unwrap();
    w.tag("sha-b2");
    w.turn();
    assert_eq!(w.condition("Ready").unwrap(), ("Unknown".into(), "TargetNotFound".into()));
    assert!(w.condition("Stalled").is_none() && w.writes.is_empty());
    w.pass(Duration::from_secs(600));
    w.turn();
    assert_eq!(w.condition("Stalled").unwrap().1, "TargetNotFound");
    w.targets.insert(id, live);
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
}

#[test]
fn what_is_not_supported_is_named_before_anything_is_touched() {
    let mut w = World::verified("sha-a1");
    let hook = serde_json::json!({"name": "migrate", "ecsTask": {"taskDefinition": "migrate", "container": "app"}});
    let hook: Hook = serde_json::from_value(hook).unwrap();
    w.edit(|s| s.stages[1].hooks = vec![hook.clone()]);
    w.tag("sha-b2");
    w.run();
    assert_eq!(w.condition("Stalled").unwrap().1, "NotSupported");
    assert!(
        w.message().contains("spec.stages[production].hooks[migrate].ecsTask, beside no ECS target, is not supported"),
        "{}",
        w.message()
    );
    assert!(w.writes.is_empty());
    w.edit(|s| s.stages[1].hooks.clear());
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
}

#[test]
fn a_refused_restore_is_tried_on_and_paid_when_the_api_allows_it() {
    use crate::api::effect::Refused;
    let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::FailsHealth);
    w.tag("sha-b2");
    w.run_until(|w| w.step_name() == Step::Verifying);
    w.refuse = Some((Refused::Forbidden, "forbidden".into()));
    w.run_until(|w| w.announced(Reason::RollbackFailed));
    assert_eq!((w.phase(), w.condition("Stalled").unwrap().1.as_str()), (Phase::Restoring, "RollbackFailed"));
    w.refuse = None;
    w.run();
    assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::RolledBack, "sha-a1"), "{}", w.message());
}

#[test]
fn suspend_stops_between_stages() {
    let mut w = World::verified("sha-a1");
    w.rel.spec.suspend = true;
    w.tag("sha-b2");
    w.run();
    assert_eq!(w.condition("Ready").unwrap().1, "Suspended");
    w.edit(|s| s.suspend = false);
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion);
    w.edit(|s| s.suspend = true);
    w.approve();
    w.run();
    assert_eq!((w.condition("Ready").unwrap().1.as_str(), w.runs("production").as_str()), ("Suspended", "sha-a1"));
    assert_eq!(w.rel.status.observed_generation, w.rel.generation);
    w.edit(|s| s.suspend = false);
    w.run();
    assert_eq!((w.phase(), w.runs("production").as_str()), (Phase::Verified, "sha-b2"));
}

#[test]
fn a_revert_is_adopted() {
    let mut w = World::verified("sha-a1").behave("production:sha-b2", Behaviour::FailsSmoke);
    w.tag("sha-b2");
    w.run();
    w.approve();
    w.run();
    assert_eq!(w.phase(), Phase::RolledBack);
    w.forget();
    w.tag("sha-a1");
    w.run();
    assert_eq!(
        (w.phase(), w.writes.len()),
        (Phase::Verified, 1),
        "staging is written, production adopted: {}",
        w.message()
    );
    assert!(w.announced(Reason::Adopted));
}

/// What the Deployment said of the version before says nothing of the new one; a verdict that came after the write does.
#[test]
fn an_old_verdict_of_the_deployment_is_not_held_against_the_new_version() {
    let w = World::verified("sha-a1");
    let verdict = Progressing { status: "False".into(), reason: "ProgressDeadlineExceeded".into(), last_update: None };
    let mut live = deployment("web", "sha-b2", &["app".into()]);
    live.progressing = Some(verdict.clone());
    let mut state = plan::stage_states(&w.rel.spec, "shop")[0].targets[0].clone();
    state.progressing_before = Some(verdict);
    assert_eq!(evidence::failure(&live, &mut state, w.now), None);
    state.progressing_before = None;
    let failure = evidence::failure(&live, &mut state, w.now).unwrap();
    assert_eq!((failure.reason, failure.fault), (Reason::ProgressDeadlineExceeded, false));
}
