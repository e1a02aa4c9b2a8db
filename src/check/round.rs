//! One round of one check: whom to ask, asking them, and what it says in the end.
//!
//! A round is never repeated here; who asked counts attempts.

use super::directory::{Directory, Forbidden, LookupError};
use super::grpc;
use super::guard::Policy;
use super::headers;
use super::http::{Http, Request};
use super::load;
use super::pool::Limits;
use super::resolve::Resolver;
use super::tcp;
use super::verdict::{Answer, PodAnswer, RoundError, Verdict, sum_up};
use super::whom::{EACH_END, Place, Pods, Whom, among, only_ready};
use super::wrong::Wrong;
use crate::api::ask::{Ask, Outcome, Query};
use crate::api::spec::Header;
use futures::StreamExt;
use futures::future::join_all;
use futures::stream;
use reqwest::header::HeaderMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Beside the timeout of a question about metrics, for the looks before it.
const METRICS_SLACK: Duration = Duration::from_millis(500);

/// Everything that a round needs beside its question.
#[derive(Clone)]
pub(super) struct Rounds {
    pub directory: Arc<dyn Directory>,
    pub resolver: Arc<dyn Resolver>,
    pub http: Http,
    pub policy: Arc<Policy>,
    pub limits: Limits,
}

impl Rounds {
    /// Asks, within a deadline of its own. Never an error: what went wrong is the outcome.
    pub(super) async fn run(&self, ask: &Ask) -> Verdict {
        let deadline = self.deadline(ask);
        match tokio::time::timeout(deadline, self.ask(ask)).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(error)) => Verdict::new(Outcome::Error, &error.to_string()),
            Err(_) => Verdict::new(Outcome::Error, &RoundError::Deadline(deadline).to_string()),
        }
    }

    /// Longer than all lookups and requests that keep their own deadlines can take.
    fn deadline(&self, ask: &Ask) -> Duration {
        let asking = match &ask.query {
            // The next round is due soon after: whatever takes longer would never be counted.
            Query::Prometheus(_) | Query::Cloudwatch(_) => return ask.query.timeout().std() + METRICS_SLACK,
            Query::Load(_) => load::LONGEST + Duration::from_secs(61),
            Query::Http(check) => self.asking(ask, check.timeout()),
            Query::Tcp(check) => self.asking(ask, check.timeout()),
            Query::Grpc(check) => self.asking(ask, check.timeout()),
        };
        (self.limits.lookup * 5).saturating_add(asking)
    }

    /// For one question to each of those that may be asked.
    fn asking(&self, ask: &Ask, timeout: crate::api::Duration) -> Duration {
        let most = if ask.query.pods().is_some() { 2 * EACH_END } else { 1 };
        let waves = u32::try_from(most.div_ceil(self.limits.requests_per_round.max(1))).unwrap_or(u32::MAX);
        (timeout.std().min(Duration::from_secs(60)) + Duration::from_millis(500)).saturating_mul(waves)
    }

    async fn ask(&self, ask: &Ask) -> Result<Verdict, RoundError> {
        let headers: &[Header] = match &ask.query {
            Query::Load(load) => return self.load(ask, load).await,
            Query::Prometheus(gate) => return self.prometheus(ask, gate).await,
            Query::Cloudwatch(query) => return self.alarms(ask, query).await,
            Query::Http(check) => &check.headers,
            Query::Tcp(_) | Query::Grpc(_) => &[],
        };
        match self.whom(ask).await? {
            Whom::Pods(pods) if pods.ready.is_empty() => Ok(Verdict::nobody()),
            Whom::Pods(pods) => self.all_of(ask, &pods, &self.headers(ask, headers).await?).await,
            Whom::One { what, place } => {
                let headers = self.headers(ask, headers).await?;
                Ok(match self.one(&ask.query, &place, &headers).await {
                    Ok(said) => Verdict::new(Outcome::Pass, &format!("{what} {said}")),
                    Err(wrong) => Verdict::new(wrong.outcome(), &format!("{what}: {wrong}")),
                })
            }
        }
    }

    async fn all_of(&self, ask: &Ask, pods: &Pods, headers: &HeaderMap) -> Result<Verdict, RoundError> {
        let questions = pods.chosen.iter().enumerate().map(|(at, (_, place))| async move {
            let answer = match place {
                Ok(place) => self.one(&ask.query, place, headers).await,
                Err(why) => Err(Wrong::NotAsked(why.to_string())),
            };
            (at, answer)
        });
        let questions: Vec<_> = questions.collect();
        let mut answers: Vec<(usize, Answer)> =
            stream::iter(questions).buffer_unordered(self.limits.requests_per_round.max(1)).collect().await;
        answers.sort_by_key(|(at, _)| *at);
        let pod = |at: usize| pods.chosen.get(at).map(|(pod, _)| pod);
        let mut answers: Vec<PodAnswer<'_>> =
            answers.into_iter().filter_map(|(at, answer)| Some((pod(at)?, answer))).collect();
        if answers.iter().any(|(_, answer)| answer.is_err()) {
            let now = only_ready(self.all_pods(ask).await?);
            answers.retain(|(pod, answer)| answer.is_ok() || among(pod, &now));
        }
        Ok(sum_up(&answers, pods.ready.len()))
    }

    /// One question to one place.
    async fn one(&self, query: &Query, place: &Place, headers: &HeaderMap) -> Answer {
        match (query, place) {
            (Query::Http(check), _) => {
                let (to, timeout) = (place.to(check.path()), check.timeout().std());
                let status = self.http.ask(&Request { to, headers, timeout, expect: &check.expect }).await?;
                Ok(format!("answered {status}"))
            }
            (Query::Tcp(check), Place::Address { addr, .. }) => tcp::ask(*addr, check.timeout().std()).await,
            (Query::Grpc(check), Place::Address { addr, host }) => {
                grpc::ask(*addr, host, check.service_name(), check.timeout().std()).await
            }
            (_, _) => Err(Wrong::NotAsked("this cannot be asked of a url".to_owned())),
        }
    }

    pub(super) async fn headers(&self, ask: &Ask, wanted: &[Header]) -> Result<HeaderMap, RoundError> {
        let names = headers::secrets(wanted);
        let namespace = &ask.release.namespace;
        let found = join_all(names.iter().map(|name| self.lookup(self.directory.secret(namespace, name)))).await;
        let found = names.into_iter().zip(found).map(|(name, secret)| Ok((name, secret?)));
        Ok(headers::build(wanted, &found.collect::<Result<_, RoundError>>()?)?)
    }

    pub(super) async fn forbidden(&self) -> Result<Forbidden, RoundError> {
        let forbidden = self.lookup(self.directory.forbidden()).await?;
        if forbidden.api_servers.is_empty() { Err(RoundError::Unguarded) } else { Ok(forbidden) }
    }

    pub(super) async fn lookup<T>(
        &self,
        lookup: impl Future<Output = Result<T, LookupError>>,
    ) -> Result<T, RoundError> {
        let limit = self.limits.lookup;
        let answer = tokio::time::timeout(limit, lookup).await;
        Ok(answer.map_err(|_| RoundError::LookupDeadline(limit))??)
    }
}
