//! Each rule is broken once, and must be seen to be.

use super::{Record, broken, untold};
use crate::support::cluster::CONTROLLER;
use serde_json::{Value, json};

fn record(user: &str, verb: &str, resource: &str, sub: &str, request: Value, response: Value) -> Record {
    serde_json::from_value(json!({
        "verb": verb, "requestURI": "/x?fieldManager=tidegate&force=true", "user": {"username": user},
        "objectRef": {"resource": resource, "subresource": sub, "namespace": "n", "name": "x"},
        "responseStatus": {"code": 200}, "requestObject": request, "responseObject": response,
        "requestReceivedTimestamp": "2026-01-01T00:00:00Z",
    }))
    .unwrap()
}

fn deployment(tag: &str, replicas: i32) -> Value {
    json!({"kind": "Deployment", "metadata": {"uid": "d", "name": "x"}, "spec": {"replicas": replicas, "template":
        {"spec": {"containers": [{"name": "app", "image": format!("r:{tag}"), "env": []}]}}}})
}

fn stamp(rollout: &str, verb: &str, tag: &str) -> String {
    json!({
        "effect": format!("u/{rollout}/s/t/{verb}"), "release": {"namespace": "n", "name": "x"}, "uid": "u",
        "images": [{"container": "app", "image": format!("r:{tag}")}], "wayBack": [], "verified": true,
    })
    .to_string()
}

fn write(rollout: &str, verb: &str, tag: &str) -> Record {
    let request = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "x", "uid": "d", "resourceVersion": "1", "annotations": {"tidegate.dev/stamp": stamp(rollout, verb, tag)}},
        "spec": {"template": {"spec": {"containers": [{"name": "app", "image": format!("r:{tag}")}]}}},
    });
    record(CONTROLLER, "patch", "deployments", "", request, deployment(tag, 1))
}

fn human(tag: &str) -> Record {
    record("ann", "patch", "deployments", "", json!({}), deployment(tag, 1))
}

/// Its message names the one event that it announces.
fn status(step: &str, message: &str) -> Record {
    let release = json!({
        "kind": "Release", "metadata": {"uid": "u"},
        "spec": {"stages": [{"targets": [{"kubernetes": {"name": "x", "containers": ["app"]}}]}]},
        "status": {
            "phase": step, "message": message, "announced": [{"name": message}], "rollout": {"id": "1-1", "step": step},
        },
    });
    let request = json!({"metadata": {"resourceVersion": "1"}});
    record(CONTROLLER, "update", "releases", "status", request, release)
}

fn event(name: &str) -> Record {
    record(CONTROLLER, "create", "events", "", json!({"metadata": {"name": name}, "reason": "Rolling"}), json!({}))
}

fn deletion(uid: &str) -> Record {
    let this = json!({"preconditions": {"uid": uid, "resourceVersion": "1"}});
    record(CONTROLLER, "delete", "pods", "", this, json!({}))
}

fn with(mut r: Record, change: impl Fn(&mut Record)) -> Record {
    change(&mut r);
    r
}

/// Created, a Release that lists it, written forward, taken back, ended.
fn good() -> Vec<Record> {
    vec![
        human("1"),
        status("Rolling", "a"),
        write("1-1", "forward", "2"),
        status("Restoring", "b"),
        write("1-1", "restore", "1"),
        status("Ended", "c"),
        event("a"),
        event("b"),
        event("c"),
    ]
}

#[test]
fn what_is_right_is_not_complained_of() {
    assert_eq!(broken(&good()), Vec::<String>::new());
    assert_eq!(untold(&good()), Vec::<String>::new());
}

#[test]
fn an_event_that_is_missing_is_waited_for() {
    let mut records = good();
    records.pop();
    assert_eq!(untold(&records), ["c"]);
}

#[test]
fn each_broken_rule_is_seen() {
    let broken_by = |at: usize, r: Record| {
        let mut records = good();
        records.insert(at, r);
        broken(&records)
    };
    let forward = || write("1-1", "forward", "2");
    let cases = [
        ("writes \"replicas\"", broken_by(2, with(forward(), |r| r.request["spec"]["replicas"] = json!(3)))),
        ("listed by no Release", broken_by(2, with(forward(), |r| r.object_ref.name = "y".into()))),
        (
            "version that it was decided on",
            broken_by(2, with(forward(), |r| r.request["metadata"]["resourceVersion"] = json!(null))),
        ),
        ("no server-side apply", broken_by(2, with(forward(), |r| r.uri = "/x?fieldManager=kubectl".into()))),
        ("not the controller's", broken_by(2, record(CONTROLLER, "update", "releases", "", json!({}), json!({})))),
        ("does not name the pod", broken_by(2, record(CONTROLLER, "delete", "pods", "", json!({}), json!({})))),
        ("no status said before", broken_by(2, deletion("p"))),
        ("was deleted before", broken(&[good(), vec![deletion("p"), deletion("p")]].concat())),
        (
            "on which version",
            broken_by(2, with(status("Rolling", "a"), |r| r.request["metadata"] = json!({"name": "x"}))),
        ),
        ("tells nobody", broken_by(4, status("Verifying", "b"))),
        ("announced by no stored status", broken_by(4, event("d"))),
        (
            "writes \"labels\"",
            broken_by(2, record(CONTROLLER, "patch", "releases", "", json!({"metadata": {"labels": {}}}), json!({}))),
        ),
    ];
    for (sentence, complaints) in cases {
        assert!(complaints.iter().any(|c| c.contains(sentence)), "{sentence}: {complaints:?}");
    }
}
