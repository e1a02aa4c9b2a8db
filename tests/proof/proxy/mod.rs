//! Between the controller under test and the API server: it forwards, counts, and lets things go wrong as planned.
//!
//! One proxy for each process of the controller's, so that it can end or freeze exactly that one. It speaks plain HTTP to
//! the controller, whose own token it passes on.

mod answer;
mod lapse;
mod past;
mod state;
mod stream;
mod traffic;

pub(crate) use state::Faults;

use crate::plan::{Class, Fault, Kind};
use crate::support::Cluster;
use crate::support::held::signal;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Method, Response, header};
use lapse::Lapse;
use past::{Lag, Question};
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// Longer than any request of the controller waits, and than the lease of these tests.
pub(crate) const LATE: Duration = Duration::from_secs(7);

pub(crate) struct Proxy {
    /// Where the controller finds it.
    pub(crate) server: String,
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    faults: Arc<Faults>,
    upstream: reqwest::Client,
    server: String,
    /// The process in front of it.
    pid: Mutex<Option<u32>>,
    /// How many processes it has ended, and how it ended the last one.
    crashes: watch::Sender<(u32, Option<Kind>)>,
    /// Until when everything is held back.
    held: Mutex<Option<Instant>>,
    /// The lease that its process could not renew.
    lapse: Lapse,
    /// What its process hears when it starts.
    lag: Mutex<Option<Lag>>,
    /// Somebody who may read everything.
    admin: kube::Client,
}

impl Proxy {
    /// Belongs to the calling runtime, and ends with it.
    pub(crate) async fn start(cluster: &Cluster, faults: Arc<Faults>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let ca = reqwest::Certificate::from_pem(&std::fs::read(&cluster.ca).unwrap()).unwrap();
        let upstream = reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build().unwrap();
        let shared = Arc::new(Shared {
            faults,
            upstream,
            server: cluster.server.clone(),
            pid: Mutex::default(),
            crashes: watch::channel((0, None)).0,
            held: Mutex::default(),
            lapse: Lapse::default(),
            lag: Mutex::default(),
            admin: cluster.client("admin").await,
        });
        let app = Router::new().fallback(handle).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { server, shared }
    }

    /// From now on this is the process in front of it.
    pub(crate) fn serves(&self, pid: u32) {
        *self.shared.pid.lock().unwrap_or_else(PoisonError::into_inner) = Some(pid);
    }

    /// Changes whenever the proxy has ended its process.
    pub(crate) fn crashes(&self) -> watch::Receiver<(u32, Option<Kind>)> {
        self.shared.crashes.subscribe()
    }
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 16 << 20).await.unwrap_or_default();
    let class = traffic::class(&parts.method, &parts.uri);
    if class == Class::Lease && shared.lapse.bars() {
        return answer::refusal(Kind::Unavailable);
    }
    if shared.lapse.forbids(class) {
        shared.faults.accuse(format!("{} {}", parts.method, parts.uri.path()));
    }
    let fault = if class.watches() {
        shared.faults.refusal(class).map(|kind| Fault::new(kind, class, 1))
    } else {
        shared.faults.strike(class)
    };
    // What was sent is carried out, whether or not its sender lives to hear the answer.
    let work = async move { shared.carry(class, fault, parts, body).await };
    if class.writes() { tokio::spawn(work).await.unwrap_or_else(|_| answer::closed()) } else { work.await }
}

