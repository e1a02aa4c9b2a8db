//! Reading workloads and writing their images, against a real API server with its controllers.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

mod cluster;
mod directory;
mod reads;
mod scene;
mod silence;
mod stands;
mod writes;
