//! Tests of the pure core against a small world that obeys its effects.

mod doubts;
mod edges;
mod hooks;
mod jobs;
mod load;
mod lookups;
mod on_and_on;
mod play;
mod properties;
mod questions;
mod review;
mod scenes;
mod services;
mod table;
mod verbs;
mod workloads;
mod world;
