//! Every write to what runs the image.
//!
//! One write, one answer: nothing here retries, reads the world again, or decides what an answer means.

pub mod ecs;
mod error;
pub mod kubernetes;

pub use error::Error;

use crate::api::effect::{Answer, TargetWrite};
use crate::api::status::Workload;
use futures::future::BoxFuture;

/// Brings images to workloads of every kind.
pub struct Writers {
    pub kubernetes: kubernetes::KubernetesWriter,
    pub ecs: ecs::EcsWriter,
}

impl Target for Writers {
    fn write<'a>(&'a self, write: &'a TargetWrite) -> BoxFuture<'a, Answer> {
        match write.workload {
            Workload::Kubernetes(_) => self.kubernetes.write(write),
            Workload::Ecs(_) => self.ecs.write(write),
        }
    }
}

/// Brings images to workloads.
pub trait Target: Send + Sync {
    /// Carries out `write` once, on a deadline of its own, and says what came of it.
    fn write<'a>(&'a self, write: &'a TargetWrite) -> BoxFuture<'a, Answer>;
}
