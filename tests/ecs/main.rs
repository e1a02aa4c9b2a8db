//! Releases on ECS, against a scripted ECS that the real SDK talks to; and that script itself.

// A test that panics has failed; that is what it is for.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod oracle;
mod scenarios_balancer;
mod scenarios_calls;
mod scenarios_cells;
mod scenarios_faulted;
mod scenarios_first;
mod scenarios_hooks;
mod scenarios_hooks_ends;
mod scenarios_hooks_killed;
mod scenarios_killed;
mod scenarios_kills;
mod scenarios_leaders;
mod scenarios_people;
mod scenarios_refused;
mod scenarios_registry;
mod scenarios_row;
mod scenarios_stage;
mod scenarios_supersede;
mod scenarios_table;
mod sim;
mod simulator;
