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

    #[tokio::test]
    async fn time_passes_as_the_monotonic_clock_says() {
        // Whatever the machine's clock says now: the process started at 1000 s, 90 s ago.
        let wall = Timestamp::from_second(1000).unwrap();
        let clock = Clock { wall, started: Instant::now() - Duration::from_secs(90) };
        let passed = clock.now().since(Time::from_millis(1_090_000));
        assert!(passed < Length::from_secs(60), "{passed}");
        let wait = clock.instant(clock.now().plus(Length::from_secs(500))) - Instant::now();
        assert!(wait > Duration::from_secs(400) && wait <= Duration::from_secs(500), "{wait:?}");
        assert!(clock.instant(Time::from_millis(0)) <= Instant::now());
    }
}
