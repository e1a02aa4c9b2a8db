//! Reading targets: the workload, the revision of its current template, that revision's pods, and who may write.

use super::error::{Error, within};
use super::live::{Surroundings, live, stamp};
use super::object::Object;
use super::revision::{self, Current};
use super::{LIST, Observer, claim, consent};
use crate::api::effect::Stamp;
use crate::api::spec::{KubernetesTarget, TargetKind, WorkloadKind};
use crate::api::status::{KubernetesWorkload, Workload};
use crate::api::view::TargetView;
use crate::api::{NsName, TargetId};
use crate::rollout::ReleaseView;
use futures::stream::{self, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::ListParams;
use kube::core::{Expression, Selector};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Debug;

impl Observer {
    /// Each of `need` as it is now. One that cannot be read says so in its view; the others are not held up by it.
    pub async fn targets(
        &self,
        release: &ReleaseView,
        need: &[(TargetId, TargetKind)],
    ) -> BTreeMap<TargetId, TargetView> {
        let views = need.iter().cloned().map(|(id, target)| async move { (id, self.target(release, &target).await) });
        stream::iter(views).buffer_unordered(self.limits.at_once.max(1)).collect().await
    }

    async fn target(&self, release: &ReleaseView, target: &TargetKind) -> TargetView {
        let after = self.limits.target;
        let look = async {
            match target {
                TargetKind::Kubernetes(k) => self.look(release, k).await,
                TargetKind::Ecs(e) => self.service(release, &e.into()).await,
            }
        };
        let looked = tokio::time::timeout(after, look).await;
        match looked.unwrap_or(Err(Error::TimedOut { after })) {
            Ok(view) => view,
            Err(Error::Denied { message, .. }) => TargetView::Denied(message),
            Err(other) => TargetView::Unreachable(other.to_string()),
        }
    }

    async fn look(&self, release: &ReleaseView, target: &KubernetesTarget) -> Result<TargetView, Error> {
        let namespace = target.namespace_or(&release.name.namespace);
        let of = KubernetesWorkload { kind: target.kind, namespace: namespace.to_owned(), name: target.name.clone() };
        let Some(object) = self.object(&of).await? else {
            let ending = self.namespace_ends(namespace).await.unwrap_or(false);
            return Ok(if ending { TargetView::Terminating } else { TargetView::Absent });
        };
        // A namespace that is being deleted refuses new pods, which shows as a ReplicaFailure first.
        let refused = object.replica_failure().is_some();
        if object.meta().deletion_timestamp.is_some() || (refused && self.namespace_ends(namespace).await?) {
            return Ok(TargetView::Terminating);
        }
        let around = self.surroundings(release, &object, &of);
        let (current, around) = futures::try_join!(self.current(&object, namespace), around)?;
        let pods = match &current {
            Some(current) => self.pods(&object, current, &of).await?,
            None => Vec::new(),
        };
        Ok(TargetView::Live(Box::new(live(&object, current.as_ref(), &pods, around, of))))
    }

    async fn object(&self, of: &KubernetesWorkload) -> Result<Option<Object>, Error> {
        Ok(match of.kind {
            WorkloadKind::Deployment => self.get(of).await?.map(|d| Object::Deployment(Box::new(d))),
            WorkloadKind::StatefulSet => self.get(of).await?.map(|s| Object::StatefulSet(Box::new(s))),
            WorkloadKind::DaemonSet => self.get(of).await?.map(|d| Object::DaemonSet(Box::new(d))),
        })
    }

    async fn get<K>(&self, of: &KubernetesWorkload) -> Result<Option<K>, Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let api = Api::<K>::namespaced(self.client.clone(), &of.namespace);
        within(self.limits.call, api.get_opt(&of.name)).await
    }

    async fn list<K>(&self, selector: &Selector, namespace: &str) -> Result<Vec<K>, Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let api = Api::<K>::namespaced(self.client.clone(), namespace);
        Ok(within(self.limits.call, api.list(&self.those(selector))).await?.items)
    }

    async fn current(&self, object: &Object, namespace: &str) -> Result<Option<Current>, Error> {
        let Some(selector) = object.selector() else { return Ok(None) };
        Ok(match object {
            Object::Deployment(d) => revision::of_deployment(d, &self.list(&selector, namespace).await?),
            Object::StatefulSet(s) => revision::of_stateful_set(s),
            Object::DaemonSet(d) => revision::of_daemon_set(d, &self.list(&selector, namespace).await?),
        })
    }

    /// Those of the current revision; of a StatefulSet those of all revisions, because one that is left may hold it up.
    async fn pods(&self, object: &Object, current: &Current, of: &KubernetesWorkload) -> Result<Vec<Pod>, Error> {
        let Some(mut selector) = object.selector() else { return Ok(Vec::new()) };
        if of.kind != WorkloadKind::StatefulSet {
            let label = of.kind.revision_label().to_owned();
            selector.extend([Expression::Equal(label, current.revision.clone())]);
        }
        self.list(&selector, &of.namespace).await
    }

    fn those(&self, selector: &Selector) -> ListParams {
        let those = ListParams::default().labels_from(selector);
        // The cache answers whole lists only.
        if self.cached { those.match_any() } else { those.limit(LIST) }
    }

    async fn surroundings(
        &self,
        release: &ReleaseView,
        object: &Object,
        of: &KubernetesWorkload,
    ) -> Result<Surroundings, Error> {
        let consent = self.namespace_consents(release, object, of);
        let (stamp, whole) = (stamp(object), Workload::from(of.clone()));
        let claim = self.claimed_by(release, stamp.as_ref(), &whole);
        let (namespace_consents, claimed_by) = futures::try_join!(consent, claim)?;
        Ok(Surroundings { namespace_consents, claimed_by })
    }

    /// Read only where it matters: for a workload of another namespace that has not consented itself.
    async fn namespace_consents(
        &self,
        release: &ReleaseView,
        object: &Object,
        of: &KubernetesWorkload,
    ) -> Result<Vec<String>, Error> {
        let asked = of.namespace != release.name.namespace;
        if !asked || consent::given(&consent::entries(object.annotations()), &release.name) {
            return Ok(Vec::new());
        }
        let namespace = self.namespace(&of.namespace).await?;
        Ok(namespace.map(|n| consent::entries(n.annotations())).unwrap_or_default())
    }

    /// The Release that the stamp names, if it is another one and holds the workload still.
    pub(super) async fn claimed_by(
        &self,
        release: &ReleaseView,
        stamp: Option<&Stamp>,
        of: &Workload,
    ) -> Result<Option<NsName>, Error> {
        let Some(stamp) = stamp.filter(|s| s.uid != release.uid) else { return Ok(None) };
        match self.release(&stamp.release).await {
            Ok(other) => Ok(other.filter(|r| claim::holds(r, &stamp.uid, of)).map(|_| stamp.release.clone())),
            // It exists, and nobody can say that it lets go.
            Err(Error::Undecodable { .. }) => Ok(Some(stamp.release.clone())),
            Err(other) => Err(other),
        }
    }

    async fn namespace_ends(&self, name: &str) -> Result<bool, Error> {
        Ok(self.namespace(name).await?.is_some_and(|n| n.metadata.deletion_timestamp.is_some()))
    }

    /// `None`: there is none, or it may not be read.
    pub(super) async fn namespace(&self, name: &str) -> Result<Option<Namespace>, Error> {
        let api = Api::<Namespace>::all(self.client.clone());
        match within(self.limits.call, api.get_opt(name)).await {
            Err(Error::Denied { .. }) => Ok(None),
            answer => answer,
        }
    }
}
