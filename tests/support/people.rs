//! What people do to a Release.

use super::manifests::REPOSITORY;
use super::scene::Scene;
use super::wait::{is, until};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tidegate::api::{Release, RolloutId, annotation};

/// The name that every scene's Release has.
pub const RELEASE: &str = "checkout";

impl Scene {
    /// Applies the Release `checkout`, as a GitOps tool does it.
    pub async fn apply(&self, spec: &Value) {
        self.apply_as(RELEASE, spec).await;
    }

    pub async fn apply_as(&self, name: &str, spec: &Value) {
        self.apply_object(name, &json!({}), spec).await;
    }

    /// Applies a Release that has annotations in its manifest.
    pub async fn apply_object(&self, name: &str, annotations: &Value, spec: &Value) -> Release {
        let object = json!({
            "apiVersion": "tidegate.dev/v1alpha1", "kind": "Release",
            "metadata": {"name": name, "annotations": annotations}, "spec": spec,
        });
        let api: Api<Release> = self.api();
        api.patch(name, &PatchParams::apply("gitops").force(), &Patch::Apply(object)).await.unwrap()
    }

    /// The edit that brings a new version.
    pub async fn set_tag(&self, tag: &str) {
        self.set_tag_of(REPOSITORY, tag).await;
    }

    /// The same in another repository.
    pub async fn set_tag_of(&self, repository: &str, tag: &str) {
        let api: Api<Release> = self.api();
        let patch = json!({"spec": {"image": {"repository": repository, "tag": tag}}});
        api.patch(RELEASE, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    pub async fn suspend(&self, suspend: bool) {
        let api: Api<Release> = self.api();
        let patch = json!({"spec": {"suspend": suspend}});
        api.patch(RELEASE, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    /// `kubectl annotate --overwrite --field-manager=tidegate-approver`, with the name that the policy asks for.
    pub async fn promote(&self, token: &str) {
        self.annotate(json!({annotation::PROMOTE: token, annotation::PROMOTED_BY: "admin"})).await;
    }

    pub async fn abort(&self, id: RolloutId) {
        self.annotate(json!({annotation::ABORT: id.to_string()})).await;
    }

    pub async fn retry(&self, value: &str) {
        self.annotate(json!({annotation::RETRY: value, annotation::PROMOTED_BY: "admin"})).await;
    }

    pub async fn annotate(&self, annotations: Value) {
        let api: Api<Release> = self.api();
        let by = PatchParams { field_manager: Some("tidegate-approver".to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
        api.patch(RELEASE, &by, &patch).await.unwrap();
    }

    /// Deletes the Release; a finalizer may keep it for a while.
    pub async fn delete(&self) {
        let api: Api<Release> = self.api();
        api.delete(RELEASE, &DeleteParams::default()).await.unwrap();
    }

    /// Waits until the API server knows no such Release any more.
    pub async fn gone(&self) {
        let api: Api<Release> = self.api();
        until("the Release is gone", async || is(api.get_opt(RELEASE).await.unwrap().is_none(), (), "it is there"))
            .await;
    }

    /// Empties the status, as a restore from a backup does.
    pub async fn lose_status(&self) {
        let api: Api<Release> = self.api();
        for _ in 0..50 {
            let mut release = self.release().await;
            release.status = Some(tidegate::api::ReleaseStatus::default());
            match api.replace_status(RELEASE, &PostParams::default(), &release).await {
                Ok(_) => return,
                Err(kube::Error::Api(s)) if s.is_conflict() => {}
                Err(e) => panic!("{e}"),
            }
        }
        panic!("the status could not be emptied: somebody writes it all the time");
    }
}
