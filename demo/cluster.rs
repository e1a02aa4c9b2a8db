//! The processes of the demo: the control plane, the scripted ECS and the controller.
//!
//! All end when the demo does, however it ends: each reads a pipe that only the demo holds open. With `--keep` they
//! are started without it, and `--stop` ends them.

use crate::ecs::{ACCOUNT, Ecs};
use crate::screen;
use crate::shell::Shell;
use anyhow::{Context, Result, bail};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

const START: Duration = Duration::from_secs(120);
const STOP: Duration = Duration::from_secs(15);
/// Not 127.0.0.1: the API server is there, which checks never ask.
const METRICS: &str = "127.0.0.3";
/// The shell becomes the program; its background half ends it when the demo's end of the pipe closes.
const UNTIL_PARENT_ENDS: &str = r#"exec 3<&0; (cat <&3 >/dev/null; kill $$ 2>/dev/null) & exec "$@" 3<&- </dev/null"#;
const WITHOUT_PARENT: &str = r#"exec "$@" </dev/null"#;
const SERVICE_ACCOUNT: &str = "tidegate";

pub(crate) struct Cluster {
    root: PathBuf,
    dir: PathBuf,
    keep: bool,
    control_plane: Option<Child>,
    ecs: Option<Child>,
    prometheus: Option<Child>,
    controller: Option<Child>,
    shell: Shell,
}

impl Cluster {
    pub(crate) fn new(keep: bool) -> Result<Self> {
        let (root, dir) = places();
        if !kept(&dir).is_empty() {
            bail!("a demo is still up: `make demo-stop` ends it");
        }
        if dir.exists() {
            fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
        }
        let binary = root.join("tests/cluster/bin/tidegate-cluster");
        if !binary.exists() {
            bail!("{} is missing: `make cluster` builds it", binary.display());
        }
        fs::create_dir_all(&dir)?;
        let shell = Shell::new(&root, &dir.join("bin"), &binary, dir.join("cluster/kubeconfig"))?;
        Ok(Self { root, dir, keep, control_plane: None, ecs: None, prometheus: None, controller: None, shell })
    }

    pub(crate) fn shell(&self) -> Shell {
        self.shell.clone()
    }

