//! What the resource can say but this version does not do. Nothing is ever silently ignored: the field is named.

use crate::api::spec::{MetricGate, MetricSource, ReleaseSpec, Stage};

/// The first field that asks for something this version does not do.
pub(super) fn field(spec: &ReleaseSpec) -> Option<String> {
    spec.stages.iter().find_map(|stage| of_stage(stage).map(|f| format!("spec.stages[{}].{f}", stage.name)))
}

fn of_stage(stage: &Stage) -> Option<String> {
    let alarms = |g: &&MetricGate| !cfg!(feature = "cloudwatch") && matches!(g.source, MetricSource::Cloudwatch(_));
    let alarms = stage.metric_gates.iter().find(alarms).map(|g| format!("metricGates[{}].cloudwatch", g.name));
    stage.hooks.first().map(|h| format!("hooks[{}]", h.name)).or(alarms)
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
        let hooks = json!([{"name": "m", "job": {"fromCronJob": {"name": "m"}}}]);
        assert_eq!(told(&format!("{stage}/hooks"), hooks).as_deref(), Some("spec.stages[only].hooks[m]"));
        assert_eq!(told("/suspend", json!(false)), None);
        for kind in ["StatefulSet", "DaemonSet"] {
            assert_eq!(told(&format!("{stage}/targets/0/kubernetes/kind"), json!(kind)), None);
        }
        for check in ["healthChecks", "smokeTests"] {
            assert_eq!(told(&format!("{stage}/{check}/0/http"), url.clone()), None);
        }
    }
}
