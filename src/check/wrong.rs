//! Why a request did not go right, in words for people. Pure.

use super::tls;
use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// Why a request did not go right. The texts hold nothing of path, headers and body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Wrong {
    /// The application answered wrongly or not at all.
    #[error("{0}")]
    Failed(String),
    /// The request could not be made, through no fault of the application.
    #[error("{0}")]
    NotAsked(String),
}

/// `timeout` was that of the whole request, `connect` that of its connection.
pub(super) fn explain(error: &reqwest::Error, timeout: Duration, connect: Duration) -> Wrong {
    let io = cause::<io::Error>(error);
    let incomplete = cause::<hyper::Error>(error).is_some_and(hyper::Error::is_incomplete_message);
    if let Some(kind) = io.and_then(ours) {
        return Wrong::NotAsked(format!("the controller could not open a connection: {kind}"));
    }
    let tls = io.and_then(handshake);
    // Nobody knows who answered.
    if let Some(rustls::Error::InvalidCertificate(why)) = tls {
        return Wrong::NotAsked(tls::explain(why).to_owned());
    }
    let kind = io.map(io::Error::kind);
    Wrong::Failed(if error.is_timeout() && error.is_connect() {
        format!("no connection within {}", print(timeout.min(connect)))
    } else if error.is_timeout() {
        format!("no complete answer within {}", print(timeout))
    } else if kind == Some(ErrorKind::ConnectionRefused) {
        "connection refused".to_owned()
    } else if tls.is_some() {
        "no TLS connection".to_owned()
    } else if error.is_connect() {
        "no connection".to_owned()
    } else if incomplete || matches!(kind, Some(ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof)) {
        "the connection was closed before the answer was complete".to_owned()
    } else if error.is_body() || error.is_decode() {
        "the answer broke off".to_owned()
    } else {
        "no valid HTTP answer".to_owned()
    })
}
/// The same of a connection that nothing was asked over yet.
pub(super) fn connecting(error: &io::Error) -> Wrong {
    match ours(error) {
        Some(kind) => Wrong::NotAsked(format!("the controller could not open a connection: {kind}")),
        None if error.kind() == ErrorKind::ConnectionRefused => Wrong::Failed("connection refused".to_owned()),
        None => Wrong::Failed("no connection".to_owned()),
    }
}

/// What is wrong on the controller's side, if that is why there is no connection.
fn ours(error: &io::Error) -> Option<&'static str> {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    match (error.raw_os_error(), error.kind()) {
        (Some(ENFILE | EMFILE), _) => Some("too many open files"),
        (_, ErrorKind::AddrNotAvailable) => Some("no free local port"),
        (_, ErrorKind::PermissionDenied) => Some("not permitted on its machine"),
        (_, ErrorKind::NetworkUnreachable) => Some("its machine has no route there"),
        (_, ErrorKind::OutOfMemory) => Some("out of memory"),
        _ => None,
    }
}

/// What the handshake failed by. It is wrapped more than once, where `source` does not lead.
fn handshake(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref::<rustls::Error>().or_else(|| handshake(inner.downcast_ref::<io::Error>()?))
}

/// The first error of this type among the causes.
fn cause<E: std::error::Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

pub(super) fn print(duration: Duration) -> String {
    crate::api::Duration::from_millis(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)).to_string()
}
