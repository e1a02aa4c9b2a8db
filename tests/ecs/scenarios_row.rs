//! One row of the table: a plan, and how a rollout ends under it in a first deployment, an ordinary one and a restore.

use crate::scenarios_stage::{NEW, OLD, Stage, on_ecs};
use crate::sim::NewService;
use crate::sim::course::Course;
use crate::support::wait::{BOUND, is, until, until_within};
use futures::{StreamExt as _, stream};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use tidegate::api::status::Step;
use tidegate::api::{Phase, Reason};

pub const SECOND: Duration = Duration::from_secs(1);
/// The deadline of what may end by it, where the controller is killed on the way.
pub const SHORT: &str = "25s";

/// In which deployment it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum When {
    /// The first of a Release, on a service that runs something that no Release has verified.
    First,
    /// On what the Release has verified.
    Ordinary,
    /// What was brought has landed, and fails its check: the plan is that of the way back.
    Restore,
}

#[derive(Clone)]
pub struct Row {
    pub name: &'static str,
    service: fn(NewService) -> NewService,
    /// How the deployment goes.
    course: fn() -> Course,
    /// What goes wrong beside it.
    fault: fn(&Stage),
    /// For a first deployment, an ordinary one, and a restore.
    cells: [Cell; 3],
    /// How else it may end, where ECS is faster than the controller.
    others: Vec<(When, Cell)>,
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
        Self { name, service: |s| s, course, fault: |_| {}, cells, others: Vec::new() }
    }
    pub fn service(self, service: fn(NewService) -> NewService) -> Self {
        Self { service, ..self }
    }
    pub fn fault(self, fault: fn(&Stage)) -> Self {
        Self { fault, ..self }
    }

    pub fn called(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// Or so, where ECS went on while the controller looked, or was killed.
    pub fn or(mut self, when: When, cell: Cell) -> Self {
        self.others.push((when, cell));
        self
    }

    /// As this cell says it must end.
    pub fn cell(&self, when: When) -> Cell {
        self.cells[when as usize]
    }

    /// The deadline: short only where it is what ends the play.
    pub fn patience(&self, when: When) -> &'static str {
        match self.cell(when) {
            // By what is seen.
            Cell::Ends { phase: Phase::Failed, cause: Some(Reason::Contended | Reason::CrashLoop), .. }
                if when != When::Restore =>
            {
                "10m"
            }
            Cell::Ends { phase: Phase::Failed, .. } => SHORT,
            Cell::Ends { cause: Some(Reason::ProgressDeadlineExceeded), .. } => SHORT,
            _ => "10m",
        }
    }

    /// The cells that can be.
    pub fn possible(&self) -> impl Iterator<Item = When> + use<'_> {
        let when = [When::First, When::Ordinary, When::Restore];
        when.into_iter().filter(|when| !matches!(self.cell(*when), Cell::Never(_)))
    }

    /// Plays a scene with such a service.
    pub async fn stage(&self, name: &str, play: impl AsyncFn(&Stage)) {
        on_ecs(&format!("{}-{name}", self.name).to_lowercase(), self.service, play).await;
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

    /// Up to the moment from which the plan counts. For a restore [`NEW`] has landed by then.
    pub async fn lead(&self, s: &Stage<'_>, when: When) {
        if let Cell::Never(why) = self.cell(when) {
            panic!("it cannot be: {why}");
        }
        if when == When::Restore {
            s.judge(500).await;
            s.set_tag(NEW).await;
            s.phase(NEW, Phase::Verifying).await;
            (self.fault)(s);
        }
    }

    /// Goes on from there, and watches how it ends.
    pub async fn bring(&self, s: &Stage<'_>, when: When) {
        self.go_on(s, when).await;
        if let Cell::Waits(reason) = self.cell(when) {
            s.blocked(reason).await;
            assert_eq!((s.tries().as_str(), s.tag().as_str()), ("", OLD));
        } else {
            let end = self.ended(s).await;
            let wanted = self.wanted(when);
            assert!(wanted.contains(&end), "{end:?} is none of {wanted:?}");
        }
        once_each_way(s);
    }

    /// The same where the controller was killed on the way.
    pub async fn bring_killed(&self, s: &Stage<'_>, when: When) {
        self.go_on(s, when).await;
        if let Cell::Waits(reason) = self.cell(when) {
            s.blocked(reason).await;
            assert_eq!((s.tries().as_str(), s.tag().as_str()), ("", OLD));
        } else {
            self.over(s).await;
            let end = self.ended(s).await.stopped_once();
            let wanted = self.wanted(when);
            assert!(wanted.iter().any(|w| w.clone().stopped_once() == end), "{end:?} is none of {wanted:?}");
        }
        once_each_way(s);
    }

    /// The same where a call went wrong on the way. What was refused is no write.
    pub async fn bring_disturbed(&self, s: &Stage<'_>, when: When) {
        self.go_on(s, when).await;
        self.over(s).await;
        let end = self.ended(s).await;
        assert_eq!(Some(End { writes: s.writes(), ..end }), self.cell(when).end());
        once_each_way(s);
    }

    /// All ends that are right.
    fn wanted(&self, when: When) -> Vec<End> {
        let others = self.others.iter().filter(|(of, _)| *of == when).map(|(_, cell)| *cell);
        [self.cell(when)].into_iter().chain(others).filter_map(Cell::end).collect()
    }

    async fn go_on(&self, s: &Stage<'_>, when: When) {
        if when == When::Restore {
            s.phase(NEW, Phase::Restoring).await;
            s.judge(200).await;
        } else {
            s.apply(&s.asks_for(NEW)).await;
        }
    }

    /// Each start of a controller takes its time, and so does a call that nobody answers.
    async fn over(&self, s: &Stage<'_>) {
        until_within(BOUND * 3, "the rollout has ended", async || {
            let status = s.status().await;
            let step = status.rollout.as_ref().filter(|r| r.image.short() == NEW).map(|r| r.step);
            is(step == Some(Step::Ended), (), (step, status.message))
        })
        .await;
    }

    async fn ended(&self, s: &Stage<'_>) -> End {
        let status = s.ended(NEW).await;
        let rollout = status.rollout.as_ref().unwrap();
        eprintln!("{}: {}", s.ns, status.message.as_deref().unwrap_or_default());
        End {
            phase: status.phase,
            reason: rollout.reason,
            cause: rollout.cause.as_ref().map(|c| c.reason),
            writes: s.tries(),
            runs: s.tag(),
        }
    }
}

