//! Why a look at a Release ended early. It is looked at again; nothing is lost.

use crate::observe;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the Release cannot be read: {0}")]
    Read(#[source] observe::Error),
    #[error("the status cannot be written: {0}")]
    Write(#[source] Box<kube::Error>),
    #[error("the API server did not answer within {} s", .after.as_secs_f64())]
    TimedOut { after: Duration },
    /// Somebody else acts now; the status on the server is theirs to go on from.
    #[error("this replica does not lead any more")]
    NotLeading,
    #[error("the Release changed {0} times while it was decided on")]
    Contended(u32),
    /// What led to the look may not be in it.
    #[error("the Release was answered in an older version than a watch brought")]
    Outdated,
    #[error("not at rest after {0} steps")]
    Unsettled(u32),
}

impl Error {
    /// Stable, for a metric label.
    pub(super) fn category(&self) -> &'static str {
        match self {
            Self::Read(e) => e.category(),
            Self::Write(e) => match &**e {
                kube::Error::Api(s) if s.is_forbidden() => "denied",
                kube::Error::Api(s) if s.is_invalid() => "invalid",
                _ => "unreachable",
            },
            Self::TimedOut { .. } => "timeout",
            Self::NotLeading => "notLeading",
            Self::Contended(_) => "contended",
            Self::Outdated => "outdated",
            Self::Unsettled(_) => "unsettled",
        }
    }
    /// Whether looking again may help without anybody's doing.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Read(e) => e.is_transient(),
            Self::Write(_) => !matches!(self.category(), "denied" | "invalid"),
            Self::NotLeading => false,
            Self::TimedOut { .. } | Self::Contended(_) | Self::Outdated | Self::Unsettled(_) => true,
        }
    }
}
