//! Load on the application: one question many times, with what it is bounded by and how its time is taken.

use super::http::{Request, Session};
use super::plan::Plan;
use super::round::Rounds;
use super::tally::Tally;
use super::verdict::{RoundError, Verdict};
use super::whom::{Place, Whom, among};
use super::wrong::Wrong;
use crate::api::ask::{Ask, Outcome};
use crate::api::spec::{HttpCheck, HttpLoad};
use futures::{StreamExt, stream};
use reqwest::header::HeaderMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// After so long, warm-up included, no further request is begun.
pub(super) const LONGEST: Duration = Duration::from_secs(10 * 60);

/// So many looks in a row may fail: an API server that is busy for a moment ends no load.
const IN_THE_DARK: usize = 2;

/// Everything that the requests of one load share.
struct Load<'a> {
    session: Session,
    /// Asked in turn.
    places: Vec<&'a Place>,
    once: HttpCheck,
    headers: HeaderMap,
    /// Of the places, those that are not asked any more.
    gone: Vec<AtomicBool>,
    /// When the load as a whole ends.
    end: Instant,
}

impl Rounds {
    pub(super) async fn load(&self, ask: &Ask, load: &HttpLoad) -> Result<Verdict, RoundError> {
        let end = Instant::now() + LONGEST;
        let whom = self.whom(ask).await?;
        if matches!(&whom, Whom::Pods(pods) if pods.ready.is_empty()) {
            return Ok(Verdict::nobody());
        }
        let places = match places(&whom) {
            Ok(places) => places,
            Err(why) => return Ok(Verdict::new(Outcome::Error, &why)),
        };
        let headers = self.headers(ask, &load.headers).await?;
        let plan = Plan::new(load);
        let url = match &whom {
            Whom::One { place: Place::Url { target, addrs }, .. } => Some((&**target, addrs.as_slice())),
            _ => None,
        };
        let session = match self.http.session(url, plan.at_once).await {
            Ok(session) => session,
            Err(wrong) => return Ok(Verdict::new(wrong.outcome(), &wrong.to_string())),
        };
        let gone = places.iter().map(|_| AtomicBool::new(false)).collect();
        let load = Load { session, places, once: load.once(), headers, gone, end };
        let (mut warm_up, mut tally) = (Tally::new()?, Tally::new()?);
        let (took, all) = tokio::select! {
            error = self.refused(ask, &whom, &load.gone) => return Err(error),
            done = load.both(plan, &mut warm_up, &mut tally) => done,
        };
        if let Whom::Pods(pods) = &whom
            && tally.failed()
        {
            // A pod that was taken away is not the application's fault; one that fell over is.
            let now: Vec<_> = self.all_pods(ask).await?.into_iter().filter(|pod| !pod.terminating).collect();
            tally.leave_out(|i| pods.chosen.get(i).is_some_and(|(pod, _)| among(pod, &now)));
        }
        let name = |i: usize| match &whom {
            Whom::Pods(pods) => pods.chosen.get(i).map(|(pod, _)| format!("pod {}", pod.name)).unwrap_or_default(),
            Whom::One { what, .. } => what.clone(),
        };
        Ok(tally.sum_up(took, name, (!all).then_some("the load was ended after 10m")))
    }

    /// Looks again and again whether those who are asked may still be: addresses get other owners, and Services other
    /// endpoints. Ends with what speaks against all of them.
    async fn refused(&self, ask: &Ask, whom: &Whom, gone: &[AtomicBool]) -> RoundError {
        let mut in_the_dark = 0;
        loop {
            tokio::time::sleep(self.limits.recheck).await;
            match self.look_again(ask, whom, gone).await {
                Ok(()) => in_the_dark = 0,
                Err(RoundError::Lookup(_) | RoundError::LookupDeadline(_)) if in_the_dark < IN_THE_DARK => {
                    in_the_dark += 1;
                }
                Err(error) => return error,
            }
        }
    }

    async fn look_again(&self, ask: &Ask, whom: &Whom, gone: &[AtomicBool]) -> Result<(), RoundError> {
        match whom {
            Whom::Pods(pods) => {
                let now: Vec<_> = self.all_pods(ask).await?.into_iter().filter(|pod| !pod.terminating).collect();
                let lost = pods.chosen.iter().map(|(pod, _)| !among(pod, &now));
                gone.iter().zip(lost).for_each(|(gone, lost)| gone.store(lost, Relaxed));
                Ok(())
            }
            Whom::One { place: Place::Address { .. }, .. } => self.whom(ask).await.map(drop),
            // It was vetted as it is dialled, and belongs to nobody in the cluster.
            Whom::One { place: Place::Url { .. }, .. } => Ok(()),
        }
    }
}

impl Load<'_> {
    /// The warm-up, then what counts: how long that took, and whether there was time for all of it.
    async fn both(&self, plan: Plan, warm_up: &mut Tally, tally: &mut Tally) -> (Duration, bool) {
        self.run(Plan { requests: plan.warm_up, lasts: None, ..plan }, warm_up).await;
        let begun = Instant::now();
        let all = self.run(plan, tally).await;
        (begun.elapsed(), all)
    }

    /// Sends what `plan` says. Whether there was time for all of it.
    async fn run(&self, plan: Plan, tally: &mut Tally) -> bool {
        let start = Instant::now();
        let last = plan.lasts.map_or(self.end, |lasts| (start + lasts).min(self.end));
        let requests = (0..plan.requests).take_while(|i| Instant::now().max(start + plan.gap * *i) < last);
        let requests = stream::iter(requests).map(|i| self.one(i, start + plan.gap * i, plan.from_due));
        let mut answers = requests.buffer_unordered(plan.at_once);
        while let Some((whom, took, answer)) = answers.next().await {
            tally.count(whom, took, answer);
        }
        Instant::now() < self.end
    }

    async fn one(&self, i: u32, due: Instant, from_due: bool) -> (usize, Duration, Result<u16, Wrong>) {
        sleep_until(due).await;
        let begun = if from_due { due } else { Instant::now() };
        let (all, turn) = (self.places.len(), usize::try_from(i).unwrap_or_default());
        let stays = |at: &usize| self.gone.get(*at).is_some_and(|gone| !gone.load(Relaxed));
        let whom = (0..all).map(|step| (turn + step) % all).find(stays).unwrap_or_default();
        let answer = match self.places.get(whom).filter(|_| stays(&whom)) {
            Some(place) => {
                let (to, timeout) = (place.to(self.once.path()), self.once.timeout().std());
                self.session.ask(&Request { to, headers: &self.headers, timeout, expect: &self.once.expect }).await
            }
            None => Err(Wrong::NotAsked("every pod that was asked has left".to_owned())),
        };
        (whom, begun.elapsed(), answer)
    }
}

/// All of them: a load on some pods says nothing of the others.
fn places(whom: &Whom) -> Result<Vec<&Place>, String> {
    match whom {
        Whom::One { place, .. } => Ok(vec![place]),
        Whom::Pods(pods) => {
            let all = pods.chosen.iter().map(|(pod, place)| match place {
                Ok(place) => Ok(place),
                Err(why) => Err(format!("pod {}: {why}", pod.name)),
            });
            all.collect()
        }
    }
}
