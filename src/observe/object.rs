//! A Deployment, StatefulSet or DaemonSet: where each keeps what a view tells. Conversion only: nothing is read here.

use crate::api::text::{MESSAGE, tidy};
use crate::api::view::Replicas;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, DeploymentCondition, StatefulSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::core::Selector;
use std::collections::BTreeMap;

/// One workload as the API server holds it.
pub enum Object {
    Deployment(Box<Deployment>),
    StatefulSet(Box<StatefulSet>),
    DaemonSet(Box<DaemonSet>),
}

impl Object {
    pub(super) fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Deployment(d) => &d.metadata,
            Self::StatefulSet(s) => &s.metadata,
            Self::DaemonSet(d) => &d.metadata,
        }
    }
    pub(super) fn annotations(&self) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.meta().annotations.as_ref().unwrap_or(&NONE)
    }
    pub(super) fn generation(&self) -> i64 {
        self.meta().generation.unwrap_or_default()
    }
    pub(super) fn template(&self) -> Option<&PodTemplateSpec> {
        match self {
            Self::Deployment(d) => d.spec.as_ref().map(|s| &s.template),
            Self::StatefulSet(s) => s.spec.as_ref().map(|s| &s.template),
            Self::DaemonSet(d) => d.spec.as_ref().map(|s| &s.template),
        }
    }
    /// Its pods. An empty selector would list the whole namespace; the API server refuses it in a workload.
    pub(super) fn selector(&self) -> Option<Selector> {
        let selector: &LabelSelector = match self {
            Self::Deployment(d) => &d.spec.as_ref()?.selector,
            Self::StatefulSet(s) => &s.spec.as_ref()?.selector,
            Self::DaemonSet(d) => &d.spec.as_ref()?.selector,
        };
        Selector::try_from(selector.clone()).ok().filter(|s| !s.selects_all())
    }
    pub(super) fn observed_generation(&self) -> i64 {
        let observed = match self {
            Self::Deployment(d) => d.status.as_ref().and_then(|s| s.observed_generation),
            Self::StatefulSet(s) => s.status.as_ref().and_then(|s| s.observed_generation),
            Self::DaemonSet(d) => d.status.as_ref().and_then(|s| s.observed_generation),
        };
        observed.unwrap_or_default()
    }
    /// Only a Deployment can be.
    pub(super) fn paused(&self) -> bool {
        matches!(self, Self::Deployment(d) if d.spec.as_ref().and_then(|s| s.paused) == Some(true))
    }
    pub(super) fn on_delete(&self) -> bool {
        let strategy = match self {
            Self::Deployment(_) => None,
            Self::StatefulSet(s) => s.spec.as_ref().and_then(|s| s.update_strategy.as_ref()?.type_.as_deref()),
            Self::DaemonSet(d) => d.spec.as_ref().and_then(|s| s.update_strategy.as_ref()?.type_.as_deref()),
        };
        strategy == Some("OnDelete")
    }

    pub(super) fn replicas(&self) -> Replicas {
        let some = Option::unwrap_or_default;
        match self {
            Self::Deployment(d) => {
                let status = d.status.clone().unwrap_or_default();
                Replicas {
                    wanted: d.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1),
                    total: some(status.replicas),
                    updated: some(status.updated_replicas),
                    ready: some(status.ready_replicas),
                    available: some(status.available_replicas),
                }
            }
            Self::StatefulSet(s) => {
                let status = s.status.clone().unwrap_or_default();
                Replicas {
                    wanted: s.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1),
                    total: status.replicas,
                    updated: some(status.updated_replicas),
                    ready: some(status.ready_replicas),
                    available: some(status.available_replicas),
                }
            }
            Self::DaemonSet(d) => {
                let status = d.status.clone().unwrap_or_default();
                Replicas {
                    wanted: status.desired_number_scheduled,
                    total: status.current_number_scheduled,
                    updated: some(status.updated_number_scheduled),
                    ready: status.number_ready,
                    available: some(status.number_available),
                }
            }
        }
    }

    pub(super) fn condition(&self, type_: &str) -> Option<&DeploymentCondition> {
        let Self::Deployment(deployment) = self else { return None };
        deployment.status.as_ref()?.conditions.as_ref()?.iter().find(|c| c.type_ == type_)
    }
    /// Why its pods may not be made. Only a Deployment says it.
    pub(super) fn replica_failure(&self) -> Option<String> {
        let failing = self.condition("ReplicaFailure").filter(|c| c.status == "True")?;
        Some(tidy(failing.message.as_deref().unwrap_or_default(), MESSAGE))
    }
}
