//! What a hostile reader found: each of these went wrong once.

use super::workloads::{Behaviour, set_image};
use super::world::{REPOSITORY, World};
use crate::api::ask::Outcome;
use crate::api::condition::DEGRADED;
use crate::api::spec::{OnInconclusive, RollbackMode, RollbackScope};
use crate::api::status::{Phase, Step, Workload};
use crate::api::time::Duration;
use crate::api::view::TargetView;
use crate::api::{Image, Reason, TargetId, annotation};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn id(w: &World) -> String {
    w.rel.status.rollout.as_ref().unwrap().id.to_string()
}

/// `sha-b2` is on its way.
fn rolling(change: impl Fn(&mut crate::api::spec::Rollback)) -> World {
    let mut w = World::verified("sha-a1");
    w.edit(|s| {
        s.image.tag = Some("sha-b2".into());
        s.stages.iter_mut().for_each(|s| change(&mut s.rollback));
    });
    w
}

/// It failed in production.
fn failed_in_production(change: impl Fn(&mut crate::api::spec::Rollback)) -> World {
    let mut w = rolling(change).behave("production:sha-b2", Behaviour::FailsHealth);
    w.run();
    w.approve();
    w.run();
    w
}

/// It is verified in both stages.
fn brought(change: impl Fn(&mut crate::api::spec::Rollback)) -> World {
    let mut w = rolling(change);
    w.run();
    w.approve();
    w.run();
    assert_eq!(w.phase(), Phase::Verified);
    w.forget();
    w
}

/// Lets `span` pass, looking whenever the decision wants to.
fn pass(w: &mut World, span: Duration) {
    let end = w.now.plus(span);
    loop {
        while w.turn() {}
        match w.again {
            Some(at) if at > w.now && at <= end => w.now = at,
            _ => break,
        }
    }
    w.now = end;
    while w.turn() {}
}

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
