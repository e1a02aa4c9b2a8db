//! AWS, as far as there is one in the demo: a scripted ECS in a process of its own, so that it stays up with `--keep`.
//!
//! What it does with an image is fixed here. It decides nothing for the controller, which reaches it over HTTP as it
//! would reach AWS.

#[path = "../tests/ecs/sim/mod.rs"]
mod sim;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sim::Sim;
use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

/// The account's number is also its access key; any secret will do.
pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const CLUSTER: &str = "prod";
pub(crate) const SERVICE: &str = "payments";

const REPOSITORY: &str = "registry.example/shop/payments";
/// Not 127.0.0.1: the API server is there, which checks never ask.
const LOAD_BALANCER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Where it answers.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Ecs {
    /// For `AWS_ENDPOINT_URL_ECS`.
    pub(crate) endpoint: String,
    /// What users of the service ask.
    pub(crate) load_balancer: SocketAddr,
}

impl Ecs {
    pub(crate) fn read(file: &Path) -> Result<Self> {
        Ok(serde_json::from_str(&fs::read_to_string(file)?)?)
    }
}

/// Simulates until its standard input ends, or until it is ended, and writes into this file where.
pub(crate) async fn simulate(file: &Path, outlives_parent: bool) -> Result<bool> {
    let sim = Sim::start().await;
    // Staging has nothing to bill: only production finds out.
    sim.answers(|image, path| match path {
        "/charges" if image.ends_with(":sha-0badc0d") => (500, "no such column: charges.currency".to_owned()),
        _ => (200, r#"{"status": "healthy"}"#.to_owned()),
    });
    let account = sim.account(ACCOUNT, REGION);
    let first = account.register(&task_definition("sha-a1b2c3d"));
    let service = account.service(CLUSTER, SERVICE, &first).desired(2).breaker(true).create();
    let front = sim.front(&service, LOAD_BALANCER).await;
    let unfinished = file.with_extension("unfinished");
    let places = Ecs { endpoint: sim.endpoint(), load_balancer: front.addr };
    fs::write(&unfinished, serde_json::to_string(&places)?)?;
    fs::rename(&unfinished, file).with_context(|| format!("cannot write {}", file.display()))?;
    if outlives_parent {
        std::future::pending::<()>().await;
    }
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(true)
}

fn task_definition(tag: &str) -> String {
    let container = serde_json::json!({
        "name": "app", "image": format!("{REPOSITORY}:{tag}"), "essential": true,
        "portMappings": [{"containerPort": 8080, "protocol": "tcp"}],
    });
    serde_json::json!({
        "family": SERVICE, "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256",
        "memory": "512", "containerDefinitions": [container],
    })
    .to_string()
}
