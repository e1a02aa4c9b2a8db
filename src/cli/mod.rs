//! What people type: arguments, and the commands they name.

pub mod generate;
pub mod replay;
pub mod run;
