//! Times every request of a client to the API server.

use super::Metrics;
use axum::http::{Request, Response, StatusCode};
use futures::future::BoxFuture;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tower::{Layer, Service};

/// A layer around a client's stack; waiting for the client's own limiter counts.
#[derive(Clone)]
pub struct TimeRequests(pub Arc<Metrics>);

#[derive(Clone)]
pub struct Timed<S> {
    inner: S,
    metrics: Arc<Metrics>,
}

impl<S> Layer<S> for TimeRequests {
    type Service = Timed<S>;
    fn layer(&self, inner: S) -> Timed<S> {
        Timed { inner, metrics: self.0.clone() }
    }
}

impl<S, B, R> Service<Request<B>> for Timed<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The client says what it asks for: `get`, `list`, `patch`, ...
        let what = request.extensions().get::<&'static str>().copied().unwrap_or("other");
        let (metrics, started) = (self.metrics.clone(), Instant::now());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let outcome = answer.as_ref().map_or("unanswered", |a| outcome(a.status()));
            metrics.requested(what, outcome, started.elapsed());
            answer
        })
    }
}

fn outcome(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200..=399 => "ok",
        401 | 403 => "denied",
        404 => "notFound",
        409 => "conflict",
        429 => "throttled",
        400..=499 => "invalid",
        _ => "failed",
    }
}
