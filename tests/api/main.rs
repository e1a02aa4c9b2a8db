//! The Release as a real API server sees it: what it refuses and says, what it accepts and keeps.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod accepted;
mod control_plane;
mod examples;
mod manifest;
mod refused;
mod status;
