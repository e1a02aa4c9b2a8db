//! What the resource can say but this version does not do. Nothing is ever silently ignored: the field is named.

use super::tasks;
use crate::api::spec::{Hook, HookKind, MetricGate, MetricSource, ReleaseSpec, Stage};

/// The first field that asks for something this version does not do.
pub(super) fn field(spec: &ReleaseSpec) -> Option<String> {
    spec.stages.iter().find_map(|stage| of_stage(stage).map(|f| format!("spec.stages[{}].{f}", stage.name)))
}

fn of_stage(stage: &Stage) -> Option<String> {
    let task = |list: &str, hooks: &[Hook]| {
        let alone = |h: &&Hook| matches!(&h.kind, HookKind::EcsTask(t) if tasks::beside(stage, t).is_none());
        let hook = hooks.iter().find(alone)?;
        Some(format!("{list}[{}].ecsTask, beside no ECS target,", hook.name))
    };
    let alarms = |g: &&MetricGate| !cfg!(feature = "cloudwatch") && matches!(g.source, MetricSource::Cloudwatch(_));
    let alarms = stage.metric_gates.iter().find(alarms).map(|g| format!("metricGates[{}].cloudwatch", g.name));
    task("hooks", &stage.hooks).or_else(|| task("onRollback", &stage.on_rollback)).or(alarms)
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
        let hooks = json!([{"name": "m", "ecsTask": {"taskDefinition": "m", "container": "m"}}]);
        assert_eq!(
            told(&format!("{stage}/hooks"), hooks).as_deref(),
            Some("spec.stages[only].hooks[m].ecsTask, beside no ECS target,")
        );
        let ecs = json!({"region": "eu-west-1", "cluster": "prod", "service": "web", "containers": ["app"]});
        let stages = json!([{
            "name": "only", "checks": "None", "promotion": {"mode": "Manual"}, "targets": [{"name": "web", "ecs": ecs}],
            "onRollback": [{"name": "m", "ecsTask": {"container": "m"}}, {"name": "n", "ecsTask": {"container": "m", "target": "web"}}],
        }]);
        assert_eq!(told("/stages", stages), None);
        let job = json!([{"name": "m", "job": {"fromCronJob": {"name": "m"}}}]);
        assert_eq!(told(&format!("{stage}/hooks"), job), None);
        assert_eq!(told("/suspend", json!(false)), None);
        for kind in ["StatefulSet", "DaemonSet"] {
            assert_eq!(told(&format!("{stage}/targets/0/kubernetes/kind"), json!(kind)), None);
        }
        for check in ["healthChecks", "smokeTests"] {
            assert_eq!(told(&format!("{stage}/{check}/0/http"), url.clone()), None);
        }
    }
}
