//! What an ended rollout leaves for those who ask afterwards.

use super::begun::failed_in_production;
use super::workloads::Behaviour;
use super::world::World;
use crate::api::spec::RollbackMode;
use crate::api::status::{HistoryEntry, StageRecord, TargetStep, Verdict};

fn last(w: &World) -> &HistoryEntry {
    &w.rel.status.history[0]
}

fn checks(stage: &StageRecord) -> Vec<(&str, Option<Verdict>, i32)> {
    stage.checks.iter().map(|c| (c.name.as_str(), c.verdict, c.rounds)).collect()
}

#[test]
fn it_tells_who_approved_what_each_check_came_to_and_why_it_ended() {
    for mode in [RollbackMode::Automatic, RollbackMode::Manual] {
        let w = failed_in_production(|r| r.mode = mode);
        let entry = last(&w);
        assert_eq!(entry.approvals.iter().map(|a| a.stage.as_str()).collect::<Vec<_>>(), ["production"]);
        assert!(entry.cause.as_ref().unwrap().message.contains("health"), "{:?}", entry.cause);
        let [staging, production] = &entry.stages[..] else { panic!("{:?}", entry.stages) };
        assert!(staging.verified_at.is_some() && staging.restore_at.is_none());
        assert_eq!(checks(staging), [("health", Some(Verdict::Passed), 1), ("items", Some(Verdict::Passed), 1)]);
        assert_eq!((checks(production)[0], production.verified_at), (("health", Some(Verdict::Failed), 3), None));
        assert_eq!(production.checks[0].message.as_deref(), Some("Fail"));
        let state = if mode == RollbackMode::Manual { TargetStep::Written } else { TargetStep::Restored };
        let target = &production.targets[0];
        assert_eq!((target.before.as_deref(), target.state), (Some("sha-a1"), state), "{mode:?}");
        assert_eq!(production.restore_at.is_some(), mode == RollbackMode::Automatic);
    }
}

/// However many there are, it stays small; what failed is kept.
#[test]
fn it_is_bounded_and_keeps_what_failed() {
    let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::FailsSmoke);
    w.edit(|s| {
        let tests = (0..16).map(|n| {
            let mut test = s.stages[0].smoke_tests[0].clone();
            test.name = if n == 15 { "items".into() } else { format!("items-{n}") };
            test
        });
        s.stages[0].smoke_tests = tests.collect();
        s.image.tag = Some("sha-b2".into());
    });
    w.run();
    let staging = &last(&w).stages[0];
    assert_eq!((staging.checks.len(), checks(staging)[0].1), (12, Some(Verdict::Failed)));
}

#[test]
fn a_stage_that_was_never_entered_is_not_in_it() {
    let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::CrashLoop);
    w.tag("sha-b2");
    w.run();
    let stages: Vec<&str> = last(&w).stages.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(stages, ["staging"]);
    assert_eq!(last(&w).stages[0].checks, [], "nothing was asked of it");
}
