//! A smoke test that is a Job: run to its end, or followed where an earlier look began it.

use super::{Hooks, look};
use crate::api::effect::{Answer, Refused};
use crate::api::hook::{HookRun, HookStop, HookView, JobEnd, JobRun, JobVerdict, JobView};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Between two looks: at first, and later.
const SOON: Duration = Duration::from_millis(500);
const LATER: Duration = Duration::from_secs(5);
/// Beyond its own timeout it is waited for so long.
const GRACE: Duration = Duration::from_secs(30);

impl Hooks {
    /// Asked again under the same effect it is the same Job. Ends by itself, soon after the Job's own timeout.
    pub async fn test(&self, run: &JobRun) -> JobEnd {
        let end = Instant::now() + run.timeout.std() + GRACE;
        let (mut made, mut pause) = (None::<String>, SOON);
        let (mut began, mut waits) = (false, None::<String>);
        loop {
            match look::found(&self.client, self.timeout, &run.job).await {
                HookView::Job(job) if ours(&job, run) => {
                    began |= job.began;
                    waits = job.waits.or(waits);
                    if let Some(verdict) = job.verdict {
                        return ended(run, verdict, began, waits);
                    }
                    made = Some(job.uid);
                }
                HookView::Job(_) => return not_asked(run, "exists already and is somebody else's"),
                HookView::Absent if made.is_some() => return not_asked(run, "was deleted before its end was seen"),
                HookView::Absent => match self.run(&HookRun::Job(Box::new(run.clone()))).await {
                    Answer::Refused {
                        kind: Refused::Forbidden | Refused::Invalid | Refused::Gone, message, ..
                    } => return not_asked(run, &format!("could not be created: {message}")),
                    Answer::Created { uid } => made = Some(uid),
                    _ => {}
                },
                HookView::Task(_) | HookView::Fit | HookView::Unfit { .. } | HookView::Unreachable(_) => {}
            }
            if Instant::now() >= end {
                if let Some(uid) = made {
                    self.stop(&HookStop::Job { job: run.job.clone(), uid }).await;
                }
                return not_asked(run, "was not heard of in time");
            }
            sleep(pause).await;
            pause = (pause * 3 / 2).min(LATER);
        }
    }
}

fn ours(job: &JobView, run: &JobRun) -> bool {
    job.effect.as_deref() == Some(run.effect.as_str()) && job.release.as_deref() == Some(&run.uid)
}

fn ended(run: &JobRun, verdict: JobVerdict, began: bool, waits: Option<String>) -> JobEnd {
    match verdict {
        JobVerdict::Complete => JobEnd::Passed(format!("Job {} is complete", run.job)),
        // Nothing of its pod was ever seen to run, which says nothing of the application. The pod is deleted at the
        // Job's deadline, so why it did not is known from before.
        JobVerdict::Failed { reason, .. } if reason == "DeadlineExceeded" && !began => {
            let waits = waits.unwrap_or_else(|| "its pod did not begin in time".to_owned());
            JobEnd::NotAsked(format!("Job {}: {waits}", run.job))
        }
        JobVerdict::Failed { message, .. } => JobEnd::Failed(format!("Job {} failed: {message}", run.job)),
    }
}

fn not_asked(run: &JobRun, why: &str) -> JobEnd {
    JobEnd::NotAsked(format!("Job {} {why}", run.job))
}
