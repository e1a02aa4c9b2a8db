//! Why something could not be read.

use crate::api::text::{MESSAGE, tidy};
use std::future::Future;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server's own sentence: it names who may not do what.
    #[error("{message}")]
    Denied {
        message: String,
        #[source]
        source: Box<kube::Error>,
    },
    #[error("the API server did not answer within {} s", .after.as_secs_f64())]
    TimedOut { after: Duration },
    #[error("{message}")]
    Unreachable {
        message: String,
        #[source]
        source: Box<kube::Error>,
    },
    #[error("the API server's answer cannot be read: {message}")]
    Undecodable {
        message: String,
        #[source]
        source: Box<kube::Error>,
    },
}

impl Error {
    /// Stable, for a metric label.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Denied { .. } => "denied",
            Self::TimedOut { .. } => "timeout",
            Self::Unreachable { .. } => "unreachable",
            Self::Undecodable { .. } => "undecodable",
        }
    }
    /// Whether asking again may help without anybody's doing.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::TimedOut { .. } | Self::Unreachable { .. })
    }
}

impl From<kube::Error> for Error {
    fn from(e: kube::Error) -> Self {
        let source = |e| Box::new(e);
        match &e {
            kube::Error::Api(s) if s.code == 403 => {
                Self::Denied { message: tidy(&s.message, MESSAGE), source: source(e) }
            }
            kube::Error::Api(s) => {
                let message = format!("the API server answered {}: {}", s.code, tidy(&s.message, MESSAGE));
                Self::Unreachable { message, source: source(e) }
            }
            kube::Error::SerdeError(why) => {
                Self::Undecodable { message: tidy(&why.to_string(), MESSAGE), source: source(e) }
            }
            other => {
                let message = format!("no answer from the API server: {}", tidy(&other.to_string(), MESSAGE));
                Self::Unreachable { message, source: source(e) }
            }
        }
    }
}

/// One request with its deadline.
pub(super) async fn within<T>(after: Duration, request: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    tokio::time::timeout(after, request).await.map_err(|_| Error::TimedOut { after })?.map_err(Error::from)
}
