use super::super::live::{Surroundings, live};
use super::*;
use crate::api::status::KubernetesWorkload;
use crate::api::view::{LiveTarget, Replicas};
use serde_json::json;

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn template(image: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": "db"}},
        "spec": {
            "initContainers": [{"name": "prepare", "image": "reg/prepare:1"}],
            "containers": [{"name": "app", "image": image}],
        },
    })
}

fn workload(kind: &str, spec: Value, status: Value) -> Value {
    let mut whole = json!({"selector": {"matchLabels": {"app": "db"}}, "template": template("reg/app:2")});
    spec.as_object().unwrap().iter().for_each(|(key, value)| whole[key] = value.clone());
    json!({
        "kind": kind,
        "metadata": {"name": "db", "namespace": "shop", "uid": "w-uid", "resourceVersion": "9", "generation": 4},
        "spec": whole, "status": status,
    })
}

fn pod(name: &str, revision: &str, image: &str) -> Value {
    json!({
        "metadata": {
            "name": name, "uid": format!("{name}-uid"), "resourceVersion": "7", "labels": {"controller-revision-hash": revision},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "X", "name": "db", "uid": "w-uid", "controller": true}],
        },
        "spec": {"containers": [{"name": "app", "image": image}]},
        "status": {"conditions": [{"type": "Ready", "status": "False"}]},
    })
}

fn stateful_set(spec: Value, status: Value, pods: &[Value]) -> LiveTarget {
    let set: StatefulSet = read(workload("StatefulSet", spec, status));
    let current = of_stateful_set(&set);
    view(WorkloadKind::StatefulSet, Object::StatefulSet(Box::new(set)), current, pods)
}

fn daemon_set(spec: Value, status: Value, history: &[Value], pods: &[Value]) -> LiveTarget {
    let set: DaemonSet = read(workload("DaemonSet", spec, status));
    let history: Vec<ControllerRevision> = history.iter().cloned().map(read).collect();
    let current = of_daemon_set(&set, &history);
    view(WorkloadKind::DaemonSet, Object::DaemonSet(Box::new(set)), current, pods)
}

fn view(kind: WorkloadKind, object: Object, current: Option<Current>, pods: &[Value]) -> LiveTarget {
    let pods: Vec<Pod> = pods.iter().cloned().map(read).collect();
    let of = KubernetesWorkload { kind, namespace: "shop".into(), name: "db".into() };
    live(&object, current.as_ref(), &pods, Surroundings::default(), of)
}

fn names<'a>(pods: impl IntoIterator<Item = &'a String>) -> Vec<&'a str> {
    pods.into_iter().map(String::as_str).collect()
}

/// Two of three pods follow, the newest first.
fn rolling() -> Value {
    json!({
        "observedGeneration": 4, "replicas": 3, "readyReplicas": 2, "availableReplicas": 2, "updatedReplicas": 1,
        "currentRevision": "db-1", "updateRevision": "db-2",
    })
}

#[test]
fn the_pods_of_a_stateful_set_are_told_apart_by_its_revision() {
    let pods = [pod("db-0", "db-1", "reg/app:1"), pod("db-1", "db-1", "reg/app:1"), pod("db-2", "db-2", "reg/app:2")];
    let seen = stateful_set(json!({"replicas": 3}), rolling(), &pods);
    assert_eq!(seen.replicas, Replicas { wanted: 3, total: 3, updated: 1, ready: 2, available: 2 });
    assert_eq!((seen.revision.as_deref(), seen.paused, seen.on_delete), (Some("db-2"), false, false));
    assert_eq!(names(seen.pods.iter().map(|p| &p.name)), ["db-2"]);
    let set = seen.stateful.unwrap();
    assert_eq!((set.partition, set.settled), (0, false));
    assert_eq!(names(set.outdated.iter().map(|p| &p.name)), ["db-0", "db-1"]);
    let old = &set.outdated[0];
    assert_eq!((old.uid.as_str(), old.resource_version.as_str(), old.ready), ("db-0-uid", "7", false));
    assert_eq!(old.images[0].image.as_str(), "reg/app:1");
}

#[test]
fn what_a_stateful_set_says_counts_only_of_the_newest_generation() {
    let mut status = rolling();
    status["observedGeneration"] = json!(3);
    let seen = stateful_set(json!({}), status, &[pod("db-0", "db-1", "reg/app:1")]);
    assert_eq!((seen.revision, seen.pods.len()), (None, 0));
    assert_eq!(seen.stateful.unwrap().outdated, []);
    let bare = stateful_set(json!({}), json!({"replicas": 0}), &[]);
    assert_eq!((bare.revision, bare.replicas.wanted, bare.stateful.unwrap().settled), (None, 1, false));
}

