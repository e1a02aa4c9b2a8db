//! Releases in fresh namespaces of this test binary's control plane, as the administrator.

use crate::support::Cluster;
use kube::api::{Api, ApiResource, DynamicObject};
use tidegate::api::Release;

pub(crate) async fn releases(namespace: &str) -> Api<Release> {
    Api::namespaced(client_for(namespace).await, namespace)
}

/// As plain JSON, so that nothing but the API server judges it.
pub(crate) async fn raw_releases(namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client_for(namespace).await, namespace, &ApiResource::erase::<Release>(&()))
}

async fn client_for(namespace: &str) -> kube::Client {
    let cluster = Cluster::get();
    cluster.kubectl(&["create", "namespace", namespace], None);
    cluster.client("admin").await
}
