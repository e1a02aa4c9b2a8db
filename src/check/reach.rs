//! From what the API server knows of a pod or Service to the one address that may be dialled for it. Pure.

use super::directory::{Backend, Forbidden, PodFacts, ServiceFacts};
use super::guard::{self, Blocked, Form, Policy};
use super::url::{Host, Target};
use crate::api::NsName;
use crate::api::annotation::ALLOW_FROM;
use std::net::{IpAddr, SocketAddr};

/// Why nobody can be asked. The texts are for people, and hold names and addresses only.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreachable {
    #[error("{0}")]
    Blocked(#[from] Blocked),
    #[error("port {0} is not between 1 and 65535")]
    Port(i32),
    #[error("it runs in its node's network (hostNetwork), where the node itself would be asked")]
    HostNetwork,
    #[error("it has no address")]
    NoAddress,
    #[error("it is on no node, so that its address cannot be true")]
    NoNode,
    #[error("pod {0} claims the same address")]
    SharedAddress(String),
    #[error("it is of type ExternalName, which leads out of the cluster")]
    ExternalName,
    #[error("it has no selector, so that anybody's addresses may stand behind it")]
    NoSelector,
    #[error("it is headless and has no address of its own; use `pods`, or a Service with a cluster IP")]
    Headless,
    #[error("it has no TCP port {0}")]
    NoSuchPort(i32),
    #[error(
        "it sends to pod {0}, which runs in its node's network (hostNetwork), where the node itself would be asked"
    )]
    BackendOnHost(String),
    #[error("it sends to {backend}, and {source}")]
    Backend { backend: String, source: Blocked },
}

/// Everything that an address is held against.
#[derive(Clone, Copy)]
pub(super) struct Guard<'a> {
    pub policy: &'a Policy,
    pub forbidden: &'a Forbidden,
}

impl Guard<'_> {
    /// The address of `pod`. `others`: every pod of the round; a pod's status can be forged, and a shared address is
    /// a sign of it.
    pub(super) fn pod(&self, pod: &PodFacts, others: &[PodFacts], port: i32) -> Result<SocketAddr, Unreachable> {
        let port = port_of(port)?;
        if pod.host_network {
            return Err(Unreachable::HostNetwork);
        }
        let ip = pod.ip.ok_or(Unreachable::NoAddress)?;
        if pod.host_ip.is_some_and(|host| host.to_canonical() == ip.to_canonical()) {
            return Err(Unreachable::HostNetwork);
        }
        if pod.node.is_none() {
            return Err(Unreachable::NoNode);
        }
        let twin =
            |other: &&PodFacts| other.uid != pod.uid && other.ip.map(|a| a.to_canonical()) == Some(ip.to_canonical());
        if let Some(other) = others.iter().find(twin) {
            return Err(Unreachable::SharedAddress(other.name.clone()));
        }
        guard::vet(ip, port, Form::Pod, self.policy, self.forbidden)?;
        Ok(SocketAddr::new(ip, port))
    }

    /// The cluster IP of `service`.
    pub(super) fn service(&self, service: &ServiceFacts, port: i32) -> Result<SocketAddr, Unreachable> {
        let number = port_of(port)?;
        if service.external_name {
            return Err(Unreachable::ExternalName);
        }
        if service.selector.is_empty() {
            return Err(Unreachable::NoSelector);
        }
        let ip = service.cluster_ip.ok_or(Unreachable::Headless)?;
        if !service.ports.contains(&port) {
            return Err(Unreachable::NoSuchPort(port));
        }
        guard::vet(ip, number, Form::Service, self.policy, self.forbidden)?;
        Ok(SocketAddr::new(ip, number))
    }

    /// All of `found`, which stand behind the host of the url. One bad address among them shuts out the others: whoever
    /// answers for the name may answer otherwise next time.
    pub(super) fn url(&self, target: &Target, found: &[IpAddr]) -> Result<Vec<SocketAddr>, Unreachable> {
        let named = match &target.host {
            Host::Name(name) => self.policy.allow_hosts.iter().any(|pattern| pattern.matches(name)),
            Host::Address(_) => false,
        };
        for ip in found {
            guard::vet(*ip, target.port, Form::Url { named }, self.policy, self.forbidden)?;
        }
        let addrs: Vec<_> = found.iter().map(|ip| SocketAddr::new(*ip, target.port)).collect();
        if addrs.is_empty() { Err(Unreachable::NoAddress) } else { Ok(addrs) }
    }

    /// Behind a cluster IP that may be asked, nobody may stand who may not.
    pub(super) fn backends(&self, backends: &[Backend]) -> Result<(), Unreachable> {
        for backend in backends {
            if backend.host_network {
                let name = backend.pod.clone().unwrap_or_else(|| backend.ip.to_string());
                return Err(Unreachable::BackendOnHost(name));
            }
            // Whatever its port is, it is not 0.
            guard::vet(backend.ip, 1, Form::Pod, self.policy, self.forbidden).map_err(|source| {
                let backend = backend.pod.as_ref().map_or_else(|| "an endpoint".to_owned(), |pod| format!("pod {pod}"));
                Unreachable::Backend { backend, source }
            })?;
        }
        Ok(())
    }
}

/// Whether the entries let `release` ask something of another namespace: `<namespace>/<release>` or `<namespace>/*`.
pub(super) fn consents(entries: &[String], release: &NsName) -> bool {
    entries.iter().any(|entry| {
        let parts = entry.trim().split_once('/');
        parts.is_some_and(|(ns, name)| ns == release.namespace && (name == "*" || name == release.name))
    })
}

/// The one sentence for a Service of another namespace that is not there or does not consent: which of the two is
/// nobody's business there.
pub(super) fn no_consent(namespace: &str, name: &str, release: &NsName) -> String {
    format!("Service {namespace}/{name} does not exist, or neither it nor its Namespace bears {ALLOW_FROM}: {release}")
}

fn port_of(port: i32) -> Result<u16, Unreachable> {
    u16::try_from(port).ok().filter(|p| *p > 0).ok_or(Unreachable::Port(port))
}

#[cfg(test)]
#[path = "reach_tests.rs"]
mod tests;
