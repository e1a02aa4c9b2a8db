//! The controller around the pure core: it watches, reconciles, writes the status and holds the lease.
//!
//! Reading order: [`run`] puts the parts together; `work` is the loop; `reconcile` is one look at one Release. What to do
//! is decided in [`crate::rollout`] and nowhere here.

mod clock;
mod error;
mod events;
mod health;
mod heard;
pub mod lease;
mod lists;
mod memory;
mod place;
mod pods;
mod queue;
mod reconcile;
pub mod record;
mod seen;
mod serve;
mod status;
mod unreadable;
mod watch;
mod work;

use crate::api::spec::WorkloadKind;
use crate::aws::Aws;
use crate::check::{self, Directory, Outbound, Pool};
use crate::hook::Hooks;
use crate::observe::{ClusterDirectory, EcsOptions, Limits, Observer, client};
use crate::registry::Registries;
use crate::target::Writers;
use crate::target::ecs::EcsWriter;
use crate::target::kubernetes::KubernetesWriter;
use crate::telemetry::{Metrics, TimeRequests};
use anyhow::Context as _;
use clock::Clock;
use events::Events;
use health::Health;
use heard::{Heard, Sketch};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use kube::{Api, Client, Config};
use lease::{Elector, Leadership, LeaseOptions};
use memory::Memory;
use pods::PodWatches;
use queue::Queue;
use reconcile::Context;
use record::Recorder;
use serve::{Served, serve};
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch as channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use watch::Watches;
use work::Work;

/// How the controller runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only Releases and workloads of this namespace. Default: all.
    pub namespace: Option<String>,
    /// Releases looked at at once.
    pub concurrency: usize,
    pub listen: SocketAddr,
    /// `None`: this is the only replica.
    pub lease: Option<LeaseOptions>,
    /// What checks may reach.
    pub policy: check::Policy,
    /// How services on AWS are looked at, and with which roles.
    pub ecs: EcsOptions,
    /// Every decision's input is appended here.
    pub record: Option<PathBuf>,
}

/// The longest that one write may take: well under what is left of a lease when its holder stops trusting it.
const WRITE: Duration = Duration::from_secs(5);
/// How long a stop waits for what is under way, and then for events.
const GRACE: Duration = Duration::from_secs(10);
const LAST_EVENTS: Duration = Duration::from_secs(2);

/// Runs until `stop`; then finishes what is under way, gives the lease up and returns.
pub async fn run(config: Config, options: Options, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let metrics = Arc::new(Metrics::new());
    let watching = client::watching(config.clone()).context("no client for watching")?;
    let acting = client::acting_in(config.clone(), &TimeRequests(metrics.clone())).context("no client for acting")?;
    let listener = tokio::net::TcpListener::bind(options.listen).await;
    let listener = listener.with_context(|| format!("--listen {}: cannot be listened on", options.listen))?;
    tracing::info!(listen = %listener.local_addr()?, version = env!("CARGO_PKG_VERSION"), "starting");

    let elector = elector(&config, &options)?;
    let instance = elector.as_ref().map_or_else(|| "tidegate".to_owned(), |e| e.identity().to_owned());
    let (leadership, end_lease, lease) = lead(elector);
    let (events, publishing) = Events::start(acting.clone(), metrics.clone(), &instance);
    let queue = Arc::new(Queue::default());
    let memory = Arc::new(Memory::default());
    let clock = Clock::start();
    let aws = Arc::new(Aws::default());
    let directory = ClusterDirectory::new(acting.clone(), &config, Limits::default());
    let directory: Arc<dyn Directory> = Arc::new(directory.with_aws(aws.clone(), &options.ecs));
    let outside = check::Outside::default();
    let outbound = Outbound::new(directory.clone(), outside.clone(), options.policy.clone());
    let registries = Registries::new(outbound.context("no client for registries")?);
    let pool = pool(directory, outside, &options, clock, &queue)?;
    let (unreadable, found) = mpsc::channel(unreadable::WAITING);
    let watches = Arc::new(Watches::new(memory.clone(), queue.clone(), metrics.clone(), unreadable));
    let saying = tokio::spawn(unreadable::say_so(acting.clone(), leadership.clone(), found));
    let health = Arc::new(Health::default());
    let context = Arc::new(Context {
        clock,
        memory,
        observer: Observer::new(acting.clone(), Limits::default())
            .with_ecs(aws.clone(), options.ecs.clone())
            .with_registries(registries),
        writer: status::Writer::new(acting.clone(), WRITE),
        hooks: Arc::new(Hooks::new(acting.clone(), aws.clone(), WRITE)),
        target: Arc::new(Writers { kubernetes: KubernetesWriter::new(acting, WRITE), ecs: EcsWriter::new(aws, WRITE) }),
        pool,
        pods: PodWatches::new(watching.clone(), queue.clone(), metrics.clone()),
        events,
        metrics: metrics.clone(),
        recorder: options.record.as_deref().map(Recorder::append_to).transpose().context("--record")?,
        leadership,
    });

    let mut background = follow(&watches, &watching, options.namespace.as_deref());
    let served = Served { health: health.clone(), watches: watches.clone(), metrics };
    background.extend([saying, tokio::spawn(serve(listener, served))]);
    Work::new(context, queue, watches, health, options.concurrency).run(stop, GRACE).await;

    drop(end_lease);
    if let Some(lease) = lease {
        drop(lease.await);
    }
    background.iter().for_each(JoinHandle::abort);
    drop(timeout(LAST_EVENTS, publishing).await);
    tracing::info!("stopped");
    Ok(())
}

