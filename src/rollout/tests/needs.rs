//! What has to be read before a decision, and whether there is anything to decide.

use super::workloads::Behaviour;
use super::world::{REPOSITORY, World, spec, two_stages};
use crate::api::spec::TargetKind;
use crate::api::{Reason, annotation};
use crate::rollout::{need, rests};

#[test]
fn an_edit_that_starts_nothing_is_answered_before_it_rests() {
    let mut w = World::verified("sha-a1");
    assert!(rests(&w.rel));
    w.rel.generation += 1;
    assert!(!rests(&w.rel), "the status is to say that the edit was seen");
    w.run();
    assert!(rests(&w.rel));
    w.tag("sha-b2");
    assert!(!rests(&w.rel));
}

#[test]
fn a_new_value_of_retry_is_answered_and_an_empty_one_is_none() {
    let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::FailsHealth);
    w.tag("sha-b2");
    w.run();
    assert!(rests(&w.rel), "{}", w.message());
    w.annotate(annotation::RETRY, "");
    assert!(rests(&w.rel));
    w.annotate(annotation::RETRY, "once more");
    assert!(!rests(&w.rel) && need(&w.rel, false).active);
}

#[test]
fn an_order_to_take_it_back_is_answered_once() {
    let mut w = World::verified("sha-a1");
    w.annotate(annotation::ROLLBACK, "9-9");
    assert!(!rests(&w.rel) && need(&w.rel, false).active);
    w.run();
    assert!(w.announced(Reason::RollbackRefused) && rests(&w.rel), "{:?}", w.events);
}

/// A service costs calls that AWS counts.
#[test]
fn services_are_read_for_a_rollout_and_not_at_rest() {
    let services = |w: &World, touched: bool| {
        let all = need(&w.rel, touched).targets;
        all.iter().filter(|(_, kind)| !matches!(kind, TargetKind::Kubernetes(_))).count()
    };
    let with_a_service = spec(&format!(
        "image: {{repository: {REPOSITORY}, tag: sha-b2}}
stages: [{{name: staging, checks: None, targets: [{{name: web, ecs: {{region: eu-west-1, cluster: prod, service: web, containers: [app]}}}}]}}]"
    ));
    let mut w = World::verified("sha-a1");
    w.rel.spec = with_a_service.clone();
    w.rel.generation += 1;
    assert_eq!(services(&w, false), 1, "a rollout is to begin");
    // As if it had been verified.
    w.rel.spec = two_stages("sha-a1");
    w.rel.spec.stages.extend(with_a_service.stages);
    w.rel.status.settled = Some(crate::rollout::plan::settled(&w.rel.spec));
    assert_eq!((services(&w, true), services(&w, false)), (0, 0));
    assert!(!need(&w.rel, true).targets.is_empty(), "workloads of this cluster are looked at when they change");
    (w.rel.deleting, w.rel.finalizer) = (true, true);
    assert_eq!(services(&w, false), 1, "what is owed may be there");
}
