//! `make demo-everything`: `examples/everything.yaml` on the demo's cluster, with a real Prometheus beside it.
//!
//! A stage with a readiness gate, a migration, five checks, a bake and a metric gate: first well, then taken back.
//! Only what nobody waits for is shortened, by a command that is shown.

use crate::acts::{Ended, Places, Play};
use crate::cluster::Cluster;
use crate::narrator::Narrator;
use crate::screen;
use crate::service::Service;
use crate::shell::Shell;
use anyhow::{Context, Result};

pub(crate) async fn story(cluster: &mut Cluster) -> Result<Vec<Ended>> {
    cluster.start().await?;
    let ecs = crate::installed(cluster).await?;

    screen::chapter("A Deployment and a StatefulSet that run already, and a Prometheus that scrapes them");
    let shell = cluster.shell();
    shell.run("kubectl apply -f demo/everything.yaml").await?;
    shell.run("kubectl rollout status deployment/checkout statefulset/checkout-store -n shop --timeout=60s").await?;
    let address = shell.run_unseen("kubectl get service checkout -n shop -o jsonpath={.spec.clusterIP}:8080").await?;
    let prometheus = cluster.start_prometheus(address.trim()).await?;
    let client = cluster.client().await?;
    let mut narrator = Narrator::new(client.clone());
    let places = Places { client, service: Service::new(&ecs).await };

    screen::chapter("1. A good version, through everything that a stage can have");
    screen::note("The example as it stands, but for the address of Prometheus and for how long it bakes:");
    let edit = format!("s|service: {{name: prometheus.*|url: \"{prometheus}\"|; s/bake: 10m/bake: 8s/; s/: 30s/: 5s/");
    let apply = format!("sed '{edit}' examples/everything.yaml | kubectl apply -f -");
    narrator.begin();
    shell.run(&apply).await?;
    let good = Play::of_everything(true);
    published(&shell, good.tag).await?;
    let first = good.follow(&shell, &mut narrator, &places).await.context("in act 1")?;

    screen::chapter("2. A version that does not answer its users: taken back, and its migration undone");
    let bad = Play::of_everything(false);
    published(&shell, bad.tag).await?;
    let second = bad.play(&shell, &mut narrator, &places).await.context("in act 2")?;
    screen::note("\nWhat the Jobs were, and what the history keeps of it:");
    shell.run("kubectl get jobs -n shop").await?;
    let history = "{range .status.history[*]}{.image}: {.phase} {.cause.reason}{\"\\n\"}{end}";
    shell.run(&format!("kubectl get release checkout-everything -n shop -o jsonpath='{history}'")).await?;
    Ok(vec![first, second])
}

/// As a CI job would, after its tests.
async fn published(shell: &Shell, tag: &str) -> Result<()> {
    screen::note("CI publishes what it found about this version:");
    let evidence = r#"{"at": "'$(date -u +%FT%TZ)'", "ci": "passed", "coverage": 95, "security": {}, "quality": 95}"#;
    let create = "kubectl create configmap checkout-evidence -n shop --dry-run=client -o yaml";
    shell.run(&format!("{create} --from-literal='{tag}={evidence}' | kubectl apply -f -")).await
}
