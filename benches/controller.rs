//! The controller that is measured: the release build, with the chart's rights and the flags that it ships with.

use crate::support::cluster::{ACCOUNT, Cluster, HOME};
use crate::support::held::Held;
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::time::sleep;

pub(crate) struct Controller {
    process: Held,
    /// Where it answers to probes and shows its metrics.
    answers: String,
    /// From its start until it said that it is ready.
    pub(crate) ready: Duration,
}

/// What the kernel says of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) resident_mib: f64,
    pub(crate) peak_mib: f64,
    pub(crate) cpu_seconds: f64,
}

const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(20);
/// The unit of times in `/proc/PID/stat`; a constant of Linux on every architecture that it runs on.
const TICKS_PER_SECOND: f64 = 100.0;
/// At rest is who has used less than this in so long; a lease is renewed meanwhile.
const CALM: (f64, Duration) = (0.021, Duration::from_secs(5));

impl Controller {
    /// Returns when it says that it is ready.
    pub(crate) async fn start(cluster: &Cluster) -> Result<Self> {
        Self::start_with(cluster, &[], &[]).await
    }

    /// The same, with AWS at this endpoint.
    pub(crate) async fn on_ecs(cluster: &Cluster, endpoint: &str) -> Result<Self> {
        let environment = [
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ACCESS_KEY_ID", "111122223333"),
            ("AWS_SECRET_ACCESS_KEY", "any"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        Self::start_with(cluster, &["--allow-role=own"], &environment.map(|(k, v)| (k, v.to_owned()))).await
    }

    async fn start_with(cluster: &Cluster, more: &[&str], environment: &[(&'static str, String)]) -> Result<Self> {
        let token = cluster.kubectl(&["create", "token", ACCOUNT, "-n", HOME, "--duration=24h"], None);
        let kubeconfig = cluster.dir.join("controller.kubeconfig");
        let access = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": cluster.server, "certificate-authority": cluster.ca}}],
            "users": [{"name": "c", "user": {"token": token.trim()}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        });
        fs::write(&kubeconfig, access.to_string())?;
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        // The cluster's pods have loopback addresses.
        let args = ["run", "--allow-loopback", &format!("--listen={listen}"), &format!("--lease-namespace={HOME}")];
        let args: Vec<String> = args.iter().chain(more).map(|a| (*a).to_owned()).collect();
        let mut env = vec![("TIDEGATE_KUBECONFIG", kubeconfig.to_string_lossy().into_owned())];
        env.extend_from_slice(environment);
        let began = Instant::now();
        let log = cluster.dir.join("controller.log");
        let process = Held::start(&binary()?, &args, &env, &log);
        let answers = format!("http://{listen}");
        let ready = || async { reqwest::get(format!("{answers}/readyz")).await.is_ok_and(|a| a.status().is_success()) };
        while !ready().await {
            ensure!(began.elapsed() < PATIENCE, "the controller is not ready; see {}", log.display());
            sleep(LOOK).await;
        }
        let ready = began.elapsed();
        Ok(Self { process, answers, ready })
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        let of = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", self.process.pid));
        let status = of("status").context("the controller has ended")?;
        let mib = |name: &str| -> Result<f64> {
            let line = status.lines().find_map(|l| l.strip_prefix(name)).context(format!("no {name}"))?;
            Ok(line.trim_end_matches("kB").trim().parse::<f64>()? / 1024.0)
        };
        let stat = of("stat")?;
        // After the name, which may hold blanks: state is the first, user and system time the 12th and 13th.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let [user, system] = [11, 12].map(|i| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(f64::NAN));
        let cpu_seconds = (user + system) / TICKS_PER_SECOND;
        Ok(Usage { resident_mib: mib("VmRSS:")?, peak_mib: mib("VmHWM:")?, cpu_seconds })
    }

    /// Open descriptors and threads.
    pub(crate) fn holds(&self) -> Result<(usize, usize)> {
        let count =
            |what: &str| Ok::<_, anyhow::Error>(fs::read_dir(format!("/proc/{}/{what}", self.process.pid))?.count());
        Ok((count("fd")?, count("task")?))
    }

    /// What a metric without labels says now.
    pub(crate) async fn metric(&self, name: &str) -> Result<usize> {
        let text = reqwest::get(format!("{}/metrics", self.answers)).await?.text().await?;
        let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.with_context(|| format!("no metric {name}"))?.parse()?)
    }

    /// Returns when it has nothing more to do.
    pub(crate) async fn calm(&self) -> Result<Usage> {
        let began = Instant::now();
        let mut before = self.usage()?;
        // The cluster's own controllers may still be busy with what was created, and tell it of each change.
        while began.elapsed() < PATIENCE * 5 {
            sleep(CALM.1).await;
            let now = self.usage()?;
            let spent = now.cpu_seconds - before.cpu_seconds;
            if spent < CALM.0 {
                return Ok(now);
            }
            eprintln!("not at rest yet: {spent:.2} s of CPU in {} s", CALM.1.as_secs());
            before = now;
        }
        bail!("the controller does not come to rest")
    }

    /// Stops it as the kubelet would, so that it gives its lease back.
    pub(crate) async fn stop(self) -> Result<()> {
        self.process.signal("TERM");
        let began = Instant::now();
        while PathBuf::from(format!("/proc/{}", self.process.pid)).exists() {
            ensure!(began.elapsed() < PATIENCE, "the controller does not stop");
            sleep(LOOK).await;
        }
        Ok(())
    }
}

/// The release build beside the build that this is part of, or what CONTROLLER names.
fn binary() -> Result<PathBuf> {
    if let Some(other) = std::env::var_os("CONTROLLER") {
        return Ok(other.into());
    }
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(3).context("no target directory")?;
    let binary = target.join("release/tidegate");
    ensure!(binary.exists(), "{} is missing: `make bench` builds it", binary.display());
    Ok(binary)
}
