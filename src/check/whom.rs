//! Whom a check asks: from what its spec names to the addresses that were vetted.

use super::directory::PodFacts;
use super::http::To;
use super::reach::{Guard, Unreachable, consents, no_consent};
use super::round::Rounds;
use super::url::{Host, Target};
use super::verdict::RoundError;
use crate::api::NsName;
use crate::api::ask::{Addressee, Ask};
use crate::api::spec::{PodsProbe, ServiceProbe};
use std::net::{IpAddr, SocketAddr};

/// Of many pods, the oldest and the newest of this number each.
pub(super) const EACH_END: usize = 25;

pub(super) enum Whom {
    Pods(Pods),
    /// `what`: how it is told to people.
    One {
        what: String,
        place: Place,
    },
}

pub(super) struct Pods {
    /// Those that can be asked, oldest first.
    pub ready: Vec<PodFacts>,
    /// Those that are, each with its address.
    pub chosen: Vec<(PodFacts, Result<Place, Unreachable>)>,
}

/// Vetted addresses.
pub(super) enum Place {
    Address { addr: SocketAddr, host: String },
    Url { target: Box<Target>, addrs: Vec<SocketAddr> },
}

impl Place {
    pub(super) fn to<'a>(&'a self, path: &'a str) -> To<'a> {
        match self {
            Self::Address { addr, host } => To::Address { addr: *addr, host, path },
            Self::Url { target, addrs } => To::Url { target, addrs },
        }
    }
}

impl Rounds {
    pub(super) async fn whom(&self, ask: &Ask) -> Result<Whom, RoundError> {
        match ask.query.addressee() {
            Addressee::Pods(probe) => self.pods(ask, probe).await.map(Whom::Pods),
            Addressee::Service(probe) => self.service(ask, probe).await,
            Addressee::Url(url) => self.url(url).await,
            Addressee::Aws => Err(RoundError::NoWorkload),
        }
    }

    async fn pods(&self, ask: &Ask, probe: &PodsProbe) -> Result<Pods, RoundError> {
        let ready = only_ready(self.all_pods(ask).await?);
        if ready.is_empty() {
            return Ok(Pods { ready, chosen: Vec::new() });
        }
        let forbidden = self.forbidden().await?;
        let guard = Guard { policy: &self.policy, forbidden: &forbidden };
        let place = |addr| Place::Address { addr, host: pod_host(addr) };
        let chosen = ends(&ready).into_iter();
        let chosen = chosen.map(|pod| (pod.clone(), guard.pod(pod, &ready, probe.port).map(place))).collect();
        Ok(Pods { ready, chosen })
    }

    /// The pods of the revision that the check is asked of, whatever their state.
    pub(super) async fn all_pods(&self, ask: &Ask) -> Result<Vec<PodFacts>, RoundError> {
        let of = ask.pods.as_ref().ok_or(RoundError::NoWorkload)?;
        self.lookup(self.directory.pods(of)).await
    }

    async fn service(&self, ask: &Ask, probe: &ServiceProbe) -> Result<Whom, RoundError> {
        let namespace = probe.namespace.as_deref().unwrap_or(&ask.release.namespace);
        let name = NsName::new(namespace, &probe.name);
        let found = self.lookup(self.directory.service(namespace, &probe.name)).await?;
        if namespace != ask.release.namespace {
            let here = found.as_ref().is_some_and(|s| consents(&s.allow_from, &ask.release));
            let consent = here
                || found.is_some()
                    && consents(&self.lookup(self.directory.namespace_consents(namespace)).await?, &ask.release);
            if !consent {
                return Err(RoundError::NoConsent(no_consent(namespace, &probe.name, &ask.release)));
            }
        }
        let service = found.ok_or_else(|| RoundError::NoService { service: name.clone() })?;
        let forbidden = self.forbidden().await?;
        let guard = Guard { policy: &self.policy, forbidden: &forbidden };
        let refused = |source| RoundError::Service { service: name.clone(), source };
        let addr = guard.service(&service, probe.port).map_err(refused)?;
        let backends = self.lookup(self.directory.backends(namespace, &probe.name, &service.selector)).await?;
        guard.backends(&backends).map_err(refused)?;
        let host = service_host(&name, addr.port());
        Ok(Whom::One { what: format!("Service {name}"), place: Place::Address { addr, host } })
    }

    async fn url(&self, url: &str) -> Result<Whom, RoundError> {
        let target = Target::parse(url)?;
        let origin = target.origin();
        let forbidden = self.forbidden().await?;
        let guard = Guard { policy: &self.policy, forbidden: &forbidden };
        let refused = |source| RoundError::Url { origin: origin.clone(), source };
        let addrs = guard.url(&target, &self.resolve(&target, &origin).await?).map_err(refused)?;
        Ok(Whom::One { what: origin, place: Place::Url { target: Box::new(target), addrs } })
    }

    /// The one look at the name: what is found is vetted, and what is vetted is dialled.
    async fn resolve(&self, target: &Target, origin: &str) -> Result<Vec<IpAddr>, RoundError> {
        let name = match &target.host {
            Host::Address(ip) => return Ok(vec![*ip]),
            Host::Name(name) => name,
        };
        let (origin, within) = (origin.to_owned(), self.limits.lookup);
        match tokio::time::timeout(within, self.resolver.resolve(name)).await {
            Ok(found) => found.map_err(|source| RoundError::NoName { origin, source }),
            Err(_) => Err(RoundError::ResolveDeadline { origin, within }),
        }
    }
}

/// Those that can be asked, oldest first.
pub(super) fn only_ready(mut pods: Vec<PodFacts>) -> Vec<PodFacts> {
    pods.retain(|pod| pod.ready && !pod.terminating);
    pods.sort_by(|a, b| (a.created, &a.name).cmp(&(b.created, &b.name)));
    pods
}

pub(super) fn among(pod: &PodFacts, others: &[PodFacts]) -> bool {
    others.iter().any(|other| other.uid == pod.uid && other.ip == pod.ip)
}

fn ends(pods: &[PodFacts]) -> Vec<&PodFacts> {
    let from = pods.len().saturating_sub(EACH_END).max(EACH_END);
    pods.iter().take(EACH_END).chain(pods.iter().skip(from)).collect()
}

/// `Host` as any HTTP client would send it: with the port unless it is 80.
fn pod_host(addr: SocketAddr) -> String {
    match addr {
        SocketAddr::V6(v6) if v6.port() == 80 => format!("[{}]", v6.ip()),
        addr if addr.port() == 80 => addr.ip().to_string(),
        addr => addr.to_string(),
    }
}

fn service_host(service: &NsName, port: u16) -> String {
    let name = format!("{}.{}.svc", service.name, service.namespace);
    if port == 80 { name } else { format!("{name}:{port}") }
}
