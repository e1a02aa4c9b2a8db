//! Orders that people give about a rollout that is over: what they find, and what they leave alone.

use super::begun::{brought, failed_in_production, id, rolling};
use super::workloads::{Behaviour, set_image};
use super::world::{REPOSITORY, World};
use crate::api::effect::{Answer, Refused};
use crate::api::spec::{OnInconclusive, RollbackMode};
use crate::api::status::{Phase, Step};
use crate::api::time::Duration;
use crate::api::{Image, Reason, annotation};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn an_order_that_finds_nothing_to_take_back_is_answered_and_stops_no_new_tag() {
    let mut w = failed_in_production(|_| {});
    assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::RolledBack, "sha-b2"));
    let failed = id(&w);
    w.forget();
    w.annotate(annotation::ROLLBACK, &failed);
    w.run();
    assert!(w.announced(Reason::RollbackRefused) && !w.rel.finalizer, "{:?}", w.events);
    w.tag("sha-c3");
    w.run();
    assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::AwaitingPromotion, "sha-c3"), "{}", w.message());
}

#[test]
fn a_new_tag_is_not_lost_in_a_rollback() {
    let mut w = brought(|_| {});
    let last = id(&w);
    w.tag("sha-c3");
    w.annotate(annotation::ROLLBACK, &last);
    w.run();
    assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::AwaitingPromotion, "sha-c3"), "{}", w.message());
}

#[test]
fn what_was_verified_and_taken_back_by_order_may_be_brought_again_without_a_history() {
    let mut w = World::verified("sha-a1");
    w.edit(|s| {
        s.history_limit = 0;
        s.image.tag = Some("sha-b2".into());
    });
    w.run();
    w.approve();
    w.run();
    let last = id(&w);
    w.annotate(annotation::ROLLBACK, &last);
    w.run();
    assert_eq!(w.phase(), Phase::RolledBack, "{}", w.message());
    assert!(w.rel.status.quarantine[0].verified_before);
}

#[test]
fn an_order_that_cannot_be_begun_is_answered() {
    let mut w = brought(|_| {});
    let last = id(&w);
    w.annotate(annotation::ROLLBACK, &last);
    let message = "User cannot patch resource".to_owned();
    w.answer = Some(Answer::Refused { kind: Refused::Forbidden, message });
    w.turn();
    assert!(w.announced(Reason::RollbackRefused), "{:?}", w.events);
}

#[test]
fn an_old_order_does_nothing_later() {
    // There when the Release was made.
    let mut w = World::new("sha-a1", "sha-b2");
    w.annotate(annotation::ROLLBACK, "1-1");
    w.run();
    w.approve();
    w.run();
    assert_eq!((w.phase(), w.runs("production").as_str()), (Phase::Verified, "sha-b2"), "{}", w.message());
    // Set while it runs, and still there.
    let mut w = rolling(|_| {});
    w.run_until(|w| w.step_name() == Step::Verifying);
    let now = id(&w);
    w.annotate(annotation::ROLLBACK, &now);
    w.run();
    w.approve();
    w.run();
    assert_eq!((w.phase(), w.runs("production").as_str()), (Phase::Verified, "sha-b2"), "{}", w.message());
    assert!(w.announced(Reason::RollbackRefused));
}

#[test]
fn an_order_that_was_given_up_can_be_given_again_for_all_that_it_meant() {
    let mut w = brought(|_| {});
    let last = id(&w);
    w.annotate(annotation::ROLLBACK, &last);
    w.refuse = Some((Refused::Forbidden, "User cannot patch resource".into()));
    w.look_on(HOUR);
    assert_eq!(w.condition("Stalled").unwrap().1, "RollbackFailed", "{}", w.message());
    let order = id(&w);
    w.annotate(annotation::ABORT, &order);
    w.look_on(MINUTE);
    assert_eq!((w.phase(), w.reason()), (Phase::Failed, Reason::RollbackFailed), "{}", w.message());
    w.refuse = None;
    w.annotate(annotation::ROLLBACK, &order);
    w.run();
    assert_eq!((w.runs("staging").as_str(), w.runs("production").as_str()), ("sha-a1", "sha-a1"), "{}", w.message());
    assert!(w.rel.status.debts.is_empty());
}

#[test]
fn each_hold_and_each_promotion_needs_a_token_of_its_own() {
    let mut w = rolling(|r| r.on_inconclusive = OnInconclusive::Hold).behave("sha-b2", Behaviour::CannotAsk);
    w.annotate(annotation::PROMOTE, "sha-b2");
    for step in [Step::Holding, Step::AwaitingPromotion, Step::Holding] {
        w.run_until(|w| w.step_name() == step);
        w.come_to_rest();
        assert_eq!(w.step_name(), step, "an older value counts for nothing: {}", w.message());
        w.approve();
        w.turn();
    }
    w.run();
    assert_eq!(w.phase(), Phase::Verified, "{}", w.message());
}

#[test]
fn a_person_is_not_told_to_take_back_what_somebody_else_took_back() {
    let mut w = rolling(|r| r.mode = RollbackMode::Manual);
    w.run_until(|w| w.step_name() == Step::Verifying);
    set_image(w.live("staging"), "app", Image::build(REPOSITORY, Some("sha-a1"), None), "argocd-controller");
    w.converge();
    w.run();
    assert_eq!((w.phase(), w.reason()), (Phase::Failed, Reason::Contended), "{}", w.message());
}

/// The approval of the last rollout stays on the Release, as most pipelines leave it.
#[test]
fn an_approval_that_was_used_is_nobodys_mistake_later() {
    let mut w = brought(|_| {});
    let used = w.rel.annotations[annotation::PROMOTE].clone();
    w.tag("sha-c3");
    w.run();
    assert_eq!((w.phase(), w.rel.annotations[annotation::PROMOTE].clone()), (Phase::AwaitingPromotion, used));
    assert!(!w.announced(Reason::PromotionRefused), "{:?}", w.events);
    w.approve();
    w.run();
    assert_eq!(w.phase(), Phase::Verified, "{}", w.message());
}
