//! Asking, tried against real servers on loopback, through the pool and the client that the controller uses.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod fake;
mod hostile;
mod objects;
mod outside;
mod pooling;
mod rounds;
mod secrets;
