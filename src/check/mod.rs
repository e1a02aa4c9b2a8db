//! Asking the running application, behind an address guard.
//!
//! Knows [`crate::api`] and nothing else of the crate. It never counts attempts, never decides what an outcome means, and
//! never says what an application answered beyond status codes and which expectation failed.

pub mod directory;

pub use directory::{Directory, Forbidden, LookupError, PodFacts, SecretFacts, ServiceFacts};
