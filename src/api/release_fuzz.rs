//! Whatever is applied as a Release: it is read back as what it was, or refused with the reason, and nothing panics.

use super::{Release, places};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

const EXAMPLES: [&str; 6] = [
    include_str!("../../examples/smallest.yaml"),
    include_str!("../../examples/staging-to-production.yaml"),
    include_str!("../../examples/everything.yaml"),
    include_str!("../../examples/metric-gates.yaml"),
    include_str!("../../examples/migration.yaml"),
    include_str!("../../examples/ecs/mixed.yaml"),
];

fn examples() -> Vec<Value> {
    let documents = EXAMPLES.iter().flat_map(|text| text.split("\n---"));
    let all = documents.filter_map(|text| serde_saphyr::from_str::<Value>(text).ok());
    all.filter(|v| v["kind"] == "Release").collect()
}

/// `None`: it is left out.
fn others() -> impl Strategy<Value = Option<Value>> {
    let texts = [
        "",
        "90s",
        "-5s",
        "721h",
        "1e9h",
        "100%",
        "101%",
        "0.1.2",
        "sha256:00",
        "http://[::1",
        "a\u{0}b",
        "é",
        "Manual",
    ];
    prop_oneof![
        2 => Just(None),
        1 => Just(Some(Value::Null)),
        1 => prop_oneof![Just(json!({})), Just(json!([])), Just(json!([null])), Just(json!({"a": {}}))].prop_map(Some),
        2 => prop_oneof![any::<i64>().prop_map(Value::from), any::<f64>().prop_map(Value::from), Just(json!(u64::MAX))].prop_map(Some),
        1 => any::<bool>().prop_map(|b| Some(b.into())),
        2 => (0..texts.len()).prop_map(move |i| Some(texts[i].into())),
        2 => ".{0,12}".prop_map(|t| Some(t.into())),
        1 => Just(Some("x".repeat(100_000).into())),
    ]
}

fn change(release: &mut Value, at: Index, to: Option<Value>) {
    let all = places::all(release);
    let place: &String = at.get(&all);
    match to {
        Some(to) => *release.pointer_mut(place).unwrap() = to,
        None if place.is_empty() => *release = Value::Null,
        None => places::remove(release, place),
    }
}

/// It is the same after it was written and read; or the refusal names what is wrong: a field, or what was expected.
/// (The API server refuses it before, by the schema, with the path of the field.)
fn holds(found: Result<Release, String>) -> Result<(), TestCaseError> {
    match found {
        Ok(release) => {
            let json = serde_json::to_value(&release).unwrap();
            let again: Release =
                serde_json::from_value(json.clone()).map_err(|e| TestCaseError::fail(format!("{e}: {json}")))?;
            prop_assert_eq!(&again, &release);
            prop_assert_eq!(serde_json::to_value(&again).unwrap(), json);
        }
        Err(why) => {
            let named = [
                "field `",
                "expected",
                "unknown variant",
                " is not ",
                "no variant of enum",
                "must ",
                "needs ",
                "invalid",
            ];
            prop_assert!(named.iter().any(|n| why.contains(n)), "{why}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_release_that_was_tampered_with_is_read_or_refused(
        which in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), others()), 1..4),
    ) {
        let all = examples();
        let mut release: Value = which.get::<Value>(&all).clone();
        changes.into_iter().for_each(|(at, to)| change(&mut release, at, to));
        holds(serde_json::from_value(release.clone()).map_err(|e| e.to_string()))?;
        // Other bytes, the same meaning.
        let text = release.to_string();
        let (value, bytes) = (serde_json::from_value::<Release>(release), serde_json::from_str::<Release>(&text));
        prop_assert_eq!(value.is_ok(), bytes.is_ok());
    }

    #[test]
    fn text_that_was_tampered_with_is_read_or_refused(which in 0..EXAMPLES.len(), at in any::<Index>(), with in ".{0,3}", cut: bool) {
        let text: Vec<char> = EXAMPLES[which].chars().collect();
        let at = at.index(text.len());
        let mut changed: String = text[..at].iter().collect();
        changed.push_str(&with);
        if !cut {
            changed.extend(&text[(at + 1).min(text.len())..]);
        }
        // Whether it is a Release or another object of the example: nothing panics.
        let _ = serde_saphyr::from_str::<Release>(&changed);
    }
}

#[test]
fn the_examples_are_read() {
    let all = examples();
    assert!(all.len() >= 6);
    for release in all {
        holds(serde_json::from_value(release.clone()).map_err(|e| panic!("{e}"))).unwrap();
    }
}
