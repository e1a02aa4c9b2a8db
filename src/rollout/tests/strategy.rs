//! Which pods of each kind follow the template, and what is said where none would.

use super::workloads::deployment;
use crate::api::Reason;
use crate::api::spec::WorkloadKind;
use crate::api::status::{ContainerImage, KubernetesWorkload, Workload};
use crate::api::view::{LiveTarget, OutdatedPod, Replicas, StatefulView};
use crate::rollout::evidence;
use crate::rollout::strategy::{asleep, kept, unfit};

fn of(kind: WorkloadKind) -> LiveTarget {
    let mut live = deployment("db", "sha-a1", &["app".into()]);
    live.workload = Workload::Kubernetes(KubernetesWorkload { kind, namespace: "shop".into(), name: "db".into() });
    live.progressing = None;
    if kind == WorkloadKind::StatefulSet {
        live.stateful = Some(StatefulView { settled: true, ..StatefulView::default() });
    }
    live
}

fn row(partition: i32, [wanted, updated, available]: [i32; 3], settled: bool, outdated: usize) -> LiveTarget {
    let mut live = of(WorkloadKind::StatefulSet);
    live.replicas = Replicas { wanted, total: wanted, updated, ready: available, available };
    let pod = |n: usize| OutdatedPod {
        name: format!("db-{n}"),
        uid: format!("u-{n}"),
        resource_version: "1".into(),
        ready: true,
        terminating: false,
        images: Vec::<ContainerImage>::new(),
    };
    let following = Some(wanted - partition - i32::try_from(outdated).unwrap());
    let outdated = (0..outdated).map(pod).collect();
    live.stateful = Some(StatefulView { partition, settled, outdated, following });
    live
}

/// What the pods' list tells of those that follow.
fn listed(mut live: LiveTarget, following: Option<i32>) -> LiveTarget {
    live.stateful.as_mut().unwrap().following = following;
    live
}

#[test]
fn a_stateful_set_is_rolled_out_when_all_that_follow_have() {
    for (what, live, done) in [
        ("all", row(0, [3, 3, 3], true, 0), true),
        ("its controller has not said so", row(0, [3, 3, 3], false, 0), false),
        ("one is left", row(0, [3, 2, 3], false, 1), false),
        ("one is not available", row(0, [3, 3, 2], false, 0), false),
        ("those behind the partition", row(1, [3, 2, 3], false, 0), true),
        ("not all behind it", row(1, [3, 1, 3], false, 1), false),
        // What the partition kept runs the old revision, and counts as updated once that is written again.
        ("taken back over a partition, one is left", row(2, [3, 2, 3], false, 1), false),
        ("taken back over a partition", row(2, [3, 3, 3], true, 0), true),
        (
            "taken back over a partition, the last is just being made",
            listed(row(1, [3, 3, 3], true, 0), Some(1)),
            false,
        ),
        ("taken back over a partition, and too many to list", listed(row(1, [3, 3, 3], true, 0), None), true),
        ("one that is kept is not available", row(1, [3, 2, 2], false, 0), false),
        ("the partition keeps all", row(3, [3, 3, 3], true, 0), false),
        ("nobody", row(0, [0, 0, 0], true, 0), false),
    ] {
        assert_eq!(evidence::rolled_out(&live, None), done, "{what}");
    }
}

#[test]
fn a_daemon_set_is_rolled_out_when_all_its_nodes_have_followed() {
    for (what, [wanted, total, updated, available], done) in [
        ("all", [5, 5, 5, 5], true),
        ("one is left", [5, 5, 4, 5], false),
        ("one is not available", [5, 5, 5, 4], false),
        ("one node has none yet", [5, 4, 4, 4], false),
        ("no node matches", [0, 0, 0, 0], false),
    ] {
        let mut live = of(WorkloadKind::DaemonSet);
        live.replicas = Replicas { wanted, total, updated, ready: available, available };
        assert_eq!(evidence::rolled_out(&live, None), done, "{what}");
        live.revision = None;
        assert!(!evidence::rolled_out(&live, None), "{what}: its controller has not seen the template");
    }
}

#[test]
fn what_would_bring_the_image_to_no_pod_names_the_field() {
    for kind in [WorkloadKind::StatefulSet, WorkloadKind::DaemonSet] {
        let mut live = of(kind);
        assert!(unfit(&live).is_none() && kept(&live).is_none());
        live.on_delete = true;
        let blocked = unfit(&live).unwrap();
        assert_eq!(blocked.reason, Reason::UpdateStrategyUnsupported);
        assert!(blocked.message.ends_with("set spec.updateStrategy.type: RollingUpdate"), "{}", blocked.message);
    }
    for (partition, wanted, blocked) in [(0, 3, false), (2, 3, false), (3, 3, true), (9, 3, true), (1, 0, false)] {
        let live = row(partition, [wanted, 0, 0], true, 0);
        let said = unfit(&live).map(|b| b.message).unwrap_or_default();
        assert_eq!(said.contains("lower spec.updateStrategy.rollingUpdate.partition"), blocked, "{partition} {said}");
    }
}

#[test]
fn pods_that_stay_are_said() {
    let said = |partition| kept(&row(partition, [3, 0, 3], true, 0));
    assert_eq!(said(0), None);
    let one = "StatefulSet shop/db has a partition of 1: 1 pod of 3 stays on the old image; the others are verified";
    assert_eq!(said(1).as_deref(), Some(one));
    assert!(said(2).unwrap().contains("2 pods of 3 stay on the old image"));
}

#[test]
fn nobody_to_ask_is_said_in_the_words_of_its_kind() {
    for (kind, said) in [
        (WorkloadKind::Deployment, "Deployment shop/db is scaled to zero"),
        (WorkloadKind::StatefulSet, "StatefulSet shop/db is scaled to zero"),
        (WorkloadKind::DaemonSet, "no node matches DaemonSet shop/db"),
    ] {
        let mut live = of(kind);
        assert_eq!(asleep(&live), None);
        live.replicas.wanted = 0;
        assert_eq!(asleep(&live).as_deref(), Some(said));
    }
}
