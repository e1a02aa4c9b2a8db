//! What the API server knew some writes ago: so answers one that lags behind.
//!
//! Nothing is kept for it. The API server still lists what there was at any revision, and a list of one is a read.

use super::answer;
use crate::plan::{Class, Fault};
use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// What a process that starts is answered so.
const LAGS: [Class; 6] = [
    Class::ListReleases,
    Class::ListDeployments,
    Class::ListSets,
    Class::ListPods,
    Class::GetRelease,
    Class::GetWorkload,
];
/// So many answers of each class come late, and none so long after the crash.
const ANSWERS: u32 = 3;
const CATCHES_UP: Duration = Duration::from_secs(15);

/// An API server behind by some writes, for a process that starts.
pub(super) struct Lag {
    pub(super) fault: Fault,
    pub(super) revision: u64,
    until: Instant,
    given: BTreeMap<Class, u32>,
}

impl Lag {
    pub(super) fn new(fault: Fault, revision: u64) -> Self {
        Self { fault, revision, until: Instant::now() + CATCHES_UP, given: BTreeMap::new() }
    }

    /// Whether the next answer of this class is an old one.
    pub(super) fn holds(&mut self, class: Class) -> bool {
        let given = self.given.entry(class).or_default();
        *given += 1;
        LAGS.contains(&class) && *given <= ANSWERS && Instant::now() < self.until
    }
}

/// A question of the controller's that can be asked about the past.
pub(super) struct Question {
    /// Up to the name, if there is one.
    path: String,
    query: String,
    name: Option<String>,
    accept: String,
}

impl Question {
    pub(super) fn of(parts: &Parts) -> Option<Self> {
        let path = parts.uri.path();
        let all: Vec<_> = path.split('/').filter(|p| !p.is_empty()).collect();
        let at = if all.first() == Some(&"api") { 2 } else { 3 };
        let name = match all.get(at..)? {
            [_] | ["namespaces", _, _] => None,
            [_, name] | ["namespaces", _, _, name] => Some((*name).to_owned()),
            _ => return None,
        };
        let query: Vec<_> = parts.uri.query().unwrap_or_default().split('&').collect();
        // Another page of what was answered already.
        if query.iter().any(|q| q.starts_with("continue=")) {
            return None;
        }
        let kept = query.into_iter().filter(|q| !q.is_empty() && !q.starts_with("resourceVersion"));
        let accept = parts.headers.get(header::ACCEPT).and_then(|a| a.to_str().ok()).unwrap_or("application/json");
        Some(Self {
            path: name.as_ref().and_then(|n| path.strip_suffix(n)).unwrap_or(path).trim_end_matches('/').to_owned(),
            query: kept.map(|q| format!("&{q}")).collect(),
            accept: accept.replace("as=PartialObjectMetadata;", "as=PartialObjectMetadataList;"),
            name,
        })
    }

    /// The answer of then.
    pub(super) async fn at(&self, revision: u64, client: &kube::Client) -> Option<(StatusCode, Bytes)> {
        let of = self.name.as_ref().map(|n| format!("&fieldSelector=metadata.name%3D{n}")).unwrap_or_default();
        let (path, query) = (&self.path, &self.query);
        let uri = format!("{path}?resourceVersion={revision}&resourceVersionMatch=Exact{of}{query}");
        let request = Request::get(uri).header(header::ACCEPT, &self.accept).body(Vec::new()).ok()?;
        let text = client.request_text(request).await.ok()?;
        if self.name.is_none() {
            return Some((StatusCode::OK, text.into()));
        }
        let mut list: Value = serde_json::from_str(&text).ok()?;
        let mut one = list["items"].get_mut(0).map(Value::take).unwrap_or_default();
        if one.is_null() {
            return Some((StatusCode::NOT_FOUND, answer::status(404, "NotFound").to_string().into()));
        }
        // The items of a list do not say what they are.
        let kind = list["kind"].as_str().and_then(|k| k.strip_suffix("List")).unwrap_or_default().to_owned();
        one["kind"] = kind.into();
        one["apiVersion"] = list["apiVersion"].take();
        Some((StatusCode::OK, one.to_string().into()))
    }
}

/// Whether somebody who hears this instead of that is misled.
pub(super) fn differ(then: &(StatusCode, Bytes), now: &(StatusCode, Bytes)) -> bool {
    let told = |body: &Bytes| -> Value {
        let mut whole: Value = serde_json::from_slice(body).unwrap_or_default();
        // A list has a version of its own, whatever is in it; and of one object nothing but itself counts.
        if whole["items"].is_array() { whole["items"].take() } else { whole["metadata"]["resourceVersion"].take() }
    };
    then.0 != now.0 || told(&then.1) != told(&now.1)
}

pub(super) fn response((status, body): (StatusCode, Bytes)) -> Response<Body> {
    answer::with_type(status, Some(HeaderValue::from_static("application/json")), Body::from(body))
}

#[test]
fn a_question_is_asked_about_the_past() {
    let of = |uri: &str| Question::of(&Request::get(uri).body(()).unwrap().into_parts().0);
    let told = |uri: &str| of(uri).map(|q| (q.path, q.name, q.query));
    let apps = "/apis/apps/v1/namespaces/n/deployments";
    assert_eq!(told(&format!("{apps}/web")), Some((apps.to_owned(), Some("web".to_owned()), String::new())));
    let listed = Some((apps.to_owned(), None, "&limit=50".to_owned()));
    assert_eq!(told(&format!("{apps}?&limit=50&resourceVersion=0")), listed);
    assert_eq!(told("/api/v1/nodes"), Some(("/api/v1/nodes".to_owned(), None, String::new())));
    assert_eq!(told(&format!("{apps}?limit=50&continue=x")), None);
    assert_eq!(told("/api/v1/namespaces/n/pods/web-0/log"), None);
}