    pub(crate) async fn client(&self) -> Result<Client> {
        let kubeconfig = Kubeconfig::read_from(&self.shell.kubeconfig)?;
        Ok(Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)?)
    }

    /// Returns when the API server, the controllers and the nodes work.
    pub(crate) async fn start(&mut self) -> Result<()> {
        let binary = self.root.join("tests/cluster/bin/tidegate-cluster");
        let mut up = Command::new(binary);
        up.arg("up").arg(self.dir.join("cluster"));
        up.arg(if self.keep { "--outlive-parent" } else { "--parent-stdin" });
        let child = self.control_plane.insert(self.spawn(up, "control-plane.log")?);
        appears(&self.dir.join("cluster/cluster.json"), child).await.context("the control plane is not ready")
    }

    /// Starts the scripted ECS, which is this program again, and returns when it answers.
    pub(crate) async fn start_ecs(&mut self) -> Result<Ecs> {
        let file = self.dir.join("ecs.json");
        let mut simulate = Command::new(std::env::current_exe()?);
        simulate.arg("--ecs").arg(&file);
        if self.keep {
            simulate.arg("--outlive-parent");
        }
        let child = self.ecs.insert(self.spawn(simulate, "ecs.log")?);
        appears(&file, child).await.context("the scripted ECS is not ready")?;
        Ecs::read(&file)
    }

    /// Starts a real Prometheus that scrapes this address, and returns when it is ready.
    pub(crate) async fn start_prometheus(&mut self, scraped: &str) -> Result<String> {
        let binary = self.root.join("target/prometheus/bin/prometheus");
        if !binary.exists() {
            bail!("{} is missing: `make prometheus` brings it", binary.display());
        }
        let scrape = serde_json::json!({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [{"job_name": "shop", "static_configs": [
                {"targets": [scraped], "labels": {"namespace": "shop"}}]}],
        });
        let config = self.dir.join("prometheus.yaml");
        fs::write(&config, scrape.to_string())?;
        let listen = std::net::TcpListener::bind((METRICS, 0))?.local_addr()?;
        let args = format!("--config.file={} --web.listen-address={listen}", config.display());
        screen::command(&format!("prometheus --web.listen-address={listen}     # scrapes the Service checkout"));
        let script = if self.keep { WITHOUT_PARENT } else { UNTIL_PARENT_ENDS };
        let mut sh = Command::new("sh");
        sh.args(["-c", script, "sh"]).arg(binary).args(args.split(' '));
        sh.arg(format!("--storage.tsdb.path={}", self.dir.join("metrics").display()));
        let child = self.prometheus.insert(self.spawn(sh, "prometheus.log")?);
        answers(&format!("http://{listen}/-/ready"), child).await.context("Prometheus is not ready")?;
        Ok(format!("http://{listen}"))
    }

    /// Starts the controller with a token of its ServiceAccount, and returns when it says that it is ready.
    pub(crate) async fn start_controller(&mut self, ecs: &Ecs) -> Result<()> {
        let kubeconfig = self.dir.join("controller.kubeconfig");
        fs::write(&kubeconfig, self.service_account_kubeconfig().await?)?;
        let listen = free_address()?;
        let binary = std::env::current_exe()?.with_file_name("../tidegate");
        let args = format!(
            "run --listen={listen} --namespace=tidegate-system --allow-loopback --ecs-poll-seconds=1 --log-format=text"
        );
        screen::command(&format!("AWS_ENDPOINT_URL_ECS={} tidegate {args}", ecs.endpoint));
        let script = if self.keep { WITHOUT_PARENT } else { UNTIL_PARENT_ENDS };
        let mut sh = Command::new("sh");
        sh.args(["-c", script, "sh"]).arg(binary).args(args.split(' ')).env("KUBECONFIG", &kubeconfig);
        only_simulated(&mut sh, ecs);
        let child = self.controller.insert(self.spawn(sh, "controller.log")?);
        answers(&format!("http://{listen}/readyz"), child).await.context("the controller is not ready")
    }

    async fn service_account_kubeconfig(&self) -> Result<String> {
        let create = format!("kubectl create token {SERVICE_ACCOUNT} -n tidegate-system --duration=24h");
        let token = self.shell.run_unseen(&create).await?;
        let described: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(self.dir.join("cluster/cluster.json"))?)?;
        let kubeconfig = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "controller",
            "clusters": [{"name": "cluster", "cluster": {
                "server": described["server"], "certificate-authority": described["ca"]}}],
            "users": [{"name": "controller", "user": {"token": token.trim()}}],
            "contexts": [{"name": "controller", "context": {"cluster": "cluster", "user": "controller"}}],
        });
        Ok(kubeconfig.to_string())
    }

    /// A process in a group of its own, so that Ctrl-C reaches the demo alone, which then ends them in order.
    fn spawn(&self, mut command: Command, log: &str) -> Result<Child> {
        let log = fs::File::create(self.dir.join(log))?;
        command.stdout(log.try_clone()?).stderr(log).process_group(0).current_dir(&self.root);
        command.stdin(if self.keep { Stdio::null() } else { Stdio::piped() });
        command.kill_on_drop(!self.keep).spawn().context("cannot start a process")
    }

    /// Ends the controller first, which gives its lease back, then the control plane.
    pub(crate) async fn stop(&mut self) {
        for child in [&mut self.controller, &mut self.ecs, &mut self.prometheus, &mut self.control_plane] {
            let Some(mut child) = child.take() else { continue };
            drop(child.stdin.take());
            if let (true, Some(id)) = (self.keep, child.id()) {
                let _ = terminate(&[id]);
            }
            if timeout(STOP, child.wait()).await.is_err() {
                let _ = child.kill().await;
            }
        }
        // Kept for whoever wants to know why, when something went wrong; removed by the next demo.
        let _ = fs::remove_dir_all(self.dir.join("cluster/etcd"));
    }

    /// Where to look when something went wrong.
    pub(crate) fn explain(&self, error: &anyhow::Error) {
        if error.to_string() != "interrupted" {
            eprintln!("\nLogs: {}/*.log and {}/cluster/logs", self.dir.display(), self.dir.display());
        }
    }

    /// Remembers what `--stop` has to end.
    pub(crate) fn leave_up(&mut self) -> Result<()> {
        let ids = [&self.controller, &self.ecs, &self.prometheus, &self.control_plane]
            .into_iter()
            .flatten()
            .filter_map(Child::id);
        let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
        Ok(fs::write(self.dir.join("pids"), ids.join("\n"))?)
    }

    pub(crate) fn say_how_to_play(&self) {
        println!("\nThe cluster stays up. To play with it:\n");
        println!("  export KUBECONFIG={}", self.shell.kubeconfig.display());
        println!("  export PATH={}:$PATH     # kubectl", self.dir.join("bin").display());
        println!("  kubectl get releases -A\n\n`make demo-stop` ends it.");
    }
}

