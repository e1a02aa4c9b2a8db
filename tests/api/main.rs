//! The Release as a real API server sees it: what it refuses and says, what it accepts and keeps.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod accepted;
mod examples;
mod manifest;
mod plane;
mod refused;
mod status;
