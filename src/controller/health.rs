//! Whether the work loop turns, for `/livez`.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::Instant;

/// The last proof of life of the work loop. Says nothing of the API server: no restart mends that.
#[derive(Debug)]
pub(super) struct Health {
    last: Mutex<Beat>,
}

#[derive(Clone, Copy, Debug)]
struct Beat {
    at: Instant,
    /// How long the Release that waits longest has been due.
    oldest: Duration,
}

/// A loop that did not turn for so long does not turn any more.
const SILENT: Duration = Duration::from_secs(30);
/// A queue that did not move for so long does not move any more: longer than any look may take.
const STUCK: Duration = Duration::from_secs(300);

impl Default for Health {
    fn default() -> Self {
        Self { last: Mutex::new(Beat { at: Instant::now(), oldest: Duration::ZERO }) }
    }
}

impl Health {
    pub(super) fn beat(&self, oldest: Duration) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Beat { at: Instant::now(), oldest };
    }

    /// Why the process should be restarted, if it should.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble_at(Instant::now())
    }
    fn trouble_at(&self, now: Instant) -> Option<String> {
        let Beat { at, oldest } = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = now.saturating_duration_since(at);
        if silent > SILENT {
            return Some(format!("the work loop has not turned for {} s", silent.as_secs()));
        }
        (oldest > STUCK).then(|| format!("a Release has been waiting for {} s", oldest.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_and_a_stuck_queue_are_trouble() {
        let (health, now) = (Health::default(), Instant::now());
        assert_eq!(health.trouble_at(now), None);
        let later = health.trouble_at(now + Duration::from_secs(32)).unwrap();
        assert!(later.contains("not turned for 3"), "{later}");
        health.beat(Duration::from_secs(10));
        assert_eq!(health.trouble(), None);
        health.beat(Duration::from_secs(301));
        assert!(health.trouble().unwrap().contains("waiting for 301 s"));
    }
}
