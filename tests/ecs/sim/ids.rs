//! Identities that look like the real ones and are never given twice.

use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicU64, Ordering};

static NEXT: AtomicU64 = AtomicU64::new(1);

/// The number behind `ecs-svc/` and at the end of a service revision's ARN: 19 digits.
pub fn number() -> String {
    let digits: String = fresh().bytes().map(|b| char::from(b'0' + b % 10)).take(18).collect();
    format!("7{digits}")
}

/// A task's id: 32 hexadecimal digits.
pub fn task() -> String {
    fresh()[..32].to_owned()
}

/// The last part of a service deployment's ARN.
pub fn short() -> String {
    fresh()[..21].to_owned()
}

pub fn uuid() -> String {
    let hex = fresh();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
}

/// The last two bytes of an address.
pub fn host() -> (u8, u8) {
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    ((n / 200 % 250) as u8, (n % 200) as u8 + 10)
}

/// Orders what happens at one moment.
pub fn turn() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// What a registry would call these bytes.
pub fn digest_of(content: &str) -> String {
    format!("sha256:{}", hex(content.as_bytes()))
}

fn fresh() -> String {
    hex(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes())
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}
