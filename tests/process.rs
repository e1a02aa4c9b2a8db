//! The controller as a process: its arguments, its HTTP side, its silence when nothing happens, and how it stops.

// A test that panics has failed; that is what it is for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;
use support::wait::{BOUND, is, until};
use support::{Cluster, Scene};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

#[tokio::test]
async fn wrong_arguments_are_named() {
    for (args, code, sentence) in [
        (vec!["run", "--concurrency=0"], 2, "--concurrency"),
        (vec!["run", "--lease-seconds=1"], 2, "1 is not in 3..=300"),
        (vec!["run", "--kubeconfig=nowhere.yaml"], 1, "--kubeconfig nowhere.yaml"),
        (vec!["run", "--log-level=tidegate=loud"], 1, "--log-level"),
        (vec!["replay", "nowhere.jsonl"], 1, "nowhere.jsonl"),
        (vec!["promote"], 2, "unrecognized subcommand"),
    ] {
        let said = tidegate(&args).output().await.unwrap();
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        assert_eq!(said.status.code(), Some(code), "{args:?}: {text}");
        assert!(text.contains(sentence), "{args:?}: {text}");
    }
}

#[tokio::test]
async fn it_serves_its_health_rests_in_silence_and_stops_when_asked() {
    support::scene::play_with(Cluster::get(), "process", whole_life, |_| String::new()).await;
}

async fn whole_life(s: &Scene) {
    let record = s.cluster.dir.join("process.jsonl");
    let mut one = Process::start(s, "process-one", &["--record", record.to_str().unwrap()]).await;
    until("the first replica to lead", async || is(one.metric("tidegate_leader").await == 1.0, (), "it does not"))
        .await;
    s.settled().await;

    let two = Process::start(s, "process-two", &[]).await;
    assert_eq!(two.get("/readyz").await.0, 200, "a follower is ready");
    assert_eq!((two.get("/livez").await.0, two.metric("tidegate_leader").await), (200, 0.0));
    assert!(one.metric("tidegate_rollouts_ended_total{phase=\"Verified\"").await >= 1.0);

    // Settled, and nobody touches anything: nothing is asked of the API server. The lease has a client of its own.
    until("the last events to be published", async || {
        let before = one.requests().await;
        sleep(Duration::from_secs(1)).await;
        let after = one.requests().await;
        is(before == after, (), after)
    })
    .await;
    let before = one.requests().await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(one.requests().await, before, "requests although nothing happened");
    // Scaling is a new generation, and costs one look; the image is as it was, so nothing is written.
    let version = s.status_version().await;
    s.scale("production", 3).await;
    until("one look", async || is(one.requests().await > before, (), before)).await;
    s.available("production").await;
    assert_eq!(s.status_version().await, version, "the status was written");

    one.signal("TERM").await;
    let ended = timeout(BOUND, one.child.wait()).await.expect("it does not stop").unwrap();
    assert_eq!(ended.code(), Some(0));
    let leases: Api<Lease> = Api::namespaced(s.client.clone(), &s.ns);
    until("the second replica to lead", async || {
        let holder = leases.get("tidegate").await.unwrap().spec.unwrap().holder_identity.unwrap_or_default();
        is(holder.starts_with("process-two_"), (), holder)
    })
    .await;
    replays(&record).await;
}

/// Every recorded decision can be taken again, and the last one left the Release as it stands.
async fn replays(record: &PathBuf) {
    let recorded = fs::read_to_string(record).unwrap().lines().count();
    let Output { status, stdout, stderr } =
        tidegate(&["replay", "--json", record.to_str().unwrap()]).output().await.unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    let decisions: Vec<Value> =
        String::from_utf8(stdout).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(decisions.len(), recorded);
    assert_eq!(decisions.last().unwrap()["status"]["phase"], "Verified");
}

impl Scene {
    async fn status_version(&self) -> Option<String> {
        self.release().await.metadata.resource_version
    }
}

/// A controller of the scene's namespace alone, as the administrator.
struct Process {
    child: Child,
    address: String,
    http: reqwest::Client,
}

impl Process {
    async fn start(s: &Scene, name: &str, more: &[&str]) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let log = fs::File::create(s.cluster.dir.join(format!("{name}.log"))).unwrap();
        let child = tidegate(&["run", "--allow-loopback", "--log-format=text"])
            .arg(format!("--listen={address}"))
            .arg(format!("--kubeconfig={}", s.cluster.kubeconfig.display()))
            .args([
                format!("--namespace={}", s.ns),
                format!("--watch-namespace={}", s.ns),
                format!("--identity={name}"),
            ])
            .args(more)
            .stderr(log)
            .spawn()
            .unwrap();
        let this = Self { child, address, http: s.http.clone() };
        until("readiness", async || is(this.get("/readyz").await.0 == 200, (), "not ready")).await;
        this
    }

    /// Status and text; 0 while nobody listens.
    async fn get(&self, path: &str) -> (u16, String) {
        match self.http.get(format!("http://{}{path}", self.address)).send().await {
            Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap_or_default()),
            Err(_) => (0, String::new()),
        }
    }

    /// The sum of all lines that begin so.
    async fn metric(&self, begins: &str) -> f64 {
        let text = self.get("/metrics").await.1;
        let lines = text.lines().filter(|l| l.starts_with(begins));
        lines.filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    async fn requests(&self) -> f64 {
        self.metric("tidegate_api_request_seconds_count").await
    }

    async fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id().unwrap());
        assert!(Command::new("sh").args(["-c", &kill]).status().await.unwrap().success());
    }
}

fn tidegate(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(args).env_remove("KUBECONFIG").env("RUST_LOG", "info");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}
