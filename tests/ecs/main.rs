//! Releases on ECS, against a scripted ECS that the real SDK talks to; and that script itself.

// A test that panics has failed; that is what it is for.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod sim;
mod simulator;
