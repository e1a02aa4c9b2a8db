//! The Job that is created, made from a template.

use super::error::Error;
use super::source::{From, Source};
use crate::api::hook::{JobRun, Keep};
use crate::api::{GROUP, Image, MANAGER, annotation, label};
use serde_json::{Map, Value, json};

/// The variable that stands for the image, in templates and in every container.
const IMAGE: &str = "TIDEGATE_IMAGE";
/// What the API server fills in where a Job does not say how often its pod may fail.
const DEFAULT_BACKOFF: i64 = 6;
/// Keys of GitOps tools, of Kubernetes' own and of ours: with them a tool would take the Job for its own, and prune it.
const FOREIGN: [&str; 12] = [
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "argocd.argoproj.io/",
    "batch.kubernetes.io/",
    "controller-uid",
    "fluxcd.io/",
    "helm.sh/",
    "helm.toolkit.fluxcd.io/",
    "job-name",
    "kubectl.kubernetes.io/",
    "kustomize.toolkit.fluxcd.io/",
    "meta.helm.sh/",
];

/// The whole Job. Errors: the template has no pod, or no container.
pub(super) fn of(run: &JobRun, source: &Source) -> Result<Value, Error> {
    let template = &source.template;
    let mut spec = template["spec"].as_object().cloned().ok_or_else(|| Error::unfit("its template has no spec"))?;
    limits(&mut spec, run, source.from);
    let once = spec.get("backoffLimit") == Some(&json!(0));
    let pod = spec.get_mut("template").and_then(Value::as_object_mut);
    let pod = pod.ok_or_else(|| Error::unfit("its template has no spec.template"))?;
    let metadata = pod.remove("metadata").unwrap_or_default();
    let kept = json!({"labels": kept(&metadata["labels"]), "annotations": kept(&metadata["annotations"])});
    pod.insert("metadata".into(), kept);
    let inner = pod.get_mut("spec").and_then(Value::as_object_mut);
    let inner = inner.ok_or_else(|| Error::unfit("its template has no spec.template.spec"))?;
    // With `OnFailure` the kubelet has begun it again before the Job counts its first failure.
    let not_so = if once { vec!["Always", "OnFailure"] } else { vec!["Always"] };
    let policy = inner.entry("restartPolicy").or_insert_with(|| json!("Never"));
    if policy.as_str().is_some_and(|p| not_so.contains(&p)) {
        *policy = json!("Never");
    }
    let mut any = false;
    for list in ["initContainers", "containers"] {
        for container in inner.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            any |= list == "containers";
            let container =
                container.as_object_mut().ok_or_else(|| Error::unfit("a container of its template is no object"))?;
            fill(container, run, source.from);
        }
    }
    if !any {
        return Err(Error::unfit("its template has no container"));
    }
    Ok(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": head(run, &template["metadata"]), "spec": spec}))
}

fn head(run: &JobRun, metadata: &Value) -> Value {
    let mut labels = kept(&metadata["labels"]);
    labels.insert(label::RELEASE.into(), json!(run.release.name));
    labels.insert(label::RELEASE_UID.into(), json!(run.uid));
    labels.insert("app.kubernetes.io/managed-by".into(), json!(MANAGER));
    let mut annotations = kept(&metadata["annotations"]);
    annotations.insert(annotation::EFFECT.into(), json!(run.effect));
    let mut head = json!({
        "name": run.job.name, "namespace": run.job.namespace, "labels": labels, "annotations": annotations,
    });
    if run.job.namespace == run.release.namespace {
        head["ownerReferences"] = json!([{
            "apiVersion": format!("{GROUP}/v1alpha1"), "kind": "Release", "name": run.release.name, "uid": run.uid,
            "controller": true, "blockOwnerDeletion": false,
        }]);
    }
    head
}

/// How often, how long, and how long it is kept.
fn limits(spec: &mut Map<String, Value>, run: &JobRun, from: From) {
    for key in ["selector", "manualSelector", "managedBy", "suspend"] {
        spec.remove(key);
    }
    let said = spec.get("backoffLimit").and_then(Value::as_i64);
    if said.is_none_or(|n| from == From::Job && n == DEFAULT_BACKOFF) {
        spec.insert("backoffLimit".into(), json!(0));
    }
    let left = (run.timeout.millis() / 1000).max(1);
    let own = spec.get("activeDeadlineSeconds").and_then(Value::as_i64).unwrap_or(left);
    spec.insert("activeDeadlineSeconds".into(), json!(own.min(left)));
    let own = spec.get("ttlSecondsAfterFinished").and_then(Value::as_i64);
    let kept = match run.keep {
        Keep::AtLeast(time) => own.map(|own| own.max(time.millis() / 1000)),
        Keep::For(time) => Some(time.millis() / 1000),
    };
    if let Some(seconds) = kept {
        spec.insert("ttlSecondsAfterFinished".into(), json!(seconds));
    }
    // A second pod never starts while the first may still be at work.
    spec.insert("podReplacementPolicy".into(), json!("Failed"));
}