impl Shared {
    async fn carry(self: Arc<Self>, class: Class, fault: Option<Fault>, parts: Parts, body: Bytes) -> Response<Body> {
        let Some(fault) = fault else { return self.lagging(class, parts, body).await };
        let kind = fault.kind;
        match kind {
            Kind::CrashBefore => {
                self.crash(fault);
                return pending().await;
            }
            Kind::CrashAfter | Kind::CrashAhead | Kind::CrashBehind | Kind::CrashLagging => {
                drop(self.forward(class, parts, body).await);
                self.crash(fault);
                return pending().await;
            }
            Kind::Freeze => self.freeze(),
            Kind::Partition => {
                *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + LATE);
            }
            Kind::Late => sleep(LATE).await,
            Kind::LeaseLost => {
                let run_out = self.lapse.begin();
                let answered = self.forward(class, parts, body).await;
                sleep_until(run_out).await;
                return answered;
            }
            Kind::ResetBefore | Kind::Torn => return answer::closed(),
            Kind::Hole | Kind::HalfOpen => return pending().await,
            Kind::ResetAfter | Kind::TimeoutAfter | Kind::CutAfter | Kind::HoleAfter => {
                let answered = self.forward(class, parts, body).await;
                return match kind {
                    Kind::ResetAfter => answer::closed(),
                    Kind::CutAfter => answer::cut(answered).await,
                    Kind::HoleAfter => pending().await,
                    _ => answer::refusal(kind),
                };
            }
            Kind::Stale => return self.stale(fault, &self.faults.earlier(), class, parts, body).await,
            _ => return answer::refusal(kind),
        }
        self.forward(class, parts, body).await
    }

    async fn forward(self: &Arc<Self>, class: Class, parts: Parts, body: Bytes) -> Response<Body> {
        let held = *self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = held {
            sleep_until(until).await;
        }
        let question = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        let mut headers = parts.headers;
        for name in [header::HOST, header::CONTENT_LENGTH, header::CONNECTION, header::TRANSFER_ENCODING] {
            headers.remove(name);
        }
        let request = self.upstream.request(parts.method.clone(), format!("{}{question}", self.server));
        let Ok(answered) = request.headers(headers).body(body).send().await else { return answer::closed() };
        let status = answered.status();
        let kind = answered.headers().get(header::CONTENT_TYPE).cloned();
        if class.watches() && status.is_success() {
            return answer::with_type(status, kind, stream::carry(self.clone(), class, answered));
        }
        let Ok(bytes) = answered.bytes().await else { return answer::closed() };
        if class == Class::Lease && parts.method != Method::GET && status.is_success() {
            self.lapse.renewed();
        }
        if class == Class::Status && status.is_success() {
            self.faults.stored(&bytes);
        }
        answer::with_type(status, kind, Body::from(bytes))
    }

    /// As the API server answers, or one that lags behind when the process has just started.
    async fn lagging(self: &Arc<Self>, class: Class, parts: Parts, body: Bytes) -> Response<Body> {
        let lag = {
            let mut lag = self.lag.lock().unwrap_or_else(PoisonError::into_inner);
            lag.as_mut()
                .filter(|_| parts.method == Method::GET)
                .and_then(|l| l.holds(class).then_some((l.fault, l.revision)))
        };
        match lag {
            Some((fault, revision)) => self.stale(fault, &[revision], class, parts, body).await,
            None => self.forward(class, parts, body).await,
        }
    }

    /// The answer from the first of these revisions at which it was another one; it came to pass only then.
    async fn stale(
        self: &Arc<Self>,
        fault: Fault,
        revisions: &[u64],
        class: Class,
        parts: Parts,
        body: Bytes,
    ) -> Response<Body> {
        let question = Question::of(&parts);
        let now = self.forward(class, parts, body).await;
        let Some(question) = question else { return now };
        let (head, body) = now.into_parts();
        let Ok(body) = to_bytes(body, usize::MAX).await else { return answer::closed() };
        let now = (head.status, body);
        for revision in revisions {
            let then = question.at(*revision, &self.admin).await;
            if let Some(then) = then.filter(|then| past::differ(then, &now)) {
                self.faults.came(fault);
                return past::response(then);
            }
        }
        Response::from_parts(head, Body::from(now.1))
    }

    fn crash(&self, fault: Fault) {
        let pid = self.pid.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(pid) = pid {
            signal(pid, "KILL");
            if fault.kind == Kind::CrashLagging {
                let lag = self.faults.earlier().first().map(|revision| Lag::new(fault, *revision));
                *self.lag.lock().unwrap_or_else(PoisonError::into_inner) = lag;
            }
            self.crashes.send_modify(|(n, kind)| (*n, *kind) = (*n + 1, Some(fault.kind)));
        }
    }

    fn freeze(&self) {
        let Some(pid) = *self.pid.lock().unwrap_or_else(PoisonError::into_inner) else { return };
        signal(pid, "STOP");
        tokio::spawn(async move {
            sleep(LATE).await;
            signal(pid, "CONT");
        });
    }
}
