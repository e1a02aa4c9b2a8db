//! Questions put to the real client about a world that tests make up: [`apps`] answer, [`facts`] say where.

mod apps;
mod facts;

pub use apps::*;
pub use facts::*;

use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tidegate::api::ask::{Ask, AskId, AskResult, Outcome, PodsOf, Query};
use tidegate::api::spec::{Question, WorkloadKind};
use tidegate::api::status::{KubernetesWorkload, Purpose};
use tidegate::api::{NsName, RolloutId};
use tidegate::check::{Limits, Outside, Policy, Pool};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Longer than anything here takes; a test that reaches it has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const NODE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 9, 9));
pub const API_SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 8, 8));

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
        query: Query::Http(serde_json::from_value(http).unwrap()),
        pods: Some(PodsOf { workload, revision: "abc".to_owned() }),
    }
}

/// A health check or smoke test that is no HTTP request, written as in YAML: `{tcp: ...}` or `{grpc: ...}`.
pub fn ask_other(question: Value) -> Ask {
    let question: Question = serde_json::from_value(question).unwrap();
    Ask { query: Query::from(&question), ..ask_pods(80) }
}

/// A load, written as in YAML.
pub fn ask_load(http: Value) -> Ask {
    Ask { query: Query::Load(serde_json::from_value(http).unwrap()), ..ask_pods(80) }
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
