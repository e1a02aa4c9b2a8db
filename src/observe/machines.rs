//! Addresses of the machines of the cluster, which no check may ask.

use super::LIST;
use crate::check::Forbidden;
use k8s_openapi::api::core::v1::{Node, NodeAddress, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::core::{NotUsed, Object};
use kube::discovery::ApiResource;
use kube::{Api, Client};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Pages of nodes that are read: twice the size of the largest supported cluster.
const PAGES: usize = 20;

/// Of a node, its addresses alone: the rest of its status is large.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Addresses {
    #[serde(default)]
    addresses: Vec<NodeAddress>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Api(#[from] kube::Error),
    #[error("the name of the API server cannot be resolved")]
    Name(#[from] std::io::Error),
    #[error("there are more nodes than can be read")]
    TooMany,
}

/// All addresses, or an error: a list with holes would let a question through.
pub(super) async fn read(client: &Client, api_server: &str) -> Result<Forbidden, Error> {
    let (nodes, service, slices, own) =
        futures::try_join!(nodes(client), service(client), slices(client), resolve(api_server))?;
    let mut api_servers: Vec<IpAddr> = service.into_iter().chain(slices).chain(own).collect();
    let injected = std::env::var("KUBERNETES_SERVICE_HOST").ok();
    api_servers.extend(injected.as_deref().and_then(address));
    api_servers.sort_unstable();
    api_servers.dedup();
    Ok(Forbidden { nodes, api_servers })
}

async fn nodes(client: &Client) -> Result<Vec<IpAddr>, Error> {
    let api = Api::<Object<NotUsed, Addresses>>::all_with(client.clone(), &ApiResource::erase::<Node>(&()));
    let mut found = Vec::new();
    let mut page = ListParams::default().limit(LIST);
    for _ in 0..PAGES {
        let list = api.list(&page).await?;
        let addresses = list.items.into_iter().filter_map(|n| n.status).flat_map(|s| s.addresses);
        found.extend(addresses.filter_map(|a| address(&a.address)));
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(found),
        }
    }
    Err(Error::TooMany)
}

async fn service(client: &Client) -> Result<Vec<IpAddr>, Error> {
    let service = Api::<Service>::namespaced(client.clone(), "default").get_opt("kubernetes").await?;
    let spec = service.and_then(|s| s.spec).unwrap_or_default();
    Ok(spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip).filter_map(|a| address(a)).collect())
}

async fn slices(client: &Client) -> Result<Vec<IpAddr>, Error> {
    let of = ListParams::default().limit(LIST).labels("kubernetes.io/service-name=kubernetes");
    let slices = Api::<EndpointSlice>::namespaced(client.clone(), "default").list(&of).await?;
    let endpoints = slices.items.into_iter().flat_map(|s| s.endpoints.unwrap_or_default());
    Ok(endpoints.flat_map(|e| e.addresses).filter_map(|a| address(&a)).collect())
}

async fn resolve(host: &str) -> Result<Vec<IpAddr>, Error> {
    if let Some(literal) = address(host) {
        return Ok(vec![literal]);
    }
    Ok(tokio::net::lookup_host((host, 443)).await?.map(|a| a.ip()).collect())
}

fn address(text: &str) -> Option<IpAddr> {
    text.trim_start_matches('[').trim_end_matches(']').parse().ok()
}
