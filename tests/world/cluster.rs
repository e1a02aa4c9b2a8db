//! One control plane for all tests of this binary; it ends with the process.

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::CustomResourceExt;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use tidegate::api::Release;

pub struct Cluster {
    kubeconfig: PathBuf,
    binary: PathBuf,
    // Its standard input is a pipe that closes with this process, and that ends it.
    _up: Child,
}

impl Cluster {
    pub fn get() -> &'static Self {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(Self::start)
    }

    fn start() -> Self {
        let binary = std::env::var_os("TIDEGATE_CLUSTER").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/bin/tidegate-cluster"),
            PathBuf::from,
        );
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("world");
        let _ = std::fs::remove_dir_all(&dir);
        let mut up = Command::new(&binary)
            .arg("up")
            .arg(&dir)
            .args(["--parent-stdin", "--time-scale=0.1", "--users=nobody"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}; build it with `make cluster`", binary.display()));
        let mut line = String::new();
        BufReader::new(up.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let description: Value = serde_json::from_str(&line).expect("the cluster did not start");
        let kubeconfig = PathBuf::from(description["kubeconfig"].as_str().unwrap());
        let cluster = Self { kubeconfig, binary, _up: up };
        cluster.install_crd(&dir);
        cluster
    }

    fn install_crd(&self, dir: &Path) {
        let file = dir.join("crd.json");
        std::fs::write(&file, serde_json::to_string(&Release::crd()).unwrap()).unwrap();
        self.kubectl(&["apply", "--server-side", "-f", file.to_str().unwrap()]);
        self.kubectl(&["wait", "--for=condition=Established", "crd/releases.tidegate.dev", "--timeout=30s"]);
    }

    fn kubectl(&self, args: &[&str]) {
        let mut kubectl = Command::new(&self.binary);
        let done = kubectl.args(["kubectl", "--kubeconfig"]).arg(&self.kubeconfig).args(args).output().unwrap();
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// How `user` reaches the API server; `admin` may do everything, `nobody` nothing.
    pub async fn config(&self, user: &str) -> kube::Config {
        let file = Kubeconfig::read_from(&self.kubeconfig).unwrap();
        let options = KubeConfigOptions { context: Some(user.to_owned()), ..KubeConfigOptions::default() };
        kube::Config::from_custom_kubeconfig(file, &options).await.unwrap()
    }
}
