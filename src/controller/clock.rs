//! The time that decisions are taken at: the wall clock read once, then monotonic time.

use crate::api::time::Time;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use tokio::time::Instant;

/// Never goes back and never jumps, whatever is done to the machine's clock while the process runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    wall: Timestamp,
    started: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { wall: Timestamp::now(), started: Instant::now() }
    }
    pub(super) fn now(&self) -> Time {
        let passed = SignedDuration::try_from(self.started.elapsed()).unwrap_or(SignedDuration::MAX);
        Time::new(self.wall.saturating_add(passed).unwrap_or(Timestamp::MAX))
    }
    /// The instant at which [`Self::now`] will say `at`; now, if that is past.
    pub(super) fn instant(&self, at: Time) -> Instant {
        let wait = at.timestamp().duration_since(self.now().timestamp());
        Instant::now() + Duration::try_from(wait).unwrap_or(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::time::Duration as Length;

    #[tokio::test(start_paused = true)]
    async fn time_passes_as_the_monotonic_clock_says() {
        let clock = Clock::start();
        let before = clock.now();
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.now().since(before), Length::from_secs(90));
        let at = clock.now().plus(Length::from_secs(5));
        let wait = clock.instant(at) - Instant::now();
        assert!(wait > Duration::from_millis(4990) && wait <= Duration::from_secs(5), "{wait:?}");
        assert!(clock.instant(before) <= Instant::now());
    }
}
