//! The one HTTP client of all checks, and one request with it.
//!
//! It dials the address that it is given and no other: no proxies, no redirects, no names, no connection kept for the next
//! request. It keeps no cookies and unpacks nothing.

use super::expect::{self, Body};
use crate::api::spec::Expect;
use reqwest::header::{CONNECTION, HOST, HeaderMap, HeaderValue};
use reqwest::{Client, Response, Url, redirect, retry};
use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

/// As much of a body as is ever read, in bytes.
pub(super) const BODY_CAP: usize = 64 * 1024;
const CONNECT: Duration = Duration::from_secs(3);
/// For one request from the first packet to the last byte.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);
const MAX_HEADERS: usize = 100;

/// One request, with an address that was vetted.
pub(super) struct Request<'a> {
    pub addr: SocketAddr,
    /// For the header `Host`.
    pub host: String,
    pub path: &'a str,
    pub headers: &'a HeaderMap,
    /// Held to between 100 ms and 60 s.
    pub timeout: Duration,
    pub expect: &'a Expect,
}

/// Why a request did not go right. The texts hold nothing of path, headers and body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Wrong {
    /// The application answered wrongly or not at all.
    #[error("{0}")]
    Failed(String),
    /// The request could not be made, through no fault of the application.
    #[error("{0}")]
    NotAsked(String),
}

#[derive(Clone)]
pub(super) struct Http(Client);

impl Http {
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        let client = Client::builder()
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
            // Only http is spoken, so no roots need to be loaded.
            .tls_certs_only([])
            .build()?;
        Ok(Self(client))
    }

    /// Asks once. Gives the status code of a right answer.
    pub(super) async fn ask(&self, request: &Request<'_>) -> Result<u16, Wrong> {
        let timeout = request.timeout.clamp(SHORTEST, LONGEST);
        let url = url(request.addr, request.path)?;
        let host = HeaderValue::from_str(&request.host);
        let host = host.map_err(|_| Wrong::NotAsked("the name to ask for is not valid in a header".to_owned()))?;
        let asked = self.0.get(url).timeout(timeout).header(HOST, host).header(CONNECTION, "close");
        let wrong = |error| explain(&error, timeout);
        let response = asked.headers(request.headers.clone()).send().await.map_err(wrong)?;
        let status = response.status().as_u16();
        // A wrong status and an answer without expectations on its body are known before the body is there.
        let status_only =
            expect::judge(&Expect { json: Vec::new(), body: None, ..request.expect.clone() }, status, Body::default());
        status_only.map_err(Wrong::Failed)?;
        if expect::needs_body(request.expect) {
            let (bytes, cut) = read(response).await.map_err(wrong)?;
            expect::judge(request.expect, status, Body { bytes: &bytes, cut }).map_err(Wrong::Failed)?;
        }
        Ok(status)
    }
}

/// The URL to ask, with exactly this address in it, whatever the path says.
fn url(addr: SocketAddr, path: &str) -> Result<Url, Wrong> {
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

async fn read(mut response: Response) -> Result<(Vec<u8>, bool), reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = BODY_CAP - bytes.len();
        bytes.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if chunk.len() > room {
            return Ok((bytes, true));
        }
    }
    Ok((bytes, false))
}

fn explain(error: &reqwest::Error, timeout: Duration) -> Wrong {
    let io = cause::<io::Error>(error);
    let incomplete = cause::<hyper::Error>(error).is_some_and(hyper::Error::is_incomplete_message);
    if let Some(kind) = io.and_then(ours) {
        return Wrong::NotAsked(format!("the controller could not open a connection: {kind}"));
    }
    let kind = io.map(io::Error::kind);
    Wrong::Failed(if error.is_timeout() && error.is_connect() {
        format!("no connection within {}", print(timeout.min(CONNECT)))
    } else if error.is_timeout() {
        format!("no complete answer within {}", print(timeout))
    } else if kind == Some(ErrorKind::ConnectionRefused) {
        "connection refused".to_owned()
    } else if error.is_connect() {
        "no connection".to_owned()
    } else if incomplete || matches!(kind, Some(ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof)) {
        "the connection was closed before the answer was complete".to_owned()
    } else if error.is_body() || error.is_decode() {
        "the answer broke off".to_owned()
    } else {
        "no valid HTTP answer".to_owned()
    })
}

/// What is wrong on the controller's side, if that is why there is no connection.
fn ours(error: &io::Error) -> Option<&'static str> {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    match (error.raw_os_error(), error.kind()) {
        (Some(ENFILE | EMFILE), _) => Some("too many open files"),
        (_, ErrorKind::AddrNotAvailable) => Some("no free local port"),
        (_, ErrorKind::PermissionDenied) => Some("not permitted on its machine"),
        (_, ErrorKind::NetworkUnreachable) => Some("its machine has no route there"),
        (_, ErrorKind::OutOfMemory) => Some("out of memory"),
        _ => None,
    }
}

/// The first error of this type among the causes.
fn cause<E: std::error::Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn print(duration: Duration) -> String {
    crate::api::Duration::from_millis(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)).to_string()
}
