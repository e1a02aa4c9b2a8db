//! Which workload a target is, in full: everything that is needed to find it again.

use crate::api::spec::{EcsTarget, WorkloadKind};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// A workload on this cluster, or a service on AWS ECS. Told apart by its fields.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(untagged)]
pub enum Workload {
    Kubernetes(KubernetesWorkload),
    Ecs(EcsService),
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "camelCase")]
pub struct KubernetesWorkload {
    pub kind: WorkloadKind,
    pub namespace: String,
    pub name: String,
}

/// The role is part of which service it is: the same names stand for another service in another account.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "camelCase")]
pub struct EcsService {
    pub region: String,
    /// Name or ARN.
    pub cluster: String,
    pub service: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

impl Workload {
    pub fn kubernetes(&self) -> Option<&KubernetesWorkload> {
        match self {
            Self::Kubernetes(workload) => Some(workload),
            Self::Ecs(_) => None,
        }
    }
    pub fn ecs(&self) -> Option<&EcsService> {
        match self {
            Self::Kubernetes(_) => None,
            Self::Ecs(service) => Some(service),
        }
    }
}

impl EcsService {
    /// The cluster's name, whether it was given as a name or as an ARN.
    pub fn cluster_name(&self) -> &str {
        self.cluster.rsplit('/').next().unwrap_or_default()
    }
    /// As it would be named in a spec that lists `containers`.
    pub fn target(&self, containers: Vec<String>) -> EcsTarget {
        EcsTarget {
            region: self.region.clone(),
            cluster: self.cluster.clone(),
            service: self.service.clone(),
            containers,
            role_arn: self.role_arn.clone(),
            external_id: self.external_id.clone(),
        }
    }
}

impl From<&EcsTarget> for EcsService {
    fn from(target: &EcsTarget) -> Self {
        Self {
            region: target.region.clone(),
            cluster: target.cluster.clone(),
            service: target.service.clone(),
            role_arn: target.role_arn.clone(),
            external_id: target.external_id.clone(),
        }
    }
}

impl From<KubernetesWorkload> for Workload {
    fn from(workload: KubernetesWorkload) -> Self {
        Self::Kubernetes(workload)
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kubernetes(workload) => workload.fmt(f),
            Self::Ecs(service) => service.fmt(f),
        }
    }
}
impl fmt::Display for KubernetesWorkload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}
impl fmt::Display for EcsService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ECS service {}/{}/{}", self.region, self.cluster_name(), self.service)
    }
}

/// One object with the fields of both: a choice between shapes is nothing that a CRD can say.
impl JsonSchema for Workload {
    fn schema_name() -> Cow<'static, str> {
        "Workload".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let fields = ["kind", "namespace", "name", "region", "cluster", "service", "roleArn", "externalId"];
        let properties: serde_json::Map<_, _> =
            fields.iter().map(|f| ((*f).to_owned(), serde_json::json!({"type": "string"}))).collect();
        json_schema!({"type": "object", "properties": properties})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_is_read_back_as_what_it_was() {
        let deployment = json!({"kind": "Deployment", "namespace": "shop", "name": "web"});
        let service =
            json!({"region": "eu-west-1", "cluster": "arn:aws:ecs:eu-west-1:1:cluster/prod", "service": "web"});
        for (value, said) in [(deployment, "Deployment shop/web"), (service, "ECS service eu-west-1/prod/web")] {
            let workload: Workload = serde_json::from_value(value.clone()).unwrap();
            assert_eq!(workload.to_string(), said);
            assert_eq!(serde_json::to_value(&workload).unwrap(), value);
        }
    }
}
