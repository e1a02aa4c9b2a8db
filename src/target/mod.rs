//! Every write to what runs the image.
//!
//! One write, one answer: nothing here retries, reads the world again, or decides what an answer means.

mod error;
pub mod kubernetes;

pub use error::Error;

use crate::api::effect::{Answer, TargetWrite};
use futures::future::BoxFuture;

/// Brings images to workloads.
pub trait Target: Send + Sync {
    /// Carries out `write` once, on a deadline of its own, and says what came of it.
    fn write<'a>(&'a self, write: &'a TargetWrite) -> BoxFuture<'a, Answer>;
}
