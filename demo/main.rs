//! `make demo`: five rollouts on a real control plane, shown as they happen. `make demo-everything`: two, of a stage
//! with everything in it.
//!
//! It starts the processes, types the commands that it prints, and tells what it sees by watching the API server
//! and asking ECS. It never touches a workload itself, and never says what it has not seen.

mod acts;
mod cluster;
mod ecs;
mod everything;
mod narrator;
mod screen;
mod service;
mod shell;

use acts::{ACTS, Ended, Places};
use anyhow::{Context, Result};
use cluster::Cluster;
use ecs::Ecs;
use narrator::Narrator;
use service::Service;
use shell::Shell;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        [] => demo(Story::Five, false).await,
        ["--keep"] => demo(Story::Five, true).await,
        ["--everything"] => demo(Story::Everything, false).await,
        ["--everything", "--keep"] => demo(Story::Everything, true).await,
        ["--stop"] => cluster::stop_kept(),
        // The demo starts itself like this.
        ["--ecs", file] => ecs::simulate(Path::new(file), false).await,
        ["--ecs", file, "--outlive-parent"] => ecs::simulate(Path::new(file), true).await,
        _ => Err(anyhow::anyhow!("{arguments:?} is none of --everything, --keep, --stop")),
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

/// What is played.
#[derive(Clone, Copy)]
enum Story {
    Five,
    Everything,
}

/// True if all acts ended as they should.
async fn demo(which: Story, keep: bool) -> Result<bool> {
    // An error only says that one is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    screen::title(match which {
        Story::Five => "Tidegate: five rollouts on a real control plane. It takes about a minute.",
        Story::Everything => {
            "Tidegate: a stage with everything in it, on a real control plane. It takes about a minute."
        }
    });
    let mut cluster = Cluster::new(keep)?;
    let told = async |cluster: &mut Cluster| match which {
        Story::Five => story(cluster).await,
        Story::Everything => everything::story(cluster).await,
    };
    let ended = tokio::select! {
        ended = told(&mut cluster) => ended,
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
    let ecs = installed(cluster).await?;

    let shell = cluster.shell();
    screen::chapter("Two applications that run already, and a Release for each");
    // What the simulated images do: part of the stage, not of the play.
    shell.run_unseen("kubectl apply -f examples/demo/1-namespaces.yaml -f demo/images.yaml").await?;
    shell.run("kubectl apply -f examples/demo/").await?;
    let client = cluster.client().await?;
    let mut narrator = Narrator::new(client.clone());
    acts::adopted(&mut narrator, &["checkout", "search"]).await.context("before the first act")?;
    let places = Places { client, service: Service::new(&ecs).await };

    let mut ended = Vec::new();
    for (number, act) in ACTS.iter().enumerate() {
        screen::chapter(&format!("{}. {}", number + 1, act.title));
        if number + 1 == ACTS.len() {
            introduce_ecs(&shell, &mut narrator, &ecs, &places).await?;
        }
        for play in act.plays {
            play.note.iter().for_each(|note| screen::note(note));
            let end = play.play(&shell, &mut narrator, &places).await;
            ended.push(end.with_context(|| format!("in act {}", number + 1))?);
        }
    }
    Ok(ended)
}

/// The CRD, the chart's rights and the controller; and an ECS that it may ask.
async fn installed(cluster: &mut Cluster) -> Result<Ecs> {
    screen::chapter("The CRD, the chart's rights, and the controller, as its own ServiceAccount");
    let shell = cluster.shell();
    shell.run("kubectl create namespace tidegate-system").await?;
    shell
        .run(
            "helm template tidegate charts/tidegate -n tidegate-system --include-crds --set controller.enabled=false \
             | kubectl apply -f -",
        )
        .await?;
    shell.run(r#"kubectl wait --for='jsonpath={.status.conditions[?(@.type=="Established")].status}=True' crd/releases.tidegate.dev --timeout=30s"#).await?;
    let ecs = cluster.start_ecs().await?;
    cluster.start_controller(&ecs).await?;
    Ok(ecs)
}

/// The third application: its production is a service on ECS, which runs already.
async fn introduce_ecs(shell: &Shell, narrator: &mut Narrator, ecs: &Ecs, places: &Places) -> Result<()> {
    screen::note(
        "AWS is SIMULATED here: no account, no network. The controller uses the real AWS SDK, which reaches a",
    );
    screen::note(&format!(
        "scripted ECS over HTTP at {} (AWS_ENDPOINT_URL_ECS). A load balancer in front",
        ecs.endpoint
    ));
    screen::note(&format!("of its service prod/payments is simulated too, at http://{}.", ecs.load_balancer));
    narrator.begin();
    narrator.follow(places.service.clone());
    screen::note("An administrator lets the Releases of this namespace use the controller's own AWS credentials:");
    shell.run("kubectl annotate namespace shop tidegate.dev/allow-roles=own").await?;
    shell.run(&format!("sed s/LOAD-BALANCER/{}/ demo/payments.yaml | kubectl apply -f -", ecs.load_balancer)).await?;
    acts::adopted(narrator, &["payments"]).await.context("before the fourth act")
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
