//! What a check must know of the cluster before it asks, from API objects.

use super::alarms::Alarms;
use super::error::{Error, within};
use super::revision::{owned_by, owner_of};
use super::{EcsOptions, LIST, Limits, backends, consent, machines, pods};
use crate::api::ask::PodsOf;
use crate::api::hook::{JobEnd, JobRun};
use crate::api::spec::{CloudwatchGate, WorkloadKind};
use crate::api::status::KubernetesWorkload;
use crate::aws::Aws;
use crate::check::{AlarmFacts, Backend, Directory, Forbidden, LookupError, PodFacts, SecretFacts, ServiceFacts};
use crate::hook::Hooks;
use futures::future::BoxFuture;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret, Service};
use kube::api::ListParams;
use kube::core::{Expression, Selector};
use kube::{Api, Client, Config, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long addresses of machines are remembered.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The cluster as [`crate::check`] asks about it.
pub struct ClusterDirectory {
    client: Client,
    limits: Limits,
    /// Host part of the address at which the API server is reached.
    api_server: String,
    machines: Mutex<Option<(Instant, Forbidden)>>,
    /// Runs smoke tests that are Jobs.
    jobs: Hooks,
    alarms: Option<Alarms>,
}

impl ClusterDirectory {
    /// `config` is the one that `client` was made from.
    pub fn new(client: Client, config: &Config, limits: Limits) -> Self {
        let api_server = config.cluster_url.host().unwrap_or_default().to_owned();
        // Only Jobs are run for checks.
        let jobs = Hooks::new(client.clone(), Arc::default(), limits.call);
        Self { client, limits, api_server, machines: Mutex::new(None), jobs, alarms: None }
    }

    /// The same, looking at alarms on AWS too.
    pub fn with_aws(self, aws: Arc<Aws>, options: &EcsOptions) -> Self {
        Self { alarms: Some(Alarms { aws, allowed: options.allowed.clone() }), ..self }
    }

    async fn read_pods(&self, of: &PodsOf) -> Result<Vec<PodFacts>, LookupError> {
        let workload = &of.workload;
        let what = || format!("the pods of {workload}");
        let label = workload.kind.revision_label().to_owned();
        let hash: Selector = Expression::Equal(label, of.revision.clone()).into();
        let listing = ListParams::default().limit(LIST).labels_from(&hash);
        let owner = match workload.kind {
            WorkloadKind::Deployment => self.set_of(workload, &listing).await,
            WorkloadKind::StatefulSet => self.uid_of::<StatefulSet>(workload).await,
            WorkloadKind::DaemonSet => self.uid_of::<DaemonSet>(workload).await,
        };
        let Some(owner) = owner.map_err(|e| lookup(what(), e))? else { return Ok(Vec::new()) };
        let pods = Api::<Pod>::namespaced(self.client.clone(), &workload.namespace);
        let pods = within(self.limits.call, pods.list(&listing)).await.map_err(|e| lookup(what(), e))?;
        Ok(pods.items.iter().filter(|pod| owner_of(*pod) == Some(&owner)).map(pod).collect())
    }

    /// Uid of a Deployment's ReplicaSet, among those that `listing` finds.
    async fn set_of(&self, of: &KubernetesWorkload, listing: &ListParams) -> Result<Option<String>, Error> {
        let deployments = Api::<Deployment>::namespaced(self.client.clone(), &of.namespace);
        let sets = Api::<ReplicaSet>::namespaced(self.client.clone(), &of.namespace);
        let call = self.limits.call;
        let (deployment, sets) =
            futures::try_join!(within(call, deployments.get_opt(&of.name)), within(call, sets.list(listing)))?;
        let set = deployment.and_then(|d| sets.items.into_iter().find(|set| owned_by(set, &d)));
        Ok(set.and_then(|s| s.metadata.uid))
    }

    /// Uid of a workload that its pods belong to directly.
    async fn uid_of<K>(&self, of: &KubernetesWorkload) -> Result<Option<String>, Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let api = Api::<K>::namespaced(self.client.clone(), &of.namespace);
        Ok(within(self.limits.call, api.get_metadata_opt(&of.name)).await?.and_then(|o| o.metadata.uid))
    }

    async fn read_service(&self, namespace: &str, name: &str) -> Result<Option<ServiceFacts>, LookupError> {
        let api = Api::<Service>::namespaced(self.client.clone(), namespace);
        let found = within(self.limits.call, api.get_opt(name)).await;
        found.map(|s| s.as_ref().map(service)).map_err(|e| lookup(format!("Service {namespace}/{name}"), e))
    }

    async fn read_backends(
        &self,
        namespace: &str,
        name: &str,
        selector: &BTreeMap<String, String>,
    ) -> Result<Vec<Backend>, LookupError> {
        let found = backends::read(&self.client, self.limits.call, namespace, name, selector).await;
        found.map_err(|e| lookup(format!("what stands behind Service {namespace}/{name}"), e))
    }

    async fn read_secret(&self, namespace: &str, name: &str) -> Result<Option<SecretFacts>, LookupError> {
        let api = Api::<Secret>::namespaced(self.client.clone(), namespace);
        let found = within(self.limits.call, api.get_opt(name)).await;
        let facts = |s: Secret| SecretFacts {
            labels: s.metadata.labels.unwrap_or_default(),
            data: s.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect(),
        };
        found.map(|s| s.map(facts)).map_err(|e| lookup_secret(namespace, name, e))
    }

    /// One reader at a time: the others wait for what it finds.
    async fn read_machines(&self) -> Result<Forbidden, LookupError> {
        let mut remembered = self.machines.lock().await;
        if let Some((at, known)) = remembered.as_ref()
            && at.elapsed() < REMEMBERED
        {
            return Ok(known.clone());
        }
        let what = || "the addresses of nodes and API servers".to_owned();
        let read = tokio::time::timeout(self.limits.target, machines::read(&self.client, &self.api_server));
        let found = match read.await {
            Err(_) => return Err(LookupError::TimedOut { what: what() }),
            Ok(Err(machines::Error::Api(e))) => return Err(lookup(what(), e.into())),
            Ok(Err(other)) => return Err(LookupError::Unreachable { what: what(), source: Some(other.into()) }),
            Ok(Ok(found)) => found,
        };
        *remembered = Some((Instant::now(), found.clone()));
        Ok(found)
    }

    async fn read_alarms(&self, namespace: &str, gate: &CloudwatchGate) -> Result<Vec<AlarmFacts>, LookupError> {
        let Some(alarms) = &self.alarms else {
            return Err(LookupError::Refused { what: "this controller does not look at AWS".to_owned() });
        };
        let api = Api::<Namespace>::all(self.client.clone());
        let found = match within(self.limits.call, api.get_opt(namespace)).await {
            Ok(found) => found,
            Err(Error::Denied { .. }) => None,
            Err(e) => return Err(lookup(format!("Namespace {namespace}"), e)),
        };
        alarms.permit(namespace, found.as_ref(), gate)?;
        alarms.read(gate).await
    }

    async fn read_namespace_consents(&self, namespace: &str) -> Result<Vec<String>, LookupError> {
        let api = Api::<Namespace>::all(self.client.clone());
        match within(self.limits.call, api.get_opt(namespace)).await {
            Ok(found) => Ok(found.map(|n| consent::entries(n.annotations())).unwrap_or_default()),
            Err(Error::Denied { .. }) => Ok(Vec::new()),
            Err(e) => Err(lookup(format!("Namespace {namespace}"), e)),
        }
    }
}

