//! The controller under test: the real binary, as its own ServiceAccount, under the chart's rights.

use super::cluster::{ACCOUNT, Cluster, HOME};
use super::held::Held;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

pub struct Controller {
    process: Held,
    pub name: String,
    pub log: PathBuf,
}

impl Controller {
    /// The one that all tests of a binary share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Controller> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Cluster::get()))
    }

    /// One more replica; it works once it holds the lease.
    pub fn start(cluster: &Cluster) -> Self {
        Self::start_with(cluster, &["--lease-seconds=3"], &[])
    }

    /// The same with other arguments, and with more in its environment.
    pub fn start_with(cluster: &Cluster, more: &[&str], environment: &[(&'static str, String)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("controller-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        // All use the same account; a token of its own for each would take longer than its start.
        static KUBECONFIG: OnceLock<PathBuf> = OnceLock::new();
        let kubeconfig = KUBECONFIG.get_or_init(|| account(cluster, "controller"));
        let log = cluster.dir.join(format!("{name}.log"));
        // As the chart starts it, but for loopback, the port and the lease.
        let args = ["run", "--allow-loopback", "--listen=127.0.0.1:0", "--log-format=text"];
        let mut env = vec![
            ("KUBECONFIG", kubeconfig.to_string_lossy().into_owned()),
            ("POD_NAME", name.clone()),
            ("POD_NAMESPACE", HOME.to_owned()),
            ("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "info,tidegate=debug".to_owned())),
            ("NO_COLOR", "1".to_owned()),
        ];
        env.extend_from_slice(environment);
        let args: Vec<_> = args.iter().chain(more).map(|a| (*a).to_owned()).collect();
        let process = Held::start(env!("CARGO_BIN_EXE_tidegate").as_ref(), &args, &env, &log);
        Self { process, name, log }
    }

    /// As if its node had lost power.
    pub fn kill(self) {
        self.process.signal("KILL");
    }

    /// `TERM` stops it as the kubelet stops a pod; `STOP` freezes it, `CONT` thaws it.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// What it answers on `path`: status and text.
    pub async fn get(&self, http: &reqwest::Client, path: &str) -> (u16, String) {
        let log = fs::read_to_string(&self.log).unwrap();
        let (_, listen) = log.split_once("listen=").unwrap();
        let url = format!("http://{}{path}", listen.split_whitespace().next().unwrap());
        let answer = http.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// The sum of all lines of its `/metrics` that begin so.
    pub async fn metric(&self, http: &reqwest::Client, begins: &str) -> f64 {
        let (_, text) = self.get(http, "/metrics").await;
        let lines = text.lines().filter(|l| l.starts_with(begins));
        lines.filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// The last lines of its log that speak of `namespace`.
    pub fn tail(&self, namespace: &str) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().filter(|l| l.contains(namespace) || l.contains("panicked")).collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

/// A kubeconfig of the controller's own account.
pub fn account(cluster: &Cluster, name: &str) -> PathBuf {
    let path = cluster.dir.join(format!("{name}.kubeconfig"));
    let token = cluster.kubectl(&["create", "token", ACCOUNT, "-n", HOME, "--duration=24h"], None);
    fs::write(&path, access(cluster, token.trim())).unwrap();
    path
}

fn access(cluster: &Cluster, token: &str) -> String {
    let (server, ca) = (&cluster.server, cluster.ca.display());
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
         clusters: [{{name: c, cluster: {{server: \"{server}\", certificate-authority: \"{ca}\"}}}}]\n\
         users: [{{name: c, user: {{token: \"{token}\"}}}}]\n\
         contexts: [{{name: c, context: {{cluster: c, user: c}}}}]\n"
    )
}
