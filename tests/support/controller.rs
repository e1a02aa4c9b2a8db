//! The controller under test: the real binary, as its own ServiceAccount, under the chart's rights.

use super::cluster::{ACCOUNT, Cluster, HOME};
use super::held::Held;
use super::wait::until;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use std::fs;
use std::path::{Path, PathBuf};
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
        // It has no rival: a busy machine must not cost it the lease, and with it what is under way.
        SHARED.get_or_init(|| Self::start_with(Cluster::get(), &["--lease-seconds=60"], &[]))
    }

    /// One more replica, with more arguments and in its environment; it works once it holds the lease.
    pub fn start_with(cluster: &Cluster, more: &[&str], environment: &[(&'static str, String)]) -> Self {
        let name = Self::next_name();
        let kubeconfig = account(cluster, &name);
        Self::launch(cluster, name, &kubeconfig, more, environment)
    }

    /// One that reaches the API server at another address, without TLS: something stands in between.
    pub fn start_behind(
        cluster: &Cluster,
        server: &str,
        more: &[&str],
        environment: &[(&'static str, String)],
    ) -> Self {
        let name = Self::next_name();
        let kubeconfig = cluster.dir.join(format!("{name}.kubeconfig"));
        fs::write(&kubeconfig, access(&format!("server: \"{server}\""), token(cluster))).unwrap();
        Self::launch(cluster, name, &kubeconfig, more, environment)
    }

    fn next_name() -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        format!("controller-{}", COUNT.fetch_add(1, Ordering::Relaxed))
    }

    fn launch(
        cluster: &Cluster,
        name: String,
        kubeconfig: &Path,
        more: &[&str],
        environment: &[(&'static str, String)],
    ) -> Self {
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

    pub fn pid(&self) -> u32 {
        self.process.pid
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

/// Which of the two holds the lease.
pub async fn leader<'a>(client: &kube::Client, names: [&'a str; 2]) -> &'a str {
    let api: Api<Lease> = Api::namespaced(client.clone(), HOME);
    until("one of them leads", async || {
        let lease = api.get_opt("tidegate").await.unwrap().and_then(|l| l.spec).unwrap_or_default();
        let holder = lease.holder_identity.unwrap_or_default();
        names.into_iter().find(|n| holder.starts_with(*n)).ok_or(holder)
    })
    .await
}

/// A kubeconfig of the controller's own account.
pub fn account(cluster: &Cluster, name: &str) -> PathBuf {
    let path = cluster.dir.join(format!("{name}.kubeconfig"));
    let (server, ca) = (&cluster.server, cluster.ca.display());
    fs::write(&path, access(&format!("server: \"{server}\", certificate-authority: \"{ca}\""), token(cluster)))
        .unwrap();
    path
}

/// The account's token, asked for once.
fn token(cluster: &Cluster) -> &'static str {
    static TOKEN: OnceLock<String> = OnceLock::new();
    TOKEN.get_or_init(|| {
        let args = ["create", "token", ACCOUNT, "-n", HOME, "--duration=24h"];
        cluster.kubectl(&args, None).trim().to_owned()
    })
}

fn access(cluster: &str, token: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
         clusters: [{{name: c, cluster: {{{cluster}}}}}]\n\
         users: [{{name: c, user: {{token: \"{token}\"}}}}]\n\
         contexts: [{{name: c, context: {{cluster: c, user: c}}}}]\n"
    )
}
