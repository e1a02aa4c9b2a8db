//! A Release as the pure core sees it.

use crate::api::{FINALIZER, GROUP, NsName, Release};
use crate::rollout::ReleaseView;
use kube::ResourceExt;

/// Everything that a decision may look at; other people's annotations are left out.
pub fn release_view(release: &Release) -> ReleaseView {
    let ours = |key: &str| key.strip_prefix(GROUP).is_some_and(|rest| rest.starts_with('/'));
    let annotations = release.annotations().iter().filter(|(key, _)| ours(key));
    ReleaseView {
        name: NsName::new(release.namespace().unwrap_or_default(), release.name_any()),
        uid: release.uid().unwrap_or_default(),
        generation: release.metadata.generation.unwrap_or_default(),
        deleting: release.metadata.deletion_timestamp.is_some(),
        finalizer: release.finalizers().iter().any(|f| f == FINALIZER),
        annotations: annotations.map(|(key, value)| (key.clone(), value.clone())).collect(),
        spec: release.spec.clone(),
        status: release.status.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_our_annotations_and_our_finalizer_count() {
        let release: Release = serde_json::from_value(json!({
            "apiVersion": "tidegate.dev/v1alpha1", "kind": "Release",
            "metadata": {
                "name": "checkout", "namespace": "shop", "uid": "u", "generation": 3,
                "annotations": {"tidegate.dev/abort": "1-1", "tidegate.devil/x": "1", "other/tidegate.dev/x": "1"},
                "finalizers": ["other/hold"],
            },
            "spec": {"image": {"repository": "reg/app", "tag": "sha-1"}, "stages": []},
        }))
        .unwrap();
        let view = release_view(&release);
        assert_eq!(view.annotations.into_iter().collect::<Vec<_>>(), [("tidegate.dev/abort".into(), "1-1".into())]);
        assert_eq!((view.name.to_string().as_str(), view.uid.as_str(), view.generation), ("shop/checkout", "u", 3));
        assert!(!view.finalizer && !view.deleting && view.status.observed_generation == -1);
    }
}
