//! What the standing watches decode: of a Release what decides, of a workload no more than is kept of it.
//!
//! Ten thousand Releases and their workloads are listed at every start, so what nobody reads is skipped: most of an
//! object's metadata are its managed fields.

use crate::api::{Release, ReleaseSpec, ReleaseStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// A Release, without its managed fields and labels; or why it cannot be read, as one that somebody damaged must not hide all
/// others of its list.
#[derive(Clone, Debug)]
pub(super) enum Heard {
    Release(Box<Release>),
    Unreadable { meta: Box<ObjectMeta>, error: String },
}

/// Namespace, name, uid, version and generation of a `K`, and little else. The API server is asked for metadata alone.
#[derive(Clone, Debug)]
pub(super) struct Sketch<K> {
    meta: ObjectMeta,
    of: PhantomData<fn() -> K>,
}

impl<'de> Deserialize<'de> for Heard {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(json)?;
        let whole = serde_json::from_str(text.get());
        whole.map(|w: Whole| Self::Release(Box::new(w.into()))).or_else(|error| {
            let object: Object = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
            // Where in the API server's own text it stands tells nobody anything.
            let (error, place) = (error.to_string(), format!(" at line {} column {}", error.line(), error.column()));
            let error = error.strip_suffix(&place).unwrap_or(&error).to_owned();
            Ok(Self::Unreadable { meta: Box::new(object.metadata.into()), error })
        })
    }
}

impl<'de, K> Deserialize<'de> for Sketch<K> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let object = Object::deserialize(json)?;
        Ok(Self { meta: object.metadata.into(), of: PhantomData })
    }
}

#[derive(Deserialize)]
struct Whole {
    metadata: Metadata<BTreeMap<String, String>>,
    spec: ReleaseSpec,
    status: Option<ReleaseStatus>,
}

#[derive(Deserialize)]
struct Object {
    metadata: Metadata<IgnoredAny>,
}

/// What a [`crate::rollout::ReleaseView`] is made of, and the version. Of workloads no annotation is read, and some are long.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<A> {
    namespace: Option<String>,
    name: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    deletion_timestamp: Option<Time>,
    finalizers: Option<Vec<String>>,
    annotations: Option<A>,
}

impl From<Whole> for Release {
    fn from(Whole { mut metadata, spec, status }: Whole) -> Self {
        let annotations = metadata.annotations.take();
        Self { metadata: ObjectMeta { annotations, ..metadata.into() }, spec, status }
    }
}

/// Without the annotations.
impl<A> From<Metadata<A>> for ObjectMeta {
    fn from(m: Metadata<A>) -> Self {
        let Metadata { namespace, name, uid, resource_version, generation, deletion_timestamp, finalizers, .. } = m;
        Self { namespace, name, uid, resource_version, generation, deletion_timestamp, finalizers, ..Self::default() }
    }
}

impl Resource for Heard {
    type DynamicType = ();
    type Scope = <Release as Resource>::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        Release::kind(&())
    }
    fn group((): &()) -> Cow<'_, str> {
        Release::group(&())
    }
    fn version((): &()) -> Cow<'_, str> {
        Release::version(&())
    }
    fn plural((): &()) -> Cow<'_, str> {
        Release::plural(&())
    }
    fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Release(release) => &release.metadata,
            Self::Unreadable { meta, .. } => meta,
        }
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match self {
            Self::Release(release) => &mut release.metadata,
            Self::Unreadable { meta, .. } => meta,
        }
    }
}

impl<K: Resource> Resource for Sketch<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(dt: &K::DynamicType) -> Cow<'_, str> {
        K::kind(dt)
    }
    fn group(dt: &K::DynamicType) -> Cow<'_, str> {
        K::group(dt)
    }
    fn version(dt: &K::DynamicType) -> Cow<'_, str> {
        K::version(dt)
    }
    fn plural(dt: &K::DynamicType) -> Cow<'_, str> {
        K::plural(dt)
    }
    fn metadata_api() -> bool {
        true
    }
    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::apps::v1::Deployment;
    use kube::core::{ObjectList, WatchEvent};
    use serde_json::json;

    fn metadata() -> serde_json::Value {
        json!({
            "namespace": "shop", "name": "web", "uid": "u-1", "resourceVersion": "7", "generation": 3,
            "labels": {"a": "b"}, "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
        })
    }

    fn good() -> serde_json::Value {
        let documents = include_str!("../../examples/smallest.yaml").split("\n---");
        let mut parsed = documents.filter_map(|text| serde_saphyr::from_str::<serde_json::Value>(text).ok());
        parsed.find(|v| v["kind"] == "Release").unwrap()
    }

    /// Also as a part of what the API server wraps around it.
    #[test]
    fn of_a_workload_is_kept_what_is_used() {
        let object = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata()});
        let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": [object]}).to_string();
        let list: ObjectList<Sketch<Deployment>> = serde_json::from_str(&list).unwrap();
        let meta = list.items[0].meta();
        let kept = (meta.namespace.as_deref(), meta.name.as_deref(), meta.uid.as_deref(), meta.generation);
        assert_eq!(kept, (Some("shop"), Some("web"), Some("u-1"), Some(3)));
        assert_eq!((meta.resource_version.as_deref(), meta.labels.is_none()), (Some("7"), true));
        assert!(Sketch::<Deployment>::metadata_api());
    }

    /// What is skipped is nothing that a decision looks at.
    #[test]
    fn of_a_release_is_kept_whatever_its_view_shows() {
        let mut release = good();
        let mut more = metadata();
        more["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
        more["finalizers"] = json!([crate::api::FINALIZER]);
        more["annotations"] = json!({"tidegate.dev/abort": "1-1"});
        release["metadata"] = more;
        release["status"] = json!({"observedGeneration": 3, "message": "it rests"});
        let Heard::Release(heard) = serde_json::from_str(&release.to_string()).unwrap() else { panic!("{release}") };
        assert_eq!((heard.metadata.resource_version.as_deref(), &heard.metadata.managed_fields), (Some("7"), &None));
        let view = crate::observe::into_view(*heard);
        assert!(view.deleting && view.finalizer && view.annotations.len() == 1);
        assert_eq!(view, crate::observe::release_view(&serde_json::from_value(release).unwrap()));
    }

    #[test]
    fn a_release_that_cannot_be_read_is_named_and_hides_no_other() {
        let bad = json!({"metadata": metadata(), "spec": {"image": 5}});
        let list = json!({"metadata": {}, "items": [good(), bad]}).to_string();
        let list: ObjectList<Heard> = serde_json::from_str(&list).unwrap();
        assert!(matches!(list.items[..], [Heard::Release(_), Heard::Unreadable { .. }]), "{list:?}");
        assert_eq!(list.items[1].meta().name.as_deref(), Some("web"));

        let event = format!(r#"{{"type":"MODIFIED","object":{bad}}}"#);
        let WatchEvent::Modified(Heard::Unreadable { error, .. }) = serde_json::from_str(&event).unwrap() else {
            panic!("{event}");
        };
        assert!(error.contains("invalid type: integer `5`") && !error.contains("line"), "{error}");
    }
}
