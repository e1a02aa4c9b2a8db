//! Logs and metrics. Nothing here decides anything, and nothing secret passes through it.

mod logs;
mod metrics;
mod requests;

pub use logs::{LogFormat, init};
pub use metrics::{EventOutcome, Metrics};
pub use requests::TimeRequests;
