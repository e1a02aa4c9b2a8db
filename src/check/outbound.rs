//! A vetted way out of the cluster, for whoever else asks a host that tenants name: image registries.
//!
//! The same guard, names and trust as those of `url` checks; it only makes the client, and never asks anything itself.

use super::directory::{Directory, SecretFacts};
use super::guard::Policy;
use super::http::{CONNECT, Http};
use super::pool::{Limits, Outside};
use super::round::Rounds;
use super::verdict::RoundError;
use super::whom::{Place, Whom};
use super::wrong;
use reqwest::{Client, Url};
use std::net::IpAddr;
use std::sync::Arc;

/// Why a host is not asked. The text is for people, and holds no path or query.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotReached(String);

/// Ways out, each vetted anew.
pub struct Outbound(Rounds);

impl Outbound {
    pub fn new(directory: Arc<dyn Directory>, outside: Outside, policy: Policy) -> Result<Self, reqwest::Error> {
        let (http, resolver) = (Http::new(outside.roots)?, outside.resolver);
        Ok(Self(Rounds { directory, resolver, http, policy: Arc::new(policy), limits: Limits::default() }))
    }

    /// A client for one request to the host of `url`: it knows that host by vetted addresses only, follows no redirect
    /// and uses no proxy. Plain http is for this machine alone.
    pub async fn client(&self, url: &str) -> Result<(Client, Url), NotReached> {
        let not = |error: RoundError| NotReached(error.to_string());
        let Whom::One { place: Place::Url { target, addrs }, what } = self.0.url(url).await.map_err(not)? else {
            return Err(NotReached("it is no url".to_owned()));
        };
        if target.url.scheme() != "https" && !addrs.iter().all(|a| a.ip().is_loopback()) {
            return Err(NotReached(format!("{what} is not asked: only https is")));
        }
        let made = self.0.http.pinned(&target, &addrs, |client| client).await;
        let client = made.map_err(|wrong| NotReached(format!("{what}: {wrong}")))?;
        Ok((client, target.url))
    }

    /// Whether this host is asked without TLS: only where loopback addresses may be asked at all.
    pub fn plain(&self, host: &str) -> bool {
        let loopback = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        self.0.policy.allow_loopback && (loopback || host == "localhost")
    }

    /// Why a request of such a client was not answered, for people.
    pub fn explain(error: &reqwest::Error) -> String {
        wrong::explain(error, CONNECT, CONNECT).to_string()
    }

    /// A Secret by name; `None`: there is none.
    pub async fn secret(&self, namespace: &str, name: &str) -> Result<Option<SecretFacts>, NotReached> {
        let found = self.0.lookup(self.0.directory.secret(namespace, name)).await;
        found.map_err(|error| NotReached(error.to_string()))
    }
}
