//! One round of one check: whom to ask, asking them, and what it says in the end.
//!
//! A round is never repeated here; who asked counts attempts.

use super::directory::{Directory, Forbidden, LookupError, PodFacts};
use super::guard::Policy;
use super::headers;
use super::http::{Http, Request, To};
use super::pool::Limits;
use super::reach::{Guard, Unreachable, consents, no_consent};
use super::resolve::Resolver;
use super::url::{Host, Target};
use super::verdict::{PodAnswer, RoundError, Verdict, sum_up};
use super::wrong::Wrong;
use crate::api::NsName;
use crate::api::ask::{Ask, Outcome};
use crate::api::spec::{PodsProbe, Probe, ServiceProbe};
use futures::StreamExt;
use futures::future::join_all;
use futures::stream;
use reqwest::header::HeaderMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Of many pods, the oldest and the newest of this number each.
const EACH_END: usize = 25;

/// Everything that a round needs beside its question.
#[derive(Clone)]
pub(super) struct Rounds {
    pub directory: Arc<dyn Directory>,
    pub resolver: Arc<dyn Resolver>,
    pub http: Http,
    pub policy: Arc<Policy>,
    pub limits: Limits,
}

impl Rounds {
    /// Asks, within a deadline of its own. Never an error: what went wrong is the outcome.
    pub(super) async fn run(&self, ask: &Ask) -> Verdict {
        let deadline = self.deadline(ask);
        match tokio::time::timeout(deadline, self.ask(ask)).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(error)) => Verdict::new(Outcome::Error, &error.to_string()),
            Err(_) => Verdict::new(Outcome::Error, &RoundError::Deadline(deadline).to_string()),
        }
    }

    /// Longer than all lookups and requests that keep their own deadlines can take.
    fn deadline(&self, ask: &Ask) -> Duration {
        let most = if matches!(ask.http.probe, Probe::Pods(_)) { 2 * EACH_END } else { 1 };
        let waves = u32::try_from(most.div_ceil(self.limits.requests_per_round.max(1))).unwrap_or(u32::MAX);
        let request = ask.http.timeout().std().min(Duration::from_secs(60)) + Duration::from_millis(500);
        (self.limits.lookup * 5).saturating_add(request.saturating_mul(waves))
    }

    async fn ask(&self, ask: &Ask) -> Result<Verdict, RoundError> {
        match &ask.http.probe {
            Probe::Pods(probe) => self.pods(ask, probe).await,
            Probe::Service(probe) => self.service(ask, probe).await,
            Probe::Url(url) => self.url(ask, url).await,
        }
    }

    async fn pods(&self, ask: &Ask, probe: &PodsProbe) -> Result<Verdict, RoundError> {
        let of = ask.pods.as_ref().ok_or(RoundError::NoWorkload)?;
        let ready = only_ready(self.lookup(self.directory.pods(of)).await?);
        if ready.is_empty() {
            return Ok(Verdict::new(Outcome::NoData, "no pod of the revision is ready"));
        }
        let forbidden = self.forbidden().await?;
        let guard = Guard { policy: &self.policy, forbidden: &forbidden };
        let headers = self.headers(ask).await?;
        let chosen = ends(&ready);
        let headers = &headers;
        let questions = chosen.iter().enumerate().map(|(at, pod)| {
            let addr = guard.pod(pod, &ready, probe.port);
            async move { (at, self.pod(ask, addr, headers).await) }
        });
        let questions: Vec<_> = questions.collect();
        let mut answers: Vec<(usize, Result<u16, Wrong>)> =
            stream::iter(questions).buffer_unordered(self.limits.requests_per_round.max(1)).collect().await;
        answers.sort_by_key(|(at, _)| *at);
        let mut answers: Vec<PodAnswer<'_>> =
            answers.into_iter().filter_map(|(at, answer)| Some((*chosen.get(at)?, answer))).collect();
        if answers.iter().any(|(_, answer)| answer.is_err()) {
            let now = only_ready(self.lookup(self.directory.pods(of)).await?);
            answers.retain(|(pod, answer)| answer.is_ok() || still_there(pod, &now));
        }
        Ok(sum_up(&answers, ready.len()))
    }

    async fn service(&self, ask: &Ask, probe: &ServiceProbe) -> Result<Verdict, RoundError> {
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
        let addr = guard.service(&service, probe.port);
        let refused = |source| RoundError::Service { service: name.clone(), source };
        let addr = addr.map_err(refused)?;
        let backends = self.lookup(self.directory.backends(namespace, &probe.name, &service.selector)).await?;
        guard.backends(&backends).map_err(refused)?;
        let headers = self.headers(ask).await?;
        let host = service_host(&name, addr.port());
        let to = To::Address { addr, host, path: ask.http.path() };
        Ok(match self.request(ask, to, &headers).await {
            Ok(status) => Verdict::new(Outcome::Pass, &format!("Service {name} answered {status}")),
            Err(wrong) => Verdict::new(wrong.outcome(), &format!("Service {name}: {wrong}")),
        })
    }

    async fn url(&self, ask: &Ask, url: &str) -> Result<Verdict, RoundError> {
        let target = Target::parse(url)?;
        let origin = target.origin();
        let forbidden = self.forbidden().await?;
        let headers = self.headers(ask).await?;
        let guard = Guard { policy: &self.policy, forbidden: &forbidden };
        let refused = |source| RoundError::Url { origin: origin.clone(), source };
        let addrs = guard.url(&target, &self.resolve(&target, &origin).await?).map_err(refused)?;
        Ok(match self.request(ask, To::Url { target: &target, addrs: &addrs }, &headers).await {
            Ok(status) => Verdict::new(Outcome::Pass, &format!("{origin} answered {status}")),
            Err(wrong) => Verdict::new(wrong.outcome(), &format!("{origin}: {wrong}")),
        })
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

    async fn pod(&self, ask: &Ask, addr: Result<SocketAddr, Unreachable>, headers: &HeaderMap) -> Result<u16, Wrong> {
        let addr = addr.map_err(|why| Wrong::NotAsked(why.to_string()))?;
        let to = To::Address { addr, host: pod_host(addr), path: ask.http.path() };
        self.request(ask, to, headers).await
    }

    async fn request(&self, ask: &Ask, to: To<'_>, headers: &HeaderMap) -> Result<u16, Wrong> {
        self.http.ask(&Request { to, headers, timeout: ask.http.timeout().std(), expect: &ask.http.expect }).await
    }

    async fn headers(&self, ask: &Ask) -> Result<HeaderMap, RoundError> {
        let names = headers::secrets(&ask.http.headers);
        let namespace = &ask.release.namespace;
        let found = join_all(names.iter().map(|name| self.lookup(self.directory.secret(namespace, name)))).await;
        let found = names.into_iter().zip(found).map(|(name, secret)| Ok((name, secret?)));
        Ok(headers::build(&ask.http.headers, &found.collect::<Result<_, RoundError>>()?)?)
    }

    async fn forbidden(&self) -> Result<Forbidden, RoundError> {
        let forbidden = self.lookup(self.directory.forbidden()).await?;
        if forbidden.api_servers.is_empty() { Err(RoundError::Unguarded) } else { Ok(forbidden) }
    }

    async fn lookup<T>(&self, lookup: impl Future<Output = Result<T, LookupError>>) -> Result<T, RoundError> {
        let limit = self.limits.lookup;
        let answer = tokio::time::timeout(limit, lookup).await;
        Ok(answer.map_err(|_| RoundError::LookupDeadline(limit))??)
    }
}

/// Those that can be asked, oldest first.
fn only_ready(mut pods: Vec<PodFacts>) -> Vec<PodFacts> {
    pods.retain(|pod| pod.ready && !pod.terminating);
    pods.sort_by(|a, b| (a.created, &a.name).cmp(&(b.created, &b.name)));
    pods
}

fn ends(pods: &[PodFacts]) -> Vec<&PodFacts> {
    let from = pods.len().saturating_sub(EACH_END).max(EACH_END);
    pods.iter().take(EACH_END).chain(pods.iter().skip(from)).collect()
}

fn still_there(pod: &PodFacts, now: &[PodFacts]) -> bool {
    now.iter().any(|other| other.uid == pod.uid && other.ip == pod.ip)
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