/// The new image where it belongs, and the variables that tell of it.
fn fill(container: &mut Map<String, Value>, run: &JobRun, from: From) {
    let image = run.images.first().map(Image::to_string).unwrap_or_default();
    if from == From::Inline {
        for key in ["image", "command", "args", "env"] {
            container.get_mut(key).into_iter().for_each(|v| replace(v, &image));
        }
    } else if let Some(found) = container.get("image").and_then(Value::as_str).map(Image::new) {
        let new = run.images.iter().find(|i| i.repository() == found.repository());
        new.into_iter().for_each(|new| drop(container.insert("image".into(), json!(new))));
    }
    let tag = run.images.first().map(Image::short).unwrap_or_default();
    let ours = [
        (IMAGE, image),
        ("TIDEGATE_TAG", tag),
        ("TIDEGATE_RELEASE", run.release.name.clone()),
        ("TIDEGATE_ROLLOUT", run.rollout.to_string()),
        ("TIDEGATE_STAGE", run.stage.clone()),
    ];
    let theirs = container.remove("env").and_then(|e| e.as_array().cloned()).unwrap_or_default();
    let theirs = theirs.into_iter().filter(|v| ours.iter().all(|(name, _)| v["name"] != *name));
    // First, so that what the template says may refer to them.
    let env: Vec<Value> =
        ours.iter().map(|(name, value)| json!({"name": name, "value": value})).chain(theirs).collect();
    container.insert("env".into(), json!(env));
}

fn replace(value: &mut Value, image: &str) {
    match value {
        Value::String(text) => *text = text.replace(&format!("$({IMAGE})"), image),
        Value::Array(all) => all.iter_mut().for_each(|v| replace(v, image)),
        Value::Object(all) => all.values_mut().for_each(|v| replace(v, image)),
        _ => {}
    }
}

