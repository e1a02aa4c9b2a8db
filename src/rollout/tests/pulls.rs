//! What kubelets say of images that do not come, and when that is believed.

use super::services::target;
use super::workloads::deployment;
use crate::api::Reason;
use crate::api::status::TargetStep;
use crate::api::time::{Duration, Time};
use crate::api::view::{ContainerRun, LiveTarget};
use crate::rollout::evidence;

/// A pod of the new revision that waits, and says so.
fn waiting(reason: &str, message: &str) -> LiveTarget {
    let mut live = deployment("web", "new", &["app".to_owned()]);
    live.pods[0].ready = false;
    live.pods[0].containers[0].state =
        ContainerRun::Waiting { reason: reason.into(), message: format!("Failed to pull image \"app\": {message}") };
    live
}

#[test]
fn only_the_last_word_of_a_registry_is_believed_at_once() {
    let pull = "rpc error: failed to pull and unpack image";
    for (message, fault) in [
        ("failed to resolve reference: docker.io/app:new: not found", Some(true)),
        ("pull access denied, repository does not exist", Some(true)),
        ("unexpected status from HEAD request: 503 Service Unavailable", None),
        // What one node has of the image does not fit together.
        ("failed to unpack image on snapshotter overlayfs: content digest sha256:1: not found", None),
        ("failed to extract layer sha256:1: mount: permission denied", None),
    ] {
        let mut state = target(TargetStep::Written);
        let found = evidence::failure(&waiting("ErrImagePull", &format!("{pull}: {message}")), &mut state, at(0));
        assert_eq!(found.map(|f| (f.reason, f.fault)), fault.map(|f| (Reason::ImagePullFailed, f)), "{message}");
    }
}

fn at(seconds: i64) -> Time {
    Time::from_millis(1_790_000_000_000).plus(Duration::from_secs(seconds))
}

/// While it pulls again a kubelet goes on to say that it waits.
#[test]
fn a_second_attempt_that_is_under_way_has_not_failed() {
    let mut state = target(TargetStep::Written);
    let busy = "503 Service Unavailable";
    for (seconds, reason) in [(0, "ErrImagePull"), (15, "ImagePullBackOff"), (40, "ImagePullBackOff")] {
        assert_eq!(evidence::failure(&waiting(reason, busy), &mut state, at(seconds)), None, "{seconds} s: {reason}");
        let next = evidence::next_look(&state, at(seconds)).unwrap();
        assert!(next > at(seconds) && next <= at(45), "{seconds} s: {next}");
    }
    let failed = evidence::failure(&waiting("ErrImagePull", busy), &mut state, at(46)).unwrap();
    assert_eq!((failed.reason, failed.fault), (Reason::ImagePullFailed, false));
    assert_eq!(evidence::failure(&deployment("web", "new", &["app".to_owned()]), &mut state, at(50)), None);
    assert!(evidence::next_look(&state, at(50)).is_none(), "it came");
}
