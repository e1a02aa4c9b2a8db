//! Tidegate rolls one image, named by its SHA tag, from staging to production, asks after every stage whether the
//! application is well, and proves every way back.
//!
//! - [`api`]: the `Release` and the words all modules share. Types only.
//! - [`rollout`]: the pure core. What to do next, as a function of what is seen and the time.
//! - [`aws`]: AWS as one talks to it: credentials, clients, limits, raw task definitions.
//! - [`registry`]: image registries as one asks them: a manifest by its tag, behind the same guard as checks.
//! - [`observe`]: every read, gathered into one [`rollout::Observed`].
//! - [`target`]: every write to a workload.
//! - [`hook`]: work done beside the targets, before they are written: Jobs.
//! - [`check`]: asking the running application, behind an address guard.
//! - [`controller`]: watching, reconciling, writing the status, holding the lease.
//! - [`cli`]: what people type.
//! - [`telemetry`]: logs and metrics.

pub mod api;
pub mod aws;
pub mod check;
pub mod cli;
pub mod controller;
pub mod hook;
pub mod observe;
pub mod registry;
pub mod rollout;
pub mod target;
pub mod telemetry;
