//! The status: what the controller writes is what it reads again, whatever the version of the CRD.

use crate::manifest::edited;
use crate::plane::releases;
use crate::support::Cluster;
use crate::support::wait::until;
use kube::CustomResourceExt as _;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Map, Value, json};
use tidegate::api::{Release, ReleaseStatus};

#[tokio::test]
async fn a_full_status_comes_back_as_it_was_written() {
    let api = releases("status-full").await;
    let full: ReleaseStatus = serde_json::from_value(full_status()).unwrap();
    let mut release = created(&api).await;
    release.status = Some(full.clone());
    let written = serde_json::to_value(&full).unwrap();
    assert_eq!(written, full_status(), "every field of the schema is a field of the type");

    api.replace_status("checkout", &PostParams::default(), &release).await.unwrap();
    assert_eq!(raw(&api).await["status"], written);
    assert_eq!(api.get_status("checkout").await.unwrap().metadata.generation, Some(1));
}

#[tokio::test]
async fn a_status_of_a_newer_controller_is_kept() {
    let api = releases("status-newer").await;
    created(&api).await;
    let newer = json!({"status": {
        "phase": "Levitating",
        "rollout": {"step": "Hovering", "id": "7", "heightInMetres": 3, "stages": [{"name": "staging", "wings": ["left", "right"]}]},
        "quarantine": [{"reason": "Gravity"}],
        "memory": {"of": {"things": ["to", "come"]}},
    }});
    api.patch_status("checkout", &PatchParams::default(), &Patch::Merge(&newer)).await.map(drop).unwrap_or_else(|e| {
        // The answer cannot be decoded by this version; a refusal can.
        assert!(!matches!(e, kube::Error::Api(_)), "{e}");
    });
    let mut wanted = newer["status"].clone();
    wanted["observedGeneration"] = json!(-1);
    assert_eq!(raw(&api).await["status"], wanted);
}

#[tokio::test]
async fn kubectl_shows_what_it_waits_for() {
    let api = releases("status-columns").await;
    created(&api).await;
    let status = json!({"status": {
        "phase": "AwaitingPromotion", "tag": "sha-4f2c1d9", "previousTag": "sha-0a1b2c3", "message": "waits for approval",
        "rollout": {"stage": "production"},
    }});
    let _ = api.patch_status("checkout", &PatchParams::default(), &Patch::Merge(&status)).await;
    // Categories are discovered a moment after the resource is served, and kubectl keeps what it has discovered.
    let table = until("kubectl knows the category", async || {
        Cluster::get().kubectl_anew(&["get", "tidegate", "-n", "status-columns"])
    })
    .await;
    let cells: Vec<Vec<_>> =
        table.lines().map(|line| line.split("  ").map(str::trim).filter(|c| !c.is_empty()).collect()).collect();
    assert_eq!(cells[0], ["NAME", "PHASE", "STAGE", "TAG", "PREVIOUS", "AGE", "MESSAGE"]);
    assert_eq!(cells[1][..5], ["checkout", "AwaitingPromotion", "production", "sha-4f2c1d9", "sha-0a1b2c3"]);
    assert_eq!(cells[1][6], "waits for approval");
}

async fn created(api: &Api<Release>) -> Release {
    api.patch("checkout", &PatchParams::apply("kubectl"), &Patch::Apply(edited(&[]))).await.unwrap()
}

/// The Release as it is stored, read without this version's types.
async fn raw(api: &Api<Release>) -> Value {
    let request =
        kube::core::Request::new(api.resource_url()).get("checkout", &kube::api::GetParams::default()).unwrap();
    api.clone().into_client().request(request).await.unwrap()
}

/// A status in which every field that the types know is set, and every list has an entry.
fn full_status() -> Value {
    let crd = serde_json::to_value(Release::crd()).unwrap();
    let schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/status").unwrap();
    sample("status", schema)
}

fn sample(name: &str, schema: &Value) -> Value {
    if let Some(value) = schema["enum"].as_array().and_then(|values| values.first()) {
        return value.clone();
    }
    match schema["type"].as_str() {
        // Of a workload's fields only those of one kind can be there.
        Some("object") if name == "workload" => json!({
            "region": "3-1", "cluster": "3-1", "service": "3-1", "roleArn": "3-1", "externalId": "3-1",
        }),
        Some("object") if schema["properties"].is_null() => json!({"kept": [1, null, {"as": "it is"}]}),
        Some("object") => {
            let fields = schema["properties"].as_object().unwrap().iter();
            Value::Object(fields.map(|(name, field)| (name.clone(), sample(name, field))).collect::<Map<_, _>>())
        }
        Some("array") => json!([sample(name, &schema["items"])]),
        Some("integer") => json!(7),
        Some("boolean") => json!(true),
        // A condition's time has no fraction of a second.
        Some("string") if name == "lastTransitionTime" => json!("2026-11-21T12:00:00Z"),
        Some("string") if schema["format"] == "date-time" => json!("2026-11-21T12:00:00.123Z"),
        // Any string will do but a rollout's id.
        Some("string") => json!("3-1"),
        other => panic!("{name} is of type {other:?}"),
    }
}
