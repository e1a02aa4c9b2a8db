use super::*;
use proptest::prelude::*;
use serde_json::json;

fn equal(found: &str, wanted: &Value) -> bool {
    let expect = Expect {
        json: vec![crate::api::spec::JsonExpect { pointer: String::new(), equals: wanted.clone() }],
        ..Expect::default()
    };
    judge(&expect, 200, Body { bytes: found.as_bytes(), cut: false }).is_ok()
}

#[test]
fn numbers_are_equal_by_value() {
    for (found, wanted, is) in [
        ("1", json!(1.0), true),
        ("1.0", json!(1), true),
        ("1e2", json!(100), true),
        ("-0.0", json!(0), true),
        ("9007199254740993", json!(9_007_199_254_740_992_i64), false),
        ("18446744073709551615", json!(u64::MAX), true),
        ("-1", json!(u64::MAX), false),
        ("1", json!("1"), false),
        ("1", json!(true), false),
        ("null", json!(null), true),
        ("null", json!(false), false),
        ("[1,2]", json!([1.0, 2]), true),
        ("[2,1]", json!([1, 2]), false),
        ("[1]", json!([1, 1]), false),
        (r#"{"b":1,"a":{"c":[2.0]}}"#, json!({"a": {"c": [2]}, "b": 1}), true),
        (r#"{"a":1,"b":2}"#, json!({"a": 1}), false),
        (r#"{"a":1}"#, json!({"b": 1}), false),
        (r#""Healthy""#, json!("healthy"), false),
    ] {
        assert_eq!(equal(found, &wanted), is, "{found} {wanted}");
    }
}

#[test]
fn pointers_follow_their_escapes() {
    let body = Body { bytes: br#"{"a/b":{"~":[{"":7}]}}"#, cut: false };
    let at = |pointer: &str| {
        let json = vec![crate::api::spec::JsonExpect { pointer: pointer.into(), equals: json!(7) }];
        judge(&Expect { json, ..Expect::default() }, 200, body)
    };
    assert_eq!(at("/a~1b/~0/0/"), Ok(()));
    for bad in ["a", "/a", "/a~1b/~0/1/", "/a~1b/~0/-/", "/a~1b/~0/00/"] {
        assert!(at(bad).unwrap_err().contains("nothing at"), "{bad}");
    }
}

#[test]
fn deep_bodies_are_refused_and_do_not_overflow() {
    let deep = "[".repeat(60_000);
    assert!(!equal(&deep, &json!([])));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
        "[a-c]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]{0,2}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_served_as_wanted_is_equal(value in any_json()) {
        prop_assert!(same(&value, &value));
        prop_assert!(equal(&value.to_string(), &value));
    }

    /// Where no whole number meets a fraction, this is plain equality.
    #[test]
    fn equality_is_symmetric_and_no_weaker_than_plain(a in any_json(), b in any_json()) {
        prop_assert_eq!(same(&a, &b), same(&b, &a));
        prop_assert!(a != b || same(&a, &b));
    }

    #[test]
    fn only_listed_statuses_are_accepted(status in 100..600_u16, list in prop::collection::vec(100..600_i32, 0..5)) {
        let expect = Expect { status: list.clone(), ..Expect::default() };
        let is = if list.is_empty() { status / 100 == 2 } else { list.contains(&i32::from(status)) };
        prop_assert_eq!(judge(&expect, status, Body::default()).is_ok(), is);
    }

    /// Whatever a body holds, none of it is repeated.
    #[test]
    fn messages_never_repeat_the_body(body in "[A-Z]{12,40}", json: bool) {
        let text = if json { json!({"status": body.clone()}).to_string() } else { body.clone() };
        let pointer = vec![crate::api::spec::JsonExpect { pointer: "/status".into(), equals: json!("ok") }];
        for expect in [Expect { json: pointer, ..Expect::default() }, Expect { body: Some("ok".into()), ..Expect::default() }] {
            let message = judge(&expect, 200, Body { bytes: text.as_bytes(), cut: false }).unwrap_err();
            prop_assert!(!message.contains(&body));
        }
    }
}
