//! Why a write was not, or perhaps not, carried out.

use crate::api::effect::{Answer, Refused};
use crate::api::text::{MESSAGE, tidy};
use kube::core::Status;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server answered, and nothing was done.
    #[error("{message}")]
    Refused {
        kind: Refused,
        message: String,
        #[source]
        source: Option<Box<kube::Error>>,
    },
    /// It may have been done.
    #[error("{message}")]
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
    /// Stable, for a metric label.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Refused { kind: Refused::Conflict, .. } => "conflict",
            Self::Refused { kind: Refused::Gone, .. } => "gone",
            Self::Refused { kind: Refused::Forbidden, .. } => "forbidden",
            Self::Refused { kind: Refused::Invalid, .. } => "invalid",
            Self::Refused { kind: Refused::Throttled, .. } => "throttled",
            Self::Refused { kind: Refused::NoCapacity, .. } => "no_capacity",
            Self::Ambiguous { .. } => "ambiguous",
            Self::TimedOut { .. } => "timeout",
        }
    }
    /// Whether the same write, decided anew, may succeed without anybody's doing.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused { kind, .. } => matches!(kind, Refused::Conflict | Refused::Throttled | Refused::NoCapacity),
            Self::Ambiguous { .. } | Self::TimedOut { .. } => true,
        }
    }
}

impl From<kube::Error> for Error {
    fn from(e: kube::Error) -> Self {
        let kube::Error::Api(status) = &e else {
            let message = format!("no answer from the API server: {}", tidy(&e.to_string(), MESSAGE));
            return Self::Ambiguous { message, source: Box::new(e) };
        };
        let message = tidy(&status.message, MESSAGE);
        match refused(status) {
            Some(kind) => Self::Refused { kind, message, source: Some(Box::new(e)) },
            None => {
                let message = format!("the API server answered {}: {message}", status.code);
                Self::Ambiguous { message, source: Box::new(e) }
            }
        }
    }
}

impl From<&Error> for Answer {
    fn from(e: &Error) -> Self {
        match e {
            Error::Refused { kind, .. } => Self::Refused { kind: *kind, message: e.to_string() },
            Error::Ambiguous { .. } | Error::TimedOut { .. } => Self::Ambiguous { message: e.to_string() },
        }
    }
}

/// `None`: the answer does not say whether the write was done.
fn refused(status: &Status) -> Option<Refused> {
    match status.code {
        // Nobody else's object is ever created: without one the answer is a conflict of uids.
        409 if status.message.contains("uid mismatch") => Some(Refused::Gone),
        422 if about_uid(status) => Some(Refused::Gone),
        code => Refused::of_code(code),
    }
}

fn about_uid(status: &Status) -> bool {
    status.details.as_ref().is_some_and(|d| d.causes.iter().any(|c| c.field == "metadata.uid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, message: &str, field: Option<&str>) -> Status {
        let causes: Vec<_> = field.iter().map(|f| serde_json::json!({"field": f})).collect();
        let details = serde_json::from_value(serde_json::json!({"causes": causes})).unwrap();
        Status::failure(message, "Reason").with_code(code).with_details(details)
    }

    #[test]
    fn answers_say_what_was_done() {
        let modified = "Operation cannot be fulfilled on deployments.apps: the object has been modified";
        for (status, category, transient) in [
            (status(409, modified, None), "conflict", true),
            (status(409, "uid mismatch: the provided object specified uid x", None), "gone", false),
            (status(404, "namespaces \"x\" not found", None), "gone", false),
            (status(422, "field is immutable", Some("metadata.uid")), "gone", false),
            (status(422, "Required value", Some("spec.template.spec.containers[0].image")), "invalid", false),
            (status(400, "admission webhook denied", None), "invalid", false),
            (status(403, "forbidden", None), "forbidden", false),
            (status(429, "slow down", None), "throttled", true),
            (status(401, "Unauthorized", None), "ambiguous", true),
            (status(500, "etcd", None), "ambiguous", true),
            (status(504, "timeout", None), "ambiguous", true),
        ] {
            let error = Error::from(kube::Error::Api(status.boxed()));
            assert_eq!((error.category(), error.is_transient()), (category, transient), "{error:?}");
        }
    }

    #[test]
    fn messages_are_bounded_and_plain() {
        let error = Error::from(kube::Error::Api(status(403, &"no\u{1b}\n".repeat(500), None).boxed()));
        let Answer::Refused { kind: Refused::Forbidden, message } = Answer::from(&error) else { panic!("{error:?}") };
        assert!(message.chars().count() <= 300 && !message.contains(char::is_control), "{message}");
    }
}
