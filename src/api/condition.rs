//! The conditions of a Release, in the vocabulary that Flux, Argo CD and `kubectl wait` read.

use super::Reason;
use super::time::Time;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{self as meta, Condition};

pub const READY: &str = "Ready";
pub const RECONCILING: &str = "Reconciling";
pub const STALLED: &str = "Stalled";
pub const AWAITING_PROMOTION: &str = "AwaitingPromotion";
/// A verified stage is not well any more.
pub const DEGRADED: &str = "Degraded";
pub const DRIFTED: &str = "Drifted";
pub const TARGET_CONTENDED: &str = "TargetContended";

/// A condition that should be there; what is not wanted is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub type_: &'static str,
    pub status: &'static str,
    pub reason: Reason,
    pub message: String,
}

/// Brings `now`'s conditions to `wanted`; a transition time changes only with the status it belongs to.
pub fn merge(before: &[Condition], wanted: Vec<Wanted>, generation: i64, now: Time) -> Vec<Condition> {
    let at = |w: &Wanted| {
        let same = before.iter().find(|c| c.type_ == w.type_ && c.status == w.status);
        same.map_or_else(|| meta::Time(whole_seconds(now)), |c| c.last_transition_time.clone())
    };
    let built = wanted.into_iter().map(|w| Condition {
        last_transition_time: at(&w),
        type_: w.type_.to_owned(),
        status: w.status.to_owned(),
        reason: w.reason.to_string(),
        message: w.message,
        observed_generation: Some(generation),
    });
    built.collect()
}

pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == type_)
}

fn whole_seconds(t: Time) -> jiff::Timestamp {
    jiff::Timestamp::from_second(t.timestamp().as_second()).unwrap_or(t.timestamp())
}
