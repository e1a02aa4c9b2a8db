//! The pure core: what to do next, as a function of what is seen and the time.
//!
//! No client, no clock, no randomness, no await in here, and nothing of the crate but [`crate::api`].

mod decision;
mod observed;

pub use decision::{Decision, Need};
pub use observed::{Observed, ReleaseView};
