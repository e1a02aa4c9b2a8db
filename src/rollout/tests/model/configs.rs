//! Where each search begins, what may happen in it, and how often.

use super::super::properties::adversary::Move;
use super::super::world::{REPOSITORY, World, spec};
use super::acts::{Act, Budget};
use super::leads::Lead;
use super::search::Config;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// A few minutes.
    Usual,
    /// An hour or so.
    Deep,
}

impl Depth {
    /// `MODEL=deep` asks for more.
    pub(super) fn asked_for() -> Self {
        match std::env::var("MODEL").as_deref() {
            Ok("deep") => Self::Deep,
            _ => Self::Usual,
        }
    }
}

/// `faults`, `hands`, `orders`, `images`, `naps`.
const fn budget(of: [u8; 5]) -> Budget {
    let [faults, hands, orders, images, naps] = of;
    Budget { faults, hands, orders, images, naps }
}

/// As in `MODEL_BOUNDS=2,0,0,1,1`.
pub(super) fn bounds(text: &str) -> Budget {
    let all: Vec<u8> = text.split(',').map(|n| n.parse().unwrap()).collect();
    budget(all.try_into().unwrap())
}

const GOOD: u8 = 0;
const FAILS_HEALTH: u8 = 1;
const NEVER_READY: u8 = 5;
const NOT_PULLED: u8 = 3;
const CRASHES: u8 = 4;
const CANNOT_ASK: u8 = 6;
const FIRST: u8 = 0;
const SECOND: u8 = 1;
const LAST: u8 = 2;
/// `sha-b2` in production alone.
const IN_PRODUCTION: u8 = 5;
const B2: u8 = 1;

pub(super) fn all(depth: Depth) -> Vec<Config> {
    use Move::*;
    let deep = depth == Depth::Deep;
    let (most, outermost, mended) = if deep { (1_000_000, 1, 401) } else { (150_000, 16, 2003) };
    let pick = |usual: [u8; 5], more: [u8; 5]| budget(if deep { more } else { usual });
    let act = |moves: &[Move]| moves.iter().copied().map(Act::Do).collect::<Vec<_>>();
    let usual = vec![Act::Do(Approve), Act::Land, Act::Restart];
    let kinds = [FAILS_HEALTH, NOT_PULLED, CRASHES, NEVER_READY, CANNOT_ASK];
    let bad: Vec<Act> = kinds.iter().flat_map(|k| act(&[Behave(B2, *k), Behave(IN_PRODUCTION, *k)])).collect();
    vec![
        Config {
            name: "faults",
            start: two_stages,
            leads: through_production(),
            acts: [
                usual.clone(),
                bad.clone(),
                act(&[Refuse(0), Refuse(3), Seconds(130), StatusLost]),
                vec![Act::Lag(FIRST), Act::LookBack(FIRST), Act::LookBack(LAST)],
            ]
            .concat(),
            most,
            outermost,
            mended,
            told: false,
            budget: pick([2, 0, 0, 2, 1], [3, 0, 0, 3, 2]),
        },
        Config {
            name: "hands",
            start: two_stages,
            leads: through_production(),
            acts: [
                usual.clone(),
                act(&[Person(FIRST, 0), GitOps(FIRST), GitOps(LAST), Edit(LAST), Replace(FIRST), Away(LAST)]),
                act(&[Zero(FIRST), Pause(FIRST)]),
                vec![Act::LookBack(LAST)],
                bad.clone(),
            ]
            .concat(),
            // Its states are cheap: few decisions are new.
            most: most * 4 / 3,
            outermost,
            mended,
            told: false,
            budget: pick([1, 2, 0, 2, 0], [2, 2, 0, 3, 1]),
        },
        Config {
            name: "orders",
            start: two_stages,
            leads: through_production(),
            acts: [
                usual.clone(),
                act(&[Tag(0), Tag(2), Abort, Rollback(true), Retry(0), Suspend, Delete, OtherEdit]),
                act(&[Behave(B2, GOOD)]),
                vec![Act::LookBack(FIRST), Act::LookBack(LAST)],
                bad.clone(),
            ]
            .concat(),
            most,
            outermost,
            mended,
            told: false,
            budget: pick([1, 0, 2, 2, 0], [2, 0, 3, 3, 1]),
        },
        Config {
            name: "targets",
            start: two_targets,
            leads: through_one(),
            acts: [
                usual.clone(),
                vec![
                    Act::Grow(FIRST),
                    Act::Grow(SECOND),
                    Act::Lag(SECOND),
                    Act::LookBack(FIRST),
                    Act::LookBack(SECOND),
                ],
                act(&[Person(SECOND, 0), Replace(SECOND), Edit(FIRST), Unread(FIRST), Denied(SECOND)]),
                act(&[Tag(2), Abort, Refuse(0)]),
                bad,
            ]
            .concat(),
            most,
            outermost,
            mended,
            told: false,
            budget: pick([1, 1, 1, 2, 0], [2, 2, 2, 3, 1]),
        },
        Config {
            name: "hooks",
            start: hooked,
            leads: through_hooks(),
            acts: [
                usual,
                act(&[JobsVanish, Refuse(0), Refuse(3), Unfit(true), Unfit(false), StatusLost, DuplicateResult]),
                act(&[Hook(0, 1), Hook(0, 2), Hook(3, 1), Behave(B2, FAILS_HEALTH), Abort, Tag(2), Seconds(70)]),
                vec![Act::LookBack(FIRST)],
            ]
            .concat(),
            // One level less: it has the most moments to begin from.
            most: most * 17 / 20,
            outermost,
            mended,
            told: false,
            budget: pick([1, 0, 1, 2, 1], [2, 0, 2, 3, 2]),
        },
    ]
}

