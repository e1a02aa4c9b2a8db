//! Every write to what runs the image.
//!
//! One write, one answer: nothing here retries, reads the world again, or decides what an answer means.

pub mod ecs;
mod error;
pub mod kubernetes;

pub use error::Error;

use crate::api::effect::{Answer, PodDeletion, Refused, TargetWrite};
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
    fn delete_pod<'a>(&'a self, pod: &'a PodDeletion) -> BoxFuture<'a, Answer> {
        self.kubernetes.delete_pod(pod)
    }
}

/// Brings images to workloads.
pub trait Target: Send + Sync {
    /// Carries out `write` once, on a deadline of its own, and says what came of it.
    fn write<'a>(&'a self, write: &'a TargetWrite) -> BoxFuture<'a, Answer>;

    /// Deletes one pod once, on a deadline of its own, and says what came of it. Only workloads of the cluster have pods.
    fn delete_pod<'a>(&'a self, pod: &'a PodDeletion) -> BoxFuture<'a, Answer> {
        let message = format!("{} has no pods", pod.workload);
        Box::pin(async move { Answer::Refused { kind: Refused::Invalid, message } })
    }
}
