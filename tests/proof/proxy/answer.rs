//! Answers that the API server did not give.

use crate::plan::Kind;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};
use std::io::Error;

pub(super) fn with_type(status: StatusCode, kind: Option<HeaderValue>, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if let Some(kind) = kind {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}

/// A refusal as the API server words it.
pub(super) fn refusal(kind: Kind) -> Response<Body> {
    let (code, reason) = match kind {
        Kind::Conflict => (409, "Conflict"),
        Kind::Invalid => (422, "Invalid"),
        Kind::TooMany => (429, "TooManyRequests"),
        Kind::Gone => (410, "Expired"),
        Kind::TimeoutAfter => (504, "Timeout"),
        _ => (503, "ServiceUnavailable"),
    };
    let json = HeaderValue::from_static("application/json");
    let body = Body::from(status(code, reason).to_string());
    let mut response = with_type(StatusCode::from_u16(code).unwrap(), Some(json), body);
    if kind == Kind::TooMany {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("100000"));
    }
    response
}

pub(super) fn status(code: u16, reason: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "planned by the test", "reason": reason, "code": code,
    })
}

/// A body that fails at once ends the connection before the head is sent.
pub(super) fn closed() -> Response<Body> {
    Response::new(broken_after(Bytes::new()))
}

/// Half of the answer, then the end of the connection.
pub(super) async fn cut(whole: Response<Body>) -> Response<Body> {
    let (head, body) = whole.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    Response::from_parts(head, broken_after(body.slice(..body.len() / 2)))
}

fn broken_after(bytes: Bytes) -> Body {
    let sent = (!bytes.is_empty()).then_some(Ok(bytes));
    let parts: Vec<_> = sent.into_iter().chain([Err(Error::other("the connection is closed"))]).collect();
    Body::from_stream(futures::stream::iter(parts))
}
