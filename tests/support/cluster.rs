//! One control plane per test binary, with the chart's CRD and rights in it.

use super::wait::BOUND;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where the controller lives, as the chart installs it.
pub const HOME: &str = "tidegate-system";
pub const ACCOUNT: &str = "tidegate";
/// The controller's user name, as the audit log has it.
pub const CONTROLLER: &str = "system:serviceaccount:tidegate-system:tidegate";
/// People of the approval tests, beside the administrator.
const USERS: [&str; 4] = ["ann", "con", "eve", "mallory"];

/// A running control plane.
pub struct Cluster {
    pub dir: PathBuf,
    pub server: String,
    pub ca: PathBuf,
    pub kubeconfig: PathBuf,
    pub audit_log: PathBuf,
    /// Where every version of every object can be read.
    pub history: String,
    /// By name: `kube-apiserver` and so on.
    pub pids: BTreeMap<String, u32>,
    /// Where any node answers what reached the pods.
    pub node: String,
    binary: PathBuf,
    // Held until the process ends: the lock says that the directory is in use, the pipe that the cluster is.
    _lock: File,
    _up: Child,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Description {
    server: String,
    ca: PathBuf,
    kubeconfig: PathBuf,
    audit_log: PathBuf,
    history: String,
    pids: BTreeMap<String, u32>,
}

impl Cluster {
    /// The control plane of this test binary.
    pub fn get() -> &'static Self {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(Self::start)
    }

    fn start() -> Self {
        let binary = binary();
        let (dir, lock) = directory();
        let mut up = Command::new(&binary)
            .arg("up")
            .arg(&dir)
            .args(["--parent-stdin", "--time-scale=0.1", "--nodes=6"])
            .arg(format!("--users={}", USERS.join(",")))
            // Half of what the tests compute is the control plane, a good part of that its garbage collector.
            .env("GOGC", "400")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(up.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let d: Description = serde_json::from_str(&line).unwrap_or_else(|e| panic!("the cluster did not start: {e}"));
        let mut cluster = Self {
            dir,
            server: d.server,
            ca: d.ca,
            kubeconfig: d.kubeconfig,
            audit_log: d.audit_log,
            history: d.history,
            pids: d.pids,
            node: String::new(),
            binary,
            _lock: lock,
            _up: up,
        };
        cluster.node = cluster.node_address();
        cluster.install();
        cluster
    }

    /// The chart, without the Deployment of the controller: that runs as a subprocess.
    fn install(&self) {
        let chart = repository().join("charts/tidegate");
        let mut template = self.command("helm");
        template.args(["template", "tidegate"]).arg(chart).args(["--namespace", HOME, "--include-crds"]);
        template.args(["--set", "controller.enabled=false,approvalPolicy.enabled=true"]);
        let rendered = output(template, None);
        self.kubectl(&["create", "namespace", HOME], None);
        self.kubectl(&["apply", "--server-side", "-f", "-"], Some(&rendered));
        // As `condition=Established` it fails where the conditions of a new definition are still null.
        let established = r#"--for=jsonpath={.status.conditions[?(@.type=="Established")].status}=True"#;
        self.kubectl(&["wait", established, "crd/releases.tidegate.dev", "--timeout=30s"], None);
    }

    fn node_address(&self) -> String {
        let path = "-o=jsonpath={.status.addresses[?(@.type==\"InternalIP\")].address}";
        format!("http://{}:10255", self.kubectl(&["get", "node", "node-1", path], None).trim())
    }

    /// kubectl as the administrator; its output. Panics if it fails.
    pub fn kubectl(&self, args: &[&str], stdin: Option<&str>) -> String {
        output(self.kubectl_command(args), stdin)
    }

    /// The same by somebody who has never asked this cluster before; what kubectl said if it fails.
    pub fn kubectl_anew(&self, args: &[&str]) -> Result<String, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let cache = self.dir.join(format!("discovered-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        let mut kubectl = self.kubectl_command(args);
        kubectl.arg("--cache-dir").arg(cache);
        let done = kubectl.stdin(Stdio::null()).output().unwrap();
        let [out, err] = [done.stdout, done.stderr].map(|b| String::from_utf8_lossy(&b).into_owned());
        if done.status.success() { Ok(out) } else { Err(err) }
    }

    fn kubectl_command(&self, args: &[&str]) -> Command {
        let mut kubectl = self.command("kubectl");
        kubectl.arg("--kubeconfig").arg(&self.kubeconfig).args(args);
        kubectl
    }

    fn command(&self, personality: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg(personality);
        command
    }

    /// A client of one of the cluster's people; `admin` may do everything. Belongs to the calling test's runtime.
    pub async fn client(&self, user: &str) -> kube::Client {
        let file = Kubeconfig::read_from(&self.kubeconfig).unwrap();
        let options = KubeConfigOptions { context: Some(user.to_owned()), ..KubeConfigOptions::default() };
        let mut config = kube::Config::from_custom_kubeconfig(file, &options).await.unwrap();
        config.read_timeout = Some(BOUND);
        kube::Client::try_from(config).unwrap()
    }
}

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn binary() -> PathBuf {
    let built = repository().join("tests/cluster/bin/tidegate-cluster");
    let path = std::env::var_os("TIDEGATE_CLUSTER").map_or(built, PathBuf::from);
    assert!(path.exists(), "{} is missing: build it with `make cluster`", path.display());
    path
}

/// A directory that never was another's: etcd removes files by their path when it ends, which it may do a little after the
/// process that it was there for. The last one's logs stay until its place is taken.
fn directory() -> (PathBuf, File) {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for n in 0.. {
        let place = format!("{}-{n}.", env!("CARGO_CRATE_NAME"));
        let lock = File::create(root.join(format!("{place}lock"))).unwrap();
        if lock.try_lock().is_ok() {
            let all = fs::read_dir(root).unwrap().filter_map(Result::ok);
            for last in all.filter(|e| e.file_name().to_string_lossy().starts_with(&place)) {
                let _ = fs::remove_dir_all(last.path());
            }
            return (root.join(format!("{place}{}", std::process::id())), lock);
        }
    }
    unreachable!()
}

fn output(mut command: Command, stdin: Option<&str>) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.unwrap_or_default().as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let [out, err] = [done.stdout, done.stderr].map(|b| String::from_utf8_lossy(&b).into_owned());
    assert!(done.status.success(), "{command:?}\n{out}\n{err}");
    out
}
