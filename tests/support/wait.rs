//! Waiting for a condition, with a bound. Nothing here sleeps and hopes.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// How long anything that should happen may take. Generous: the machine may be busy, and nothing waits for it in vain.
pub const BOUND: Duration = Duration::from_secs(90);
const EVERY: Duration = Duration::from_millis(100);

/// By how much all bounds are longer: `TIDEGATE_TEST_PATIENCE`, for a machine with more to do than this.
pub fn patience() -> u32 {
    std::env::var("TIDEGATE_TEST_PATIENCE").ok().and_then(|v| v.parse().ok()).unwrap_or(1)
}

/// What a look found: the thing waited for, or what stands there instead.
pub type Look<T> = Result<T, String>;

/// Looks until `look` is content; panics after its bound with what it last saw.
pub async fn until<T>(what: &str, look: impl AsyncFn() -> Look<T>) -> T {
    until_within(BOUND, what, look).await
}

/// The same with another bound.
pub async fn until_within<T>(bound: Duration, what: &str, look: impl AsyncFn() -> Look<T>) -> T {
    let (started, bound) = (Instant::now(), bound * patience());
    loop {
        match look().await {
            Ok(found) => return found,
            Err(saw) if started.elapsed() > bound => panic!("waited {bound:?} for {what}; last seen: {saw}"),
            // What takes long is looked at more rarely: a busy machine must not be kept busy by looking.
            Err(_) => tokio::time::sleep(EVERY + (started.elapsed() / 20).min(EVERY * 3)).await,
        }
    }
}

/// `found` if it is there, else what was seen.
pub fn is<T>(holds: bool, found: T, saw: impl Debug) -> Look<T> {
    if holds { Ok(found) } else { Err(format!("{saw:?}")) }
}
