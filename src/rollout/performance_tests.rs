use super::*;
use serde_json::{Value, json};

fn check(thresholds: Value) -> PerformanceCheck {
    serde_json::from_value(json!({
        "name": "load", "http": {"pods": {"port": 80}, "requests": 200}, "thresholds": thresholds,
    }))
    .unwrap()
}

/// 200 requests in 10 s, with these percentiles in milliseconds.
fn found(failed: i32, ms: [i64; 4]) -> Measured {
    let at = |rank: i32, ms: i64| (200 - failed >= rank).then_some(ms * 1000);
    let [p50, p90, p95, p99] = ms;
    Measured {
        requests: 200,
        failed,
        took_millis: 10_000,
        p50: at(100, p50),
        p90: at(180, p90),
        p95: at(190, p95),
        p99: at(198, p99),
    }
}

fn table(old: Old, rows: &[(Value, Measured, Outcome, &str)]) {
    for (thresholds, found, outcome, message) in rows {
        let said = judge(&check(thresholds.clone()), found, old, "so it went");
        assert_eq!(said, (*outcome, format!("{message}; so it went")), "{thresholds}");
    }
}

#[test]
fn absolute_limits() {
    let quick = || found(0, [20, 100, 300, 900]);
    let unknown = Old::Unknown("nobody looked");
    table(
        unknown,
        &[
            (json!({"p95": {"max": "300ms"}}), quick(), Outcome::Pass, "p95 300ms"),
            (json!({"p95": {"max": "299ms"}}), quick(), Outcome::Fail, "p95 is 300ms, more than 299ms"),
            (
                json!({"p50": {"max": "10ms"}, "p90": {"max": "1s"}, "p99": {"max": "500ms"}}),
                quick(),
                Outcome::Fail,
                "p50 is 20ms, more than 10ms, p99 is 900ms, more than 500ms",
            ),
            (json!({"errorRate": {"max": "1%"}}), found(2, [20, 100, 300, 900]), Outcome::Pass, "errorRate 1%"),
            (
                json!({"errorRate": {"max": "1%"}}),
                found(3, [20, 100, 300, 900]),
                Outcome::Fail,
                "errorRate is 1.5%, more than 1%",
            ),
            (json!({"errorRate": {"max": "0%"}}), quick(), Outcome::Pass, "errorRate 0%"),
            (json!({"throughput": {"min": 20}}), quick(), Outcome::Pass, "throughput 20.0/s"),
            (
                json!({"throughput": {"min": 20}}),
                found(2, [1, 1, 1, 1]),
                Outcome::Fail,
                "throughput is 19.8/s, less than 20/s",
            ),
        ],
    );
}

#[test]
fn wrong_answers_are_no_quick_answers() {
    let row = |failed, outcome, message| (json!({"p95": {"max": "1s"}}), found(failed, [1, 1, 1, 1]), outcome, message);
    table(
        Old::Same,
        &[
            row(10, Outcome::Pass, "p95 1.0ms"),
            row(11, Outcome::Fail, "p95 has no value, since 5.5% of the requests got no right answer"),
            row(200, Outcome::Fail, "p95 has no value, since 100% of the requests got no right answer"),
        ],
    );
}

#[test]
fn limits_that_compare_with_the_old_version() {
    let old = found(2, [10, 100, 200, 300]);
    let relative = || json!({"p95": {"maxIncrease": "20%"}});
    let errors = || json!({"errorRate": {"maxIncrease": "50%"}});
    let slow = |p95| found(0, [10, 100, p95, 900]);
    let rows = [
        (relative(), slow(240), Outcome::Pass, "p95 240ms"),
        (relative(), slow(100), Outcome::Pass, "p95 100ms"),
        (
            relative(),
            slow(250),
            Outcome::Fail,
            "p95 is 250ms, 25% more than the 200ms of the old version, and 20% is allowed",
        ),
        (errors(), found(3, [1, 1, 1, 1]), Outcome::Pass, "errorRate 1.5%"),
        (
            errors(),
            found(4, [1, 1, 1, 1]),
            Outcome::Fail,
            "errorRate is 2%, 100% more than the 1% of the old version, and 50% is allowed",
        ),
        (json!({"p95": {"max": "1s", "maxIncrease": "10%"}}), slow(1500), Outcome::Fail, "p95 is 1500ms, more than 1s"),
    ];
    table(Old::Measured(&old), &rows);
    let nothing = rows.iter().filter(|r| r.3.contains("old version"));
    for (thresholds, found, ..) in nothing {
        assert_eq!(judge(&check(thresholds.clone()), found, Old::Same, "").0, Outcome::Pass, "{thresholds}");
        let (outcome, said) = judge(&check(thresholds.clone()), found, Old::Unknown("it was away"), "so it went");
        assert_eq!(outcome, Outcome::NoData);
        assert!(said.ends_with("cannot be compared with the old version: it was away; so it went"), "{said}");
    }
}

#[test]
fn what_is_broken_counts_more_than_what_is_unknown() {
    let both = check(json!({"p50": {"max": "1ms"}, "p95": {"maxIncrease": "1%"}}));
    assert_eq!(judge(&both, &found(0, [2, 2, 2, 2]), Old::Unknown("x"), "").0, Outcome::Fail);
    assert_eq!(judge(&both, &found(0, [1, 2, 2, 2]), Old::Unknown("x"), "").0, Outcome::NoData);
}

#[test]
fn noise_is_no_increase() {
    let micros = |p95| Measured { p95: Some(p95), ..found(0, [1, 1, 1, 1]) };
    let old = micros(800);
    let limit = check(json!({"p95": {"maxIncrease": "0%"}}));
    assert_eq!(judge(&limit, &micros(1800), Old::Measured(&old), "").0, Outcome::Pass);
    assert_eq!(judge(&limit, &micros(1801), Old::Measured(&old), "").0, Outcome::Fail);
}

#[test]
fn too_few_requests_say_nothing() {
    for (name, least) in [("p50", 2), ("p90", 10), ("p95", 20), ("p99", 100), ("errorRate", 1)] {
        let max = if name == "errorRate" { "1%" } else { "1s" };
        let limit = check(json!({name: {"max": max}}));
        let some = |requests| Measured { requests, ..found(0, [1, 1, 1, 1]) };
        assert_eq!(judge(&limit, &some(least), Old::Same, "").0, Outcome::Pass, "{name}");
        let (outcome, said) = judge(&limit, &some(least - 1), Old::Same, "");
        assert_eq!(outcome, Outcome::NoData);
        assert_eq!(said, format!("{name} needs at least {least} requests, and {} count;", least - 1));
    }
}

#[test]
fn an_old_version_that_does_not_answer_is_nothing_to_compare_with() {
    let limit = check(json!({"p50": {"max": "1ms"}, "p95": {"maxIncrease": "20%"}}));
    assert_eq!(incomparable(&limit, &found(0, [9, 9, 9, 9])), None, "a broken absolute limit is not its business");
    let said = incomparable(&limit, &found(20, [9, 9, 9, 9])).unwrap();
    assert_eq!(said, "p95 has no value, since 10% of the requests got no right answer");
    let few = Measured { requests: 19, ..found(0, [1, 1, 1, 1]) };
    assert_eq!(incomparable(&limit, &few).unwrap(), "p95 needs at least 20 requests, and 19 count");
    let errors = check(json!({"errorRate": {"maxIncrease": "20%"}}));
    assert_eq!(incomparable(&errors, &found(200, [9, 9, 9, 9])), None);
}
