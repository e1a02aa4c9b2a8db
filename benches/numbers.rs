//! What is said of many measurements.

use serde::Serialize;
use std::time::Duration;

/// Milliseconds.
#[derive(Serialize, Clone, Debug, Default)]
pub(crate) struct Spread {
    pub(crate) count: usize,
    pub(crate) min: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Percentiles are the nearest rank: a time that was measured, never one in between.
    pub(crate) fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        let rank = |percent: usize| (all.len() * percent).div_ceil(100).max(1) - 1;
        let at = |i: usize| all.get(i).map_or(f64::NAN, |d| (d.as_secs_f64() * 10_000.0).round() / 10.0);
        Self { count: all.len(), min: at(0), p50: at(rank(50)), p99: at(rank(99)), max: at(rank(100)) }
    }
}
