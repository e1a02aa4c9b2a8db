//! Reading workloads and writing their images, as the controller's own account, against a real API server with its
//! controllers.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod directory;
mod reads;
mod scene;
mod silence;
mod stands;
mod writes;
