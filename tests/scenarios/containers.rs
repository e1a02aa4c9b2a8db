//! Stages of several targets of different kinds, and workloads of several containers.

use crate::support::manifests::{deployment, target};
use crate::support::sets::{stateful_set, target_of};
use crate::support::wait::{is, until};
use crate::support::{Scene, image, scene, single_stage};
use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::{Value, json};
use tidegate::api::Reason;

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

/// One stage on a Deployment, a StatefulSet and a DaemonSet, all verified on the old tag.
async fn mixed(s: &Scene) -> Value {
    futures::join!(s.app("production", OLD), s.stateful("db", OLD, 2), s.daemons("agent", OLD));
    let mut spec = single_stage(OLD);
    spec["stages"][0]["targets"] = json!([
        target("web", "production"),
        target_of("StatefulSet", "db", "db"),
        target_of("DaemonSet", "agent", "agent")
    ]);
    let check = |target: &str| {
        let mut check = spec["stages"][0]["healthChecks"][0].clone();
        check["name"] = json!(format!("{target}-health"));
        check["http"]["pods"]["target"] = json!(target);
        check
    };
    spec["stages"][0]["healthChecks"] = json!([check("web"), check("db"), check("agent")]);
    s.apply(&spec).await;
    s.verified(OLD).await;
    spec
}

#[tokio::test]
async fn targets_of_every_kind_go_together() {
    scene("mixed-good", async |s| {
        mixed(s).await;
        s.set_tag(NEW).await;
        s.verified(NEW).await;
        assert_eq!(s.touched().await, ["production", "db", "agent"]);
        s.row_runs("db", &[NEW, NEW]).await;
        s.all_run("agent", NEW, 3).await;
    })
    .await;
}

