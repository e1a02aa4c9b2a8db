//! Two electors on one real Lease: never two leaders, whatever becomes of the network in between.

// A test that panics has failed; that is what it is for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use k8s_openapi::api::coordination::v1::Lease;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use support::Cluster;
use tidegate::controller::lease::{Elector, Leadership, LeaseOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tower::util::MapRequestLayer;

const TTL: Duration = Duration::from_secs(6);
/// Far more than anything here takes, so that a busy machine fails nothing.
const BOUND: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_cut_off_stops_before_the_next_one_begins() {
    let lease = options("cut-off");
    let wire = Wire::to_the_cluster().await;
    let one = Replica::start(config(Some(wire.address)).await, &lease);
    one.leads().await;
    let two = Replica::start(config(None).await, &lease);

    let watching = tokio::spawn(never_both(one.leadership.clone(), two.leadership.clone()));
    wire.open.send_replace(false);
    two.leads().await;
    assert!(!one.leadership.borrow().is_held());

    // Back on the network it sees that it was replaced, and waits.
    wire.open.send_replace(true);
    // That nothing happens has no condition to wait for: two lengths of the lease are room enough for what must not.
    sleep(TTL * 2).await;
    assert!(two.leadership.borrow().is_held(), "the new leader was disturbed");
    assert_eq!(two.holder().await, two.me);
    watching.abort();
    assert!(watching.await.is_err_and(|e| e.is_cancelled()), "two led at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_stops_gives_the_lease_up_at_once() {
    let mut lease = options("given-up");
    // Long enough that nobody could have waited for it to run out.
    lease.ttl = Duration::from_secs(120);
    let one = Replica::start(config(None).await, &lease);
    one.leads().await;
    assert_eq!(one.holder().await, one.me);
    let api = one.api.clone();
    one.stop().await;
    let spec = api.get(&lease.name).await.unwrap().spec.unwrap();
    assert_eq!(spec.holder_identity.as_deref().unwrap_or(""), "");
    let two = Replica::start(config(None).await, &lease);
    two.leads().await;
    assert_eq!(two.holder().await, two.me);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_renewed_with_one_request_three_times_per_length() {
    let one = Replica::start(config(None).await, &options("frugal"));
    one.leads().await;
    let (requests, since) = (one.requests.load(Ordering::Relaxed), Instant::now());
    // Requests are counted over a stretch of time, as long as it may be.
    sleep(TTL * 2).await;
    let asked = one.requests.load(Ordering::Relaxed) - requests;
    let renewals = since.elapsed().as_secs_f64() / (TTL / 3).as_secs_f64();
    assert!(one.leadership.borrow().is_held());
    assert!(f64::from(asked) <= renewals + 1.0, "{asked} requests in the time of {renewals} renewals");
    assert!(asked >= 4, "only {asked} requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_somebody_deletes_is_taken_again() {
    let lease = options("deleted");
    let one = Replica::start(config(None).await, &lease);
    one.leads().await;
    one.api.delete(&lease.name, &Default::default()).await.unwrap();
    let again = async {
        while one.api.get_opt(&lease.name).await.unwrap().is_none() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(BOUND, again).await.unwrap();
    one.leads().await;
}

/// One replica's elector.
struct Replica {
    leadership: watch::Receiver<Leadership>,
    me: String,
    api: Api<Lease>,
    name: String,
    requests: Arc<AtomicU32>,
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Replica {
    fn start(config: Config, options: &LeaseOptions) -> Self {
        let requests = Arc::new(AtomicU32::new(0));
        let counted = requests.clone();
        let count = MapRequestLayer::new(move |request| {
            counted.fetch_add(1, Ordering::Relaxed);
            request
        });
        let client = ClientBuilder::try_from(config.clone()).unwrap().with_layer(&count).build();
        let elector = Elector::new(client, options);
        let me = elector.identity().to_owned();
        let (tx, leadership) = watch::channel(Leadership::default());
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(elector.run(tx, async move { drop(ended.await) }));
        let api = Api::namespaced(Client::try_from(config).unwrap(), &options.namespace);
        Self { leadership, me, api, name: options.name.clone(), requests, end, task }
    }

    async fn leads(&self) {
        let mut leadership = self.leadership.clone();
        timeout(BOUND, leadership.wait_for(Leadership::is_held)).await.expect("nobody leads").unwrap();
    }

    async fn holder(&self) -> String {
        self.api.get(&self.name).await.unwrap().spec.unwrap().holder_identity.unwrap_or_default()
    }

    async fn stop(self) {
        drop(self.end);
        timeout(BOUND, self.task).await.unwrap().unwrap();
    }
}

/// Ends with a panic as soon as both may act.
async fn never_both(one: watch::Receiver<Leadership>, two: watch::Receiver<Leadership>) {
    loop {
        // In this order: the first may end, but never begins again, between the two looks.
        let (second, first) = (two.borrow().is_held(), one.borrow().is_held());
        assert!(!(first && second), "two leaders");
        sleep(Duration::from_millis(2)).await;
    }
}

/// A connection to the API server that can be cut so that nobody is told, as a lost network does it.
struct Wire {
    address: SocketAddr,
    open: watch::Sender<bool>,
}

impl Wire {
    async fn to_the_cluster() -> Self {
        let server = Cluster::get().server.trim_start_matches("https://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (open, opened) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(&server).await.unwrap();
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                tokio::spawn(forward(near_in, far_out, opened.clone()));
                tokio::spawn(forward(far_in, near_out, opened.clone()));
            }
        });
        Self { address, open }
    }
}

async fn forward(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut open: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        if open.wait_for(|open| *open).await.is_err() || to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

fn options(name: &str) -> LeaseOptions {
    LeaseOptions { namespace: "default".into(), name: name.into(), identity: Some(name.into()), ttl: TTL }
}

/// As the controller's own client for the lease: no retries.
async fn config(through: Option<SocketAddr>) -> Config {
    let file = Kubeconfig::read_from(&Cluster::get().kubeconfig).unwrap();
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
    config.default_retry = false;
    if let Some(address) = through {
        config.cluster_url = format!("https://{address}").parse().unwrap();
    }
    config
}
