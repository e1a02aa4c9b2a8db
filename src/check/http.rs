//! The HTTP client of all checks, and one request with it.
//!
//! It dials the addresses that it is given and no others: no proxies, no redirects, no names looked up, no connection
//! kept for the next round. It keeps no cookies and unpacks nothing. A load keeps its connections, and ends with them.

use super::expect::{self, Body};
use super::tls::{Roots, Tls};
use super::url::{Host, Target};
use super::wrong::{self, Wrong};
use crate::api::spec::Expect;
use reqwest::dns::{Name, Resolve, Resolving};
use reqwest::header::{CONNECTION, HOST, HeaderMap, HeaderValue};
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, Url, redirect, retry};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

/// As much of a body as is ever read, in bytes.
pub(super) const BODY_CAP: usize = 64 * 1024;
const CONNECT: Duration = Duration::from_secs(3);
/// For one request from the first packet to the last byte.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);
const MAX_HEADERS: usize = 100;
/// A load's connection that is idle for longer is closed before the server does so.
const KEPT: Duration = Duration::from_secs(2);

/// One request.
pub(super) struct Request<'a> {
    pub to: To<'a>,
    pub headers: &'a HeaderMap,
    /// Held to between 100 ms and 60 s.
    pub timeout: Duration,
    pub expect: &'a Expect,
}

/// An answer, as far as it was read.
pub(super) struct Fetched {
    pub status: u16,
    pub body: Vec<u8>,
    /// There was more.
    pub cut: bool,
}

/// Where to, with addresses that were vetted.
pub(super) enum To<'a> {
    /// Plain HTTP to one address. `host`: for the header `Host`.
    Address { addr: SocketAddr, host: &'a str, path: &'a str },
    /// `addrs`: all that stand behind the host of the url; the first that takes a connection is asked.
    Url { target: &'a Target, addrs: &'a [SocketAddr] },
}

#[derive(Clone)]
pub(super) struct Http {
    plain: Client,
    tls: Arc<Tls>,
}

impl Http {
    pub(super) fn new(roots: Roots) -> Result<Self, reqwest::Error> {
        // Only http is spoken by this one, so no roots need to be loaded.
        Ok(Self { plain: builder().tls_certs_only([]).build()?, tls: Arc::new(Tls::new(roots)) })
    }

    /// Asks once. Gives the status code of a right answer.
    pub(super) async fn ask(&self, request: &Request<'_>) -> Result<u16, Wrong> {
        exchange(self.prepare(&request.to).await?.header(CONNECTION, "close"), request, false).await
    }

    /// Asks once, and reads up to `cap` bytes of the answer, whatever its status.
    pub(super) async fn fetch(
        &self,
        to: &To<'_>,
        headers: &HeaderMap,
        timeout: Duration,
        cap: usize,
    ) -> Result<Fetched, Wrong> {
        let timeout = timeout.clamp(SHORTEST, LONGEST);
        let wrong = |error| wrong::explain(&error, timeout, CONNECT);
        let asked = self.prepare(to).await?.header(CONNECTION, "close");
        let response = asked.timeout(timeout).headers(headers.clone()).send().await.map_err(wrong)?;
        let status = response.status().as_u16();
        let (body, cut) = read(response, cap).await.map_err(wrong)?;
        Ok(Fetched { status, body, cut })
    }

    /// A client for one load, which keeps up to `kept` connections, and with a url knows its host by these addresses
    /// only.
    pub(super) async fn session(&self, url: Option<(&Target, &[SocketAddr])>, kept: usize) -> Result<Session, Wrong> {
        let keeps = |client: ClientBuilder| client.pool_max_idle_per_host(kept).pool_idle_timeout(KEPT);
        let made = match url {
            Some((target, addrs)) => return Ok(Session(self.pinned(target, addrs, keeps).await?)),
            None => keeps(builder().tls_certs_only([])).build(),
        };
        Ok(Session(made.map_err(|_| not_made())?))
    }

    async fn prepare(&self, to: &To<'_>) -> Result<RequestBuilder, Wrong> {
        match to {
            To::Address { addr, host, path } => ask_address(&self.plain, *addr, host, path),
            To::Url { target, addrs } => Ok(self.pinned(target, addrs, |c| c).await?.get(target.url.clone())),
        }
    }

