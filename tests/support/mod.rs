//! What every test on the real control plane needs: the cluster, the controller as a subprocess, a scene per test,
//! and at the end of each the judge, which reads the audit log, and the oracle, which reads everything.
//!
//! Each test binary starts one control plane, on first use; it ends with the test process, however that ends.

// Each test binary uses its own part of it, and is a crate whose items nobody else can reach.
#![allow(dead_code, unused_imports, unreachable_pub)]

pub mod audit;
pub mod cluster;
pub mod controller;
pub mod end;
pub mod held;
pub mod history;
pub mod jobs;
pub mod manifests;
pub mod oracle;
pub mod people;
pub mod registry;
pub mod requests;
pub mod scene;
pub mod sets;
pub mod wait;
pub mod workloads;

pub use cluster::Cluster;
pub use controller::Controller;
pub use manifests::{image, release, single_stage};
pub use scene::{Scene, scene};
