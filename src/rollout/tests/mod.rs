//! Tests of the pure core against a small world that obeys its effects.

mod properties;
mod scenes;
mod services;
mod table;
mod world;
