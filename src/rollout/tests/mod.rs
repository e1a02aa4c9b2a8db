//! Tests of the pure core against a small world that obeys its effects.

mod asked_on;
mod begun;
mod doubts;
mod edges;
mod fates;
mod gates;
mod going_back;
mod history;
mod load;
mod lookups;
mod on_and_on;
mod orders;
mod play;
mod properties;
mod questions;
mod readiness;
mod scenes;
mod services;
mod strategy;
mod stuck;
mod supersede;
mod table;
mod verbs;
mod workloads;
mod world;
