//! What stands behind a Service. A cluster IP says nothing of where its packets end.
//!
//! EndpointSlices are what nodes really send to, whoever wrote them; pods tell whether one shares its node's network,
//! also while its slice is not there yet.

use super::error::{Error, within};
use super::{LIST, pods};
use crate::check::Backend;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use kube::api::ListParams;
use kube::core::Selector;
use kube::{Api, Client, ResourceExt};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// Each list on the deadline `call`, and bounded.
pub(super) async fn read(
    client: &Client,
    call: Duration,
    namespace: &str,
    service: &str,
    selector: &BTreeMap<String, String>,
) -> Result<Vec<Backend>, Error> {
    let of_service = ListParams::default().limit(LIST).labels(&format!("kubernetes.io/service-name={service}"));
    let selected = ListParams::default().limit(LIST).labels_from(&selector.clone().into_iter().collect::<Selector>());
    let slices = Api::<EndpointSlice>::namespaced(client.clone(), namespace);
    let all_pods = Api::<Pod>::namespaced(client.clone(), namespace);
    let (slices, pods) =
        futures::try_join!(within(call, slices.list(&of_service)), within(call, all_pods.list(&selected)))?;
    let endpoints = slices.items.into_iter().flat_map(|slice| slice.endpoints.unwrap_or_default());
    let pods = pods.items.iter().filter(|pod| pods::ready(pod)).filter_map(of_pod);
    Ok(endpoints.filter(gets_traffic).flat_map(of_endpoint).chain(pods).collect())
}

/// Those that are ready, and those that end but still serve: nodes send to them when nobody else is left.
fn gets_traffic(endpoint: &Endpoint) -> bool {
    let conditions = endpoint.conditions.as_ref();
    conditions.is_none_or(|c| c.ready != Some(false) || c.serving == Some(true))
}

/// Names, in slices of names, are followed by no node.
fn of_endpoint(endpoint: Endpoint) -> impl Iterator<Item = Backend> {
    let pod = endpoint.target_ref.filter(|of| of.kind.as_deref() == Some("Pod")).and_then(|of| of.name);
    let addresses = endpoint.addresses.into_iter().filter_map(|a| a.parse().ok());
    addresses.map(move |ip| Backend { ip, pod: pod.clone(), host_network: false })
}

fn of_pod(pod: &Pod) -> Option<Backend> {
    let status = pod.status.as_ref()?;
    let address = |text: Option<&String>| text.and_then(|a| a.parse::<IpAddr>().ok());
    let ip = address(status.pod_ip.as_ref())?;
    let on_host = pod.spec.as_ref().and_then(|s| s.host_network).unwrap_or(false);
    let host_network =
        on_host || address(status.host_ip.as_ref()).is_some_and(|h| h.to_canonical() == ip.to_canonical());
    Some(Backend { ip, pod: Some(pod.name_any()), host_network })
}