    /// A client which knows the host by these addresses only.
    async fn pinned(
        &self,
        target: &Target,
        addrs: &[SocketAddr],
        more: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Client, Wrong> {
        let mut client = more(builder().dns_resolver(Nobody));
        client = match target.url.scheme() {
            "https" => {
                let config = self.tls.config().await.map_err(|e| Wrong::NotAsked(e.to_string()))?;
                client.tls_backend_preconfigured(config)
            }
            _ => client.tls_certs_only([]),
        };
        if let Host::Name(name) = &target.host {
            client = client.resolve_to_addrs(name, &routed(addrs));
        }
        client.build().map_err(|_| not_made())
    }
}

/// Keeps its connections until it is dropped, or they have been idle for a while.
pub(super) struct Session(Client);

impl Session {
    /// Asks once, and reads the answer to its end, so that its connection can be used again. Gives the status code of a
    /// right answer.
    pub(super) async fn ask(&self, request: &Request<'_>) -> Result<u16, Wrong> {
        let asked = match &request.to {
            To::Address { addr, host, path } => ask_address(&self.0, *addr, host, path)?,
            To::Url { target, .. } => self.0.get(target.url.clone()),
        };
        exchange(asked, request, true).await
    }
}

/// `whole`: the body is read, whatever is expected of it.
async fn exchange(asked: RequestBuilder, request: &Request<'_>, whole: bool) -> Result<u16, Wrong> {
    let timeout = request.timeout.clamp(SHORTEST, LONGEST);
    let wrong = |error| wrong::explain(&error, timeout, CONNECT);
    let response = asked.timeout(timeout).headers(request.headers.clone()).send().await.map_err(wrong)?;
    let status = response.status().as_u16();
    // A wrong status and an answer without expectations on its body are known before the body is there.
    let expect = Expect { json: Vec::new(), body: None, ..request.expect.clone() };
    let right = expect::judge(&expect, status, Body::default()).map_err(Wrong::Failed);
    if !whole {
        right.clone()?;
    }
    if whole || expect::needs_body(request.expect) {
        let (bytes, cut) = read(response, BODY_CAP).await.map_err(wrong)?;
        right?;
        expect::judge(request.expect, status, Body { bytes: &bytes, cut }).map_err(Wrong::Failed)?;
    }
    Ok(status)
}

fn ask_address(client: &Client, addr: SocketAddr, host: &str, path: &str) -> Result<RequestBuilder, Wrong> {
    let url = at(addr, path)?;
    let host = HeaderValue::from_str(host);
    let host = host.map_err(|_| Wrong::NotAsked("the name to ask for is not valid in a header".to_owned()));
    Ok(client.get(url).header(HOST, host?))
}

fn not_made() -> Wrong {
    Wrong::NotAsked("the HTTP client could not be made".to_owned())
}

/// Without those that this machine has no way to, since what it lacks is not the application's fault, and their error
/// would hide that of the others. All of them if it has a way to none.
fn routed(addrs: &[SocketAddr]) -> Vec<SocketAddr> {
    // Connecting a datagram socket finds a route and sends nothing.
    let reaches = |addr: &&SocketAddr| {
        let any: IpAddr = if addr.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        UdpSocket::bind((any, 0)).and_then(|socket| socket.connect(addr)).is_ok()
    };
    let reached: Vec<_> = addrs.iter().filter(reaches).copied().collect();
    if reached.is_empty() { addrs.to_vec() } else { reached }
}

/// What every client of checks has in common.
fn builder() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .http1_only()
        .http1_max_headers(MAX_HEADERS)
        .connect_timeout(CONNECT)
        // A kept connection would reach whoever had the address when it was made.
        .pool_max_idle_per_host(0)
}

/// Knows no name: what was not resolved and vetted before is not dialled.
struct Nobody;

impl Resolve for Nobody {
    fn resolve(&self, _: Name) -> Resolving {
        Box::pin(std::future::ready(Err("no name is looked up while dialling".into())))
    }
}

/// The URL to ask, with exactly this address in it, whatever the path says.
fn at(addr: SocketAddr, path: &str) -> Result<Url, Wrong> {
    let bad = || {
        Wrong::NotAsked(
            "the path is not one that can be asked for: it must begin with / and hold no control characters".to_owned(),
        )
    };
    if !path.starts_with('/') || path.chars().any(char::is_control) {
        return Err(bad());
    }
    let url = Url::parse(&format!("http://{addr}{path}")).map_err(|_| bad())?;
    let ip = url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse().ok());
    let same = ip == Some(addr.ip()) && url.port_or_known_default() == Some(addr.port());
    if same && url.username().is_empty() { Ok(url) } else { Err(bad()) }
}

async fn read(mut response: Response, cap: usize) -> Result<(Vec<u8>, bool), reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = cap - bytes.len();
        bytes.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if chunk.len() > room {
            return Ok((bytes, true));
        }
    }
    Ok((bytes, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_without_a_route_stand_back() {
        // No machine knows on which of its links this one is.
        let nowhere: SocketAddr = "[fe80::1]:1".parse().unwrap();
        let here: SocketAddr = "127.0.0.1:1".parse().unwrap();
        assert_eq!(routed(&[nowhere, here]), [here]);
        assert_eq!(routed(&[nowhere]), [nowhere]);
    }
}
