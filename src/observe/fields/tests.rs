use super::*;
use serde_json::json;

/// Fields of one manager: of each named container the given fields.
fn entry(manager: &str, list: &str, containers: &[(&str, &[&str])]) -> Value {
    let fields = |names: &[&str]| names.iter().map(|n| ((*n).to_owned(), json!({}))).collect::<serde_json::Map<_, _>>();
    let keyed = containers.iter().map(|(name, f)| (format!("k:{{\"name\":\"{name}\"}}"), Value::Object(fields(f))));
    let keyed: serde_json::Map<_, _> = keyed.collect();
    json!({
        "manager": manager, "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:template": {"f:spec": {list: keyed}}}},
    })
}

fn meta(entries: &[Value], annotations: Value) -> ObjectMeta {
    serde_json::from_value(json!({"managedFields": entries, "annotations": annotations})).unwrap()
}

const MAIN: &str = "f:containers";
const OURS: &[&str] = &["f:image", "f:name"];
const THEIRS: &[&str] = &[".", "f:name", "f:env"];
const WHOLE: &[&str] = &[".", "f:name", "f:env", "f:image"];

#[test]
fn owners_are_read_per_container() {
    let of = |entries: &[Value], name: &str, init: bool| of_container(&meta(entries, json!({})), name, init);
    let owners =
        |names: &[&str], orphaned| Ownership { image: names.iter().map(|n| (*n).to_owned()).collect(), orphaned };
    let status = json!({
        "manager": "status-writer", "operation": "Update", "subresource": "status", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:template": {"f:spec": {MAIN: {"k:{\"name\":\"app\"}": {"f:image": {}}}}}}},
    });
    let ours = || entry("tidegate", MAIN, &[("app", OURS)]);
    for (what, entries, wanted) in [
        ("nobody", vec![], owners(&[], false)),
        ("its owner's", vec![entry("flux", MAIN, &[("app", WHOLE)])], owners(&["flux"], false)),
        ("ours within another's", vec![entry("flux", MAIN, &[("app", THEIRS)]), ours()], owners(&["tidegate"], false)),
        ("shared", vec![entry("flux", MAIN, &[("app", WHOLE)]), ours()], owners(&["flux", "tidegate"], false)),
        ("left behind", vec![entry("flux", MAIN, &[("web", WHOLE)]), ours()], owners(&["tidegate"], true)),
        ("a status is no owner", vec![status, ours()], owners(&["tidegate"], true)),
        ("of an init container", vec![entry("flux", "f:initContainers", &[("app", WHOLE)])], owners(&[], false)),
    ] {
        assert_eq!(of(&entries, "app", false), wanted, "{what}");
    }
    let init = [entry("flux", "f:initContainers", &[("app", WHOLE)])];
    assert_eq!(of(&init, "app", true), owners(&["flux"], false));
    let spaced = json!([{"manager": "m", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:template": {"f:spec": {
        MAIN: {"k:{ \"name\" : \"app\" }": {"f:image": {}}}}}}}}]);
    assert_eq!(of(spaced.as_array().unwrap(), "app", false), owners(&["m"], false));
    let broken = json!([{"manager": "m", "fieldsType": "FieldsV1", "fieldsV1": "?"}, {"manager": "n"}]);
    assert_eq!(of(broken.as_array().unwrap(), "app", false), owners(&[], false));
}

#[test]
fn gitops_tools_are_known_by_fields_and_by_marks() {
    let flux = || entry("kustomize-controller", MAIN, &[("app", THEIRS)]);
    let helm = || entry("helm", MAIN, &[("app", WHOLE)]);
    let person = || entry("kubectl-client-side-apply", MAIN, &[("app", WHOLE)]);
    let none = json!({});
    for (entries, annotations, wanted) in [
        (vec![person()], &none, None),
        (vec![person(), flux()], &none, Some("kustomize-controller")),
        (vec![flux(), helm()], &none, Some("helm")),
        (vec![person()], &json!({"argocd.argoproj.io/tracking-id": "x"}), Some("argocd-controller")),
        (vec![], &json!({"meta.helm.sh/release-name": "x"}), Some("helm")),
        (vec![flux()], &json!({"meta.helm.sh/release-name": "x"}), Some("kustomize-controller")),
    ] {
        assert_eq!(gitops(&meta(&entries, annotations.clone())).as_deref(), wanted, "{annotations}");
    }
}
