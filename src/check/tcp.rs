//! One TCP connection: whether somebody takes it. Nothing is sent over it here.

use super::verdict::Answer;
use super::wrong::{self, Wrong};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// For a connection, and what is asked over it.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);

pub(super) async fn ask(addr: SocketAddr, timeout: Duration) -> Answer {
    let timeout = bounded(timeout);
    match tokio::time::timeout(timeout, connect(addr)).await {
        Ok(connected) => connected.map(|_| "took a connection".to_owned()),
        Err(_) => Err(Wrong::Failed(format!("no connection within {}", wrong::print(timeout)))),
    }
}

/// To exactly this address, which was vetted.
pub(super) async fn connect(addr: SocketAddr) -> Result<TcpStream, Wrong> {
    TcpStream::connect(addr).await.map_err(|error| wrong::connecting(&error))
}

pub(super) fn bounded(timeout: Duration) -> Duration {
    timeout.clamp(SHORTEST, LONGEST)
}
