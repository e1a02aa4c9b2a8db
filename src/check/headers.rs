//! The headers of a question. Values, from Secrets or not, stay out of every text and every `Debug`.

use super::directory::SecretFacts;
use crate::api::spec::{Header, SecretKey};
use reqwest::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use std::collections::BTreeMap;

/// A Secret is sent only if it bears this label: `tidegate.dev/use: check-headers`.
pub(super) const LABEL: (&str, &str) = ("tidegate.dev/use", "check-headers");
/// The longest value, in bytes.
const LONGEST: usize = 8 * 1024;
/// They decide where a message ends and who handles it, which is the client's business.
const REFUSED: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "accept-encoding",
];

/// Why a header cannot be sent. The texts name headers, Secrets and keys, never values.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeaderError {
    #[error("{0:?} is not the name of a header")]
    Name(String),
    #[error("header {0:?} is set by the client itself")]
    Refused(String),
    #[error("header {0:?} needs exactly one of value and secret")]
    Source(String),
    #[error("the value of header {0:?} holds characters that no header may, such as a line break, or is over 8 KiB")]
    Value(String),
    #[error("Secret {0} does not exist")]
    NoSecret(String),
    #[error("Secret {0} lacks the label {key}: {value}", key = LABEL.0, value = LABEL.1)]
    NotLabelled(String),
    #[error("Secret {name} has no key {key}", name = .0.name, key = .0.key)]
    NoKey(SecretKey),
}

/// The Secrets that these headers need, each once, in order.
pub(super) fn secrets(headers: &[Header]) -> Vec<&str> {
    let mut names: Vec<&str> = headers.iter().filter_map(|h| h.secret.as_ref()).map(|s| s.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Puts the headers together. `found`: what was looked up for [`secrets`].
pub(super) fn build(headers: &[Header], found: &BTreeMap<&str, Option<SecretFacts>>) -> Result<HeaderMap, HeaderError> {
    let mut map = HeaderMap::new();
    for header in headers {
        let name =
            HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| HeaderError::Name(header.name.clone()))?;
        if REFUSED.contains(&name.as_str()) || name == HOST && map.contains_key(HOST) {
            return Err(HeaderError::Refused(header.name.clone()));
        }
        let bytes = match (&header.value, &header.secret) {
            (Some(value), None) => value.as_bytes(),
            (None, Some(key)) => secret_value(key, found.get(key.name.as_str()).and_then(Option::as_ref))?,
            _ => return Err(HeaderError::Source(header.name.clone())),
        };
        let bad = || HeaderError::Value(header.name.clone());
        let mut value = HeaderValue::from_bytes(bytes).map_err(|_| bad())?;
        if bytes.len() > LONGEST {
            return Err(bad());
        }
        value.set_sensitive(true);
        map.append(name, value);
    }
    Ok(map)
}

fn secret_value<'a>(key: &SecretKey, secret: Option<&'a SecretFacts>) -> Result<&'a [u8], HeaderError> {
    let secret = secret.ok_or_else(|| HeaderError::NoSecret(key.name.clone()))?;
    if secret.labels.get(LABEL.0).map(String::as_str) != Some(LABEL.1) {
        return Err(HeaderError::NotLabelled(key.name.clone()));
    }
    secret.data.get(&key.key).map(Vec::as_slice).ok_or_else(|| HeaderError::NoKey(key.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_out_of_debug() {
        let secret = SecretFacts {
            labels: [(LABEL.0.to_owned(), LABEL.1.to_owned())].into(),
            data: [("key".to_owned(), b"canary".to_vec())].into(),
        };
        let header = |json| serde_json::from_value::<Header>(json).unwrap();
        let headers = [
            header(serde_json::json!({"name": "x-a", "secret": {"name": "s", "key": "key"}})),
            header(serde_json::json!({"name": "x-b", "value": "canary"})),
        ];
        let map = build(&headers, &[("s", Some(secret.clone()))].into()).unwrap();
        assert_eq!((map["x-a"].as_bytes(), map["x-b"].as_bytes()), (&b"canary"[..], &b"canary"[..]));
        let said = format!("{map:?} {secret:?}");
        assert!(
            said.contains("x-a") && !said.contains("canary") && !said.contains(&format!("{:?}", b"canary")),
            "{said}"
        );
    }

    #[test]
    fn a_second_host_is_refused() {
        let host = Header { name: "Host".to_owned(), value: Some("a".to_owned()), secret: None };
        assert!(build(std::slice::from_ref(&host), &BTreeMap::new()).is_ok());
        assert!(matches!(build(&[host.clone(), host], &BTreeMap::new()), Err(HeaderError::Refused(_))));
    }
}
