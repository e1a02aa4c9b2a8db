//! What a round came to, in words for people. Pure; nothing of a body, header or path is ever in them.

use super::directory::{LookupError, PodFacts};
use super::headers::HeaderError;
use super::reach::Unreachable;
use super::resolve::ResolveError;
use super::url::BadUrl;
use super::wrong::Wrong;
use crate::api::NsName;
use crate::api::ask::Outcome;
use crate::api::status::Measured;
use std::time::Duration;

/// In characters.
const LONGEST_MESSAGE: usize = 256;

/// What a round came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub outcome: Outcome,
    /// At most 256 characters.
    pub message: String,
    /// Of a load alone.
    pub measured: Option<Measured>,
}

/// Why nobody was asked: the outcome is [`Outcome::Error`].
#[derive(Debug, thiserror::Error)]
pub(super) enum RoundError {
    #[error(transparent)]
    Lookup(#[from] LookupError),
    #[error("the API server was not heard of within {0:?}")]
    LookupDeadline(Duration),
    #[error("the round was not finished within {0:?}")]
    Deadline(Duration),
    #[error("no address of the API server is known, so that none can be kept out")]
    Unguarded,
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("Service {service} does not exist")]
    NoService { service: NsName },
    #[error("{0}")]
    NoConsent(String),
    #[error("Service {service} is not asked: {source}")]
    Service { service: NsName, source: Unreachable },
    #[error(transparent)]
    BadUrl(#[from] BadUrl),
    #[error("{origin} is not asked: {source}")]
    NoName { origin: String, source: ResolveError },
    #[error("{origin} is not asked: no name server answered within {within:?}")]
    ResolveDeadline { origin: String, within: Duration },
    #[error("{origin} is not asked: {source}")]
    Url { origin: String, source: Unreachable },
    #[error("nobody said whose pods to ask")]
    NoWorkload,
    #[error("response times cannot be counted: {0}")]
    Histogram(#[from] hdrhistogram::CreationError),
}

/// What a right answer was, as in `answered 200`; or why there is none.
pub(super) type Answer = Result<String, Wrong>;
pub(super) type PodAnswer<'a> = (&'a PodFacts, Answer);

impl Verdict {
    /// Cuts the message to what a result may hold.
    pub(super) fn new(outcome: Outcome, message: &str) -> Self {
        Self { outcome, message: short(message), measured: None }
    }
}

impl Verdict {
    pub(super) fn nobody() -> Self {
        Self::new(Outcome::NoData, "no pod of the revision is ready")
    }
}

impl Wrong {
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Failed(_) => Outcome::Fail,
            Self::NotAsked(_) => Outcome::Error,
        }
    }
}

/// `ready`: how many pods could have been asked.
pub(super) fn sum_up(answers: &[PodAnswer<'_>], ready: usize) -> Verdict {
    let wrong = |of: Outcome| {
        let all = answers.iter().filter_map(|(pod, answer)| Some((pod, answer.as_ref().err()?)));
        all.filter(move |(_, wrong)| wrong.outcome() == of).collect::<Vec<_>>()
    };
    for of in [Outcome::Fail, Outcome::Error] {
        let wrong = wrong(of);
        if let Some((pod, what)) = wrong.first() {
            let verb = if of == Outcome::Fail { "failed" } else { "could not be asked" };
            let many = match answers.len() {
                1 => String::new(),
                all => format!(" ({} of {all} pods {verb})", wrong.len()),
            };
            return Verdict::new(of, &format!("pod {}: {what}{many}", pod.name));
        }
    }
    let mut words = answers.iter().filter_map(|(_, answer)| answer.as_ref().ok());
    let Some(first) = words.next() else {
        return Verdict::new(Outcome::NoData, "every pod that was asked has left meanwhile");
    };
    let how = if words.all(|other| other == first) { first } else { "answered as expected" };
    Verdict::new(Outcome::Pass, &format!("{} of {ready} pods {how}", answers.len()))
}

fn short(text: &str) -> String {
    if text.chars().count() <= LONGEST_MESSAGE {
        return text.to_owned();
    }
    text.chars().take(LONGEST_MESSAGE - 1).chain(['…']).collect()
}
