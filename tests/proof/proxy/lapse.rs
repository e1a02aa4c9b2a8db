//! A lease that cannot be renewed: when it has run out, and that nothing is written without it.
//!
//! A leader trusts its lease for two thirds of its length, counted from before the renewal was sent. Here the answer that
//! it waits for comes after the whole of it: whatever it writes then, it writes without having looked.

use crate::plan::Class;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The length of the lease in these runs, and a little more. A write is given up on after five seconds.
const RUN_OUT: Duration = Duration::from_millis(3500);
/// No renewal comes through for so long: well behind the answer, so that nobody leads again before it is heard.
const BARRED: Duration = Duration::from_secs(7);

/// Since when; absent: all is well.
#[derive(Default)]
pub(super) struct Lapse(Mutex<Option<Instant>>);

impl Lapse {
    /// From now on nothing is renewed. When the lease has run out for sure.
    pub(super) fn begin(&self) -> Instant {
        let now = Instant::now();
        *self.lock() = Some(now);
        now + RUN_OUT
    }

    pub(super) fn bars(&self) -> bool {
        self.lock().is_some_and(|since| since.elapsed() < BARRED)
    }

    /// A lease was written. What was already on its way when this began renews nothing for long enough.
    pub(super) fn renewed(&self) {
        let mut since = self.lock();
        *since = since.filter(|since| since.elapsed() < BARRED);
    }

    /// Whether a request like this shows that it acts without the lease. An Event tells what is stored already.
    pub(super) fn forbids(&self, class: Class) -> bool {
        class.writes() && class != Class::Event && self.lock().is_some_and(|since| since.elapsed() >= RUN_OUT)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
