use super::*;
use crate::api::spec::WorkloadKind;
use crate::api::view::{ContainerRun, Exit, Replicas};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use serde_json::{Value, json};

const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn template(image: &str, hash: Option<&str>) -> Value {
    let mut labels = json!({"app": "web"});
    if let Some(hash) = hash {
        labels["pod-template-hash"] = json!(hash);
    }
    json!({
        "metadata": {"labels": labels},
        "spec": {
            "initContainers": [{"name": "prepare", "image": "reg/prepare:1"}],
            "containers": [{"name": "app", "image": image, "env": [{"name": "A", "value": "1"}]}],
        },
    })
}

/// At rest on `reg/app:2`, generation 4 seen.
fn deployment() -> Value {
    json!({
        "metadata": {
            "name": "web", "namespace": "shop", "uid": "d-uid", "resourceVersion": "70", "generation": 4,
            "annotations": {"deployment.kubernetes.io/revision": "2"},
        },
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template("reg/app:2", None),
        },
        "status": {
            "observedGeneration": 4, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 1,
            "conditions": [{
                "type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable",
                "lastUpdateTime": "2026-11-21T10:00:00Z",
            }],
        },
    })
}

fn set(name: &str, hash: &str, image: &str, revision: &str, owner: &str) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": "shop", "uid": format!("{name}-uid"),
            "creationTimestamp": "2026-11-21T09:00:00Z",
            "labels": {"app": "web", "pod-template-hash": hash},
            "annotations": {"deployment.kubernetes.io/revision": revision},
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": owner, "controller": true,
            }],
        },
        "spec": {"selector": {}, "template": template(image, Some(hash))},
    })
}

fn pod(name: &str, owner: &str, image_id: &str) -> Value {
    json!({
        "metadata": {
            "name": name, "uid": format!("{name}-uid"), "creationTimestamp": "2026-11-21T09:30:00Z",
            "labels": {"app": "web", "pod-template-hash": "h2"},
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x", "uid": owner, "controller": true,
            }],
        },
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{
                "name": "app", "image": "reg/app:1", "imageID": image_id, "ready": true, "restartCount": 0,
                "state": {"running": {}},
            }],
        },
    })
}

fn seen(deployment: Value, sets: &[Value], pods: &[Value]) -> LiveTarget {
    let sets: Vec<ReplicaSet> = sets.iter().cloned().map(read).collect();
    let pods: Vec<Pod> = pods.iter().cloned().map(read).collect();
    let of = KubernetesWorkload { kind: WorkloadKind::Deployment, namespace: "shop".into(), name: "web".into() };
    let deployment: Deployment = read(deployment);
    let current = revision::of_deployment(&deployment, &sets);
    live(&Object::Deployment(Box::new(deployment)), current.as_ref(), &pods, Surroundings::default(), of)
}

fn edited(mut value: Value, edits: &[(&str, Value)]) -> Value {
    for (pointer, new) in edits {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        value.pointer_mut(parent).unwrap()[key.replace("~1", "/")] = new.clone();
    }
    value
}

#[test]
fn a_deployment_at_rest_is_seen_whole() {
    let view = seen(deployment(), &[set("new", "h2", "reg/app:2", "2", "d-uid")], &[]);
    assert_eq!((view.uid.as_str(), view.resource_version.as_str()), ("d-uid", "70"));
    assert_eq!((view.generation, view.observed_generation, view.paused), (4, 4, false));
    assert_eq!(view.replicas, Replicas { wanted: 2, total: 2, updated: 2, ready: 2, available: 1 });
    assert_eq!(view.revision.as_deref(), Some("h2"));
    let progressing = view.progressing.unwrap();
    assert_eq!((progressing.status.as_str(), progressing.reason.as_str()), ("True", "NewReplicaSetAvailable"));
    assert_eq!(progressing.last_update.unwrap().to_string(), "2026-11-21T10:00:00.000Z");
    let containers: Vec<_> = view.containers.iter().map(|c| (c.name.as_str(), c.init, c.image.as_str())).collect();
    assert_eq!(containers, [("app", false, "reg/app:2"), ("prepare", true, "reg/prepare:1")]);
    assert_eq!((view.stamp, view.replica_failure, view.gitops), (None, None, None));
}

