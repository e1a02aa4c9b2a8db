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
