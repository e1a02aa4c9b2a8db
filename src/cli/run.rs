//! `tidegate run`: the controller.

use crate::check::{HostPattern, Policy};
use crate::controller::lease::LeaseOptions;
use crate::controller::{self, Options};
use crate::observe::{AllowedRoles, EcsOptions};
use crate::telemetry::{self, LogFormat};
use anyhow::{Context, ensure};
use clap::Args;
use ipnet::IpNet;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Every flag can be given by an environment variable too.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Kubeconfig file. Default: $KUBECONFIG, else ~/.kube/config, else the Pod's service account.
    #[arg(long, env = "TIDEGATE_KUBECONFIG", value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Watch only this namespace. Default: all.
    #[arg(long, env = "TIDEGATE_WATCH_NAMESPACE", value_name = "NAMESPACE")]
    watch_namespace: Option<String>,
    /// Releases worked on at once.
    #[arg(long, env = "TIDEGATE_CONCURRENCY", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,
    /// Where /livez, /readyz and /metrics are served.
    #[arg(long, env = "TIDEGATE_LISTEN", default_value = "0.0.0.0:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Take no lease: this is the only replica.
    #[arg(long, env = "TIDEGATE_NO_LEASE")]
    no_lease: bool,
    /// The controller's own namespace, where its Lease lies. Default: the kubeconfig's.
    #[arg(long, alias = "lease-namespace", env = "POD_NAMESPACE", value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Name of the Lease.
    #[arg(
        long = "lease",
        alias = "lease-name",
        env = "TIDEGATE_LEASE",
        default_value = "tidegate",
        value_name = "NAME"
    )]
    lease_name: String,
    /// How this replica is known in the Lease and in events. Default: the host's name.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    identity: Option<String>,
    /// How long the lease of a replica that vanished keeps the others waiting, in seconds. It is renewed three times as often.
    #[arg(long, env = "TIDEGATE_LEASE_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u16).range(3..=300))]
    lease_seconds: u16,
    /// Let checks and look-ups of images reach loopback addresses. For tests and demonstrations on one machine only.
    #[arg(long, env = "TIDEGATE_ALLOW_LOOPBACK")]
    allow_loopback: bool,
    /// A host that url checks and look-ups of images may reach although its addresses are not public, such as api.internal or *.internal. May be repeated.
    #[arg(long, env = "TIDEGATE_ALLOW_URL_HOST", value_delimiter = ',', value_name = "HOST")]
    allow_url_host: Vec<HostPattern>,
    /// A network that url checks and look-ups of images may reach although it is not public, such as 10.1.0.0/16. May be repeated.
    #[arg(long, env = "TIDEGATE_ALLOW_URL_CIDR", value_delimiter = ',', value_name = "CIDR")]
    allow_url_cidr: Vec<IpNet>,
    /// A network that checks and look-ups never reach, such as 10.1.2.0/24. May be repeated.
    #[arg(long = "deny-cidr", env = "TIDEGATE_DENY_CIDR", value_delimiter = ',', value_name = "CIDR")]
    deny: Vec<IpNet>,
    /// A role on AWS that Releases of every namespace may use, or `own` for the controller's own credentials. May be
    /// repeated. The annotation tidegate.dev/allow-roles on a Namespace allows roles to that namespace alone.
    #[arg(long = "allow-role", env = "TIDEGATE_ALLOW_ROLE", value_delimiter = ',', value_name = "ARN")]
    allow_roles: Vec<String>,
    /// Seconds between two looks at an ECS service in work.
    #[arg(long, env = "TIDEGATE_ECS_POLL_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=300))]
    ecs_poll_seconds: u16,
    /// Append what every decision was taken on to this file, for `tidegate replay`. It holds specs and statuses.
    #[arg(long, env = "TIDEGATE_RECORD", value_name = "FILE")]
    record: Option<PathBuf>,
    #[arg(long, env = "TIDEGATE_LOG_FORMAT", default_value = "json", value_name = "FORMAT")]
    log_format: LogFormat,
    /// Log filter, such as `debug` or `tidegate=debug,kube=warn`.
    #[arg(long, env = "RUST_LOG", default_value = "info", value_name = "FILTER")]
    log_level: String,
}

/// Work is short and waits for the network; more threads would only cost memory.
const THREADS: usize = 2;

/// Runs the controller until SIGTERM or SIGINT.
pub fn run(args: RunArgs) -> anyhow::Result<()> {
    telemetry::init(args.log_format, &args.log_level)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(THREADS).max_blocking_threads(4).enable_all().build()?;
    runtime.block_on(async {
        let config = config(args.kubeconfig.as_deref()).await?;
        let stop = stop()?;
        let options = options(args, &config)?;
        controller::run(config, options, stop).await
    })
}

async fn config(kubeconfig: Option<&std::path::Path>) -> anyhow::Result<Config> {
    let Some(path) = kubeconfig else {
        return Config::infer().await.context("no cluster: neither a service account nor a kubeconfig was found");
    };
    let read = || format!("--kubeconfig {}", path.display());
    let file = Kubeconfig::read_from(path).with_context(read)?;
    Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.with_context(read)
}

fn options(args: RunArgs, config: &Config) -> anyhow::Result<Options> {
    let policy = Policy {
        allow_loopback: args.allow_loopback,
        allow: args.allow_url_cidr,
        allow_hosts: args.allow_url_host,
        deny: args.deny,
    };
    let lease = LeaseOptions {
        namespace: args.namespace.unwrap_or_else(|| config.default_namespace.clone()),
        name: args.lease_name,
        identity: args.identity,
        ttl: Duration::from_secs(args.lease_seconds.into()),
    };
    ensure!(args.no_lease || !lease.namespace.is_empty(), "--namespace is needed: the kubeconfig names none");
    Ok(Options {
        namespace: args.watch_namespace,
        concurrency: args.concurrency.into(),
        listen: args.listen,
        lease: (!args.no_lease).then_some(lease),
        policy,
        ecs: EcsOptions {
            poll: Duration::from_secs(args.ecs_poll_seconds.into()),
            allowed: AllowedRoles(args.allow_roles),
        },
        record: args.record,
    })
}

/// Done when the process is asked to stop.
fn stop() -> anyhow::Result<impl Future<Output = ()>> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = term.recv() => tracing::info!("SIGTERM: stopping"),
            _ = int.recv() => tracing::info!("SIGINT: stopping"),
        }
    })
}
