//! One row of the table: a plan, and how a rollout ends under it in a first deployment, an ordinary one and a restore.

use crate::scenarios_stage::{NEW, OLD, Stage, on_ecs, release};
use crate::sim::NewService;
use crate::sim::course::Course;
use crate::support::wait::{is, until};
use futures::{StreamExt as _, stream};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use tidegate::api::{Phase, Reason};

pub const SECOND: Duration = Duration::from_secs(1);

/// In which deployment it happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// The first of a Release, on a service that runs something that no Release has verified.
    First,
    /// On what the Release has verified.
    Ordinary,
    /// What was brought has landed, and fails its check: the plan is that of the way back.
    Restore,
}

#[derive(Clone, Copy)]
pub struct Row {
    pub name: &'static str,
    service: fn(NewService) -> NewService,
    /// How the deployment goes.
    course: fn() -> Course,
    /// What goes wrong beside it.
    fault: fn(&Stage),
    /// For a first deployment, an ordinary one, and a restore.
    cells: [Cell; 3],
}

/// R: RegisterTaskDefinition. U: UpdateService. S: StopServiceDeployment. As a small letter: refused by ECS.
type Writes = &'static str;

#[derive(Clone, Copy)]
pub enum Cell {
    /// It ends so, after exactly these writes, and the service runs this tag.
    Ends { phase: Phase, reason: Reason, cause: Option<Reason>, writes: Writes, runs: &'static str },
    /// It stands still before its first write.
    Waits(Reason),
    /// It cannot be, for this reason.
    Never(&'static str),
}

/// The new version lands and is well.
pub fn lands(writes: Writes) -> Cell {
    Cell::Ends { phase: Phase::Verified, reason: Reason::Verified, cause: None, writes, runs: NEW }
}

/// It fails for this reason, and the old version is back and well.
pub fn back(cause: Reason, writes: Writes) -> Cell {
    Cell::Ends { phase: Phase::RolledBack, reason: Reason::RolledBack, cause: Some(cause), writes, runs: OLD }
}

/// The same, but the old version does not come, or is not well.
pub fn lost(cause: Reason, writes: Writes, runs: &'static str) -> Cell {
    Cell::Ends { phase: Phase::Failed, reason: Reason::RollbackFailed, cause: Some(cause), writes, runs }
}

/// It ends for this reason, with what somebody else has brought.
pub fn left(reason: Reason, cause: Reason, writes: Writes, runs: &'static str) -> Cell {
    Cell::Ends { phase: Phase::Failed, reason, cause: Some(cause), writes, runs }
}

/// A restore of what failed its check.
pub fn restored(writes: Writes) -> Cell {
    back(Reason::HealthCheckFailed, writes)
}

pub fn not_restored(writes: Writes, runs: &'static str) -> Cell {
    lost(Reason::HealthCheckFailed, writes, runs)
}

impl Row {
    pub fn new(name: &'static str, course: fn() -> Course, cells: [Cell; 3]) -> Self {
        Self { name, service: |s| s, course, fault: |_| {}, cells }
    }
    pub fn service(self, service: fn(NewService) -> NewService) -> Self {
        Self { service, ..self }
    }
    pub fn fault(self, fault: fn(&Stage)) -> Self {
        Self { fault, ..self }
    }

    /// As this cell says it must end.
    fn cell(&self, when: When) -> Cell {
        self.cells[when as usize]
    }

    async fn play(&self, when: When) {
        let name = format!("{}-{when:?}", self.name).to_lowercase();
        on_ecs(&name, self.service, async |s| {
            self.prepare(s, when).await;
            self.bring(s, when).await;
        })
        .await;
    }

    /// Up to the moment before [`NEW`] is brought.
    pub async fn prepare(&self, s: &Stage<'_>, when: When) {
        match when {
            When::First => until("nothing is under way", async || is(s.at_rest(), (), s.service.rollouts())).await,
            When::Ordinary => s.settled().await,
            When::Restore => {
                s.judged().await;
                s.service.plan([Course::lands().after(SECOND)]);
            }
        }
        s.service.plan([(self.course)()]);
        if when != When::Restore {
            (self.fault)(s);
        }
    }

    /// Brings [`NEW`], and watches how it ends.
    pub async fn bring(&self, s: &Stage<'_>, when: When) {
        if when == When::Restore {
            s.judge(500).await;
            s.set_tag(NEW).await;
            s.phase(NEW, Phase::Verifying).await;
            (self.fault)(s);
            s.phase(NEW, Phase::Restoring).await;
            s.judge(200).await;
        } else {
            s.apply(&release(NEW)).await;
        }
        match self.cell(when) {
            Cell::Ends { phase, reason, cause, writes, runs } => {
                let end = s.ended(NEW).await;
                let rollout = end.rollout.as_ref().unwrap();
                let seen = (end.phase, rollout.reason, rollout.cause.as_ref().map(|c| c.reason));
                assert_eq!(seen, (Some(phase), Some(reason), cause), "{:?}", end.message);
                assert_eq!((s.tries().as_str(), s.tag().as_str()), (writes, runs), "{:?}", end.message);
            }
            Cell::Waits(reason) => {
                s.blocked(reason).await;
                assert_eq!((s.tries().as_str(), s.tag().as_str()), ("", OLD));
            }
            Cell::Never(why) => panic!("it cannot be: {why}"),
        }
        once_each_way(s);
    }
}

/// Plays every cell that can be.
pub async fn play(rows: impl IntoIterator<Item = Row>) {
    let cells = rows.into_iter().flat_map(|row| {
        let when = [When::First, When::Ordinary, When::Restore];
        when.into_iter().filter(move |when| !matches!(row.cell(*when), Cell::Never(_))).map(move |when| (row, when))
    });
    stream::iter(cells).for_each_concurrent(4, |(row, when)| async move { row.play(when).await }).await;
}

/// At most one update forward and one back, and nothing is registered twice.
fn once_each_way(s: &Stage) {
    let updates = s.sim.calls().into_iter().filter(|c| c.op == "UpdateService" && c.made);
    let tags: Vec<String> = updates.map(|c| s.tag_of(c.body()["taskDefinition"].as_str().unwrap())).collect();
    for tag in [OLD, NEW] {
        assert!(tags.iter().filter(|t| *t == tag).count() <= 1, "updates: {tags:?}");
    }
    let mut effects = BTreeSet::new();
    for (arn, _, tags) in s.account.revisions("app") {
        let tags: Vec<Value> = serde_json::from_str(&tags).unwrap();
        let effect = tags.iter().find(|t| t["key"] == "tidegate.dev/effect").map(|t| t["value"].to_string());
        assert!(effect.is_none_or(|e| effects.insert(e)), "{arn} is registered twice");
    }
}