fn elector(config: &Config, options: &Options) -> anyhow::Result<Option<Elector>> {
    let Some(lease) = &options.lease else { return Ok(None) };
    Ok(Some(Elector::new(client::leasing(config.clone()).context("no client for the lease")?, lease)))
}

type Lead = (channel::Receiver<Leadership>, oneshot::Sender<()>, Option<JoinHandle<()>>);

/// Starts the elector. Dropping the sender ends it.
fn lead(elector: Option<Elector>) -> Lead {
    let (end, ended) = oneshot::channel();
    let Some(elector) = elector else {
        let (tx, rx) = channel::channel(Leadership::always());
        // Kept for as long as the process: whoever asks must find it open.
        let keep = tokio::spawn(async move { drop((ended.await, tx)) });
        return (rx, end, Some(keep));
    };
    let (tx, rx) = channel::channel(Leadership::default());
    let task = tokio::spawn(elector.run(tx, async move { drop(ended.await) }));
    (rx, end, Some(task))
}

fn pool(
    directory: Arc<dyn Directory>,
    outside: check::Outside,
    options: &Options,
    clock: Clock,
    queue: &Arc<Queue>,
) -> anyhow::Result<Arc<Pool>> {
    let (wake, mut woken) = mpsc::unbounded_channel();
    let limits = check::Limits::default();
    let now = Arc::new(move || clock.now());
    let pool = Pool::with_clock(directory, outside, options.policy.clone(), limits, wake, now);
    let pool = pool.context("no pool of checks")?;
    let queue = queue.clone();
    tokio::spawn(async move {
        while let Some(name) = woken.recv().await {
            queue.add(&name, tokio::time::Instant::now(), false);
        }
    });
    Ok(Arc::new(pool))
}

fn follow(watches: &Arc<Watches>, client: &Client, namespace: Option<&str>) -> Vec<JoinHandle<()>> {
    let releases: Api<Heard> = scoped(client, namespace);
    // A restricted controller may write to workloads of that namespace alone, so it watches no others.
    let deployments: Api<Sketch<Deployment>> = scoped(client, namespace);
    let stateful_sets: Api<Sketch<StatefulSet>> = scoped(client, namespace);
    let daemon_sets: Api<Sketch<DaemonSet>> = scoped(client, namespace);
    let [one, two, three, four] = [(); 4].map(|()| watches.clone());
    vec![
        tokio::spawn(async move { one.releases(releases).await }),
        tokio::spawn(async move { two.workloads(WorkloadKind::Deployment, deployments).await }),
        tokio::spawn(async move { three.workloads(WorkloadKind::StatefulSet, stateful_sets).await }),
        tokio::spawn(async move { four.workloads(WorkloadKind::DaemonSet, daemon_sets).await }),
    ]
}

fn scoped<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}
