//! One call for several askers: AWS counts calls, and describes up to ten services in one.
//!
//! An ask waits a moment for others, but only where others asked lately. Whoever is cancelled takes nobody along.

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// Names that one call may have.
const MOST: usize = 10;
/// Clusters that are remembered at most.
const REMEMBERED: usize = 1000;
/// So many windows ago is lately.
const LATELY: u32 = 20;

pub(super) type Answer<T> = Shared<BoxFuture<'static, T>>;

/// Rounds that are still open, by cluster.
pub(super) struct Batches<T>(Mutex<HashMap<String, Desk<T>>>);

struct Desk<T> {
    /// Who asked last, and when.
    last: (String, Instant),
    open: Option<(Arc<Round>, Answer<T>)>,
}

struct Round {
    /// `None`: it is closed, and nobody can join it.
    names: Mutex<Option<Vec<String>>>,
    full: Notify,
}

impl<T> Default for Batches<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> fmt::Debug for Batches<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Batches")
    }
}

impl<T: Clone + Send + Sync + 'static> Batches<T> {
    /// What `call` answers for `name` and for whoever asks within `window`; `allowed` is waited for before.
    pub(super) fn ask<F>(
        &self,
        (cluster, name): (&str, &str),
        window: Duration,
        allowed: impl Future<Output = ()> + Send + 'static,
        call: impl FnOnce(Vec<String>) -> F + Send + 'static,
    ) -> Answer<T>
    where
        F: Future<Output = T> + Send,
    {
        let mut desks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if desks.len() >= REMEMBERED {
            desks.clear();
        }
        let now = Instant::now();
        let fresh = || Desk { last: (name.to_owned(), now), open: None };
        let desk = desks.entry(cluster.to_owned()).or_insert_with(fresh);
        let others = desk.last.0 != name && now.duration_since(desk.last.1) < window * LATELY;
        desk.last = (name.to_owned(), now);
        if let Some((round, answer)) = &desk.open
            && round.joins(name)
        {
            return answer.clone();
        }
        let round = Arc::new(Round { names: Mutex::new(Some(vec![name.to_owned()])), full: Notify::new() });
        let (taken, patience) = (round.clone(), if others { window } else { Duration::ZERO });
        let whole = async move {
            tokio::select! {
                () = sleep(patience) => {}
                () = taken.full.notified() => {}
            }
            // Who comes while the limit holds it up still joins.
            allowed.await;
            call(taken.close()).await
        };
        let answer = whole.boxed().shared();
        desk.open = Some((round, answer.clone()));
        answer
    }
}

impl Round {
    /// Whether `name` is part of it now.
    fn joins(&self, name: &str) -> bool {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(names) = names.as_mut() else { return false };
        if names.iter().any(|n| n == name) {
            return true;
        }
        if names.len() >= MOST {
            return false;
        }
        names.push(name.to_owned());
        if names.len() == MOST {
            self.full.notify_one();
        }
        true
    }

    fn close(&self) -> Vec<String> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use std::time::Duration;

    /// Long enough that a busy machine takes no part of it for the whole.
    const WINDOW: Duration = Duration::from_millis(800);

    /// Asks for `name`; answered is how many were asked for together.
    async fn ask(batches: &Batches<usize>, cluster: &str, name: &str) -> usize {
        batches.ask((cluster, name), WINDOW, async {}, |names| async move { names.len() }).await
    }

    #[tokio::test]
    async fn who_asks_alone_does_not_wait() {
        let (batches, began) = (Batches::default(), Instant::now());
        for _ in 0..5 {
            assert_eq!(ask(&batches, "prod", "a").await, 1);
        }
        assert!(began.elapsed() < WINDOW);
        assert_eq!(ask(&batches, "other", "b").await, 1);
        assert!(began.elapsed() < WINDOW, "another cluster has nobody to wait for");
    }

    #[tokio::test]
    async fn ten_are_asked_for_at_once() {
        let batches = Batches::default();
        let names: Vec<String> = (0..25).map(|n| n.to_string()).collect();
        let mut asked = join_all(names.iter().map(|name| ask(&batches, "prod", name))).await;
        asked.sort_unstable();
        assert_eq!(asked, [vec![5; 5], vec![10; 20]].concat());
        let late = async {
            sleep(WINDOW / 2).await;
            ask(&batches, "prod", "late").await
        };
        assert_eq!(futures::join!(ask(&batches, "prod", "early"), late), (2, 2));
        assert_eq!(futures::join!(ask(&batches, "prod", "one"), ask(&batches, "prod", "one")), (1, 1));
    }

    #[tokio::test]
    async fn who_gives_up_takes_nobody_along() {
        let batches = Batches::default();
        ask(&batches, "prod", "before").await;
        let gives_up = tokio::time::timeout(WINDOW / 2, ask(&batches, "prod", "a"));
        assert_eq!(futures::join!(async { gives_up.await.is_err() }, ask(&batches, "prod", "b")), (true, 2));
        assert!(tokio::time::timeout(WINDOW / 2, ask(&batches, "prod", "a")).await.is_err());
        assert_eq!(ask(&batches, "prod", "b").await, 2, "a round that nobody waits for is taken up by the next");
    }
}
