//! Why AWS did not do, or perhaps did not do, what it was asked.

use crate::api::effect::{Answer, Refused};
use crate::api::text::{MESSAGE, tidy};
use aws_sdk_ecs::error::{ProvideErrorMetadata, SdkError};
use std::error::Error as StdError;

/// The messages are AWS's own, on one line and bounded.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Denied(String),
    #[error("AWS limits calls to {0}")]
    Throttled(&'static str),
    /// The cluster, service, task definition, target group or image is not there.
    #[error("{0}")]
    Gone(String),
    /// What it speaks of changed since it was read.
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    Invalid(String),
    /// ECS finds no room for a task now; nothing was done.
    #[error("{0}")]
    NoCapacity(String),
    /// Nobody can say whether it was done.
    #[error("{0}")]
    Unanswered(String),
    #[error("the answer to {0} cannot be read")]
    Malformed(String),
    /// Something that had to be done before was not answered; what it was done for is as it was.
    #[error("{0}")]
    Unready(String),
}

impl Error {
    /// Stable, for a metric label.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::Throttled(_) => "throttled",
            Self::Gone(_) => "gone",
            Self::Conflict(_) => "conflict",
            Self::Invalid(_) => "invalid",
            Self::NoCapacity(_) => "no_capacity",
            Self::Unanswered(_) | Self::Unready(_) => "unreachable",
            Self::Malformed(_) => "undecodable",
        }
    }
    /// Whether asking again may help without anybody's doing.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Throttled(_) | Self::Conflict(_) | Self::NoCapacity(_) | Self::Unanswered(_) | Self::Unready(_)
        )
    }

    /// The same of a call before the one that does something: until then all is as it was, whatever became of it.
    pub fn before(self) -> Self {
        match self {
            Self::Unanswered(message) | Self::Malformed(message) => Self::Unready(message),
            other => other,
        }
    }

    pub(super) fn of<E, R>(call: &'static str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
        R: std::fmt::Debug,
    {
        Self::hiding(call, error, &[])
    }

    /// The same, without these texts wherever AWS repeats them.
    pub(super) fn hiding<E, R>(call: &'static str, error: &SdkError<E, R>, hidden: &[String]) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
        R: std::fmt::Debug,
    {
        let Some(service) = error.as_service_error() else { return unanswered(call, error) };
        let code = service.code().unwrap_or_default();
        let said = service.message().unwrap_or(code);
        let said = hidden.iter().fold(said.to_owned(), |said, value| said.replace(value.as_str(), "***"));
        let message = tidy(&format!("{call}: {said}"), MESSAGE);
        match code {
            "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" => Self::Denied(message),
            "ThrottlingException"
            | "Throttling"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "LimitExceededException" => Self::Throttled(call),
            "ClusterNotFoundException"
            | "ServiceNotFoundException"
            | "ServiceNotActiveException"
            | "TargetGroupNotFound"
            | "RepositoryNotFoundException"
            | "ImageNotFoundException" => Self::Gone(message),
            "ServiceDeploymentNotFoundException" | "ConflictException" => Self::Conflict(message),
            "InvalidParameterException"
            | "ClientException"
            | "UnsupportedFeatureException"
            | "BlockedException"
            | "PlatformUnknownException"
            | "PlatformTaskDefinitionIncompatibilityException"
            | "NamespaceNotFoundException" => Self::Invalid(message),
            // Credentials that ended are renewed before the next call.
            _ => Self::Unanswered(message),
        }
    }
}

impl From<Error> for Answer {
    /// What came of the call that was to change something.
    fn from(error: Error) -> Self {
        let message = error.to_string();
        let kind = match error {
            Error::Denied(_) => Refused::Forbidden,
            Error::Throttled(_) | Error::Unready(_) => Refused::Throttled,
            Error::Gone(_) => Refused::Gone,
            Error::Conflict(_) => Refused::Conflict,
            Error::Invalid(_) => Refused::Invalid,
            Error::NoCapacity(_) => Refused::NoCapacity,
            Error::Unanswered(_) | Error::Malformed(_) => return Self::Ambiguous { message },
        };
        Self::Refused { kind, message }
    }
}

/// No answer of the service: no connection, no time, no credentials.
fn unanswered<E, R>(call: &'static str, error: &SdkError<E, R>) -> Error
where
    E: StdError + 'static,
    R: std::fmt::Debug,
{
    let mut text = format!("{call}: {error}");
    let mut denied = false;
    let mut source = StdError::source(error);
    while let Some(cause) = source {
        let said = cause.to_string();
        denied |= said.contains("AccessDenied");
        text = format!("{text}: {said}");
        source = cause.source();
    }
    let message = tidy(&text, MESSAGE);
    if denied { Error::Denied(message) } else { Error::Unanswered(message) }
}
