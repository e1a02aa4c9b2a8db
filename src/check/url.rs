//! A url as a check names it, taken apart once: what is vetted, what is verified and what is asked come from one
//! reading of it. Pure.
//!
//! What only some programs would read as an address is refused rather than understood.

use reqwest::Url;
use std::net::IpAddr;

/// In characters, as DNS bounds them.
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

/// A url that can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Without user name, password and fragment.
    pub url: Url,
    pub host: Host,
    pub port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// In lower case and ASCII, without a dot at its end.
    Name(String),
    Address(IpAddr),
}

/// Why a url is not asked. The texts hold nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadUrl {
    #[error("the url must be a whole http:// or https:// address, such as https://shop.example/health")]
    Shape,
    #[error("the url must not hold blanks, backslashes or control characters")]
    Characters,
    #[error("the url must not carry a user name or password: send them as a header from a secret")]
    UserInfo,
    #[error("the url must name its host by a DNS name, four decimal numbers, or an IPv6 address in brackets")]
    Host,
    #[error("the url's port must be between 1 and 65535")]
    Port,
}

impl Target {
    pub(super) fn parse(text: &str) -> Result<Self, BadUrl> {
        if text.chars().any(|c| c == '\\' || c.is_whitespace() || c.is_control()) {
            return Err(BadUrl::Characters);
        }
        let (scheme, rest) = text.split_once("://").ok_or(BadUrl::Shape)?;
        let written = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) || written.is_empty() {
            return Err(BadUrl::Shape);
        }
        if written.contains('@') {
            return Err(BadUrl::UserInfo);
        }
        let (host_text, port_text) = split(written);
        if port_text.is_some_and(|p| p.parse::<u16>().is_ok_and(|p| p == 0) || p.parse::<u16>().is_err()) {
            return Err(BadUrl::Port);
        }
        let mut url = Url::parse(text).map_err(|_| BadUrl::Host)?;
        url.set_fragment(None);
        let host = host(&url, host_text)?;
        if let Host::Name(name) = &host {
            url.set_host(Some(name)).map_err(|_| BadUrl::Host)?;
        }
        let port = url.port_or_known_default().ok_or(BadUrl::Port)?;
        Ok(Self { url, host, port })
    }

    /// Scheme, host and port: as much of a url as may be told.
    pub(super) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

/// The host as it is written, and the port if one is.
fn split(authority: &str) -> (&str, Option<&str>) {
    let after = authority.rfind(']').unwrap_or_default();
    match authority.get(after..).and_then(|end| end.rfind(':')) {
        Some(colon) => (authority.get(..after + colon).unwrap_or_default(), authority.get(after + colon + 1..)),
        None => (authority, None),
    }
}

/// `written` must be the very address that was understood: `127.1` and `0x7f.0.0.1` are loopback to some programs only.
fn host(url: &Url, written: &str) -> Result<Host, BadUrl> {
    let found = url.host_str().ok_or(BadUrl::Host)?;
    if let Some(v6) = found.strip_prefix('[').and_then(|f| f.strip_suffix(']')) {
        return v6.parse().map(Host::Address).map_err(|_| BadUrl::Host);
    }
    if let Ok(address) = found.parse::<IpAddr>() {
        return if written == found { Ok(Host::Address(address)) } else { Err(BadUrl::Host) };
    }
    let name = found.strip_suffix('.').unwrap_or(found);
    let label = |l: &str| {
        (1..=LONGEST_LABEL).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    let whole = name.len() <= LONGEST_NAME && name.split('.').all(label) && !written.contains('%');
    if whole { Ok(Host::Name(name.to_owned())) } else { Err(BadUrl::Host) }
}

#[cfg(test)]
#[path = "url_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "url_fuzz.rs"]
mod fuzz;
