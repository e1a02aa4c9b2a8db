//! What an apply says, and by leaving out gives up.

use crate::api::annotation;
use crate::api::effect::TargetWrite;
use crate::api::status::{ContainerImage, KubernetesWorkload};
use serde_json::{Map, Value, json};

/// The whole intent: what it names is owned, what it does not name any more is given up.
pub(super) fn of(workload: &KubernetesWorkload, write: &TargetWrite) -> serde_json::Result<Value> {
    let stamp = serde_json::to_string(&write.stamp)?;
    let (init, main): (Vec<_>, Vec<_>) = write.images.iter().partition(|i| write.init.contains(&i.container));
    let mut pod = Map::new();
    for (list, images) in [("containers", main), ("initContainers", init)] {
        if !images.is_empty() {
            pod.insert(list.to_owned(), images.into_iter().map(container).collect());
        }
    }
    Ok(json!({
        "apiVersion": "apps/v1",
        "kind": workload.kind.to_string(),
        "metadata": {
            "name": workload.name,
            "namespace": workload.namespace,
            "uid": write.uid,
            "resourceVersion": write.resource_version,
            "annotations": { annotation::STAMP: stamp },
        },
        "spec": { "template": { "spec": pod } },
    }))
}

fn container(image: &ContainerImage) -> Value {
    json!({ "name": image.container, "image": image.image })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::effect::Stamp;
    use crate::api::spec::WorkloadKind;
    use crate::api::status::KubernetesWorkload;
    use crate::api::{EffectId, Image, NsName, RolloutId, TargetId, Verb};

    #[test]
    fn nothing_but_images_and_the_stamp_is_named() {
        let image = |container: &str| ContainerImage {
            container: container.into(),
            image: Image::new("reg/app:2"),
            digest: None,
        };
        let rollout = RolloutId { generation: 1, attempt: 1 };
        let stamp = Stamp {
            effect: EffectId::new("u", rollout, &TargetId::new("s", "t"), Verb::Forward),
            release: NsName::new("n", "r"),
            uid: "u".into(),
            images: vec![],
            way_back: vec![],
            verified: false,
            irreversible: false,
            task_definition: None,
            took: vec![],
        };
        let workload = KubernetesWorkload { kind: WorkloadKind::Deployment, namespace: "n".into(), name: "d".into() };
        let write = TargetWrite {
            stage: "s".into(),
            target: "t".into(),
            workload: workload.clone().into(),
            uid: "uid".into(),
            resource_version: "7".into(),
            images: vec![image("app"), image("migrate")],
            init: vec!["migrate".into()],
            stamp: stamp.clone(),
            ecs: None,
        };
        let body = of(&workload, &write).unwrap();
        let text = serde_json::to_string(&stamp).unwrap();
        let wanted = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": "d", "namespace": "n", "uid": "uid", "resourceVersion": "7",
                "annotations": {"tidegate.dev/stamp": text},
            },
            "spec": {"template": {"spec": {
                "containers": [{"name": "app", "image": "reg/app:2"}],
                "initContainers": [{"name": "migrate", "image": "reg/app:2"}],
            }}},
        });
        assert_eq!(body, wanted);
    }
}
