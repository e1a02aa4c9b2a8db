//! Asking the running application, and metrics of it, behind an address guard.
//!
//! Knows [`crate::api`] and nothing else of the crate. It never counts attempts, never decides what an outcome means,
//! and never says what an application answered beyond status codes and which expectation failed.
//!
//! Read [`pool`] for what the rest of the crate calls, `round` for what one question does, `load` for what a load
//! does, [`guard`] for what is never asked.

mod alarms;
pub mod directory;
mod expect;
mod grpc;
pub mod guard;
mod headers;
mod hosts;
mod http;
mod load;
mod plan;
pub mod pool;
mod prometheus;
mod queue;
mod reach;
pub mod resolve;
mod round;
mod tally;
mod tcp;
mod tls;
mod url;
mod verdict;
mod whom;
mod wrong;

pub use directory::{
    AlarmFacts, AlarmState, Backend, Directory, Forbidden, LookupError, PodFacts, SecretFacts, ServiceFacts,
};
pub use guard::Policy;
pub use hosts::{HostPattern, NotAHost};
pub use pool::{Limits, Outside, Pool, PoolError};
pub use resolve::{Dns, ResolveError, Resolver};
pub use tls::Roots;