/// A release that is well, and one that is taken back in production.
fn through_production() -> Vec<Lead> {
    let moments: &[&str] =
        &["production AwaitingPromotion", "production Rolling", "production Verifying", "at rest, Verified"];
    let bad = vec![Act::Do(Move::Behave(IN_PRODUCTION, FAILS_HEALTH))];
    let back = &["production Restoring", "production VerifyingRestore", "at rest, RolledBack"];
    vec![Lead { arranged: vec![], moments }, Lead { arranged: bad, moments: back }]
}

fn through_one() -> Vec<Lead> {
    let bad = vec![Act::Do(Move::Behave(B2, FAILS_HEALTH))];
    let moments = &["staging Rolling", "staging Verifying", "at rest, Verified"];
    let back = &["staging Restoring", "staging VerifyingRestore"];
    vec![Lead { arranged: vec![], moments }, Lead { arranged: bad, moments: back }]
}

fn through_hooks() -> Vec<Lead> {
    let bad = vec![Act::Do(Move::Behave(B2, FAILS_HEALTH))];
    let moments = &["staging RunningHooks", "staging Rolling", "staging Verifying", "at rest, Verified"];
    let back = &["staging Restoring", "staging RunningRollbackHooks", "staging VerifyingRestore"];
    vec![Lead { arranged: vec![], moments }, Lead { arranged: bad, moments: back }]
}

/// A Deployment and a StatefulSet in one stage.
fn two_targets() -> World {
    begun(&[("staging", &["web", "worker"])])
}

/// A stage whose first write comes after a Job, and whose restore is followed by another.
fn hooked() -> World {
    let mut w = begun(&[("staging", &["web"])]);
    let hook = |name: &str| {
        let job = serde_json::json!({"fromCronJob": {"name": name}});
        serde_json::from_value(serde_json::json!({"name": name, "timeout": "1m", "job": job})).unwrap()
    };
    w.edit(|s| {
        s.stages[0].hooks = vec![hook("one")];
        s.stages[0].on_rollback = vec![hook("undo")];
    });
    w
}

fn two_stages() -> World {
    begun(&[("staging", &["web"]), ("production", &["web"])])
}

/// Everything runs `sha-a1`, verified; `sha-b2` was just asked for.
fn begun(stages: &[(&str, &[&str])]) -> World {
    let target = |stage: &str, name: &str| {
        let kind = if name == "worker" { "StatefulSet" } else { "Deployment" };
        format!("{{name: {name}, kubernetes: {{kind: {kind}, name: {stage}-{name}, containers: [app]}}}}")
    };
    let stage = |(stage, names): &(&str, &[&str])| {
        let targets: Vec<String> = names.iter().map(|n| target(stage, n)).collect();
        let mode = if *stage == "production" { "Manual" } else { "Automatic" };
        let promotion = format!("promotion: {{mode: {mode}, timeout: 2m}}");
        format!(
            "
- name: {stage}
  progressDeadline: 1m
  targets: [{}]
  healthChecks: [{{name: health, http: {{service: {{name: web, port: 80}}}}, retry: {{attempts: 2, interval: 2s, successes: 1}}}}]
  {promotion}",
            targets.join(", "),
        )
    };
    let stages: String = stages.iter().map(stage).collect();
    let mut w = World::of(
        spec(&format!("image: {{repository: {REPOSITORY}, tag: sha-a1}}\nhistoryLimit: 1\nstages:{stages}")),
        "sha-a1",
    );
    w.run();
    assert_eq!(w.phase(), crate::api::Phase::Verified, "{}", w.message());
    w.forget();
    w.last_result = None;
    w.tag("sha-b2");
    w
}
