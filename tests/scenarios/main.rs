//! Releases on a real control plane, told from what people do to what the world then looks like.
//!
//! All share one controller and run side by side, each in its own namespace. At the end of each the controller's
//! writes are read from the API server's audit log and judged, and the scene's whole history is held against what is promised.

// A test that panics has failed; that is what it is for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod abort;
mod approval;
mod bake;
mod churn;
mod containers;
mod daemonset;
mod delete;
mod digests;
mod edits;
mod foreign;
mod good;
mod health;
mod hooks;
mod load;
mod lost;
mod pods;
mod policy;
mod quota;
mod readiness;
mod refused;
mod registry;
mod restore;
mod revert;
mod rollback;
mod sharing;
mod smoke;
mod smoke_jobs;
mod statefulset;
mod supersede;
mod suspend;
mod targets;
mod tcp;
mod told;
mod urls;
