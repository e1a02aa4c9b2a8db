use super::*;
use serde_json::{Value, json};

fn bounds(max: Option<&str>, min: Option<&str>) -> Bounds {
    Bounds { max: max.map(|m| m.parse().unwrap()), min: min.map(|m| m.parse().unwrap()) }
}

fn told(condition: &Bounds, status: u16, body: &Value) -> (Outcome, String) {
    judge(condition, &Fetched { status, body: body.to_string().into_bytes(), cut: false })
}

fn vector(values: &[&str]) -> Value {
    let sample = |v: &&str| json!({"metric": {"pod": "web-1", "token": "canary"}, "value": [1_790_000_000.781, v]});
    json!({
        "status": "success", "warnings": ["canary"],
        "data": {"resultType": "vector", "result": values.iter().map(sample).collect::<Vec<_>>(), "stats": {}},
    })
}

#[test]
fn every_sample_must_keep_within_the_bounds() {
    use Outcome::{Fail, NoData, Pass};
    let most = bounds(Some("0.05"), None);
    let least = bounds(None, Some("0.99"));
    let both = bounds(Some("2"), Some("-1"));
    for (condition, values, outcome, said) in [
        (&most, &["0.0123456789"][..], Pass, "0.0123457, at most 0.05 is allowed"),
        (&most, &["0.05"], Pass, "0.05, at most 0.05 is allowed"),
        (&most, &["0"], Pass, "0, at most 0.05 is allowed"),
        (&most, &["0.050000000001"], Fail, "0.050000000001, is more than 0.05"),
        (&most, &["0.01", "0.7", "0.06"], Fail, "0.7, the highest of 3, is more than 0.05"),
        (&most, &["0.01", "0.02"], Pass, "0.02, the highest of 2, at most 0.05 is allowed"),
        (&most, &["+Inf"], Fail, "+Inf, is more than 0.05"),
        (&most, &["-Inf"], Pass, "-Inf, at most 0.05 is allowed"),
        (&most, &["1e-09"], Pass, "1.00000e-9, at most 0.05 is allowed"),
        (&most, &["1e+300"], Fail, "1.00000e300, is more than 0.05"),
        (&most, &["NaN"], NoData, "no sample but NaN"),
        (&most, &["NaN", "0.06"], Fail, "0.06, is more than 0.05"),
        (&most, &[], NoData, "no sample"),
        (&least, &["0.99"], Pass, "0.99, at least 0.99 is needed"),
        (&least, &["0.991", "0.98", "1"], Fail, "0.98, the lowest of 3, is less than 0.99"),
        (&least, &["+Inf"], Pass, "+Inf, at least 0.99 is needed"),
        (
            &both,
            &["-1", "2"],
            Pass,
            "2, the highest of 2, at most 2 is allowed; -1, the lowest of 2, at least -1 is needed",
        ),
        (&both, &["-1.5"], Fail, "-1.5, is less than -1"),
        (&both, &["123456789"], Fail, "123456789, is more than 2"),
    ] {
        assert_eq!(told(condition, 200, &vector(values)), (outcome, said.to_owned()), "{values:?}");
    }
    let scalar = json!({"status": "success", "data": {"resultType": "scalar", "result": [1, "0.04"]}});
    assert_eq!(told(&most, 200, &scalar), (Pass, "0.04, at most 0.05 is allowed".to_owned()));
}

#[test]
fn what_is_no_answer_is_an_error_and_nothing_of_it_is_told() {
    let most = bounds(Some("1"), None);
    let error = |kind: &str| json!({"status": "error", "errorType": kind, "error": "canary"});
    let data = |kind: &str, result: Value| json!({"status": "success", "data": {"resultType": kind, "result": result}});
    let nothing = "status 200, but its body is not an answer of Prometheus";
    for (status, body, said) in [
        (400, error("bad_data"), "status 400 (bad_data)"),
        (422, error("execution"), "status 422 (execution)"),
        (503, json!("canary"), "status 503"),
        (302, json!({}), "status 302"),
        (401, error("canary"), "status 401"),
        (200, error("timeout"), "it could not evaluate the query (timeout)"),
        (200, error("canary"), "it could not evaluate the query"),
        (200, json!({"status": "canary"}), "it could not evaluate the query"),
        (200, json!({"status": "success"}), "its answer holds no data"),
        (200, json!({"status": "success", "data": null}), "its answer holds no data"),
        (200, json!("canary"), nothing),
        (200, data("canary", json!([])), nothing),
        (200, data("vector", json!([{"value": [1, 0.5]}])), nothing),
        (200, data("vector", json!([{"value": [1, "canary"]}])), "a sample's value is not a number"),
        (200, data("vector", json!([{"value": [1, ""]}])), "a sample's value is not a number"),
        (
            200,
            data("vector", json!([{"histogram": [1, {"count": "1"}]}])),
            "the query comes to a histogram, which cannot be compared: it needs a scalar or instant vector",
        ),
        (
            200,
            data("string", json!([1, "canary"])),
            "the query comes to a string, which cannot be compared: it needs a scalar or instant vector",
        ),
        (
            200,
            data("matrix", json!([])),
            "the query comes to a range vector, which cannot be compared: it needs a scalar or instant vector",
        ),
    ] {
        assert_eq!(told(&most, status, &body), (Outcome::Error, said.to_owned()), "{status} {body}");
    }
    let deep = "[".repeat(100_000).into_bytes();
    assert_eq!(judge(&most, &Fetched { status: 200, body: deep, cut: false }), (Outcome::Error, nothing.to_owned()));
    let (outcome, said) = judge(&most, &Fetched { status: 200, body: vec![], cut: true });
    assert_eq!(
        (outcome, said.as_str()),
        (Outcome::Error, "its answer is longer than 1 MiB: let the query aggregate, as with sum()")
    );
}

#[test]
fn the_query_stands_behind_the_prefix_and_stays_one_parameter() {
    let gate = |more: Value| -> PrometheusGate {
        let mut gate = json!({"query": "a{b=\"c&d\"} / 2 + 1 # x?y=z", "condition": {"max": "1"}, "timeout": "2s"});
        gate.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(gate).unwrap()
    };
    let service = |path: Value| {
        let mut gate = json!({"service": {"name": "prometheus", "port": 9090}});
        gate["path"] = path;
        gate
    };
    let asked = "/api/v1/query?query=a%7Bb%3D%22c%26d%22%7D+%2F+2+%2B+1+%23+x%3Fy%3Dz&timeout=2s";
    for (prefix, before) in [(Value::Null, ""), (json!("/"), ""), (json!("/a/b/"), "/a/b"), (json!("/a"), "/a")] {
        assert_eq!(path(&gate(service(prefix.clone()))).unwrap(), format!("{before}{asked}"), "{prefix}");
    }
    let url = Url::parse("https://metrics.example/prometheus/?x=y").unwrap();
    let asked_url = asking(url, &gate(json!({"url": "https://metrics.example/prometheus/"})));
    assert_eq!(asked_url.as_str(), format!("https://metrics.example/prometheus{asked}"));
}