#[test]
fn pods_that_the_partition_keeps_are_not_outdated() {
    let row = |revision: &str| [3, 4, 10].map(|n| pod(&format!("db-{n}"), revision, "reg/app:1"));
    for (what, spec, outdated) in [
        ("no partition", json!({}), &["db-3", "db-4", "db-10"][..]),
        ("null", json!({"type": "RollingUpdate", "rollingUpdate": null}), &["db-3", "db-4", "db-10"]),
        ("it keeps the first", json!({"rollingUpdate": {"partition": 1}}), &["db-4", "db-10"]),
        ("it keeps all", json!({"rollingUpdate": {"partition": 8}}), &[]),
    ] {
        let spec = json!({"updateStrategy": spec, "ordinals": {"start": 3}});
        let set = stateful_set(spec, rolling(), &row("db-1")).stateful.unwrap();
        assert_eq!(names(set.outdated.iter().map(|p| &p.name)), outdated, "{what}");
    }
    let mut labelled = pod("odd", "db-1", "reg/app:1");
    labelled["metadata"]["labels"]["apps.kubernetes.io/pod-index"] = json!("5");
    let mut strange = pod("db-6", "db-1", "reg/app:1");
    strange["metadata"]["ownerReferences"][0]["uid"] = json!("other");
    let set = stateful_set(json!({}), rolling(), &[labelled, strange]).stateful.unwrap();
    assert_eq!(names(set.outdated.iter().map(|p| &p.name)), ["odd"], "by its label; never another's");
}

#[test]
fn only_ready_pods_beyond_the_partition_follow() {
    let row = ["db-0", "db-1", "db-2"].map(|name| pod(name, "db-2", "reg/app:2"));
    let following = |spec: &Value, pods: &[Value]| {
        let spec = json!({"updateStrategy": {"rollingUpdate": spec}});
        stateful_set(spec, rolling(), pods).stateful.unwrap().following
    };
    let kept = json!({"partition": 1});
    let ready = |mut pod: Value, is: &str| {
        pod["status"]["conditions"] = json!([{"type": "Ready", "status": is}]);
        pod
    };
    let all = row.clone().map(|p| ready(p, "True"));
    assert_eq!((following(&json!({}), &all), following(&kept, &all)), (Some(3), Some(2)));
    let [zero, one, two] = all.clone();
    assert_eq!(following(&kept, &[zero.clone(), one.clone(), ready(two.clone(), "False")]), Some(1));
    let mut ending = two;
    ending["metadata"]["deletionTimestamp"] = json!("2026-11-21T10:00:00Z");
    assert_eq!(following(&kept, &[zero.clone(), one.clone(), ending]), Some(1));
    assert_eq!(following(&kept, &[zero, one]), Some(1), "the last one is not made yet");
    let many: Vec<Value> = (0..LIST).map(|n| ready(pod(&format!("db-{n}"), "db-2", "reg/app:2"), "True")).collect();
    assert_eq!(following(&kept, &many), None);
}

#[test]
fn on_delete_is_seen_of_both_kinds() {
    let on_delete = || json!({"updateStrategy": {"type": "OnDelete"}});
    assert!(stateful_set(on_delete(), rolling(), &[]).on_delete);
    assert!(daemon_set(on_delete(), scheduled(), &[], &[]).on_delete);
    assert!(!daemon_set(json!({}), scheduled(), &[], &[]).on_delete);
}

fn scheduled() -> Value {
    json!({
        "observedGeneration": 4, "desiredNumberScheduled": 5, "currentNumberScheduled": 4, "numberReady": 3,
        "numberAvailable": 2, "updatedNumberScheduled": 1, "numberMisscheduled": 0,
    })
}

fn history(name: &str, revision: i64, image: &str, owner: &str) -> Value {
    let mut template = template(image);
    template["$patch"] = json!("replace");
    json!({
        "metadata": {
            "name": name, "labels": {"controller-revision-hash": name},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "db", "uid": owner, "controller": true}],
        },
        "revision": revision, "data": {"spec": {"template": template}},
    })
}

#[test]
fn a_daemon_set_counts_nodes() {
    let seen = daemon_set(json!({}), scheduled(), &[], &[]);
    assert_eq!(seen.replicas, Replicas { wanted: 5, total: 4, updated: 1, ready: 3, available: 2 });
    assert_eq!((seen.stateful, seen.revision), (None, None));
}

#[test]
fn the_revision_of_a_daemon_set_is_that_of_the_template_as_it_stands() {
    let new = || history("h2", 2, "reg/app:2", "w-uid");
    let old = || history("h1", 1, "reg/app:1", "w-uid");
    let mut unseen = scheduled();
    unseen["observedGeneration"] = json!(3);
    let mut empty = new();
    empty["data"] = json!({});
    for (what, status, all, revision) in [
        ("the one that holds the template", scheduled(), vec![old(), new()], Some("h2")),
        (
            "taken back, the old one is the newest",
            scheduled(),
            vec![history("h2", 3, "reg/app:2", "w-uid"), old()],
            Some("h2"),
        ),
        (
            "two of one template: the newest",
            scheduled(),
            vec![history("h3", 5, "reg/app:2", "w-uid"), new()],
            Some("h3"),
        ),
        ("its controller has not seen it yet", unseen, vec![new()], None),
        ("none made yet", scheduled(), vec![old()], None),
        ("another DaemonSet's", scheduled(), vec![history("hx", 9, "reg/app:2", "other")], None),
        ("one that holds nothing", scheduled(), vec![empty], None),
    ] {
        let pods = [pod("a", "h1", "reg/app:1"), pod("b", "h2", "reg/app:2")];
        let seen = daemon_set(json!({}), status, &all, &pods);
        assert_eq!(seen.revision.as_deref(), revision, "{what}");
        assert!(seen.pods.iter().all(|p| revision == Some("h2") && p.name == "b"), "{what}: {:?}", seen.pods);
    }
}
