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
