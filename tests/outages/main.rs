//! What goes wrong around the controller itself: killed, frozen, without rights. Each play has the cluster's only
//! controllers, so they take turns.

// A test that panics has failed; that is what it is for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod alone;
mod kill;
mod leader;
mod rights;
mod server;
mod stuck;