/// Labels or annotations that are the template's own.
fn kept(all: &Value) -> Map<String, Value> {
    let foreign = |key: &str| {
        key.starts_with(GROUP) || FOREIGN.iter().any(|f| key == *f || (f.ends_with('/') && key.contains(f)))
    };
    all.as_object().into_iter().flatten().filter(|(k, _)| !foreign(k)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::spec::JobSource;
    use crate::api::{EffectId, HookId, NsName, RolloutId, time::Duration};

    fn run(namespace: &str) -> JobRun {
        let rollout = RolloutId { generation: 2, attempt: 1 };
        let id = HookId { stage: "staging".into(), hook: "migrate".into(), on_rollback: false };
        JobRun {
            effect: EffectId::of_hook("u-1", rollout, &id),
            release: NsName::new("shop", "checkout"),
            uid: "u-1".into(),
            job: NsName::new(namespace, "checkout-staging-migrate-1"),
            source: JobSource::Template(Value::Null),
            images: vec![Image::new("reg/app:sha-2"), Image::new("other/app:sha-2")],
            rollout,
            stage: "staging".into(),
            timeout: Duration::from_secs(90),
            keep: Keep::AtLeast(Duration::from_secs(86_400)),
        }
    }

    fn made(from: From, template: Value) -> Value {
        of(&run("shop"), &Source { template, from }).unwrap()
    }

    #[test]
    fn of_a_cronjob_only_our_images_change() {
        let pod = json!({"restartPolicy": "OnFailure", "serviceAccountName": "migrator", "containers": [
            {"name": "a", "image": "reg/app:sha-1", "args": ["$(TIDEGATE_IMAGE)"]},
            {"name": "b", "image": "other/app@sha256:00"}, {"name": "c", "image": "reg/tool:7"},
        ]});
        let metadata = json!({"labels": {
            "team": "shop", "app.kubernetes.io/instance": "argo", "kustomize.toolkit.fluxcd.io/name": "x", "job-name": "old",
        }});
        let job = made(
            From::CronJob,
            json!({"metadata": metadata, "spec": {"template": {"metadata": metadata, "spec": pod}}}),
        );
        let pod = &job["spec"]["template"]["spec"];
        let images: Vec<_> =
            pod["containers"].as_array().unwrap().iter().map(|c| c["image"].as_str().unwrap()).collect();
        assert_eq!(images, ["reg/app:sha-2", "other/app:sha-2", "reg/tool:7"]);
        assert_eq!((&pod["serviceAccountName"], &pod["restartPolicy"]), (&json!("migrator"), &json!("Never")));
        assert_eq!(
            pod["containers"][0]["args"][0], "$(TIDEGATE_IMAGE)",
            "left to Kubernetes, which knows the variable"
        );
        assert_eq!(pod["containers"][0]["env"][0], json!({"name": "TIDEGATE_IMAGE", "value": "reg/app:sha-2"}));
        assert_eq!(job["spec"]["template"]["metadata"]["labels"], json!({"team": "shop"}));
        let labels = json!({
            "team": "shop", "app.kubernetes.io/managed-by": "tidegate",
            "tidegate.dev/release": "checkout", "tidegate.dev/release-uid": "u-1",
        });
        assert_eq!(job["metadata"]["labels"], labels);
        assert_eq!(job["metadata"]["annotations"]["tidegate.dev/effect"], "u-1/2-1/staging/migrate/run");
        assert_eq!(job["metadata"]["ownerReferences"][0]["uid"], "u-1");
    }

    #[test]
    fn it_runs_once_for_no_longer_than_is_left_and_is_kept() {
        let pod = json!({"spec": {"containers": [{"name": "a", "image": "$(TIDEGATE_IMAGE)", "command": ["x", "$(TIDEGATE_IMAGE)"],
            "env": [{"name": "I", "value": "$(TIDEGATE_IMAGE)"}, {"name": "TIDEGATE_STAGE", "value": "mine"}]}]}});
        let spec = json!({
            "template": pod, "ttlSecondsAfterFinished": 10, "activeDeadlineSeconds": 600, "suspend": true, "selector": {},
        });
        let job = made(From::Inline, json!({"spec": spec}));
        let spec = &job["spec"];
        let numbers =
            ["backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"].map(|k| spec[k].as_i64().unwrap());
        assert_eq!(numbers, [0, 90, 86_400]);
        assert!(spec.get("suspend").is_none() && spec.get("selector").is_none());
        let container = &spec["template"]["spec"]["containers"][0];
        assert_eq!((&container["image"], &container["command"][1]), (&json!("reg/app:sha-2"), &json!("reg/app:sha-2")));
        let env = container["env"].as_array().unwrap();
        assert_eq!((env.len(), &env[4]["value"], &env[5]["value"]), (6, &json!("staging"), &json!("reg/app:sha-2")));
        assert_eq!(spec["template"]["spec"]["restartPolicy"], "Never");
        let job = made(From::Job, json!({"spec": {"backoffLimit": 6, "template": pod}}));
        assert_eq!(job["spec"]["backoffLimit"], 0, "the API server's own default is nobody's wish");
        let mut pod = pod;
        pod["spec"]["restartPolicy"] = json!("OnFailure");
        for (said, policy) in [(json!(2), "OnFailure"), (json!(0), "Never"), (Value::Null, "Never")] {
            let mut spec = json!({"backoffLimit": said, "template": pod});
            spec.as_object_mut().unwrap().retain(|_, v| !v.is_null());
            let job = made(From::CronJob, json!({"spec": spec}));
            assert_eq!(job["spec"]["backoffLimit"], said.as_i64().unwrap_or_default());
            assert_eq!(job["spec"]["template"]["spec"]["restartPolicy"], policy, "{said}: once is once");
        }
    }

    #[test]
    fn elsewhere_it_has_no_owner() {
        let template = json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "x"}]}}}});
        let job = of(&run("data"), &Source { template, from: From::CronJob }).unwrap();
        assert!(job["metadata"].get("ownerReferences").is_none());
        assert_eq!(job["metadata"]["labels"]["tidegate.dev/release-uid"], "u-1");
    }

    #[test]
    fn what_is_missing_is_named() {
        for (template, said) in [
            (json!({}), "has no spec"),
            (json!({"spec": {}}), "has no spec.template"),
            (json!({"spec": {"template": {}}}), "has no spec.template.spec"),
            (json!({"spec": {"template": {"spec": {}}}}), "has no container"),
        ] {
            let error = of(&run("shop"), &Source { template, from: From::Inline }).unwrap_err().to_string();
            assert!(error.ends_with(said), "{error}");
        }
    }
}
