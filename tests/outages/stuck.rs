//! Around the deletion of the pod that holds up a StatefulSet: killed, and without the right to it.

use crate::alone::alone;
use crate::support::Scene;
use crate::support::sets::single_stage_of;
use crate::support::wait::{is, until};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tidegate::api::{Reason, ReleaseStatus};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

/// Once before it, once as soon as it is recorded.
#[tokio::test]
async fn killed_around_it() {
    alone("killed-stuck", async |s, replicas| {
        let first = replicas.start();
        s.stateful("db", OLD, 3).await;
        s.apply(&single_stage_of("StatefulSet", "db", OLD)).await;
        s.verified(OLD).await;
        s.behaves(NEW, json!({"run": {"exitCode": 3}})).await;
        s.set_tag(NEW).await;
        until("the old tag is written", async || is(s.tags("db").await == [OLD, NEW, OLD], (), "not yet")).await;
        replicas.kill(&first);

        let second = replicas.start();
        let recorded = |st: &ReleaseStatus| !stuck(st).is_empty();
        s.until_status("the deletion is recorded", recorded).await;
        replicas.kill(&second);

        replicas.start();
        let end = s.rolled_back(NEW, Reason::CrashLoop).await;
        s.row_runs("db", &[OLD, OLD, OLD]).await;
        assert_eq!(stuck(&end), [("db-2".to_owned(), true)]);
        assert_eq!(s.touched().await, ["db", "db", "db-2"]);
    })
    .await;
}

/// The right to delete pods is not given: the pod is named, and whoever deletes it ends the wait.
#[tokio::test]
async fn without_the_right_a_person_is_told() {
    alone("stuck-no-right", async |s, replicas| {
        may_delete_pods(s, false).await;
        replicas.start();
        s.stateful("db", OLD, 2).await;
        s.apply(&single_stage_of("StatefulSet", "db", OLD)).await;
        s.verified(OLD).await;
        s.behaves(NEW, json!({"run": {"exitCode": 3}})).await;
        s.set_tag(NEW).await;
        let note = s.event(Reason::StuckPodKept).await;
        assert!(note.contains(&format!("kubectl delete pod db-1 -n {}", s.ns)), "{note}");
        s.cluster.kubectl(&["delete", "pod", "db-1", "-n", &s.ns], None);
        may_delete_pods(s, true).await;
        s.rolled_back(NEW, Reason::CrashLoop).await;
        s.row_runs("db", &[OLD, OLD]).await;
    })
    .await;
}

async fn may_delete_pods(s: &Scene, may: bool) {
    let api: Api<ClusterRole> = Api::all(s.client.clone());
    let mut role = api.get("tidegate").await.unwrap();
    for rule in role.rules.iter_mut().flatten() {
        let pods = rule.resources.as_ref().is_some_and(|r| r.contains(&"pods".to_owned()));
        // A rule without verbs is refused, so it keeps one that gives nothing more.
        if pods && !rule.verbs.contains(&"watch".to_owned()) {
            rule.verbs = vec![if may { "delete" } else { "get" }.to_owned()];
        }
    }
    api.patch("tidegate", &PatchParams::default(), &Patch::Merge(json!({"rules": role.rules}))).await.unwrap();
}

/// Pods that were to be deleted, and whether they are gone.
fn stuck(status: &ReleaseStatus) -> Vec<(String, bool)> {
    let targets = status.rollout.iter().flat_map(|r| &r.stages).flat_map(|s| &s.targets);
    targets.flat_map(|t| &t.stuck_pods).map(|p| (p.pod.clone(), p.deleted)).collect()
}
