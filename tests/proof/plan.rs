//! What goes wrong in a run, as data: its text is its name, and replays it.
//!
//! `production-health+crash-after@status/4` kills the controller after its fourth status write was stored, before it
//! hears so. `2*good+freeze@image/1` has two replicas. `*3` at the end of a fault: for three in a row.

use std::fmt;
use std::str::FromStr;

/// A play, how many replicas of the controller there are, and what goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) play: String,
    pub(crate) replicas: u32,
    pub(crate) faults: Vec<Fault>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) on: Class,
    /// Counted from 1, from when the play begins, over all processes of the run.
    pub(crate) nth: u32,
    pub(crate) times: u32,
}

/// Defines an enum whose values have names.
macro_rules! named {
    ($(#[$doc:meta])* $enum:ident { $($(#[$value_doc:meta])* $value:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum $enum { $($(#[$value_doc])* $value,)* }
        impl fmt::Display for $enum {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$value => $name,)* })
            }
        }
        impl FromStr for $enum {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text { $($name => Ok(Self::$value),)* other => Err(format!("{other:?} is none of {:?}", [$($name),*])) }
            }
        }
    };
}

named! {
    /// What a request of the controller is about. Those of watches count delivered events.
    Class {
        Status = "status",
        Finalizer = "finalizer",
        Image = "image",
        /// The Job of a hook or of a smoke test.
        Job = "job",
        /// A stuck pod of a StatefulSet is deleted.
        Pod = "pod",
        Event = "event",
        GetRelease = "get-release",
        GetWorkload = "get-workload",
        ListPods = "list-pods",
        Read = "read",
        ListReleases = "list-releases",
        ListDeployments = "list-deployments",
        /// StatefulSets and DaemonSets.
        ListSets = "list-sets",
        WatchReleases = "watch-releases",
        WatchDeployments = "watch-deployments",
        WatchSets = "watch-sets",
        WatchPods = "watch-pods",
        /// Of what no play has.
        WatchOthers = "watch-others",
        Lease = "lease",
    }
}

named! {
    /// What happens to it.
    Kind {
        /// The process dies; the request never left it.
        CrashBefore = "crash-before",
        /// The request is carried out; the process dies before it hears so.
        CrashAfter = "crash-after",
        /// The same, and the next process begins with a clock that is an hour ahead.
        CrashAhead = "crash-ahead",
        /// The same, and the next process begins with a clock that is an hour behind.
        CrashBehind = "crash-behind",
        /// The same, and the next process is first answered by an API server that lags behind: its lists, and its reads of
        /// the Release, of workloads and of pods.
        CrashLagging = "crash-lagging",
        Conflict = "409",
        Invalid = "422",
        /// With a `Retry-After` of a day and more.
        TooMany = "429",
        Unavailable = "503",
        /// Carried out, answered 504.
        TimeoutAfter = "504-after",
        ResetBefore = "reset-before",
        ResetAfter = "reset-after",
        /// Carried out, and half of the answer comes.
        CutAfter = "cut-after",
        /// Neither carried out nor answered.
        Hole = "hole",
        /// Carried out, never answered.
        HoleAfter = "hole-after",
        /// Carried out after the client has given up.
        Late = "late",
        /// From here on, for some seconds, everything that this process sends arrives late, its lease too.
        Partition = "partition",
        /// Carried out, and answered when the lease, which cannot be renewed meanwhile, has run out.
        LeaseLost = "lease-lost",
        /// The process stands still for some seconds.
        Freeze = "freeze",
        /// An older answer to the same question.
        Stale = "stale",
        Gone = "410",
        /// The watch says 410 and ends.
        GoneInStream = "410-in-stream",
        /// The watch delivers nothing more, and does not end.
        HalfOpen = "half-open",
        /// The connection ends in the middle of an event.
        Torn = "torn",
        Drop = "drop",
        Twice = "twice",
        /// The next event comes first.
        Swap = "swap",
        /// Held back for a while; of each object only the last version comes.
        Coalesce = "coalesce",
    }
}

/// What the controller writes; at each of these it is killed.
pub(crate) const WRITES: [Class; 6] =
    [Class::Status, Class::Finalizer, Class::Image, Class::Job, Class::Pod, Class::Event];

impl Plan {
    pub(crate) fn of(play: &str, faults: &[Fault]) -> Self {
        Self { play: play.to_owned(), replicas: 1, faults: faults.to_vec() }
    }