#[test]
fn the_revision_is_that_of_the_template_as_it_stands() {
    let new = || set("new", "h2", "reg/app:2", "2", "d-uid");
    let old = || set("old", "h1", "reg/app:1", "1", "d-uid");
    let env = json!([{"name": "A", "value": "2"}]);
    let unseen = [("/status/observedGeneration", json!(3))];
    let same_older = [("/metadata/creationTimestamp", json!("2026-11-21T08:00:00Z"))];
    let same_named = [("/metadata/annotations/deployment.kubernetes.io~1revision", json!("9"))];
    for (what, deployment, sets, revision) in [
        ("the one that runs the template", deployment(), vec![old(), new()], Some("h2")),
        ("the controller has not seen it yet", edited(deployment(), &unseen), vec![new()], None),
        ("nothing made yet", deployment(), vec![old()], None),
        ("no sets", deployment(), vec![], None),
        ("another Deployment's", deployment(), vec![set("x", "hx", "reg/app:2", "2", "other-uid")], None),
        (
            "same image, another template",
            edited(deployment(), &[("/spec/template/spec/containers/0/env", env)]),
            vec![new()],
            None,
        ),
        (
            "two of one template: the named one",
            deployment(),
            vec![edited(set("twin", "h3", "reg/app:2", "7", "d-uid"), &same_older), new()],
            Some("h2"),
        ),
        (
            "two of one template, none named: the oldest",
            edited(deployment(), &same_named),
            vec![edited(set("twin", "h3", "reg/app:2", "7", "d-uid"), &same_older), new()],
            Some("h3"),
        ),
    ] {
        assert_eq!(seen(deployment, &sets, &[]).revision.as_deref(), revision, "{what}");
    }
}

#[test]
fn digests_are_what_all_pods_of_the_revision_agree_on() {
    let id = |d: &str| format!("reg/app@{d}");
    let new = |name: &str, image_id: &str| pod(name, "new-uid", image_id);
    let terminating = [("/metadata/deletionTimestamp", json!("2026-11-21T10:00:00Z"))];
    let disrupted = json!([{"type": "DisruptionTarget", "status": "True"}]);
    let taken_away = [("/status/phase", json!("Failed")), ("/status/conditions", disrupted)];
    for (what, pods, digest) in [
        ("none", vec![], None),
        ("one", vec![new("p", &id(A))], Some(A)),
        ("agreeing", vec![new("p", &id(A)), new("q", &id(A))], Some(A)),
        ("one is not told yet", vec![new("p", &id(A)), new("q", "")], Some(A)),
        ("differing", vec![new("p", &id(A)), new("q", &id(B))], None),
        ("of the old revision", vec![pod("o", "old-uid", &id(B)), new("p", &id(A))], Some(A)),
        ("on its way out", vec![edited(new("q", &id(B)), &terminating), new("p", &id(A))], Some(A)),
        ("taken away", vec![edited(new("q", &id(B)), &taken_away), new("p", &id(A))], Some(A)),
        ("over by itself", vec![edited(new("q", &id(B)), &taken_away[..1]), new("p", &id(A))], None),
        ("a configuration's digest", vec![new("p", A)], None),
        ("with a scheme", vec![new("p", &format!("docker-pullable://{}", id(A)))], Some(A)),
        ("nonsense beside a digest", vec![new("p", &id(A)), new("q", "reg/app:2")], None),
    ] {
        let view = seen(deployment(), &[set("new", "h2", "reg/app:2", "2", "d-uid")], &pods);
        assert_eq!(view.container("app").unwrap().digest.as_ref().map(|d| d.as_str()), digest, "{what}");
        assert_eq!(view.container("prepare").unwrap().digest, None, "{what}");
    }
}

