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
    pub(crate) parts: Vec<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Latency,
    Pull,
    Idle,
    Ecs,
}

impl Settings {
    /// From RUNS, SIZES, IDLE_SECONDS and PARTS.
    pub(crate) fn read() -> Result<Self> {
        let mut sizes: Vec<usize> = list("SIZES", "0,100,1000")?;
        sizes.sort_unstable();
        let runs = list("RUNS", "300")?;
        let seconds = list("IDLE_SECONDS", "60")?;
        let ([runs @ (1..)], [seconds @ (1..)]) = (&runs[..], &seconds[..]) else {
            bail!("RUNS and IDLE_SECONDS are one number each, at least 1");
        };
        Ok(Self {
            runs: *runs,
            sizes,
            idle: Duration::from_secs(*seconds),
            parts: list("PARTS", "latency,pull,idle,ecs")?,
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
            other => bail!("{other:?} is none of latency, pull, idle, ecs"),
        })
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
