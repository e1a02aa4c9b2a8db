//! The pure core: what to do next, as a function of what is seen and the time.
//!
//! No client, no clock, no randomness, no await in here, and nothing of the crate but [`crate::api`].

mod decision;
mod observed;

pub use decision::{Decision, Need};
pub use observed::{Observed, ReleaseView};

use crate::api::time::Time;

/// What must be read before [`step`] can decide. `touched`: a workload or pod of it changed since the last look.
pub fn need(_release: &ReleaseView, _touched: bool) -> Need {
    Need::default()
}

/// What to do next.
pub fn step(release: &ReleaseView, _observed: &Observed, _now: Time) -> Decision {
    Decision { status: release.status.clone(), effect: None, asks: Vec::new(), counted: Vec::new(), again: None }
}
