//! What goes wrong around the controller itself: killed, frozen, without rights. Each play has the cluster's only
//! controllers, so they take turns.

#[path = "../support/mod.rs"]
mod support;

mod alone;
mod kill;
mod leader;
mod rights;
