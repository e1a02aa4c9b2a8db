//! Asking, tried against real servers on loopback, through the pool and the client that the controller uses.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod dns;
mod fake;
mod grpc;
mod hostile;
mod hostile_urls;
mod load;
mod metrics;
mod objects;
mod outside;
mod pooling;
mod rounds;
mod secrets;
mod tcp;
mod tls;
mod urls;
