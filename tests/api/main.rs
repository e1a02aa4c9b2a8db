//! The Release as a real API server sees it: what it refuses and says, what it accepts and keeps.

mod accepted;
mod control_plane;
mod examples;
mod manifest;
mod refused;
mod status;
