//! The simulator's own clock: real time at a chosen pace, and jumps.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment of the simulator: the time since 1970.
pub type At = Duration;

/// Begins at the machine's time and runs as fast as it, until a test says otherwise.
pub struct Clock(Mutex<Pace>);

struct Pace {
    since: Instant,
    at: At,
    scale: f64,
}

impl Clock {
    pub fn new() -> Self {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self(Mutex::new(Pace { since: Instant::now(), at, scale: 1.0 }))
    }

    pub fn now(&self) -> At {
        self.0.lock().unwrap().now()
    }

    /// From now on a real second is `scale` of its seconds. 0 stops it.
    pub fn run_at(&self, scale: f64) {
        let mut pace = self.0.lock().unwrap();
        *pace = Pace { since: Instant::now(), at: pace.now(), scale };
    }

    pub fn advance(&self, by: Duration) {
        self.0.lock().unwrap().at += by;
    }
}

impl Pace {
    fn now(&self) -> At {
        self.at + self.since.elapsed().mul_f64(self.scale)
    }
}

/// As the API writes it: seconds, with milliseconds behind the point.
pub fn stamp(at: At) -> serde_json::Value {
    let millis = u32::try_from(at.as_millis() % 1000).unwrap_or(0);
    serde_json::json!(at.as_secs() as f64 + f64::from(millis) / 1000.0)
}
