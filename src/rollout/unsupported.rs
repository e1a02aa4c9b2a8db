//! What the resource can say but this version does not do. Nothing is ever silently ignored: the field is named.

use crate::api::spec::{MetricGate, MetricSource, ReleaseSpec, Stage, TargetKind, WorkloadKind};

/// The first field that asks for something this version does not do.
pub(super) fn field(spec: &ReleaseSpec) -> Option<String> {
    spec.stages.iter().find_map(|stage| of_stage(stage).map(|f| format!("spec.stages[{}].{f}", stage.name)))
}

fn of_stage(stage: &Stage) -> Option<String> {
    let target = stage.targets.iter().find_map(|t| match &t.kind {
        TargetKind::Kubernetes(k) if k.kind != WorkloadKind::Deployment => {
            Some(format!("targets[{}].kubernetes.kind: {}", t.name, k.kind))
        }
        TargetKind::Kubernetes(_) | TargetKind::Ecs(_) => None,
    });
    let alarms = |g: &&MetricGate| !cfg!(feature = "cloudwatch") && matches!(g.source, MetricSource::Cloudwatch(_));
    let alarms = stage.metric_gates.iter().find(alarms).map(|g| format!("metricGates[{}].cloudwatch", g.name));
    target.or_else(|| stage.hooks.first().map(|h| format!("hooks[{}]", h.name))).or(alarms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn told(pointer: &str, value: Value) -> Option<String> {
        let mut spec = json!({
            "image": {"repository": "r", "tag": "sha-1111111"},
            "stages": [{
                "name": "only", "promotion": {"mode": "Manual"}, "rollback": {},
                "targets": [{"name": "web", "kubernetes": {"kind": "Deployment", "name": "web", "containers": ["app"]}}],
                "healthChecks": [{"name": "h", "http": {"pods": {"port": 80}, "path": "/"}}],
                "smokeTests": [{"name": "s", "http": {"pods": {"port": 80}, "path": "/"}}],
            }],
        });
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        spec.pointer_mut(parent).unwrap()[key] = value;
        field(&serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn each_field_that_asks_for_more_is_named() {
        let stage = "/stages/0";
        let url = json!({"url": "https://shop.example/health"});
        for (pointer, value, said) in [
            ("/targets/0/kubernetes/kind", json!("StatefulSet"), "targets[web].kubernetes.kind: StatefulSet"),
            ("/targets/0/kubernetes/kind", json!("DaemonSet"), "targets[web].kubernetes.kind: DaemonSet"),
            ("/hooks", json!([{"name": "m", "job": {"fromCronJob": {"name": "m"}}}]), "hooks[m]"),
        ] {
            assert_eq!(told(&format!("{stage}{pointer}"), value), Some(format!("spec.stages[only].{said}")));
        }
        assert_eq!(told("/suspend", json!(false)), None);
        for check in ["healthChecks", "smokeTests"] {
            assert_eq!(told(&format!("{stage}/{check}/0/http"), url.clone()), None);
        }
    }
}
