//! Two replicas, and the one that leads dies, stands still, is cut off in the middle of a write, or hears the answer when
//! it leads no more: what it had sent arrives when the other one has long gone on, and it sends nothing further.

use crate::campaign::{Dice, all, must_hold, sampled};
use crate::crashes::recorded;
use crate::plan::{Class, Fault, Kind, Plan};

const PLAYS: [&str; 7] =
    ["good", "production-smoke", "abort", "supersede-staging", "human-edit", "delete", "stuck-pod"];
/// In every sample: right behind these a write of another kind would follow.
const ALWAYS: [(&str, Class, u32); 2] = [("good", Class::Finalizer, 1), ("delete", Class::Image, 1)];
const KINDS: [Kind; 5] = [Kind::Partition, Kind::Freeze, Kind::Late, Kind::LeaseLost, Kind::CrashAfter];

#[test]
fn the_leader_is_not_the_leader_any_more() {
    let (mut dice, mut plans) = (Dice::new(5), Vec::new());
    for play in PLAYS {
        for on in [Class::Status, Class::Image, Class::Finalizer, Class::Pod] {
            let count = recorded()[play].get(&on).copied().unwrap_or(0);
            for kind in KINDS {
                for _ in 0..count.min(2) {
                    let nth = 1 + u32::try_from(dice.below(count as usize)).unwrap_or_default();
                    plans.push(Plan::pair(play, &[Fault::new(kind, on, nth)]));
                }
            }
        }
    }
    plans.dedup();
    let mut played = if all() { plans } else { sampled(plans, 20) };
    played.extend(ALWAYS.map(|(play, on, nth)| Plan::pair(play, &[Fault::new(Kind::LeaseLost, on, nth)])));
    must_hold("7 Two replicas, and the leader fails", played);
}
