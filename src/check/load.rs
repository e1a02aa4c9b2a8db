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
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// After so long, warm-up included, no further request is begun.
pub(super) const LONGEST: Duration = Duration::from_secs(10 * 60);

/// Everything that the requests of one load share.
struct Load<'a> {
    session: Session,
    /// Asked in turn.
    places: Vec<&'a Place>,
    once: HttpCheck,
    headers: HeaderMap,
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
        let load = Load { session, places, once: load.once(), headers, end };
        let warm_up = Plan { requests: plan.warm_up, lasts: None, ..plan };
        load.run(warm_up, &mut Tally::new()?).await;
        let (mut tally, begun) = (Tally::new()?, Instant::now());
        let all = load.run(plan, &mut tally).await;
        let took = begun.elapsed();
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
}

impl Load<'_> {
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
        let whom = usize::try_from(i).unwrap_or_default() % self.places.len().max(1);
        let answer = match self.places.get(whom) {
            Some(place) => {
                let (to, timeout) = (place.to(self.once.path()), self.once.timeout().std());
                self.session.ask(&Request { to, headers: &self.headers, timeout, expect: &self.once.expect }).await
            }
            None => Err(Wrong::NotAsked("there is nobody to ask".to_owned())),
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
