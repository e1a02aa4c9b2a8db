//! The `Release` resource and the words that every other module shares.
//!
//! Types only: nothing here reads, writes, waits or decides.

pub mod ask;
pub mod condition;
pub mod consent;
pub mod crd;
pub mod effect;
pub mod hook;
pub mod image;
pub mod names;
#[cfg(test)]
pub(crate) mod places;
pub mod reason;
pub mod spec;
pub mod status;
pub mod text;
pub mod time;
pub mod view;

pub use image::{Digest, Image};
pub use names::{EffectId, HookId, NsName, RolloutId, TargetId, Verb};
pub use reason::Reason;
pub use spec::{Release, ReleaseSpec};
pub use status::{Phase, ReleaseStatus};
pub use time::{Duration, Time};

/// API group of the `Release`, and prefix of every annotation.
pub const GROUP: &str = "tidegate.dev";
/// The one field manager of every write.
pub const MANAGER: &str = "tidegate";
pub const FINALIZER: &str = "tidegate.dev/rollout";

/// Labels that Tidegate sets on the Jobs it creates.
pub mod label {
    /// Name of the Release.
    pub const RELEASE: &str = "tidegate.dev/release";
    /// uid of the Release.
    pub const RELEASE_UID: &str = "tidegate.dev/release-uid";
}

/// Annotations that people set on a Release.
pub mod annotation {
    pub const PROMOTE: &str = "tidegate.dev/promote";
    pub const PROMOTED_BY: &str = "tidegate.dev/promoted-by";
    pub const ABORT: &str = "tidegate.dev/abort";
    pub const RETRY: &str = "tidegate.dev/retry";
    pub const ROLLBACK: &str = "tidegate.dev/rollback";
    /// On a Release: what CI found out about the image, as JSON.
    pub const EVIDENCE: &str = "tidegate.dev/evidence";
    /// On a workload or Namespace: which Releases of other namespaces may write here.
    pub const ALLOW_FROM: &str = "tidegate.dev/allow-from";
    /// On a workload: a repository other than the live one that a Release may bring.
    pub const ALLOW_REPOSITORY: &str = "tidegate.dev/allow-repository";
    /// On a Namespace: roles that Releases there may use on AWS; `own` stands for the controller's own credentials.
    pub const ALLOW_ROLES: &str = "tidegate.dev/allow-roles";
    /// On a workload, set by Tidegate: the last write's [`super::effect::Stamp`] as JSON.
    pub const STAMP: &str = "tidegate.dev/stamp";
    /// On a Job, set by Tidegate: the effect that created it.
    pub const EFFECT: &str = "tidegate.dev/effect";
}

#[cfg(test)]
mod release_fuzz;
