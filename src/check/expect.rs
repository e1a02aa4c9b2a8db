//! Whether an answer is the right one. Pure; says which expectation failed, and never what the body held.

use crate::api::spec::Expect;
use serde_json::{Number, Value};

/// A body as far as it was read.
#[derive(Clone, Copy, Default)]
pub(super) struct Body<'a> {
    pub bytes: &'a [u8],
    /// There was more than 64 KiB.
    pub cut: bool,
}

/// Whether the body must be read at all.
pub(super) fn needs_body(expect: &Expect) -> bool {
    !expect.json.is_empty() || expect.body.is_some()
}

/// The first thing that is not as expected: first the status, then JSON values in order, then the text.
pub(super) fn judge(expect: &Expect, status: u16, body: Body<'_>) -> Result<(), String> {
    if !accepts(&expect.status, status) {
        return Err(format!("status {status}, expected {}", wanted(&expect.status)));
    }
    json(expect, body).and_then(|()| text(expect, body)).map_err(|what| format!("status {status}, but {what}"))
}

fn accepts(wanted: &[i32], status: u16) -> bool {
    if wanted.is_empty() { (200..=299).contains(&status) } else { wanted.contains(&i32::from(status)) }
}

fn wanted(list: &[i32]) -> String {
    match list {
        [] => "200 to 299".to_owned(),
        list => list.iter().map(i32::to_string).collect::<Vec<_>>().join(" or "),
    }
}

fn json(expect: &Expect, body: Body<'_>) -> Result<(), String> {
    if expect.json.is_empty() {
        return Ok(());
    }
    if body.cut {
        return Err("its body is longer than 64 KiB, too long to be read as JSON".to_owned());
    }
    let found: Value = serde_json::from_slice(body.bytes).map_err(|_| "its body is not JSON".to_owned())?;
    for wanted in &expect.json {
        match found.pointer(&wanted.pointer) {
            None => return Err(format!("its body has nothing at {:?}", wanted.pointer)),
            Some(value) if !same(value, &wanted.equals) => {
                return Err(format!("the value at {:?} is not the expected one", wanted.pointer));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn text(expect: &Expect, body: Body<'_>) -> Result<(), String> {
    let Some(wanted) = &expect.body else { return Ok(()) };
    if String::from_utf8_lossy(body.bytes).contains(wanted) {
        return Ok(());
    }
    Err(match body.cut {
        true => "the first 64 KiB of its body lack the expected text".to_owned(),
        false => "its body lacks the expected text".to_owned(),
    })
}

/// Equality of JSON values, with `1` and `1.0` the same number: YAML tools turn one into the other on the way to the
/// API server, so that a person could not ask for `1.0` at all.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => same_number(a, b),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

fn same_number(a: &Number, b: &Number) -> bool {
    // Whole numbers are compared exactly: as floats, neighbours beyond 2^53 would be equal.
    a == b || (a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64()
}

#[cfg(test)]
#[path = "expect_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "expect_fuzz.rs"]
mod fuzz;
