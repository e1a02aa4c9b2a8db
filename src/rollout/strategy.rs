//! Which pods of a workload follow its template: none by `OnDelete`, some by a StatefulSet's partition, and none where
//! there is nobody to run them.

use super::preflight::Blocked;
use crate::api::Reason;
use crate::api::spec::WorkloadKind;
use crate::api::view::LiveTarget;

/// What makes that no pod would ever run what is written.
pub(super) fn unfit(live: &LiveTarget) -> Option<Blocked> {
    let workload = &live.workload;
    if live.on_delete {
        let message = format!(
            "{workload} has updateStrategy.type: OnDelete, so its pods would keep their image until somebody deletes \
             them; set spec.updateStrategy.type: RollingUpdate"
        );
        return Some(Blocked { reason: Reason::UpdateStrategyUnsupported, message });
    }
    let (partition, wanted) = (partition(live), live.replicas.wanted);
    (partition > 0 && partition >= wanted && wanted > 0).then(|| Blocked {
        reason: Reason::UpdateStrategyUnsupported,
        message: format!(
            "{workload} has a partition of {partition} and {wanted} replicas, so no pod would get the image; lower \
             spec.updateStrategy.rollingUpdate.partition"
        ),
    })
}

/// What a person should know before it is written: pods that stay as they are.
pub(super) fn kept(live: &LiveTarget) -> Option<String> {
    let partition = partition(live);
    (partition > 0).then(|| {
        let (pods, stay) = if partition == 1 { ("pod", "stays") } else { ("pods", "stay") };
        format!(
            "{} has a partition of {partition}: {partition} {pods} of {} {stay} on the old image; the others are verified",
            live.workload, live.replicas.wanted
        )
    })
}

/// How many pods must run the template.
pub(super) fn followers(live: &LiveTarget) -> i32 {
    live.replicas.wanted - partition(live)
}

/// All of them do.
pub(super) fn followed(live: &LiveTarget) -> bool {
    let Some(set) = &live.stateful else { return live.replicas.updated == live.replicas.wanted };
    let enough = live.replicas.updated >= followers(live) && set.outdated.is_empty();
    // Going back over a partition those that it keeps count as updated too, and one that was just deleted is not among
    // the outdated, so those that are back are counted.
    let back = set.following.is_none_or(|n| n >= followers(live));
    followers(live) >= 1 && enough && if set.partition > 0 { back } else { set.settled }
}

/// Why it has nobody to ask.
pub(super) fn asleep(live: &LiveTarget) -> Option<String> {
    let daemons = live.workload.kubernetes().is_some_and(|k| k.kind == WorkloadKind::DaemonSet);
    (live.replicas.wanted == 0).then(|| match daemons {
        true => format!("no node matches {}", live.workload),
        false => format!("{} is scaled to zero", live.workload),
    })
}

fn partition(live: &LiveTarget) -> i32 {
    live.stateful.as_ref().map_or(0, |s| s.partition)
}
