//! What CI published about images, in ConfigMaps of the Release's namespace. Read by name, never listed or watched.

use super::Observer;
use super::error::{Error, within};
use crate::api::view::EvidenceView;
use futures::stream::{self, StreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use std::collections::BTreeMap;

impl Observer {
    /// Each of `names` as it is now. One that cannot be read says so.
    pub async fn evidence(&self, namespace: &str, names: &[String]) -> BTreeMap<String, EvidenceView> {
        let views = names.iter().cloned().map(|name| async move {
            let api = Api::<ConfigMap>::namespaced(self.client.clone(), namespace);
            let view = match within(self.limits.call, api.get_opt(&name)).await {
                Ok(Some(map)) => EvidenceView::Found(map.data.unwrap_or_default()),
                Ok(None) => EvidenceView::Absent,
                Err(Error::Denied { message, .. }) => EvidenceView::Denied(message),
                Err(other) => EvidenceView::Unreachable(other.to_string()),
            };
            (name, view)
        });
        stream::iter(views).buffer_unordered(self.limits.at_once.max(1)).collect().await
    }
}
