//! What can be chosen, by environment variables: `make bench RUNS=10` sets one.

use anyhow::{Context as _, Result, bail};
use std::str::FromStr;
use std::time::Duration;

pub(crate) struct Settings {
    /// Releases that are rolled out; a third as many fail to be pulled.
    pub(crate) runs: usize,
    /// How many Releases are at rest, ascending.
    pub(crate) sizes: Vec<usize>,
    /// How long each size is watched.
    pub(crate) idle: Duration,
    /// How many rollouts are in flight at once.
    pub(crate) flight: usize,
    /// How long releases good and bad follow each other.
    pub(crate) soak: Duration,
    pub(crate) parts: Vec<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Latency,
    Pull,
    Idle,
    Ecs,
    Flight,
    Soak,
}

impl Settings {
    /// From RUNS, SIZES, IDLE_SECONDS, FLIGHT, SOAK_MINUTES and PARTS.
    pub(crate) fn read() -> Result<Self> {
        let mut sizes: Vec<usize> = list("SIZES", "0,100,1000,10000")?;
        sizes.sort_unstable();
        Ok(Self {
            runs: usize::try_from(number("RUNS", "300")?)?,
            sizes,
            idle: Duration::from_secs(number("IDLE_SECONDS", "60")?),
            flight: usize::try_from(number("FLIGHT", "1000")?)?,
            soak: Duration::from_secs(60 * number("SOAK_MINUTES", "120")?),
            parts: list("PARTS", "latency,pull,idle,ecs,flight")?,
        })
    }
}

impl FromStr for Part {
    type Err = anyhow::Error;
    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "latency" => Self::Latency,
            "pull" => Self::Pull,
            "idle" => Self::Idle,
            "ecs" => Self::Ecs,
            "flight" => Self::Flight,
            "soak" => Self::Soak,
            other => bail!("{other:?} is none of latency, pull, idle, ecs, flight, soak"),
        })
    }
}

fn number(name: &str, default: &str) -> Result<u64> {
    match list(name, default)?[..] {
        [number @ (1..)] => Ok(number),
        _ => bail!("{name} is one number, at least 1"),
    }
}

fn list<T: FromStr>(name: &str, default: &str) -> Result<Vec<T>>
where
    anyhow::Error: From<T::Err>,
{
    let text = std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let parse = |t: &str| t.trim().parse().map_err(anyhow::Error::from);
    text.split(',').map(parse).collect::<Result<_>>().with_context(|| format!("{name}={text}"))
}
