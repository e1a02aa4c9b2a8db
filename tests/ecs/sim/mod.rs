//! A scripted ECS: what the real SDK talks to where there is no AWS.
//!
//! It answers the operations that Tidegate uses, on one port of loopback, with a clock of its own and with a plan for
//! every service: lands, fails, hangs, is rolled back, is replaced. It is strict where AWS is strict. What goes wrong
//! between the caller and ECS is planned too. It never decides anything for the caller, and shares no code with it.

#![allow(dead_code, unreachable_pub, unused_imports, reason = "each crate that includes this uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a simulator fails by panicking")]

pub mod about;
mod auth;
mod back;
pub mod clock;
pub mod course;
pub mod ecr;
mod elb;
mod engine;
pub mod errands;
pub mod error;
pub mod faults;
mod form;
mod forward;
pub mod front;
mod http;
mod ids;
mod images;
pub mod limits;
mod ops;
mod raw;
pub mod record;
pub mod service;
mod setup;
pub mod standing;
mod sts;
mod taskdefs;
mod tasks;
mod view;
mod world;

pub use setup::{Account, Handle, NewService};

use clock::Clock;
use course::Course;
use faults::{Fault, Faults, On};
use front::Front;
use limits::Limits;
use record::{Call, Log};
use standing::Standing;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use world::{Role, World};

/// A running simulator. Dropping it closes its port.
pub struct Sim {
    shared: Arc<Shared>,
    addr: SocketAddr,
    task: JoinHandle<()>,
}

pub(crate) struct Shared {
    clock: Clock,
    faults: Faults,
    limits: Limits,
    log: Log,
    world: Mutex<World>,
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

impl Sim {
    /// Listens on 127.0.0.1. Under `cargo test` every call is also written below `target/tmp/ecs-calls`.
    pub async fn start() -> Self {
        Self::record(option_env!("CARGO_TARGET_TMPDIR").map(|dir| PathBuf::from(dir).join("ecs-calls"))).await
    }

    /// Writes every call to a file of its own in this directory, as lines of JSON.
    pub async fn record(dir: Option<PathBuf>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            clock: Clock::new(),
            faults: Faults::default(),
            limits: Limits::default(),
            log: Log::with_file(dir),
            world: Mutex::new(World::new()),
        });
        let app = axum::Router::new().fallback(http::handle).with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { shared, addr, task }
    }

    /// For `AWS_ENDPOINT_URL`: ECS answers here, and as much of STS, ELB and ECR as a deployment needs.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// An account in a region. Its own access key is its number; any secret will do.
    pub fn account(&self, number: &str, region: &str) -> Account {
        Account::new(self.shared.clone(), number, region)
    }

    /// A role that may be assumed, in the account that its ARN names.
    pub fn role(&self, arn: &str, external_id: Option<&str>) {
        let role = Role { external_id: external_id.map(str::to_owned) };
        self.shared.world().roles.insert(arn.to_owned(), role);
    }

    /// All credentials that were given for roles end now.
    pub fn expire_sessions(&self) {
        let now = self.shared.clock.now();
        self.shared.world().sessions.values_mut().for_each(|session| session.expires = now);
    }

    pub fn fault(&self, on: On, fault: Fault) {
        self.shared.faults.add(on, fault);
    }

    /// Whether each fault has met a call.
    pub fn all_faults_met(&self) -> bool {
        self.shared.faults.all_met()
    }

    /// Reads of `op` see by turns the state before the last `since` (true) and the present one (false).
    pub fn flap(&self, op: &str, since: &'static str, stale: &[bool]) {
        for (n, _) in stale.iter().enumerate().filter(|(_, stale)| **stale) {
            self.fault(On::op(op).skip(n).once(), Fault::Stale(since));
        }
    }

    /// From now on whoever asks too often is throttled, as AWS documents it.
    pub fn enforce_limits(&self) {
        self.shared.limits.enforce();
    }

    pub fn no_faults(&self) {
        self.shared.faults.clear();
    }

    /// Everything that was asked so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.log.all()
    }

    /// How services stood whenever something was asked, as far as that was new.
    pub fn standings(&self) -> Vec<Standing> {
        self.shared.log.standings()
    }

    /// The operations that changed something, in order.
    pub fn writes(&self) -> Vec<String> {
        self.calls().into_iter().filter(Call::wrote).map(|call| call.op).collect()
    }

    /// Gives an image other bytes under the same name, or brings it back.
    pub fn push(&self, image: &str, content: &str) {
        self.shared.world().images.push(image, content);
    }

    /// Takes an image out of its registry; with a name that has neither tag nor digest, its whole repository.
    pub fn delete_image(&self, image: &str) {
        self.shared.world().images.absent.insert(image.to_owned());
    }

    /// What applications answer: `(status, body)` from image and path.
    pub fn answers(&self, answers: impl Fn(&str, &str) -> (u16, String) + Send + Sync + 'static) {
        self.shared.world().images.answers = Arc::new(answers);
    }

    /// How a deployment of an image goes where its service has no plan.
    pub fn courses(&self, courses: impl Fn(&str) -> Course + Send + Sync + 'static) {
        self.shared.world().images.courses = Arc::new(courses);
    }

    /// A port on loopback behind which the service's healthy tasks answer.
    pub async fn front(&self, service: &Handle, ip: impl Into<IpAddr>) -> Front {
        Front::start(self.shared.clone(), service.arn(), ip.into()).await
    }

    /// Lets so much time pass at once.
    pub fn advance(&self, by: Duration) {
        self.shared.clock.advance(by);
        self.shared.world().advance(self.shared.clock.now());
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.task.abort();
    }
}