/// Whatever the demo's user may do on AWS, no process of the demo does: all of AWS is the scripted ECS.
fn only_simulated(command: &mut Command, ecs: &Ecs) {
    let ours = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in ours.filter(|name| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    command.env("AWS_ENDPOINT_URL_ECS", &ecs.endpoint).env("AWS_ENDPOINT_URL", &ecs.endpoint);
    command.env("AWS_ACCESS_KEY_ID", ACCOUNT).env("AWS_SECRET_ACCESS_KEY", "simulated");
    command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command.env("AWS_EC2_METADATA_DISABLED", "true");
}

/// Waits until a process answers here that it is ready.
async fn answers(url: &str, child: &mut Child) -> Result<()> {
    let wait = async {
        loop {
            if let Some(status) = child.try_wait()? {
                bail!("it ended: {status}");
            }
            if reqwest::get(url).await.is_ok_and(|a| a.status().is_success()) {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(START, wait).await?
}

/// Waits until a process has written this file, which it does when it is ready.
async fn appears(file: &Path, child: &mut Child) -> Result<()> {
    let wait = async {
        while !file.exists() {
            if let Some(status) = child.try_wait()? {
                bail!("it ended: {status}");
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    };
    timeout(START, wait).await?
}

/// Ends what `--keep` left up. True: there is nothing left.
pub(crate) fn stop_kept() -> Result<bool> {
    let (_, dir) = places();
    let ids = kept(&dir);
    if ids.is_empty() {
        println!("Nothing is up.");
        return Ok(true);
    }
    terminate(&ids)?;
    for _ in 0..STOP.as_millis() / 100 {
        if kept(&dir).is_empty() {
            println!("Stopped.");
            fs::remove_dir_all(&dir)?;
            return Ok(true);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("still running: {ids:?}")
}

fn places() -> (PathBuf, PathBuf) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let dir = root.join(".demo");
    (root, dir)
}

/// The processes that `--keep` left up, and that still run.
fn kept(dir: &Path) -> Vec<u32> {
    let listed = fs::read_to_string(dir.join("pids")).unwrap_or_default();
    let ours = |id: &u32| {
        // A process id is used again some day: only a process of ours counts.
        fs::read_to_string(format!("/proc/{id}/cmdline"))
            .is_ok_and(|line| ["tidegate", "--ecs", "prometheus"].iter().any(|p| line.contains(p)))
    };
    listed.lines().filter_map(|line| line.parse().ok()).filter(ours).collect()
}

fn terminate(ids: &[u32]) -> Result<()> {
    let ids = ids.iter().map(u32::to_string);
    std::process::Command::new("sh").args(["-c", r#"kill "$@""#, "sh"]).args(ids).status()?;
    Ok(())
}

fn free_address() -> Result<std::net::SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
