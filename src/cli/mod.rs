//! What people type: arguments, and the commands they name.

pub mod replay;
pub mod run;
