//! A cluster made of facts, and applications that listen on loopback and write down what reaches them.

use futures::future::BoxFuture;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidegate::api::ask::{Ask, AskId, AskResult, Outcome, PodsOf};
use tidegate::api::spec::WorkloadKind;
use tidegate::api::status::{KubernetesWorkload, Purpose};
use tidegate::api::{NsName, RolloutId, Time};
use tidegate::check::{
    Backend, Directory, Forbidden, Limits, LookupError, Outside, PodFacts, Policy, Pool, ResolveError, Resolver, Roots,
    SecretFacts, ServiceFacts,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Longer than anything here takes; a test that reaches it has failed.
pub const PATIENCE: Duration = Duration::from_secs(8);
pub const NODE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 9, 9));
pub const API_SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 8, 8));

/// What an application does with a request.
pub enum Reply {
    Raw(Vec<u8>),
    /// These bytes, then nothing more, and the connection stays open.
    Stall(Vec<u8>),
    Close,
}

/// How an application answers a request's head.
pub type Behaviour = Arc<dyn Fn(&str) -> Reply + Send + Sync>;

pub fn status(code: u16) -> Reply {
    answer(code, "", "")
}
pub fn answer(code: u16, headers: &str, body: &str) -> Reply {
    Reply::Raw(format!("HTTP/1.1 {code} X\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

/// An application. Dropping it closes its port.
pub struct App {
    pub addr: SocketAddr,
    pub seen: Arc<Seen>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
pub struct Seen {
    /// Connections that were ever made, requests that were complete or not.
    pub connections: AtomicUsize,
    pub open: AtomicUsize,
    pub most_open: AtomicUsize,
    heads: Mutex<Vec<String>>,
}

impl Seen {
    /// The requests, as they came over the wire.
    pub fn requests(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl App {
    /// Listens on `ip` at any port.
    pub async fn start(ip: impl Into<IpAddr>, reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::at(SocketAddr::new(ip.into(), 0), reply).await.unwrap()
    }

    pub async fn at(addr: SocketAddr, reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> std::io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let (seen, reply) = (Arc::new(Seen::default()), Arc::new(reply));
        let all = seen.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                all.connections.fetch_add(1, Ordering::SeqCst);
                let open = all.open.fetch_add(1, Ordering::SeqCst) + 1;
                all.most_open.fetch_max(open, Ordering::SeqCst);
                let (seen, reply) = (all.clone(), reply.clone());
                tokio::spawn(async move {
                    serve(stream, &seen, &*reply).await;
                    seen.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Ok(Self { addr, seen, task })
    }

    /// Several applications with one port, on 127.0.`net`.1 and so on.
    pub async fn many(net: u8, replies: Vec<Behaviour>) -> Vec<Self> {
        'port: for _ in 0..50 {
            let mut apps: Vec<Self> = Vec::new();
            for (n, reply) in (1_u8..).zip(&replies) {
                let port = apps.first().map_or(0, |a| a.addr.port());
                let reply = reply.clone();
                let addr = SocketAddr::from(([127, 0, net, n], port));
                match Self::at(addr, move |head| reply(head)).await {
                    Ok(app) => apps.push(app),
                    Err(_) => continue 'port,
                }
            }
            return apps;
        }
        panic!("no port is free on all of them");
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, seen: &Seen, reply: &(dyn Fn(&str) -> Reply + Send + Sync)) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    seen.heads.lock().unwrap().push(head.clone());
    match reply(&head) {
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reply::Stall(bytes) => {
            let _ = stream.write_all(&bytes).await;
            // Until the other side gives up.
            let _ = stream.read(&mut [0; 64]).await;
        }
        Reply::Close => {}
    }
}

/// What the cluster would say.
pub struct World {
    /// One answer per lookup; the last one is repeated.
    pub pods: Mutex<Vec<Result<Vec<PodFacts>, String>>>,
    pub services: BTreeMap<(String, String), ServiceFacts>,
    /// Behind every Service.
    pub backends: Vec<Backend>,
    pub secrets: BTreeMap<(String, String), SecretFacts>,
    pub forbidden: Forbidden,
    pub consents: BTreeMap<String, Vec<String>>,
    /// What a lookup of pods does instead of answering.
    pub trouble: Option<Trouble>,
}

#[derive(Clone, Copy)]
pub enum Trouble {
    Hang,
    Panic,
}

impl Default for World {
    fn default() -> Self {
        Self {
            pods: Mutex::new(vec![Ok(Vec::new())]),
            services: BTreeMap::new(),
            backends: Vec::new(),
            secrets: BTreeMap::new(),
            forbidden: Forbidden { nodes: vec![NODE], api_servers: vec![API_SERVER] },
            consents: BTreeMap::new(),
            trouble: None,
        }
    }
}

impl World {
    pub fn of(pods: Vec<PodFacts>) -> Self {
        Self { pods: Mutex::new(vec![Ok(pods)]), ..Self::default() }
    }
    pub fn with_service(service: ServiceFacts) -> Self {
        let mut world = Self::default();
        world.services.insert(("shop".to_owned(), "web".to_owned()), service);
        world
    }
}

impl Directory for World {
    fn pods<'a>(&'a self, _: &'a PodsOf) -> BoxFuture<'a, Result<Vec<PodFacts>, LookupError>> {
        Box::pin(async move {
            match self.trouble {
                Some(Trouble::Hang) => std::future::pending().await,
                Some(Trouble::Panic) => panic!("a defect, on purpose"),
                None => {}
            }
            let mut answers = self.pods.lock().unwrap();
            let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
            answer.map_err(|what| LookupError::TimedOut { what })
        })
    }
    fn service<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<ServiceFacts>, LookupError>> {
        Box::pin(async move { Ok(self.services.get(&(namespace.to_owned(), name.to_owned())).cloned()) })
    }
    fn backends<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<Vec<Backend>, LookupError>> {
        Box::pin(async move { Ok(self.backends.clone()) })
    }
    fn secret<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<SecretFacts>, LookupError>> {
        Box::pin(async move { Ok(self.secrets.get(&(namespace.to_owned(), name.to_owned())).cloned()) })
    }
    fn forbidden<'a>(&'a self) -> BoxFuture<'a, Result<Forbidden, LookupError>> {
        Box::pin(async move { Ok(self.forbidden.clone()) })
    }
    fn namespace_consents<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Result<Vec<String>, LookupError>> {
        Box::pin(async move { Ok(self.consents.get(namespace).cloned().unwrap_or_default()) })
    }
}

/// What a test says that names lead to, in the place of name servers.
#[derive(Default)]
pub struct Names {
    /// By name: one answer per look, the last one again and again. Any other name does not exist.
    known: Mutex<BTreeMap<String, Vec<Vec<IpAddr>>>>,
    asked: Mutex<Vec<String>>,
}

impl Names {
    /// `name` leads to the first of these, at the next look to the second, and so on.
    pub fn of(name: &str, answers: &[&[IpAddr]]) -> Arc<Self> {
        let answers = answers.iter().map(|ips| ips.to_vec()).collect();
        Arc::new(Self { known: Mutex::new([(name.to_owned(), answers)].into()), ..Self::default() })
    }
    /// A world outside in which only these authorities are trusted.
    pub fn outside(self: &Arc<Self>, roots: Vec<CertificateDer<'static>>) -> Outside {
        Outside { resolver: self.clone(), roots: Roots::Only(roots) }
    }
    /// Each look at a name.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Resolver for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, ResolveError>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(name.to_owned());
            let mut known = self.known.lock().unwrap();
            let answers = known.get_mut(name).ok_or_else(|| ResolveError::NoAddress { name: name.to_owned() })?;
            Ok(if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() })
        })
    }
}

/// A Ready pod at `ip`, born `age` seconds after the first.
pub fn pod(n: i64, ip: IpAddr) -> PodFacts {
    PodFacts {
        name: format!("web-{n}"),
        uid: format!("uid-{n}"),
        ip: Some(ip),
        host_ip: Some(Ipv4Addr::new(127, 0, 7, 7).into()),
        host_network: false,
        ready: true,
        terminating: false,
        created: Time::from_millis(1_790_000_000_000 + n * 1000),
        node: Some("node-a".to_owned()),
    }
}

pub fn service(ip: IpAddr, port: i32) -> ServiceFacts {
    ServiceFacts {
        cluster_ip: Some(ip),
        external_name: false,
        selector: [("app".to_owned(), "web".to_owned())].into(),
        ports: vec![port],
        allow_from: Vec::new(),
    }
}

pub fn release() -> NsName {
    NsName::new("shop", "checkout")
}

/// A question of the Release shop/checkout, written as in YAML.
pub fn ask(http: Value) -> Ask {
    ask_of(&release(), 1, http)
}

pub fn ask_of(release: &NsName, number: i32, http: Value) -> Ask {
    let workload = KubernetesWorkload {
        kind: WorkloadKind::Deployment,
        namespace: release.namespace.clone(),
        name: "web".to_owned(),
    };
    Ask {
        id: AskId {
            release: format!("uid-of-{release}"),
            rollout: RolloutId { generation: 1, attempt: 1 },
            stage: "staging".to_owned(),
            check: "health".to_owned(),
            purpose: Purpose::Verify,
            number,
            revision: "abc".to_owned(),
        },
        release: release.clone(),
        http: serde_json::from_value(http).unwrap(),
        pods: Some(PodsOf { workload, revision: "abc".to_owned() }),
    }
}

pub fn ask_pods(port: u16) -> Ask {
    ask(json!({"pods": {"port": port}}))
}

pub fn loopback() -> Policy {
    Policy { allow_loopback: true, ..Policy::default() }
}

/// A pool and the Releases that it wakes.
pub struct Asking {
    pub pool: Pool,
    woken: UnboundedReceiver<NsName>,
}

impl Asking {
    pub fn new(world: World, policy: Policy) -> Self {
        Self::limited(world, policy, Limits::default())
    }
    pub fn limited(world: World, policy: Policy, limits: Limits) -> Self {
        Self::outside(world, Arc::new(Names::default()).outside(Vec::new()), policy, limits)
    }
    pub fn outside(world: World, outside: Outside, policy: Policy, limits: Limits) -> Self {
        let (wake, woken) = unbounded_channel();
        Self { pool: Pool::new(Arc::new(world), outside, policy, limits, wake).unwrap(), woken }
    }
    /// The next Release that is woken.
    pub async fn woken(&mut self) -> NsName {
        tokio::time::timeout(PATIENCE, self.woken.recv()).await.expect("nobody was woken in time").unwrap()
    }
    /// Asks one question and waits for its answer.
    pub async fn answer(&mut self, ask: &Ask) -> AskResult {
        self.pool.ensure(&ask.release, std::slice::from_ref(ask));
        assert_eq!(self.woken().await, ask.release);
        let results = self.pool.results(&ask.release);
        let result = results.into_iter().find(|r| r.id == ask.id).expect("woken without a result");
        self.pool.forget(&ask.release, std::slice::from_ref(&ask.id));
        result
    }
}

/// Asks one question of a world in which loopback is allowed.
pub async fn ask_once(world: World, question: &Ask) -> (Outcome, String) {
    let result = Asking::new(world, loopback()).answer(question).await;
    (result.outcome, result.message)
}

/// Asks one url, of a world with these names in which loopback is allowed.
pub async fn ask_url(names: &Arc<Names>, http: Value) -> (Outcome, String) {
    let mut asking = Asking::outside(World::default(), names.outside(Vec::new()), loopback(), Limits::default());
    let result = asking.answer(&ask(http)).await;
    (result.outcome, result.message)
}

/// Waits until `holds`, looking again as soon as anything else had its turn.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("never: {what}"));
}
