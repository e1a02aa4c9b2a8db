//! Reading targets: the workload, the ReplicaSet of its current template, that ReplicaSet's pods, and who may write.

use super::error::{Error, within};
use super::live::{HASH, Surroundings, current_set, live, replica_failure, stamp};
use super::{LIST, Observer, claim, consent};
use crate::api::spec::{KubernetesTarget, WorkloadKind};
use crate::api::status::Workload;
use crate::api::view::TargetView;
use crate::api::{NsName, TargetId};
use crate::rollout::ReleaseView;
use futures::stream::{self, StreamExt};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::ListParams;
use kube::core::{Expression, Selector};
use kube::{Api, ResourceExt};
use std::collections::BTreeMap;

impl Observer {
    /// Each of `need` as it is now. One that cannot be read says so in its view; the others are not held up by it.
    pub async fn targets(
        &self,
        release: &ReleaseView,
        need: &[(TargetId, KubernetesTarget)],
    ) -> BTreeMap<TargetId, TargetView> {
        let views = need.iter().cloned().map(|(id, target)| async move { (id, self.target(release, &target).await) });
        stream::iter(views).buffer_unordered(self.limits.at_once.max(1)).collect().await
    }

    async fn target(&self, release: &ReleaseView, target: &KubernetesTarget) -> TargetView {
        let after = self.limits.target;
        let looked = tokio::time::timeout(after, self.look(release, target)).await;
        match looked.unwrap_or(Err(Error::TimedOut { after })) {
            Ok(view) => view,
            Err(Error::Denied { message, .. }) => TargetView::Denied(message),
            Err(other) => TargetView::Unreachable(other.to_string()),
        }
    }

    async fn look(&self, release: &ReleaseView, target: &KubernetesTarget) -> Result<TargetView, Error> {
        let namespace = target.namespace_or(&release.name.namespace);
        let of = Workload { kind: target.kind, namespace: namespace.to_owned(), name: target.name.clone() };
        if of.kind != WorkloadKind::Deployment {
            return Ok(TargetView::Unreachable(format!("{of}: only Deployments can be read")));
        }
        let deployments = Api::<Deployment>::namespaced(self.client.clone(), namespace);
        let Some(deployment) = within(self.limits.call, deployments.get_opt(&of.name)).await? else {
            let ending = self.namespace_ends(namespace).await.unwrap_or(false);
            return Ok(if ending { TargetView::Terminating } else { TargetView::Absent });
        };
        // A namespace that is being deleted refuses new pods, which shows as a ReplicaFailure first.
        let refused = replica_failure(&deployment).is_some();
        if deployment.metadata.deletion_timestamp.is_some() || (refused && self.namespace_ends(namespace).await?) {
            return Ok(TargetView::Terminating);
        }
        let around = self.surroundings(release, &deployment, &of);
        let (sets, around) = futures::try_join!(self.sets(&deployment, namespace), around)?;
        let pods = match current_set(&deployment, &sets) {
            Some(set) => self.pods(&deployment, set, namespace).await?,
            None => Vec::new(),
        };
        Ok(TargetView::Live(Box::new(live(&deployment, &sets, &pods, around, of))))
    }

    async fn sets(&self, deployment: &Deployment, namespace: &str) -> Result<Vec<ReplicaSet>, Error> {
        let Some(selector) = selector(deployment) else { return Ok(Vec::new()) };
        let api = Api::<ReplicaSet>::namespaced(self.client.clone(), namespace);
        Ok(within(self.limits.call, api.list(&self.those(&selector))).await?.items)
    }

    async fn pods(&self, deployment: &Deployment, set: &ReplicaSet, namespace: &str) -> Result<Vec<Pod>, Error> {
        let hash = set.labels().get(HASH).cloned().unwrap_or_default();
        let Some(mut selector) = selector(deployment) else { return Ok(Vec::new()) };
        selector.extend([Expression::Equal(HASH.to_owned(), hash)]);
        let api = Api::<Pod>::namespaced(self.client.clone(), namespace);
        Ok(within(self.limits.call, api.list(&self.those(&selector))).await?.items)
    }

    fn those(&self, selector: &Selector) -> ListParams {
        let those = ListParams::default().labels_from(selector);
        // The cache answers whole lists only.
        if self.cached { those.match_any() } else { those.limit(LIST) }
    }

    async fn surroundings(
        &self,
        release: &ReleaseView,
        deployment: &Deployment,
        of: &Workload,
    ) -> Result<Surroundings, Error> {
        let consent = self.namespace_consents(release, deployment, of);
        let (namespace_consents, claimed_by) = futures::try_join!(consent, self.claimed_by(release, deployment, of))?;
        Ok(Surroundings { namespace_consents, claimed_by })
    }

    /// Read only where it matters: for a workload of another namespace that has not consented itself.
    async fn namespace_consents(
        &self,
        release: &ReleaseView,
        deployment: &Deployment,
        of: &Workload,
    ) -> Result<Vec<String>, Error> {
        let asked = of.namespace != release.name.namespace;
        if !asked || consent::given(&consent::entries(deployment.annotations()), &release.name) {
            return Ok(Vec::new());
        }
        let namespace = self.namespace(&of.namespace).await?;
        Ok(namespace.map(|n| consent::entries(n.annotations())).unwrap_or_default())
    }

    /// The Release that the stamp names, if it is another one and holds the workload still.
    async fn claimed_by(
        &self,
        release: &ReleaseView,
        deployment: &Deployment,
        of: &Workload,
    ) -> Result<Option<NsName>, Error> {
        let Some(stamp) = stamp(deployment).filter(|s| s.uid != release.uid) else { return Ok(None) };
        match self.release(&stamp.release).await {
            Ok(other) => Ok(other.filter(|r| claim::holds(r, &stamp.uid, of)).map(|_| stamp.release)),
            // It exists, and nobody can say that it lets go.
            Err(Error::Undecodable { .. }) => Ok(Some(stamp.release)),
            Err(other) => Err(other),
        }
    }

    async fn namespace_ends(&self, name: &str) -> Result<bool, Error> {
        Ok(self.namespace(name).await?.is_some_and(|n| n.metadata.deletion_timestamp.is_some()))
    }

    /// `None`: there is none, or it may not be read.
    async fn namespace(&self, name: &str) -> Result<Option<Namespace>, Error> {
        let api = Api::<Namespace>::all(self.client.clone());
        match within(self.limits.call, api.get_opt(name)).await {
            Err(Error::Denied { .. }) => Ok(None),
            answer => answer,
        }
    }
}

fn selector(deployment: &Deployment) -> Option<Selector> {
    let selector = Selector::try_from(deployment.spec.as_ref()?.selector.clone()).ok()?;
    // An empty selector would list the whole namespace; the API server refuses it in a Deployment.
    (!selector.selects_all()).then_some(selector)
}
