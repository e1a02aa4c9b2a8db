//! One look at one image: the manifest, and on the way to it the credentials that the registry asks for.
//!
//! Each request has a client of its own, which knows no host but the one it was made for. A token is asked for pulling
//! this repository and nothing else, whatever the registry suggests.

use super::credentials::Credentials;
use super::error::Error;
use super::manifest::{self, ACCEPT};
use super::reference::Reference;
use crate::api::Digest;
use crate::api::view::{ImageQuery, Manifest};
use crate::check::Outbound;
use reqwest::header::{ACCEPT as ACCEPTS, HeaderMap, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;

/// Of a manifest and of a token, in bytes.
const MANIFEST: usize = 4 * 1024 * 1024;
const TOKEN: usize = 64 * 1024;

pub(super) struct Asking<'a> {
    pub outbound: &'a Outbound,
    /// The Release's.
    pub namespace: &'a str,
    pub query: &'a ImageQuery,
}

/// What a registry asks for before it answers.
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

/// What is shown to it.
enum Pass<'a> {
    Basic(&'a Credentials),
    Bearer(String),
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

#[derive(Deserialize)]
struct Complaint {
    errors: Vec<Code>,
}
#[derive(Deserialize)]
struct Code {
    #[serde(rename = "code")]
    _code: String,
}

impl Asking<'_> {
    pub(super) async fn ask(&self) -> Result<Manifest, Error> {
        let at = Reference::of(&self.query.image)?;
        let credentials = self.credentials(&at).await?;
        let url = at.url(self.outbound.plain(at.host()));
        let first = self.get(&url, None).await?;
        if first.status() != StatusCode::UNAUTHORIZED {
            return self.read(&at, first, "without credentials").await;
        }
        let sent = self.told(&at, credentials.as_ref());
        let pass = match challenge(first.headers()) {
            Some(Challenge::Basic) => {
                let Some(c) = &credentials else { return Err(Error::Refused { host: at.api, credentials: sent }) };
                Pass::Basic(c)
            }
            Some(Challenge::Bearer { realm, service }) => {
                Pass::Bearer(self.token(&at, &realm, service.as_deref(), credentials.as_ref(), &sent).await?)
            }
            None => return Err(Error::Challenge { host: at.api }),
        };
        let second = self.get(&url, Some(pass)).await?;
        self.read(&at, second, &sent).await
    }

    async fn credentials(&self, at: &Reference) -> Result<Option<Credentials>, Error> {
        let Some(name) = &self.query.pull_secret else { return Ok(None) };
        let found = self.outbound.secret(self.namespace, name).await?;
        Credentials::of(&found.ok_or_else(|| Error::NoSecret(name.clone()))?, name, at)
    }

    /// Which credentials are sent, for people.
    fn told(&self, at: &Reference, credentials: Option<&Credentials>) -> String {
        match (&self.query.pull_secret, credentials) {
            (None, _) => "without credentials: see image.pullSecret".to_owned(),
            (Some(name), Some(_)) => format!("with the credentials of Secret {name}"),
            (Some(name), None) => format!("without credentials: Secret {name} has none for {}", at.registry),
        }
    }

    async fn get(&self, url: &str, pass: Option<Pass<'_>>) -> Result<Response, Error> {
        let (client, url) = self.outbound.client(url).await?;
        let host = host(&url);
        let request = client.get(url).header(ACCEPTS, ACCEPT);
        let request = match pass {
            None => request,
            Some(Pass::Basic(c)) => request.basic_auth(&c.user, Some(&c.password)),
            Some(Pass::Bearer(token)) => request.bearer_auth(token),
        };
        send(&host, request).await
    }

    /// The realm is named by the registry: it is vetted as any other host.
    async fn token(
        &self,
        at: &Reference,
        realm: &str,
        service: Option<&str>,
        credentials: Option<&Credentials>,
        sent: &str,
    ) -> Result<String, Error> {
        let (client, mut url) = self.outbound.client(realm).await?;
        url.query_pairs_mut().extend_pairs(service.map(|s| ("service", s))).append_pair("scope", &at.scope());
        let host = host(&url);
        let mut request = client.get(url);
        if let Some(c) = credentials {
            request = request.basic_auth(&c.user, Some(&c.password));
        }
        let mut answer = send(&host, request).await?;
        match answer.status().as_u16() {
            200 => {}
            401 | 403 => return Err(Error::Refused { host, credentials: sent.to_owned() }),
            status => return Err(Error::Status { host, status }),
        }
        let body = body(&host, &mut answer, TOKEN).await?;
        let token = serde_json::from_slice::<Token>(&body).ok().and_then(|t| t.token.or(t.access_token));
        token.filter(|t| !t.is_empty()).ok_or(Error::Malformed { host, what: "gave no token" })
    }

    async fn read(&self, at: &Reference, mut answer: Response, sent: &str) -> Result<Manifest, Error> {
        let host = at.api.clone();
        match answer.status().as_u16() {
            200 => {}
            404 => {
                // Only a registry says it so; anything else may be a server that knows nothing of images.
                let body = body(&host, &mut answer, TOKEN).await?;
                let complaint = serde_json::from_slice::<Complaint>(&body).ok().filter(|c| !c.errors.is_empty());
                return complaint.map(|_| Manifest::Missing).ok_or(Error::Status { host, status: 404 });
            }
            401 | 403 => return Err(Error::Refused { host, credentials: sent.to_owned() }),
            status => return Err(Error::Status { host, status }),
        }
        let said = answer.headers().get("docker-content-digest").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let body = body(&host, &mut answer, MANIFEST).await?;
        let said = said.filter(|s| s.starts_with("sha256:"));
        let found = manifest::read(&body, said.as_deref(), Digest::parse(&at.wanted));
        found.map(Manifest::Found).map_err(|what| Error::Malformed { host, what })
    }
}

async fn send(host: &str, request: RequestBuilder) -> Result<Response, Error> {
    let answer = request.send().await.map_err(|error| unanswered(host, error))?;
    let redirects = answer.status().is_redirection();
    if redirects { Err(Error::Redirect { host: host.to_owned() }) } else { Ok(answer) }
}

/// All of it, up to `most` bytes.
async fn body(host: &str, answer: &mut Response, most: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unanswered(host, error))? {
        if bytes.len() + chunk.len() > most {
            return Err(Error::Malformed { host: host.to_owned(), what: "sent more than is read" });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn unanswered(host: &str, error: reqwest::Error) -> Error {
    Error::Unanswered { host: host.to_owned(), what: Outbound::explain(&error), source: error.without_url() }
}

/// The first that is known, of all that the registry would take.
fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let said = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|v| v.to_str().ok());
    let offers =
        said.filter_map(|text| http_auth::parser::ChallengeParser::new(text).collect::<Result<Vec<_>, _>>().ok());
    offers.flatten().find_map(|offer| {
        let param = |name: &str| {
            let found = offer.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.to_unescaped())
        };
        if offer.scheme.eq_ignore_ascii_case("bearer") {
            return param("realm").map(|realm| Challenge::Bearer { realm, service: param("service") });
        }
        offer.scheme.eq_ignore_ascii_case("basic").then_some(Challenge::Basic)
    })
}

/// Host, and port where one is named: all of a url that is told.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
