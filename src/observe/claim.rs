//! Whether another Release still holds a workload that bears its stamp.

use crate::api::status::Workload;
use crate::api::{Release, ReleaseSpec};
use kube::ResourceExt;

/// Whether `release` is the object with this uid, and still lists, rolls or owes something to `workload`.
pub(super) fn holds(release: &Release, uid: &str, workload: &Workload) -> bool {
    if release.uid().as_deref() != Some(uid) {
        return false;
    }
    let namespace = release.namespace().unwrap_or_default();
    let status = release.status.as_ref();
    let frozen = status.and_then(|s| s.running()).and_then(|r| r.spec.clone());
    let rolls = frozen.and_then(|spec| serde_json::from_value::<ReleaseSpec>(spec).ok());
    lists(&release.spec, &namespace, workload)
        || rolls.is_some_and(|spec| lists(&spec, &namespace, workload))
        || status.is_some_and(|s| s.debts.iter().any(|d| d.workload == *workload))
}

fn lists(spec: &ReleaseSpec, namespace: &str, workload: &Workload) -> bool {
    let mut targets = spec.stages.iter().flat_map(|s| &s.targets);
    targets.any(|t| t.workload(namespace) == *workload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::spec::WorkloadKind;
    use crate::api::status::KubernetesWorkload;
    use serde_json::{Value, json};

    fn spec(deployment: &str) -> Value {
        let target =
            json!({"name": "web", "kubernetes": {"kind": "Deployment", "name": deployment, "containers": ["app"]}});
        json!({
            "image": {"repository": "reg/app", "tag": "sha-1"},
            "stages": [{"name": "only", "targets": [target], "checks": "None"}],
        })
    }

    fn rollout(step: &str, frozen: &Value) -> Value {
        json!({"rollout": {
            "id": "1-1", "image": "reg/app:sha-1", "spec": frozen, "step": step, "startedAt": "2026-11-21T10:00:00Z",
            "stages": [{"name": "only", "targets": []}],
        }})
    }

    #[test]
    fn a_release_holds_what_it_lists_rolls_or_owes() {
        let debt = json!({"debts": [{
            "stage": "only", "target": "web", "uid": "d", "rollout": "1-1", "effect": "u/1-1/only/web/forward",
            "workload": {"kind": "Deployment", "namespace": "shop", "name": "web"},
            "written": [], "wayBack": {"images": [], "verified": false},
        }]});
        for (what, uid, spec, status, held) in [
            ("lists it", "u", spec("web"), json!({}), true),
            ("another of its name", "v", spec("web"), json!({}), false),
            ("lists another", "u", spec("api"), json!({}), false),
            ("rolls it still", "u", spec("api"), rollout("Rolling", &spec("web")), true),
            ("rolled it once", "u", spec("api"), rollout("Ended", &spec("web")), false),
            ("owes it something", "u", spec("api"), debt, true),
        ] {
            let metadata = json!({"name": "first", "namespace": "shop", "uid": uid});
            let object = json!({
                "apiVersion": "tidegate.dev/v1alpha1", "kind": "Release",
                "metadata": metadata, "spec": spec, "status": status,
            });
            let release: Release = serde_json::from_value(object).unwrap();
            let web = |namespace: &str| {
                let (kind, namespace, name) = (WorkloadKind::Deployment, namespace.to_owned(), "web".to_owned());
                Workload::Kubernetes(KubernetesWorkload { kind, namespace, name })
            };
            assert_eq!(holds(&release, "u", &web("shop")), held, "{what}");
            assert!(!holds(&release, "u", &web("elsewhere")), "{what}: of another namespace");
        }
    }
}
