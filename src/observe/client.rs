//! Clients of the API server, each fit for one use.
//!
//! The library's defaults retry every verb for minutes and wait for ever on a silent socket. Who acts on a deadline
//! must hear of a failure instead, and must never repeat a write that it has not looked at.

use axum::http::{Request, Response};
use kube::client::{Body, ClientBuilder, DynBody};
use kube::{Client, Config};
use std::time::Duration;
use tokio::time::timeout;
use tower::limit::{ConcurrencyLimit, ConcurrencyLimitLayer, RateLimit, RateLimitLayer};
use tower::util::{BoxService, MapFutureLayer};
use tower::{BoxError, Layer, Service};

type Limited = ConcurrencyLimit<RateLimit<BoxService<Request<Body>, Response<Box<DynBody>>, BoxError>>>;

/// How long connecting, and how long silence on a connection in use, may last.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a list or a watch may take to begin.
const BEGINNING: Duration = Duration::from_secs(10);
/// Requests in flight and per second: no more than a controller of ten thousand Releases needs, far less than hurts.
const IN_FLIGHT: usize = 200;
const PER_SECOND: u64 = 500;

/// For reading and writing on a deadline: no retries, short timeouts, limited.
pub fn acting(config: Config) -> kube::Result<Client> {
    acting_in(config, &tower::layer::util::Identity::new())
}

/// As [`acting`], with `layer` around it all.
pub fn acting_in<L>(config: Config, layer: &L) -> kube::Result<Client>
where
    L: Layer<Limited>,
    L::Service: Service<Request<Body>, Response = Response<Box<DynBody>>, Error = BoxError> + Send + 'static,
    <L::Service as Service<Request<Body>>>::Future: Send + 'static,
{
    let limits = (ConcurrencyLimitLayer::new(IN_FLIGHT), RateLimitLayer::new(PER_SECOND, Duration::from_secs(1)));
    let limited = ClientBuilder::try_from(prompt(config))?.with_layer(&limits.1).with_layer(&limits.0);
    Ok(limited.with_layer(layer).build())
}

/// For the lease alone: as [`acting`], but nothing that the controller does can make it wait.
pub fn leasing(config: Config) -> kube::Result<Client> {
    Client::try_from(prompt(config))
}

/// For lists and watches. These are silent by nature once they have begun, and carry an idle limit of their own; but that
/// one begins is answered soon, or the request counts as lost. Nothing is retried here: a server may ask for a day's
/// pause, and whoever follows a watch has a shorter one.
pub fn watching(mut config: Config) -> kube::Result<Client> {
    config.default_retry = false;
    config.connect_timeout = Some(PATIENCE);
    config.read_timeout = None;
    Ok(ClientBuilder::try_from(config)?.with_layer(&MapFutureLayer::new(soon)).build())
}

type Answering = <BoxService<Request<Body>, Response<Box<DynBody>>, BoxError> as Service<Request<Body>>>::Future;

async fn soon(answer: Answering) -> Result<Response<Box<DynBody>>, BoxError> {
    timeout(BEGINNING, answer).await.unwrap_or_else(|_| Err("no answer in time".into()))
}

fn prompt(mut config: Config) -> Config {
    config.default_retry = false;
    config.connect_timeout = Some(PATIENCE);
    config.read_timeout = Some(PATIENCE);
    config.write_timeout = Some(PATIENCE);
    config.reset_reader_on_write = true;
    config
}
