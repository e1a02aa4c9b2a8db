//! How often each kind of call may be made in one account and region: half of what AWS documents for all callers together.

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use std::num::NonZeroU32;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Limits {
    pub(super) services: DefaultDirectRateLimiter,
    pub(super) deployments: DefaultDirectRateLimiter,
    pub(super) revisions: DefaultDirectRateLimiter,
    pub(super) tasks: DefaultDirectRateLimiter,
    pub(super) definitions: DefaultDirectRateLimiter,
    pub(super) updates: DefaultDirectRateLimiter,
    /// Fargate starts fewer than ECS takes calls for.
    pub(super) runs: DefaultDirectRateLimiter,
    pub(super) registrations: DefaultDirectRateLimiter,
    pub(super) targets: DefaultDirectRateLimiter,
    /// AWS documents none.
    pub(super) images: DefaultDirectRateLimiter,
    #[cfg(feature = "cloudwatch")]
    pub(super) alarms: DefaultDirectRateLimiter,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            services: limiter(Duration::from_millis(100), 50),
            deployments: limiter(Duration::from_millis(100), 25),
            revisions: limiter(Duration::from_millis(100), 25),
            tasks: limiter(Duration::from_millis(100), 50),
            definitions: limiter(Duration::from_millis(100), 25),
            updates: limiter(Duration::from_millis(400), 25),
            runs: limiter(Duration::from_millis(200), 10),
            registrations: limiter(Duration::from_secs(2), 10),
            targets: limiter(Duration::from_millis(200), 20),
            images: limiter(Duration::from_millis(200), 20),
            #[cfg(feature = "cloudwatch")]
            alarms: limiter(Duration::from_millis(250), 8),
        }
    }
}

/// One call each `every`, after a burst of at most `burst`.
fn limiter(every: Duration, burst: u32) -> DefaultDirectRateLimiter {
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    let quota = Quota::with_period(every).unwrap_or(Quota::per_second(NonZeroU32::MIN));
    RateLimiter::direct(quota.allow_burst(burst))
}
