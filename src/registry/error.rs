//! Why a registry did not tell.

use crate::check::NotReached;
use std::time::Duration;

/// The texts are for people: hosts, status codes and Secret names, never a credential, path or anything of a body.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0} is no image that a registry can be asked for")]
    Reference(String),
    #[error(transparent)]
    NotReached(#[from] NotReached),
    #[error("no answer within {0:?}")]
    Late(Duration),
    #[error("{host}: {what}")]
    Unanswered {
        host: String,
        what: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{host} answered {status}")]
    Status { host: String, status: u16 },
    #[error("{host} redirects, which is not followed")]
    Redirect { host: String },
    #[error("{host} {what}")]
    Malformed { host: String, what: &'static str },
    #[error("Secret {0} does not exist")]
    NoSecret(String),
    #[error("Secret {0} is no kubernetes.io/dockerconfigjson")]
    BadSecret(String),
    /// `credentials`: which were sent.
    #[error("{host} refuses it {credentials}")]
    Refused { host: String, credentials: String },
    #[error("{host} asks for credentials in a way that is not known")]
    Challenge { host: String },
}

impl Error {
    /// Stable, for a metric label.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Reference(_) => "reference",
            Self::NotReached(_) => "guard",
            Self::Late(_) => "timeout",
            Self::Unanswered { .. } => "unreachable",
            Self::Status { .. } | Self::Redirect { .. } => "status",
            Self::Malformed { .. } | Self::Challenge { .. } => "malformed",
            Self::NoSecret(_) | Self::BadSecret(_) => "secret",
            Self::Refused { .. } => "denied",
        }
    }
    /// Whether asking again may help without anybody's doing.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Late(_) | Self::Unanswered { .. } | Self::Status { .. })
    }
    /// Whether somebody does not allow it.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::NotReached(_) | Self::NoSecret(_) | Self::BadSecret(_) | Self::Refused { .. })
    }
}
