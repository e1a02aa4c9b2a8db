//! StatefulSets: pods that are replaced one after the other, and one that is not ready holds up the others.

use crate::support::sets::{single_stage_of, stateful_set};
use crate::support::wait::{is, until};
use crate::support::{Scene, image, scene};
use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tidegate::api::condition::{DRIFTED, find};
use tidegate::api::{Phase, Reason};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

/// StatefulSet `db` of three pods, and the Release that has adopted it.
async fn settled(s: &Scene) -> Value {
    s.stateful("db", OLD, 3).await;
    let spec = single_stage_of("StatefulSet", "db", OLD);
    s.apply(&spec).await;
    s.verified(OLD).await;
    spec
}

async fn observed(s: &Scene, name: &str) {
    until(&format!("the controller of {name} has followed"), async || {
        let set = s.api::<StatefulSet>().get(name).await.unwrap();
        is(set.status.as_ref().unwrap().observed_generation == set.metadata.generation, (), set.status)
    })
    .await;
}

#[tokio::test]
async fn a_good_version_is_brought_to_every_pod_and_verified() {
    scene("sts-good", async |s| {
        settled(s).await;
        s.set_tag(NEW).await;
        s.verified(NEW).await;
        s.row_runs("db", &[NEW, NEW, NEW]).await;
        assert_eq!(s.tags("db").await, [OLD, NEW]);
        let asked: BTreeSet<_> = s.requests(NEW, "/health").await.into_iter().map(|r| r.pod).collect();
        assert_eq!(asked, ["db-0", "db-1", "db-2"].map(str::to_owned).into(), "each of them was asked");
        assert_eq!(s.touched().await, ["db"]);
    })
    .await;
}

/// Why pods are deleted at all: Kubernetes leaves a pod that is not ready where it is, whatever the template says since.
#[tokio::test]
async fn kubernetes_itself_does_not_replace_a_pod_that_is_not_ready() {
    scene("sts-defect", async |s| {
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        let mut parallel = stateful_set("parallel", &image(OLD), 2);
        parallel["spec"]["podManagementPolicy"] = json!("Parallel");
        s.apply_set::<StatefulSet>(&parallel).await;
        s.apply_set::<StatefulSet>(&stateful_set("ordered", &image(OLD), 2)).await;
        let both = ["ordered", "parallel"];
        for name in both {
            s.row_runs(name, &[OLD, OLD]).await;
            s.set_image_of::<StatefulSet>(name, NEW).await;
        }
        for name in both {
            until(&format!("{name} has a pod of the new version"), async || {
                let row = s.row(name).await;
                is(row.values().any(|(tag, _, _)| tag == NEW), (), row)
            })
            .await;
        }
        for name in both {
            s.set_image_of::<StatefulSet>(name, OLD).await;
            observed(s, name).await;
        }
        s.row_runs("parallel", &[OLD, OLD]).await;
        let (tag, uid, ready) = s.row("ordered").await["ordered-1"].clone();
        assert_eq!((tag.as_str(), ready), (NEW, false), "the broken pod is still there");
        // The person who deletes it.
        let pods: kube::Api<k8s_openapi::api::core::v1::Pod> = s.api();
        pods.delete("ordered-1", &kube::api::DeleteParams::default()).await.unwrap();
        s.row_runs("ordered", &[OLD, OLD]).await;
        assert_ne!(s.row("ordered").await["ordered-1"].1, uid);
    })
    .await;
}

/// A version of which no pod gets ready is taken back, and the one pod that holds the others up is deleted.
async fn gets_out(name: &str, behaviour: Value, cause: Reason) {
    scene(name, async |s| {
        settled(s).await;
        let before = s.row("db").await;
        s.behaves(NEW, behaviour.clone()).await;
        s.set_tag(NEW).await;
        let end = s.rolled_back(NEW, cause).await;
        assert_eq!(s.tags("db").await, [OLD, NEW, OLD]);
        s.row_runs("db", &[OLD, OLD, OLD]).await;
        assert_eq!(s.touched().await, ["db", "db", "db-2"], "written, taken back, and the broken pod deleted");
        let after = s.row("db").await;
        assert_eq!((&after["db-0"], &after["db-1"]), (&before["db-0"], &before["db-1"]), "the others were left alone");
        let note = s.event(Reason::StuckPodDeleted).await;
        assert!(note.contains("db-2"), "{note}");
        let stuck = &end.rollout.unwrap().stages[0].targets[0].stuck_pods;
        assert!(stuck.len() == 1 && stuck[0].deleted, "{stuck:?}");
    })
    .await;
}

#[tokio::test]
async fn a_version_that_crashes_is_taken_back_and_its_pod_deleted() {
    gets_out("sts-crash", json!({"run": {"exitCode": 3}}), Reason::CrashLoop).await;
}

#[tokio::test]
async fn a_version_that_cannot_be_pulled_is_taken_back_and_its_pod_deleted() {
    gets_out("sts-pull", json!({"pull": {"fail": "notFound"}}), Reason::ImagePullFailed).await;
}

/// Every pod was replaced and got ready: its own controller takes them back.
#[tokio::test]
async fn a_version_that_answers_wrongly_is_taken_back_by_kubernetes() {
    scene("sts-unwell", async |s| {
        settled(s).await;
        s.behaves(NEW, json!({"http": [{"path": "/items", "status": 500}]})).await;
        s.set_tag(NEW).await;
        s.rolled_back(NEW, Reason::SmokeTestFailed).await;
        s.row_runs("db", &[OLD, OLD, OLD]).await;
        assert_eq!(s.touched().await, ["db", "db"], "no pod was deleted");
    })
    .await;
}

