//! Why a hook could not be looked at, created or stopped.

use crate::api::Reason;
use crate::api::effect::{Answer, Refused};
use crate::api::text::{MESSAGE, tidy};
use std::future::Future;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// It cannot be run as it is described.
    #[error("{message}")]
    Unfit { reason: Reason, message: String },
    /// The API server answered, and nothing was done.
    #[error("{message}")]
    Refused {
        kind: Refused,
        message: String,
        #[source]
        source: Box<kube::Error>,
    },
    /// It may have been done.
    #[error("no answer from the API server: {message}")]
    Ambiguous {
        message: String,
        #[source]
        source: Box<kube::Error>,
    },
    /// It may have been done.
    #[error("the API server did not answer within {} s", .after.as_secs_f64())]
    TimedOut { after: Duration },
}

impl Error {
    pub(super) fn unfit(message: &str) -> Self {
        Self::Unfit { reason: Reason::HookRefused, message: tidy(message, MESSAGE) }
    }
    /// Stable, for logs.
    pub(super) fn category(&self) -> &'static str {
        match self {
            Self::Unfit { .. } => "unfit",
            Self::Refused { kind: Refused::Conflict, .. } => "conflict",
            Self::Refused { .. } => "refused",
            Self::Ambiguous { .. } => "ambiguous",
            Self::TimedOut { .. } => "timeout",
        }
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        let kube::Error::Api(status) = &error else {
            return Self::Ambiguous { message: tidy(&error.to_string(), MESSAGE), source: Box::new(error) };
        };
        let message = tidy(&status.message, MESSAGE);
        match Refused::of_code(status.code) {
            Some(kind) => Self::Refused { kind, message, source: Box::new(error) },
            None => Self::Ambiguous { message, source: Box::new(error) },
        }
    }
}

impl From<&Error> for Answer {
    fn from(error: &Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Unfit { .. } => Self::Refused { kind: Refused::Invalid, message },
            Error::Refused { kind, .. } => Self::Refused { kind: *kind, message },
            Error::Ambiguous { .. } | Error::TimedOut { .. } => Self::Ambiguous { message },
        }
    }
}

/// One request with its deadline.
pub(super) async fn within<T>(after: Duration, request: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    tokio::time::timeout(after, request).await.map_err(|_| Error::TimedOut { after })?.map_err(Error::from)
}
