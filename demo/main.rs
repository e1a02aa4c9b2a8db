//! `make demo`: three rollouts on a real control plane, shown as they happen.
//!
//! It starts the processes, types the commands that it prints, and tells what it sees by watching the API server. It
//! never touches a workload itself, and never says what it has not seen.

mod acts;
mod cluster;
mod narrator;
mod screen;
mod shell;

use acts::{ACTS, Ended};
use anyhow::{Context, Result};
use cluster::Cluster;
use std::process::ExitCode;
use std::time::Instant;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    let result = match std::env::args().nth(1).as_deref() {
        None => demo(false).await,
        Some("--keep") => demo(true).await,
        Some("--stop") => cluster::stop_kept(),
        Some(other) => Err(anyhow::anyhow!("{other:?} is none of --keep, --stop")),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\nThe demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// True if all acts ended as they should.
async fn demo(keep: bool) -> Result<bool> {
    // An error only says that one is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    screen::title("Tidegate: three rollouts on a real control plane. It takes about a minute.");
    let mut cluster = Cluster::new(keep)?;
    let ended = tokio::select! {
        ended = story(&mut cluster) => ended,
        () = interrupted() => Err(anyhow::anyhow!("interrupted")),
    };
    let stay = keep && ended.is_ok();
    if let Err(error) = &ended {
        cluster.explain(error);
    }
    if stay {
        cluster.leave_up()?
    } else {
        cluster.stop().await
    }
    let ended = ended?;
    screen::table(&ended);
    if stay {
        cluster.say_how_to_play();
    }
    Ok(ended.iter().all(|e| e.right))
}

async fn story(cluster: &mut Cluster) -> Result<Vec<Ended>> {
    let began = Instant::now();
    cluster.start().await?;
    screen::note(&format!(
        "etcd, kube-apiserver, kube-controller-manager, kube-scheduler and simulated nodes are up after {:.1} s.",
        began.elapsed().as_secs_f64()
    ));
    screen::chapter("The CRD, the chart's rights, and the controller, as its own ServiceAccount");
    let shell = cluster.shell();
    shell.run("kubectl create namespace tidegate-system").await?;
    shell
        .run(
            "helm template tidegate charts/tidegate -n tidegate-system --include-crds --set controller.enabled=false \
             | kubectl apply -f -",
        )
        .await?;
    shell.run("kubectl wait --for=condition=Established crd/releases.tidegate.dev --timeout=30s").await?;
    cluster.start_controller().await?;

    screen::chapter("Two applications that run already, and a Release for each");
    // What the simulated images do: part of the stage, not of the play.
    shell.run_unseen("kubectl apply -f examples/demo/1-namespaces.yaml -f demo/images.yaml").await?;
    shell.run("kubectl apply -f examples/demo/").await?;
    let client = cluster.client().await?;
    let mut narrator = narrator::Narrator::new(client.clone());
    acts::adopted(&mut narrator).await.context("before the first act")?;

    let mut ended = Vec::new();
    for (number, act) in ACTS.iter().enumerate() {
        screen::chapter(&format!("{}. {}", number + 1, act.title));
        ended.push(act.play(&shell, &mut narrator, &client).await.with_context(|| format!("in act {}", number + 1))?);
    }
    Ok(ended)
}

async fn interrupted() {
    let wait = async |kind| match signal(kind) {
        Ok(mut stream) => drop(stream.recv().await),
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = wait(SignalKind::interrupt()) => {}
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::hangup()) => {}
    }
}