#[tokio::test]
async fn one_that_replaces_pods_only_when_they_are_deleted_is_not_written() {
    scene("sts-on-delete", async |s| {
        settled(s).await;
        s.patch_set::<StatefulSet>(
            "db",
            json!({"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": null}}}),
        )
        .await;
        s.set_tag(NEW).await;
        let status = s.blocked(Reason::UpdateStrategyUnsupported).await;
        let message = status.message.unwrap_or_default();
        assert!(message.contains("set spec.updateStrategy.type: RollingUpdate"), "{message}");
        assert_eq!(s.tags("db").await, [OLD]);
        s.patch_set::<StatefulSet>("db", json!({"spec": {"updateStrategy": {"type": "RollingUpdate"}}})).await;
        s.verified(NEW).await;
        s.row_runs("db", &[NEW, NEW, NEW]).await;
    })
    .await;
}

fn partition(n: i32) -> Value {
    json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": n}}}})
}

#[tokio::test]
async fn pods_that_a_partition_keeps_are_left_alone_and_the_others_verified() {
    scene("sts-partition", async |s| {
        settled(s).await;
        s.patch_set::<StatefulSet>("db", partition(1)).await;
        let first = s.row("db").await["db-0"].clone();
        s.set_tag(NEW).await;
        s.verified(NEW).await;
        s.row_runs("db", &[OLD, NEW, NEW]).await;
        let note = s.event(Reason::PartitionKeepsPods).await;
        assert!(note.contains("1 pod of 3 stays on the old image"), "{note}");
        let asked: BTreeSet<_> = s.requests(NEW, "/health").await.into_iter().map(|r| r.pod).collect();
        assert_eq!(asked, ["db-1", "db-2"].map(str::to_owned).into());

        s.behaves("sha-0000003", json!({"run": {"exitCode": 1}})).await;
        s.set_tag("sha-0000003").await;
        s.rolled_back("sha-0000003", Reason::CrashLoop).await;
        s.row_runs("db", &[OLD, NEW, NEW]).await;
        assert_eq!(s.row("db").await["db-0"], first, "never touched");
        assert_eq!(s.touched().await, ["db", "db", "db", "db-2"]);

        s.patch_set::<StatefulSet>("db", partition(3)).await;
        s.set_tag("sha-0000004").await;
        let blocked = s.blocked(Reason::UpdateStrategyUnsupported).await.message.unwrap_or_default();
        assert!(blocked.contains("lower spec.updateStrategy.rollingUpdate.partition"), "{blocked}");
    })
    .await;
}

/// `kubectl rollout undo` in mid-rollout: somebody else's change is left as it is.
#[tokio::test]
async fn an_undo_in_mid_rollout_is_left_alone() {
    scene("sts-undo", async |s| {
        settled(s).await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.set_tag(NEW).await;
        until("the new tag is written", async || {
            let tags = s.tags("db").await;
            is(tags == [OLD, NEW], (), tags)
        })
        .await;
        s.phase(NEW, Phase::Rolling).await;
        until("a pod has it", async || {
            let row = s.row("db").await;
            is(row.values().any(|(tag, ..)| tag == NEW), (), row)
        })
        .await;
        s.cluster.kubectl(&["rollout", "undo", "statefulset/db", "-n", &s.ns], None);
        let end = s.ends(NEW, Phase::Failed, Reason::Contended).await;
        assert!(end.quarantine.is_empty(), "not the image's fault");
        assert_eq!(s.tags("db").await, [OLD, NEW, OLD]);
        assert_eq!(s.touched().await, ["db"], "nothing was written or deleted after that");
    })
    .await;
}

#[tokio::test]
async fn an_edit_in_mid_rollout_is_left_alone_and_one_at_rest_is_a_drift() {
    scene("sts-edit", async |s| {
        settled(s).await;
        s.set_image_of::<StatefulSet>("db", "sha-0000009").await;
        let drifted = |on| move |st: &tidegate::api::ReleaseStatus| find(&st.conditions, DRIFTED).is_some() == on;
        s.until_status("the drift is said", drifted(true)).await;
        s.set_image_of::<StatefulSet>("db", OLD).await;
        s.until_status("it is said no more", drifted(false)).await;
        s.row_runs("db", &[OLD, OLD, OLD]).await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.set_tag(NEW).await;
        s.phase(NEW, Phase::Rolling).await;
        until("the new tag is written", async || is(s.tags("db").await.last().unwrap() == NEW, (), "not yet")).await;
        s.set_image_of::<StatefulSet>("db", "sha-0000005").await;
        s.ends(NEW, Phase::Failed, Reason::Contended).await;
        assert_eq!(s.tags("db").await, [OLD, "sha-0000009", OLD, NEW, "sha-0000005"]);
        assert_eq!(s.touched().await, ["db"]);
    })
    .await;
}

/// Its environment is edited while it is asked: another revision of the same image is no contention.
#[tokio::test]
async fn a_restart_while_it_is_asked_begins_its_checks_anew() {
    scene("sts-restart", async |s| {
        let mut spec = settled(s).await;
        spec["stages"][0]["healthChecks"][0]["retry"] = json!({"attempts": 10, "interval": "1s", "successes": 4});
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        s.asked(NEW, "/health", 1).await;
        s.cluster.kubectl(&["rollout", "restart", "statefulset/db", "-n", &s.ns], None);
        s.verified(NEW).await;
        s.row_runs("db", &[NEW, NEW, NEW]).await;
        assert_eq!(s.touched().await, ["db"]);
    })
    .await;
}
