//! A Release as the pure core sees it.

use crate::api::text::short_hash;
use crate::api::{FINALIZER, GROUP, NsName, Release, ReleaseSpec, ReleaseStatus, annotation};
use crate::rollout::ReleaseView;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Longest value of an order that is kept whole, in characters. No token is as long.
const ORDER: usize = 300;
/// So much of a longer one is kept.
const HEAD: usize = 100;

/// Everything that a decision may look at; other people's annotations are left out.
pub fn release_view(release: &Release) -> ReleaseView {
    view(&release.metadata, release.spec.clone(), release.status.clone())
}

/// The same of a Release that nobody else needs, without copying it.
pub(crate) fn into_view(release: Release) -> ReleaseView {
    view(&release.metadata, release.spec, release.status)
}

fn view(meta: &ObjectMeta, spec: ReleaseSpec, status: Option<ReleaseStatus>) -> ReleaseView {
    let ours = |key: &str| key.strip_prefix(GROUP).is_some_and(|rest| rest.starts_with('/'));
    let annotations = meta.annotations.iter().flatten().filter(|(key, _)| ours(key));
    ReleaseView {
        name: NsName::new(meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default()),
        uid: meta.uid.clone().unwrap_or_default(),
        generation: meta.generation.unwrap_or_default(),
        deleting: meta.deletion_timestamp.is_some(),
        finalizer: meta.finalizers.iter().flatten().any(|f| f == FINALIZER),
        annotations: annotations.map(|(key, value)| (key.clone(), bounded(key, value))).collect(),
        spec,
        status: status.unwrap_or_default(),
    }
}

/// Orders are remembered in status, several times over, which must not grow with them. One that is too long keeps its
/// beginning, and a hash: it still differs from every other.
fn bounded(key: &str, value: &str) -> String {
    if key == annotation::EVIDENCE || value.chars().count() <= ORDER {
        return value.to_owned();
    }
    let head: String = value.chars().take(HEAD).collect();
    format!("{head} ... ({})", short_hash(value))
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

    #[test]
    fn a_value_that_is_too_long_is_cut_and_stays_different_from_others() {
        let (one, other) = ("x".repeat(60_000), "x".repeat(60_001));
        let cut = [&one, &other].map(|v| bounded(annotation::PROMOTE, v));
        assert!(cut.iter().all(|c| c.len() < ORDER && c.starts_with("xxx")), "{cut:?}");
        assert_ne!(cut[0], cut[1]);
        assert_eq!(cut[0], bounded(annotation::PROMOTE, &one));
        assert_eq!(bounded(annotation::EVIDENCE, &one), one);
        assert_eq!(bounded(annotation::ABORT, "3-1"), "3-1");
        let token = format!("accept/{}:{}#9223372036854775807-2147483647", "s".repeat(30), "t".repeat(128));
        assert_eq!(bounded(annotation::PROMOTE, &token), token);
    }
}