impl Directory for ClusterDirectory {
    fn pods<'a>(&'a self, of: &'a PodsOf) -> BoxFuture<'a, Result<Vec<PodFacts>, LookupError>> {
        Box::pin(self.read_pods(of))
    }
    fn service<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<ServiceFacts>, LookupError>> {
        Box::pin(self.read_service(namespace, name))
    }
    fn backends<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        selector: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<Vec<Backend>, LookupError>> {
        Box::pin(self.read_backends(namespace, name, selector))
    }
    fn secret<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<SecretFacts>, LookupError>> {
        Box::pin(self.read_secret(namespace, name))
    }
    fn forbidden<'a>(&'a self) -> BoxFuture<'a, Result<Forbidden, LookupError>> {
        Box::pin(self.read_machines())
    }
    fn job<'a>(&'a self, run: &'a JobRun) -> BoxFuture<'a, JobEnd> {
        Box::pin(self.jobs.test(run))
    }

    fn namespace_consents<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Result<Vec<String>, LookupError>> {
        Box::pin(self.read_namespace_consents(namespace))
    }
    fn alarms<'a>(
        &'a self,
        namespace: &'a str,
        gate: &'a CloudwatchGate,
    ) -> BoxFuture<'a, Result<Vec<AlarmFacts>, LookupError>> {
        Box::pin(self.read_alarms(namespace, gate))
    }
}

fn pod(pod: &Pod) -> PodFacts {
    let spec = pod.spec.as_ref();
    let status = pod.status.as_ref();
    let address = |text: Option<&String>| text.and_then(|t| t.parse().ok());
    PodFacts {
        name: pod.name_any(),
        uid: pod.uid().unwrap_or_default(),
        ip: address(status.and_then(|s| s.pod_ip.as_ref())),
        host_ip: address(status.and_then(|s| s.host_ip.as_ref())),
        host_network: spec.and_then(|s| s.host_network).unwrap_or(false),
        ready: pods::ready(pod),
        terminating: pods::terminating(pod),
        created: pods::created(&pod.metadata),
        node: spec.and_then(|s| s.node_name.clone()),
    }
}

fn service(service: &Service) -> ServiceFacts {
    let spec = service.spec.clone().unwrap_or_default();
    let tcp = |protocol: Option<&str>| protocol.is_none_or(|p| p == "TCP");
    let ports = spec.ports.iter().flatten().filter(|p| tcp(p.protocol.as_deref()));
    ServiceFacts {
        cluster_ip: spec.cluster_ip.as_deref().and_then(|ip| ip.parse().ok()),
        external_name: spec.type_.as_deref() == Some("ExternalName"),
        selector: spec.selector.unwrap_or_default(),
        ports: ports.map(|p| p.port).collect(),
        allow_from: consent::entries(service.annotations()),
    }
}

fn lookup(what: impl Display, error: Error) -> LookupError {
    let what = what.to_string();
    match error {
        Error::Denied { .. } => LookupError::Denied { what },
        Error::TimedOut { .. } => LookupError::TimedOut { what },
        Error::Undecodable { .. } => LookupError::Malformed { what },
        Error::Unreachable { .. } => LookupError::Unreachable { what, source: Some(Box::new(error)) },
    }
}

/// Without the source: an answer that could not be read may be quoted in it.
fn lookup_secret(namespace: &str, name: &str, error: Error) -> LookupError {
    match lookup(format!("Secret {namespace}/{name}"), error) {
        LookupError::Unreachable { what, .. } => LookupError::Unreachable { what, source: None },
        other => other,
    }
}
