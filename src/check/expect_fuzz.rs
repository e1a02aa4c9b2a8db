//! Whatever an application answers: a pass is a match, and nothing else is. Held against a second, naive reading.

use super::{Body, judge};
use crate::api::spec::{Expect, JsonExpect};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// What a person would say.
fn right(expect: &Expect, status: u16, bytes: &[u8], cut: bool) -> bool {
    let known = expect.status.is_empty() && (200..300).contains(&status);
    let listed = expect.status.iter().any(|s| *s == i32::from(status));
    let whole = || serde_json::from_slice::<Value>(bytes).ok().filter(|_| !cut);
    let values = expect.json.is_empty()
        || whole().is_some_and(|body| {
            expect.json.iter().all(|e| at(&body, &e.pointer).is_some_and(|found| equal(found, &e.equals)))
        });
    let text = expect.body.as_ref().is_none_or(|b| {
        let said: Vec<char> = String::from_utf8_lossy(bytes).chars().collect();
        let wanted: Vec<char> = b.chars().collect();
        wanted.is_empty() || said.windows(wanted.len()).any(|w| *w == wanted)
    });
    (known || listed) && values && text
}

/// RFC 6901, step by step.
fn at<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    let Some(rest) = pointer.strip_prefix('/') else { return pointer.is_empty().then_some(value) };
    let (first, rest) = rest.find('/').map_or((rest, ""), |i| rest.split_at(i));
    let key = first.replace("~1", "/").replace("~0", "~");
    let next = match value {
        Value::Object(map) => map.get(&key)?,
        Value::Array(list) => {
            let number = key.bytes().all(|b| b.is_ascii_digit()) && (key == "0" || !key.starts_with('0'));
            list.get(key.parse::<usize>().ok().filter(|_| number)?)?
        }
        _ => return None,
    };
    at(next, rest)
}

fn equal(a: &Value, b: &Value) -> bool {
    let whole = |v: &Value| v.as_i64().map(i128::from).or(v.as_u64().map(i128::from));
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => match (whole(a), whole(b)) {
            (Some(a), Some(b)) => a == b,
            _ => a.as_f64() == b.as_f64(),
        },
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && (0..a.len()).all(|i| equal(&a[i], &b[i])),
        (Value::Object(a), Value::Object(b)) => {
            let within = |a: &Map<String, Value>, b: &Map<String, Value>| {
                a.iter().all(|(k, v)| b.get(k).is_some_and(|w| equal(v, w)))
            };
            within(a, b) && within(b, a)
        }
        _ => a == b,
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2..3_i64).prop_map(Value::from),
        Just(json!(u64::MAX)),
        Just(json!(i64::MIN)),
        Just(json!(9_007_199_254_740_993_i64)),
        Just(json!(9_007_199_254_740_992_f64)),
        (-4..5_i8).prop_map(|n| json!(f64::from(n) / 2.0)),
        "[ab/~0é\"]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[ab/~0]{0,2}", inner, 0..3).prop_map(|m| m.into_iter().collect()),
        ]
    })
}

/// One that leads somewhere, now and then.
fn pointers() -> impl Strategy<Value = String> {
    let step = prop_oneof![
        Just("a"),
        Just("b"),
        Just("0"),
        Just("1"),
        Just("00"),
        Just("-"),
        Just("~0"),
        Just("~1"),
        Just(""),
        Just("ab"),
        Just("~"),
        Just("+1")
    ];
    let steps = prop::collection::vec(step, 0..3);
    prop_oneof![9 => steps.prop_map(|s| s.iter().map(|s| format!("/{s}")).collect()), 1 => ".{0,5}"]
}

fn expects() -> impl Strategy<Value = Expect> {
    let status = prop::collection::vec(prop_oneof![Just(200), Just(204), Just(404), any::<i32>()], 0..3);
    let json = prop::collection::vec((pointers(), values()), 0..3);
    let body = prop::option::of("[ab/~0é\"{]{0,3}");
    (status, json, body).prop_map(|(status, json, body)| Expect {
        status,
        json: json.into_iter().map(|(pointer, equals)| JsonExpect { pointer, equals }).collect(),
        body,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_pass_is_a_match(expect in expects(), status in prop_oneof![3 => Just(200_u16), 1 => any::<u16>()], body in values(), cut: bool) {
        let bytes = body.to_string().into_bytes();
        let found = judge(&expect, status, Body { bytes: &bytes, cut }).is_ok();
        prop_assert_eq!(found, right(&expect, status, &bytes, cut), "{:?} of {}", expect, body);
    }

    /// What stands in the answer is expected there: else the above would seldom come to a pass.
    #[test]
    fn what_is_there_is_found(body in values(), pointer in pointers()) {
        let bytes = body.to_string().into_bytes();
        let Some(value) = at(&body, &pointer).cloned() else { return Ok(()) };
        let there = Expect { json: vec![JsonExpect { pointer: pointer.clone(), equals: value.clone() }], ..Expect::default() };
        prop_assert!(judge(&there, 200, Body { bytes: &bytes, cut: false }).is_ok(), "{pointer:?} of {body}");
        let other = json!([value]);
        let wrong = Expect { json: vec![JsonExpect { pointer, equals: other }], ..Expect::default() };
        let found = judge(&wrong, 200, Body { bytes: &bytes, cut: false });
        prop_assert!(found.is_err());
    }

    #[test]
    fn no_answer_is_too_strange(expect in expects(), status: u16, body in values(), at in any::<prop::sample::Index>(), byte: u8, cut: bool) {
        let mut bytes = body.to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        for bytes in [&bytes[..], &bytes[..at]] {
            let found = judge(&expect, status, Body { bytes, cut }).is_ok();
            prop_assert_eq!(found, right(&expect, status, bytes, cut), "{:?} of {:?}", expect, bytes);
        }
    }
}
