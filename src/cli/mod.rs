//! What people type.

pub mod generate;
