//! What was promised, one predicate each over the complete history.
//!
//! Rules that speak of what the controller remembers judge it as long as nobody else has written the status.

mod answers;
mod approval;
mod back;
mod digests;
mod ecs;
mod ends;
mod jobs;
mod lost;
mod memory;
mod order;
mod others;
mod overdue;
mod secrets;
mod speech;
mod verified;
mod writes;

use super::{History, Violation};

pub struct Rule {
    /// As violations and tests name it.
    pub name: &'static str,
    pub broken: fn(&History) -> Vec<Violation>,
}

const fn rule(name: &'static str, broken: fn(&History) -> Vec<Violation>) -> Rule {
    Rule { name, broken }
}

pub const RULES: [Rule; 56] = [
    rule("stages in order", order::stages_in_order),
    rule("the image of the spec", order::image_of_the_spec),
    rule("one digest", digests::one_digest),
    rule("the digest that runs", digests::digest_that_runs),
    rule("approved first", approval::approved_first),
    rule("an approval counts once", approval::counts_once),
    rule("the way back first", memory::way_back_first),
    rule("the way back is kept", memory::way_back_kept),
    rule("the way back is another version", memory::way_back_differs),
    rule("a frozen spec", memory::frozen_spec),
    rule("once forward", writes::once_forward),
    rule("once back", writes::once_back),
    rule("nothing is repeated", writes::nothing_repeated),
    rule("on the version it was decided on", writes::on_the_version_decided_on),
    rule("images and nothing else", writes::images_and_nothing_else),
    rule("back over our own only", back::over_our_own),
    rule("exactly the way back", back::exactly_the_way_back),
    rule("no fight", others::no_fight),
    rule("one at a time", others::one_at_a_time),
    rule("one Job for ever", jobs::one_job_for_ever),
    rule("Jobs in order", jobs::in_order),
    rule("available first", verified::available_first),
    rule("verified is what runs", verified::what_runs),
    rule("verified is available", verified::still_available),
    rule("restored is what runs", verified::restored_runs),
    rule("asked of what runs", answers::asked_of_what_runs),
    rule("asked after the restore", answers::asked_after_the_restore),
    rule("verdicts by the budget", answers::verdicts_by_the_budget),
    rule("verified has passed", answers::all_passed),
    rule("baked in full", answers::baked_in_full),
    rule("nothing after the end", ends::nothing_after_the_end),
    rule("every rollout ends", ends::every_rollout_ends),
    rule("no debt is forgotten", ends::no_debt_forgotten),
    rule("deleted in order", ends::deleted_in_order),
    rule("a lost status brings nothing back", lost::brings_nothing_back),
    rule("says what it saw", speech::says_what_it_saw),
    rule("edits are seen", speech::edits_are_seen),
    rule("short and rare", speech::short_and_rare),
    rule("conditions keep time", speech::conditions_keep_time),
    rule("ECS: intended first", ecs::intended_first),
    rule("ECS: once each way", ecs::once_each_way),
    rule("ECS: stages in order", ecs::stages_in_order),
    rule("ECS: approved first", ecs::approved_first),
    rule("ECS: the way back first", ecs::way_back_first),
    rule("ECS: the way back is kept", ecs::way_back_kept),
    rule("ECS: the way back is another version", ecs::way_back_differs),
    rule("ECS: the image of the spec", ecs::image_of_the_spec),
    rule("ECS: exactly the way back", ecs::exactly_the_way_back),
    rule("ECS: images and nothing else", ecs::images_and_nothing_else),
    rule("ECS: back over our own only", ecs::over_our_own),
    rule("ECS: nothing after the end", ecs::nothing_after_the_end),
    rule("ECS: one at a time", ecs::one_at_a_time),
    rule("ECS: available first", ecs::available_first),
    rule("ECS: verified is what runs", ecs::what_runs),
    rule("ECS: restored is what runs", ecs::restored_runs),
    rule("no secret is told", secrets::none_told),
];

/// Everything that is broken.
pub fn broken(history: &History) -> Vec<(&'static str, Violation)> {
    RULES.iter().flat_map(|r| (r.broken)(history).into_iter().map(|v| (r.name, v))).collect()
}
