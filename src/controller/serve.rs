//! `/livez`, `/readyz` and `/metrics`.

use super::health::Health;
use super::watch::Watches;
use crate::telemetry::Metrics;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;

/// What the answers are made of.
#[derive(Clone)]
pub(super) struct Served {
    pub(super) health: Arc<Health>,
    pub(super) watches: Arc<Watches>,
    pub(super) metrics: Arc<Metrics>,
}

pub(super) fn router(served: Served) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(served)
}

/// Serves until the task is dropped.
pub(super) async fn serve(listener: tokio::net::TcpListener, served: Served) {
    if let Err(error) = axum::serve(listener, router(served)).await {
        tracing::error!(%error, "the HTTP server ended");
    }
}

async fn livez(State(served): State<Served>) -> impl IntoResponse {
    match served.health.trouble() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(trouble) => (StatusCode::SERVICE_UNAVAILABLE, format!("{trouble}\n")),
    }
}

/// A replica that waits for the lease is ready too: it could lead at once.
async fn readyz(State(served): State<Served>) -> impl IntoResponse {
    if served.watches.synced() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "Releases and workloads are not listed yet\n")
    }
}

async fn metrics(State(served): State<Served>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    match served.metrics.encode() {
        Ok(text) => (StatusCode::OK, kind, text),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, kind, String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use std::time::Duration;
    use tower::ServiceExt as _;

    async fn asked(served: &Served, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = router(served.clone()).oneshot(request).await.unwrap();
        let status = answer.status();
        let body = to_bytes(answer.into_body(), 65536).await.unwrap();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn the_server_answers_for_the_work_loop_and_not_for_itself() {
        let (health, metrics) = (Arc::new(Health::default()), Arc::new(Metrics::new()));
        let watches =
            Arc::new(Watches::new(Arc::default(), Arc::default(), metrics.clone(), tokio::sync::mpsc::channel(1).0));
        let served = Served { health: health.clone(), watches, metrics };
        assert_eq!(asked(&served, "/livez").await.0, StatusCode::OK);
        assert_eq!(asked(&served, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE, "nothing is listed yet");
        health.beat(Duration::from_secs(400));
        let (status, text) = asked(&served, "/livez").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(text.contains("waiting for 400 s"), "{text}");
    }
}