#[test]
fn pods_of_other_revisions_are_left_out() {
    let pods = [pod("new", "new-uid", ""), pod("old", "old-uid", ""), pod("forged", "", "")];
    let view = seen(deployment(), &[set("new", "h2", "reg/app:2", "2", "d-uid")], &pods);
    assert_eq!(view.pods.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["new"]);
}

#[test]
fn containers_say_how_they_run() {
    let terminated = json!({"exitCode": 137, "reason": "OOMKilled"});
    let waiting = json!({"waiting": {"reason": "ErrImagePull", "message": "reg/app:2:\n not found"}});
    let exit = Exit { code: 137, reason: "OOMKilled".into() };
    for (state, run) in [
        (json!({"running": {"startedAt": "2026-11-21T10:00:00Z"}}), ContainerRun::Running),
        (json!({"terminated": terminated}), ContainerRun::Terminated(exit.clone())),
        (waiting, ContainerRun::Waiting { reason: "ErrImagePull".into(), message: "reg/app:2:  not found".into() }),
        (json!({}), ContainerRun::Unknown),
    ] {
        let edits = [
            ("/status/containerStatuses/0/state", state),
            ("/status/containerStatuses/0/lastState", json!({"terminated": terminated})),
            ("/status/containerStatuses/0/restartCount", json!(3)),
            (
                "/status/conditions",
                json!([
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"},
                    {"type": "Ready", "status": "False"},
                ]),
            ),
        ];
        let pods = [edited(pod("p", "new-uid", ""), &edits)];
        let view = seen(deployment(), &[set("new", "h2", "reg/app:2", "2", "d-uid")], &pods);
        let pod = &view.pods[0];
        assert_eq!((pod.ready, pod.terminating, pod.unschedulable.as_deref()), (false, false, Some("0/3 nodes")));
        let app = &pod.containers[0];
        assert_eq!((&app.state, app.restarts, app.last_exit.as_ref()), (&run, 3, Some(&exit)));
    }
}

#[test]
fn annotations_are_read_and_nonsense_is_none() {
    let stamp = json!({
        "effect": "u/3-1/staging/web/forward", "release": {"namespace": "shop", "name": "checkout"}, "uid": "u",
        "images": [{"container": "app", "image": "reg/app:2"}], "wayBack": [], "verified": true,
    });
    let annotated = |stamp: &str| {
        let annotations = json!({
            "tidegate.dev/stamp": stamp, "tidegate.dev/allow-from": "a/b, c/*",
            "tidegate.dev/allow-repository": "reg/new",
        });
        seen(edited(deployment(), &[("/metadata/annotations", annotations)]), &[], &[])
    };
    let view = annotated(&stamp.to_string());
    let read = view.stamp.unwrap();
    assert_eq!((read.uid.as_str(), read.verified, read.images.len()), ("u", true, 1));
    assert_eq!(read.effect.parts().unwrap().rollout.to_string(), "3-1");
    assert_eq!(view.allow_from, ["a/b", "c/*"]);
    assert_eq!(view.allow_repository.as_deref(), Some("reg/new"));
    for nonsense in ["", "{", "{}", "null", "[1]", r#"{"effect": 7}"#] {
        assert_eq!(annotated(nonsense).stamp, None, "{nonsense}");
    }
}

#[test]
fn a_refusal_to_make_pods_is_told() {
    for (status, message) in [("True", Some("exceeded quota")), ("False", None)] {
        let conditions = json!([{"type": "ReplicaFailure", "status": status, "message": "exceeded\nquota"}]);
        let view = seen(edited(deployment(), &[("/status/conditions", conditions)]), &[], &[]);
        assert_eq!(view.replica_failure.as_deref(), message);
        assert_eq!(view.progressing, None);
    }
}

#[test]
fn a_deployment_without_status_is_nothing_yet() {
    let view = seen(edited(deployment(), &[("/status", json!({}))]), &[], &[]);
    assert_eq!((view.observed_generation, view.revision, view.progressing), (0, None, None));
    assert_eq!(view.replicas, Replicas { wanted: 2, ..Replicas::default() });
}
