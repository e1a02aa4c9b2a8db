//! How a deployment will go: the plan that a test writes.

use std::time::Duration;

/// One deployment from its beginning to its end. Durations are on the simulator's clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    pub end: End,
    /// Until it has landed, or until the circuit breaker would trip.
    pub after: Duration,
    /// How the way back goes, if ECS goes it.
    pub back: Back,
    /// How long a deployment that was rolled back stays in the service's list.
    pub lingers: Duration,
    /// Stops halfway at a PAUSE hook, until somebody answers it.
    pub pauses: bool,
    /// What others do meanwhile, counted from its beginning.
    pub meanwhile: Option<(Duration, Somebody)>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum End {
    Lands,
    /// Its tasks fail, one after another. What becomes of it is the circuit breaker's business.
    Fails(Failure),
    /// Its first task runs and never counts as healthy.
    Hangs,
}

/// Why its tasks fail.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// The first container exits.
    Exits(i32),
    OutOfMemory,
    /// The registry does not have the image; or what this says.
    CannotPull(Option<String>),
    /// A secret or a log group cannot be had.
    Resources,
    CannotStart,
    /// The tasks run, the load balancer does not like them.
    Unhealthy,
    /// No task can be placed: only an event says so.
    NoPlace,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Back {
    Lands(Duration),
    Fails(Duration),
    Hangs,
}

/// What somebody else does to the service.
#[derive(Clone, Debug, PartialEq)]
pub enum Somebody {
    /// Deploys this task definition: family and revision, or ARN.
    Deploys(String),
    /// Deploys the task definition that is there already, once more.
    Redeploys,
    StopsIt,
}

impl Course {
    pub fn lands() -> Self {
        Self {
            end: End::Lands,
            after: Duration::from_secs(2),
            back: Back::Lands(Duration::from_secs(1)),
            lingers: Duration::from_millis(500),
            pauses: false,
            meanwhile: None,
        }
    }

    pub fn fails(why: Failure) -> Self {
        Self { end: End::Fails(why), ..Self::lands() }
    }

    pub fn hangs() -> Self {
        Self { end: End::Hangs, ..Self::lands() }
    }

    pub fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    pub fn back(self, back: Back) -> Self {
        Self { back, ..self }
    }

    /// Zero: it is gone from the list as soon as ECS begins to roll it back.
    pub fn lingers(self, lingers: Duration) -> Self {
        Self { lingers, ..self }
    }

    pub fn pauses(self) -> Self {
        Self { pauses: true, ..self }
    }

    pub fn meanwhile(self, after: Duration, somebody: Somebody) -> Self {
        Self { meanwhile: Some((after, somebody)), ..self }
    }
}