    pub(crate) fn pair(play: &str, faults: &[Fault]) -> Self {
        Self { replicas: 2, ..Self::of(play, faults) }
    }

    /// The command that plays it again.
    pub(crate) fn replay(&self) -> String {
        format!("PLAN='{self}' cargo test --test proof replay")
    }

    /// Nothing but crashes: no answer is missing, so that checks need no patience.
    pub(crate) fn only_crashes(&self) -> bool {
        self.faults.iter().all(|f| f.kind.crashes() && f.kind != Kind::CrashLagging)
    }
}

impl Kind {
    pub(crate) fn crashes(self) -> bool {
        matches!(self, Self::CrashBefore | Self::CrashAfter)
            || matches!(self, Self::CrashAhead | Self::CrashBehind | Self::CrashLagging)
    }
    /// Whether it may strike and change nothing: an older answer that is the same, an event that no other follows. It
    /// came to pass only where it was seen to.
    pub(crate) fn may_be_nothing(self) -> bool {
        matches!(self, Self::CrashLagging | Self::Stale | Self::Swap)
    }
}

impl Class {
    pub(crate) fn writes(self) -> bool {
        WRITES.contains(&self)
    }
    pub(crate) fn watches(self) -> bool {
        matches!(self, Self::WatchReleases | Self::WatchDeployments | Self::WatchSets)
            || matches!(self, Self::WatchPods | Self::WatchOthers)
    }
}

impl Fault {
    pub(crate) fn new(kind: Kind, on: Class, nth: u32) -> Self {
        Self { kind, on, nth, times: 1 }
    }
    pub(crate) fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }
    /// Whether the other one can never strike beside this one, which is found first.
    pub(crate) fn hides(&self, other: &Self) -> bool {
        let end = |f: &Self| f.nth.saturating_add(f.times);
        self.on == other.on && self.nth <= other.nth && end(other) <= end(self)
    }
    pub(crate) fn hits(&self, on: Class, count: u32) -> bool {
        self.on == on && (self.nth..self.nth.saturating_add(self.times)).contains(&count)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.replicas != 1 {
            write!(f, "{}*", self.replicas)?;
        }
        f.write_str(&self.play)?;
        self.faults.iter().try_for_each(|fault| write!(f, "+{fault}"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}/{}", self.kind, self.on, self.nth)?;
        if self.times == 1 { Ok(()) } else { write!(f, "*{}", self.times) }
    }
}

impl FromStr for Plan {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (replicas, rest) = match text.split_once('*') {
            Some((n, rest)) if n.chars().all(|c| c.is_ascii_digit()) => (number(n)?, rest),
            _ => (1, text),
        };
        let mut parts = rest.split('+');
        let play = parts.next().unwrap_or_default().to_owned();
        Ok(Self { play, replicas, faults: parts.map(str::parse).collect::<Result<_, _>>()? })
    }
}

impl FromStr for Fault {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not KIND@CLASS/N or KIND@CLASS/N*TIMES");
        let (kind, place) = text.split_once('@').ok_or_else(wrong)?;
        let (on, n) = place.split_once('/').ok_or_else(wrong)?;
        let (nth, times) = n.split_once('*').unwrap_or((n, "1"));
        Ok(Self { kind: kind.parse()?, on: on.parse()?, nth: number(nth)?, times: number(times)? })
    }
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|e| format!("{text:?}: {e}"))
}

#[test]
fn of_two_faults_both_can_strike() {
    let fault = |text: &str| text.parse::<Fault>().unwrap();
    for (one, two) in [("409@status/2", "422@status/2"), ("409@status/1*3", "422@status/2*2")] {
        assert!(fault(one).hides(&fault(two)), "{one} {two}");
    }
    for (one, two) in [("409@status/2", "422@image/2"), ("409@status/2", "422@status/2*2"), ("409@job/1", "409@job/2")]
    {
        assert!(!fault(one).hides(&fault(two)), "{one} {two}");
    }
}

#[test]
fn a_plan_is_its_text() {
    for text in ["good", "good+crash-after@status/4", "2*good+freeze@image/1+429@status/2*3"] {
        assert_eq!(text.parse::<Plan>().unwrap().to_string(), text);
    }
    for wrong in ["good+crash", "good+409@status/x", "good+409@nothing/1"] {
        wrong.parse::<Plan>().unwrap_err();
    }
}
