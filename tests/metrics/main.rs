//! Metric gates against what they are made for: a real Prometheus that scrapes the pods, and moto's CloudWatch.

// A test that panics has failed; that is what it is for.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod gates;
mod killed;
mod prometheus;
mod traffic;

#[cfg(feature = "cloudwatch")]
mod cloudwatch;
#[cfg(feature = "cloudwatch")]
mod moto;
