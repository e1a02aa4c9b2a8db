//! What tells one question from another: what a version has passed is remembered by it.

use super::workloads::Behaviour;
use super::world::{World, smoke_path};
use crate::api::Reason;
use crate::api::spec::HealthCheck;
use crate::api::status::Phase;
use crate::rollout::checks;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn hash(check: Value) -> String {
    let mut w = World::new("sha-a1", "sha-a1");
    let check: HealthCheck = serde_json::from_value(check).unwrap();
    w.edit(|s| s.stages[0].health_checks = vec![check]);
    checks::questions(&w.rel.spec.stages[0])[0].hash()
}

#[test]
fn another_question_is_told_apart_and_another_patience_is_not() {
    let all = [
        json!({"http": {"pods": {"port": 80}}}),
        json!({"tcp": {"pods": {"port": 80}}}),
        json!({"tcp": {"pods": {"port": 81}}}),
        json!({"tcp": {"service": {"name": "web", "port": 80}}}),
        json!({"grpc": {"pods": {"port": 80}}}),
        json!({"grpc": {"pods": {"port": 80}, "serviceName": "shop.Items"}}),
    ];
    let named = |check: &Value, more: Value| {
        let mut check = check.clone();
        check.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        check
    };
    let hashes: BTreeSet<String> = all.iter().map(|c| hash(named(c, json!({"name": "a"})))).collect();
    assert_eq!(hashes.len(), all.len());
    let patient: BTreeSet<String> = all
        .iter()
        .map(|c| hash(named(c, json!({"name": "b", "initialDelay": "1s", "retry": {"attempts": 3}}))))
        .collect();
    assert_eq!(hashes, patient);
    let slow = hash(json!({"name": "a", "tcp": {"pods": {"port": 80}, "timeout": "9s"}}));
    assert!(hashes.contains(&slow));
}

/// Versions that were verified before there was anything but HTTP are still known.
#[test]
fn an_http_question_is_what_it_was() {
    let found =
        hash(json!({"name": "a", "http": {"pods": {"port": 80}, "path": "/health", "expect": {"status": [200]}}}));
    assert_eq!(found, "4534157933aa8358");
}

#[test]
fn a_way_back_that_passed_by_tcp_is_judged_by_tcp() {
    let mut w = World::new("sha-a1", "sha-a1");
    let port: HealthCheck = serde_json::from_value(json!({"name": "health", "tcp": {"pods": {"port": 80}}})).unwrap();
    w.edit(|s| s.stages.iter_mut().for_each(|stage| stage.health_checks = vec![port.clone()]));
    w.run();
    w.behaviour.insert("sha-b2".into(), Behaviour::FailsHealth);
    w.tag("sha-b2");
    w.run();
    assert_eq!(w.phase(), Phase::RolledBack, "{}", w.message());
    let checks = &w.rel.status.rollout.as_ref().unwrap().stages[0].checks;
    assert!(checks.iter().all(|c| !c.informative), "{checks:?}");
}

/// A check that came with the new image is asked of the restored version too, and decides nothing beside one that it has passed before.
#[test]
fn a_check_that_is_newer_than_the_way_back_is_only_told() {
    let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::FailsHealth);
    w.behaviour.insert("sha-a1".into(), Behaviour::FailsSmoke);
    w.edit(|s| {
        s.image.tag = Some("sha-b2".into());
        smoke_path(&mut s.stages[0].smoke_tests[0].question, "/items/v2");
    });
    w.run();
    assert_eq!(w.phase(), Phase::RolledBack, "{}", w.message());
    let told =
        |(reason, note): &(Reason, String)| *reason == Reason::CheckNewerThanWayBack && note.contains("does not pass");
    assert!(w.events.iter().any(told), "{:?}", w.events);
}
