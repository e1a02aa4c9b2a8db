//! Metric gates against what they are made for: a real Prometheus that scrapes the pods, and a CloudWatch that others have written.

// A test that panics has failed; that is what it is for.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod everything;
mod gates;
mod killed;
mod own;
mod prometheus;
mod traffic;

#[cfg(feature = "cloudwatch")]
mod alarms;
#[cfg(feature = "cloudwatch")]
mod cloudwatch;
#[cfg(feature = "cloudwatch")]
#[path = "../ecs/simulator/ministack/process.rs"]
mod process;
