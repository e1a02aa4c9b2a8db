//! One control plane for this test binary, with the generated CRD in it. It ends with the test process.

use kube::api::{Api, ApiResource, DynamicObject};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde::Deserialize;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use tidegate::api::Release;

pub(crate) struct ControlPlane {
    binary: PathBuf,
    kubeconfig: PathBuf,
    // Its stdin is the tie: when this process ends, however it ends, the control plane sees the end of it.
    _up: Child,
}

#[derive(Deserialize)]
struct Ready {
    kubeconfig: PathBuf,
}

impl ControlPlane {
    pub(crate) fn get() -> &'static Self {
        static ONE: OnceLock<ControlPlane> = OnceLock::new();
        ONE.get_or_init(Self::start)
    }

    fn start() -> Self {
        let built = repository().join("tests/cluster/bin/tidegate-cluster");
        let binary = std::env::var_os("TIDEGATE_CLUSTER").map_or(built, PathBuf::from);
        assert!(binary.exists(), "{} is missing: build it with `make cluster`", binary.display());
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("api-{}", std::process::id()));
        let mut up = Command::new(&binary);
        up.arg("up").arg(&dir).args(["--parent-stdin", "--nodes=1"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut up = up.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(up.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Ready = serde_json::from_str(&line).unwrap_or_else(|e| panic!("it did not start: {e}"));
        let plane = Self { binary, kubeconfig: ready.kubeconfig, _up: up };
        plane.kubectl(&["apply", "--server-side", "-f", &path("crds/tidegate.dev_releases.yaml")], "");
        plane.kubectl(&["wait", "--for=condition=Established", "crd/releases.tidegate.dev", "--timeout=30s"], "");
        plane
    }

    /// kubectl as the administrator; what it printed. Panics if it fails.
    pub(crate) fn kubectl(&self, args: &[&str], stdin: &str) -> String {
        let mut kubectl = Command::new(&self.binary);
        kubectl.arg("kubectl").arg("--kubeconfig").arg(&self.kubeconfig).args(args);
        kubectl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = kubectl.spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "kubectl {args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// Releases of a fresh namespace, as the administrator.
    pub(crate) async fn releases(&self, namespace: &str) -> Api<Release> {
        Api::namespaced(self.client_for(namespace).await, namespace)
    }

    /// The same as plain JSON, so that nothing but the API server judges it.
    pub(crate) async fn raw_releases(&self, namespace: &str) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<Release>(&());
        Api::namespaced_with(self.client_for(namespace).await, namespace, &resource)
    }

    async fn client_for(&self, namespace: &str) -> kube::Client {
        self.kubectl(&["create", "namespace", namespace], "");
        let file = Kubeconfig::read_from(&self.kubeconfig).unwrap();
        let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
        kube::Client::try_from(config).unwrap()
    }
}

pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn path(below: &str) -> String {
    repository().join(below).display().to_string()
}