/// The StatefulSet needs something that the others do not have: it alone fails, and all come back.
#[tokio::test]
async fn where_one_fails_all_come_back_in_reverse() {
    scene("mixed-bad", async |s| {
        mixed(s).await;
        // Only its pods are told to wait for a probe, which this version never passes.
        let mut db = stateful_set("db", &image(OLD), 2);
        db["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] =
            json!({"httpGet": {"path": "/ready", "port": 8080}});
        let before = s.row("db").await;
        s.apply_set::<StatefulSet>(&db).await;
        until("both pods are new ones", async || {
            let row = s.row("db").await;
            let new = row.iter().filter(|(pod, (_, uid, ready))| *ready && before[*pod].1 != *uid);
            is(new.count() == 2, (), row.clone())
        })
        .await;
        s.behaves(NEW, json!({"http": [{"path": "/ready", "status": 503}]})).await;
        let mut spec = s.release().await.spec;
        spec.stages[0].progress_deadline = tidegate::api::time::Duration::from_secs(30);
        spec.image.tag = Some(NEW.into());
        s.apply(&serde_json::to_value(&spec).unwrap()).await;
        let end = s.rolled_back(NEW, Reason::ProgressDeadlineExceeded).await;
        let cause = end.rollout.unwrap().cause.unwrap().message;
        assert!(cause.contains("StatefulSet") && cause.contains("0 pods of the new revision ready"), "{cause}");
        assert_eq!(s.touched().await, ["production", "db", "agent", "agent", "db", "production", "db-1"]);
        for workload in ["production", "db", "agent"] {
            assert_eq!(s.tags(workload).await, [OLD, NEW, OLD], "{workload}");
        }
        s.row_runs("db", &[OLD, OLD]).await;
        s.all_run("agent", OLD, 3).await;
    })
    .await;
}

/// Containers `app` and `worker`, and init container `prepare`, all of one image.
fn three(kind: &str, tag: &str) -> Value {
    let mut object = if kind == "StatefulSet" {
        stateful_set("production", &image(tag), 1)
    } else {
        deployment("production", &image(tag), 1)
    };
    let pod = &mut object["spec"]["template"]["spec"];
    let mut worker = pod["containers"][0].clone();
    worker["name"] = json!("worker");
    worker["ports"] = json!([{"containerPort": 9090}]);
    pod["containers"].as_array_mut().unwrap().push(worker);
    pod["initContainers"] = json!([{"name": "prepare", "image": image(tag), "env": [{"name": "E", "value": "f"}]}]);
    object
}

/// One stage on all three.
fn spec_of_three(kind: &str, tag: &str) -> Value {
    let mut spec = single_stage(tag);
    spec["stages"][0]["targets"][0]["kubernetes"] =
        json!({"kind": kind, "name": "production", "containers": ["app", "worker", "prepare"]});
    spec["stages"][0].as_object_mut().unwrap().remove("smokeTests");
    spec
}

/// Init containers first.
async fn images(s: &Scene, kind: &str) -> Vec<(String, String)> {
    let pod = match kind {
        "StatefulSet" => s.api::<StatefulSet>().get("production").await.unwrap().spec.unwrap().template.spec.unwrap(),
        _ => s.deployment("production").await.spec.unwrap().template.spec.unwrap(),
    };
    let all = pod.init_containers.into_iter().flatten().chain(pod.containers);
    let ours = all.filter(|c| c.name != "sidecar");
    ours.map(|c| (c.name, c.image.unwrap_or_default().rsplit(':').next().unwrap().to_owned())).collect()
}

fn all(tag: &str) -> Vec<(String, String)> {
    ["prepare", "app", "worker"].map(|name| (name.to_owned(), tag.to_owned())).to_vec()
}

#[tokio::test]
async fn all_listed_containers_are_brought_in_one_write() {
    scene("containers-good", async |s| {
        s.apply_deployment(&three("Deployment", OLD)).await;
        s.available("production").await;
        s.apply(&spec_of_three("Deployment", NEW)).await;
        s.verified(NEW).await;
        assert_eq!(images(s, "Deployment").await, all(NEW));
        assert_eq!(s.touched().await, ["production"]);
    })
    .await;
}

/// In an init container this image fails: the rollout ends at once, naming it, and all three go back.
#[tokio::test]
async fn an_init_container_that_fails_is_named_and_all_are_taken_back() {
    for kind in ["Deployment", "StatefulSet"] {
        scene(&format!("init-{}", kind.to_lowercase()), async |s| {
            match kind {
                "StatefulSet" => drop(s.apply_set::<StatefulSet>(&three(kind, OLD)).await),
                _ => s.apply_deployment(&three(kind, OLD)).await,
            }
            s.apply(&spec_of_three(kind, OLD)).await;
            s.verified(OLD).await;
            s.behaves(NEW, json!({"run": {"exitCode": 4}})).await;
            s.set_tag(NEW).await;
            let end = s.rolled_back(NEW, Reason::InitFailed).await;
            let cause = end.rollout.unwrap().cause.unwrap();
            assert!(
                cause.message.contains("container prepare of pod") && cause.message.contains("exit code 4"),
                "{cause:?}"
            );
            assert!(cause.fault && end.quarantine.len() == 1, "it is the image's own fault");
            assert_eq!(images(s, kind).await, all(OLD));
        })
        .await;
    }
}

/// Its owner drops one of two listed containers in mid-rollout: what is left of the stage is taken back.
#[tokio::test]
async fn a_container_that_its_owner_drops_in_mid_rollout_is_left_to_him() {
    scene("containers-dropped", async |s| {
        s.apply_set::<StatefulSet>(&three("StatefulSet", OLD)).await;
        s.apply(&spec_of_three("StatefulSet", OLD)).await;
        s.verified(OLD).await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.set_tag(NEW).await;
        crate::support::wait::until("the new tag is written", async || {
            let now = images(s, "StatefulSet").await;
            crate::support::wait::is(now == all(NEW), (), now)
        })
        .await;
        // His manifest has no images in it: those are Tidegate's. It lists `worker` no more.
        let mut without = three("StatefulSet", OLD);
        let pod = &mut without["spec"]["template"]["spec"];
        pod["containers"].as_array_mut().unwrap().retain(|c| c["name"] != "worker");
        for list in ["containers", "initContainers"] {
            let listed = pod[list].as_array_mut().unwrap().iter_mut().filter(|c| c["name"] != "sidecar");
            listed.for_each(|c| drop(c.as_object_mut().unwrap().remove("image")));
        }
        s.apply_set::<StatefulSet>(&without).await;
        s.behaves(NEW, json!({"run": {"exitCode": 2}})).await;
        s.delete_pods("production").await;
        let end = s.ended(NEW).await;
        let now = images(s, "StatefulSet").await;
        let of = |name: &str| now.iter().find(|(n, _)| n == name).map(|(_, tag)| tag.clone());
        assert_eq!((of("app").as_deref(), of("prepare").as_deref()), (Some(OLD), Some(OLD)), "{:?}", end.message);
        assert_eq!(of("worker"), None, "what he removed is gone for good: {now:?}");
    })
    .await;
}