/// How a rollout ended.
#[derive(Clone, Debug, PartialEq)]
struct End {
    phase: Option<Phase>,
    reason: Option<Reason>,
    cause: Option<Reason>,
    writes: String,
    runs: String,
}

impl End {
    /// To stop what is stopped already changes nothing, so it may be asked for again.
    fn stopped_once(mut self) -> Self {
        if let Some(made) = self.writes.find('S') {
            let (before, after) = self.writes.split_at(made + 1);
            self.writes = format!("{before}{}", after.trim_start_matches(['S', 's']));
        }
        self
    }
}

impl Cell {
    fn end(self) -> Option<End> {
        let Self::Ends { phase, reason, cause, writes, runs } = self else { return None };
        Some(End { phase: Some(phase), reason: Some(reason), cause, writes: writes.to_owned(), runs: runs.to_owned() })
    }
}

/// Plays every cell that can be.
pub async fn play(rows: Vec<Row>) {
    let cells = rows.iter().flat_map(|row| row.possible().map(move |when| (row, when)));
    stream::iter(cells.collect::<Vec<_>>())
        .for_each_concurrent(4, |(row, when)| async move {
            row.stage(&format!("{when:?}"), async |s| {
                s.patience.set(row.patience(when));
                row.prepare(s, when).await;
                row.lead(s, when).await;
                row.bring(s, when).await;
            })
            .await;
        })
        .await;
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
