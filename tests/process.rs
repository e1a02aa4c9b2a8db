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
use support::cluster::HOME;
use support::controller::account;
use support::held::signal;
use support::wait::{BOUND, is, until};
use support::{Cluster, Scene, audit};
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
    let args = ["--log-format=json", "--record", record.to_str().unwrap()];
    let mut one = Process::start(s, "process-one", &args).await;
    until("the first replica to lead", async || is(one.metric("tidegate_leader").await == 1.0, (), "it does not"))
        .await;
    s.settled().await;

    let mut two = Process::start(s, "process-two", &["--log-format=text"]).await;
    assert_eq!(two.get("/readyz").await.0, 200, "a follower is ready");
    assert_eq!((two.get("/livez").await.0, two.metric("tidegate_leader").await), (200, 0.0));
    until("the end is counted", async || {
        let ended = one.metric("tidegate_rollouts_ended_total{phase=\"Verified\"").await;
        is(ended >= 1.0, (), ended)
    })
    .await;

    // Settled, and nobody touches anything: nothing is asked of the API server. The lease has a client of its own.
    until("the last events to be published", async || {
        let untold = audit::untold(&s.records(std::slice::from_ref(&s.ns)).await);
        is(untold.is_empty(), (), untold)
    })
    .await;
    until("nothing to be under way", async || {
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

    one.stops().await;
    let leases: Api<Lease> = Api::namespaced(s.client.clone(), HOME);
    until("the second replica to lead", async || {
        let holder = leases.get("tidegate").await.unwrap().spec.unwrap().holder_identity.unwrap_or_default();
        is(holder.starts_with("process-two_"), (), holder)
    })
    .await;
    replays(&record).await;

    s.release_to_production("sha-0000002").await;
    two.stops().await;
    json_lines_name_what_they_speak_of(s);
    text_lines_name_what_they_speak_of(s);
}

/// Every line about a Release bears it, its rollout, its stage and its targets as fields.
fn json_lines_name_what_they_speak_of(s: &Scene) {
    let log = fs::read_to_string(s.cluster.dir.join("process-one.log")).unwrap();
    let lines: Vec<Value> = log.lines().map(|l| serde_json::from_str(l).expect(l)).collect();
    let about: Vec<&Value> = lines.iter().filter(|l| l["span"].is_object()).collect();
    assert!(about.len() >= 4, "{log}");
    for line in &about {
        let of = |field: &str| line["span"][field].as_str().unwrap_or_default();
        assert_eq!(
            (of("release"), of("rollout"), of("target")),
            (&*format!("{}/checkout", s.ns), "1-1", "web"),
            "{line}"
        );
        assert!(["staging", "production"].contains(&of("stage")), "{line}");
    }
    assert!(about.iter().any(|l| l["reason"] == "Verified" && l["level"] == "INFO"), "{log}");
}

fn text_lines_name_what_they_speak_of(s: &Scene) {
    let log = fs::read_to_string(s.cluster.dir.join("process-two.log")).unwrap();
    let about: Vec<&str> = log.lines().filter(|l| l.contains("look:") || l.contains("write:")).collect();
    for field in ["release=", "rollout=2-1", "stage=", "target=\"web\""] {
        let without: Vec<_> = about.iter().filter(|l| !l.contains(field)).collect();
        assert!(without.is_empty(), "without {field}: {without:#?}");
    }
    let wrote = about.iter().filter(|l| l.contains("wrote") && l.contains("Applied"));
    assert_eq!(wrote.count(), 2, "{log}");
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

/// A controller that cares for the scene's namespace alone.
struct Process {
    child: Child,
    address: String,
    http: reqwest::Client,
}

impl Process {
    async fn start(s: &Scene, name: &str, more: &[&str]) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let log = fs::File::create(s.cluster.dir.join(format!("{name}.log"))).unwrap();
        let child = tidegate(&["run", "--allow-loopback"])
            .arg(format!("--listen={address}"))
            .arg(format!("--kubeconfig={}", account(s.cluster, name).display()))
            .args([format!("--namespace={HOME}"), format!("--watch-namespace={}", s.ns), format!("--identity={name}")])
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

    /// Asked to stop, it does so by itself.
    async fn stops(&mut self) {
        signal(self.child.id().unwrap(), "TERM");
        let ended = timeout(BOUND, self.child.wait()).await.expect("it does not stop").unwrap();
        assert_eq!(ended.code(), Some(0));
    }
}

fn tidegate(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(args).env_remove("KUBECONFIG").env("RUST_LOG", "info");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}
