//! Unusual Releases that are right, and what is kept of them.

use crate::manifest::{Edit, edited};
use crate::plane::releases;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tidegate::api::{Release, ReleaseStatus};

const DIGEST: &str = "sha256:4f2c1d9000000000000000000000000000000000000000000000000000000000";
const ECS: &str = "{name: web, ecs: {region: us-gov-west-1, cluster: 'arn:aws:ecs:us-gov-west-1:123456789012:cluster/prod', \
                   service: checkout, containers: [app], roleArn: 'arn:aws:iam::123456789012:role/path/tidegate'}}";

const GOOD: &[&[Edit]] = &[
    &[],
    &[("/image/tag", "-"), ("/image/digest", DIGEST)],
    &[("/image/digest", DIGEST)],
    &[("/image/tag", "latest"), ("/image/allowMovingTag", "true")],
    &[("/image/tag", "'1.2'")],
    &[("/image/tag", "feedbee")],
    &[("/image/tag", "main-feedbeefeedbee")],
    &[("/image/repository", "registry.local:5000/a/b__c/d-e")],
    &[("/image/repository", "checkout")],
    &[("/metadata/name", "a123456789-123456789-123456789-123456789-123456789-1")],
    &[("/stages/1", "-"), ("/stages/0/promotion", "{mode: Manual}")],
    &[("/stages/0/promotion", "{mode: Manual, timeout: 720h}"), ("/stages/1/promotion", "{mode: Automatic}")],
    &[("/stages/0/name", "a-name-of-exactly-thirty-signs")],
    &[("/stages/1/healthChecks", "[]"), ("/stages/1/checks", "None")],
    &[("/stages/0/progressDeadline", "1h30m"), ("/stages/0/bake", "24h"), ("/stages/0/every", "720h")],
    &[("/stages/0/progressDeadline", "5000ms"), ("/stages/0/healthChecks/0/initialDelay", "0s")],
    &[("/stages/1/targets/0", ECS)],
    // one target is ECS, the pods of the other are asked
    &[("/stages/1/targets/0", ECS), ("/stages/1/healthChecks/0/http", "{pods: {port: 80, target: worker}}")],
    &[("/stages/0/healthChecks/0/http/pods/target", "web")],
    &[("/stages/0/healthChecks/0/http", "{url: 'http://[2606:4700::1111]:8080/a?b=c@d'}")],
    &[("/stages/0/healthChecks/0/http", "{url: 'https://10.1.2.3/a%20b?c:d'}")],
    &[("/stages/0/healthChecks/0/http", "{url: 'http://shop.example.:65535'}")],
    &[("/stages/0/healthChecks/0/http", "{url: 'https://bücher.example/'}")],
    &[("/stages/0/healthChecks/0/http", "{url: 'http://a_b.1x.example:1?q'}")],
    &[(
        "/stages/0/healthChecks/0/http/headers",
        "[{name: Accept, value: ''}, {name: x-Key, secret: {name: a.b, key: A_b.c}}]",
    )],
    &[("/stages/0/healthChecks/0/http/path", "/a/%20b?c=d&e=[f]")],
    &[(
        "/stages/0/healthChecks/0/http/expect",
        "{json: [{pointer: '', equals: {a: [1, 2.5, null]}}, {pointer: /a~0~1//0, equals: false}]}",
    )],
    &[("/stages/0/healthChecks/0/http/expect", "{json: [{pointer: /error, equals: null}]}")],
    &[("/stages/0/healthChecks/0/retry", "{attempts: 100}"), ("/stages/0/smokeTests/0/retry", "{interval: 1s}")],
    &[("/stages/0/hooks", "[{name: migrate, irreversible: true, job: {template: {spec: {anything: [1, {b: c}]}}}}]")],
    &[
        ("/stages/1/targets/0", ECS),
        (
            "/stages/1/hooks",
            "[{name: a, ecsTask: {container: app}}, \
             {name: b, ecsTask: {target: web, taskDefinition: 'migrate:3', container: app, command: [a, 'b c'], launchType: EC2}}, \
             {name: c, irreversible: true, ecsTask: {taskDefinition: 'arn:aws:ecs:eu-west-1:123456789012:task-definition/m:12', container: m, \
             networkConfiguration: {subnets: [subnet-1], securityGroups: [sg-1], assignPublicIp: true}, capacityProvider: FARGATE_SPOT}}]",
        ),
        ("/stages/1/onRollback", "[{name: undo, ecsTask: {taskDefinition: down, container: app}}]"),
    ],
    &[
        ("/stages/0/bake", "10m"),
        (
            "/stages/0/metricGates",
            "[{name: a, prometheus: {service: {name: p, namespace: monitoring, port: 9090}, path: /p/q/, query: 'up{a=\"$(TIDEGATE_TAG)\"} > $(X)', \
             condition: {min: '-1.5', max: '0'}, headers: [{name: Authorization, secret: {name: s, key: k}}]}, onNoData: Fail}, \
             {name: b, interval: 5s, prometheus: {url: 'http://10.1.2.3:9090/prometheus/', query: up, condition: {max: '1'}, timeout: 100ms}, \
             limits: {fail: {consecutive: 1}, error: {total: 1000}, noData: {}}}, \
             {name: c, cloudwatch: {region: us-gov-west-1, alarmNames: ['a b/c'], roleArn: 'arn:aws:iam::123456789012:role/r', externalId: abc}}]",
        ),
    ],
    &[(
        "/stages/0/performanceChecks",
        "[{name: load, http: {url: 'https://a.example', requests: 1000}, thresholds: {p95: {max: 1s, maxIncrease: 20%}, errorRate: {max: 0.5%}}}]",
    )],
    &[
        ("/stages/0/healthChecks/0", "{name: port, tcp: {pods: {port: 5432}, timeout: 100ms}, initialDelay: 1s}"),
        (
            "/stages/0/smokeTests/0",
            "{name: port-again, tcp: {service: {name: checkout, namespace: shop-staging, port: 80}}}",
        ),
        (
            "/stages/1/healthChecks/0",
            "{name: grpc, grpc: {pods: {port: 9090, target: web}, serviceName: shop.v1.Items}, retry: {attempts: 3}}",
        ),
    ],
    &[(
        "/stages/0/smokeTests/0",
        "{name: g, grpc: {service: {name: checkout, port: 9090}, timeout: 60s}, retry: {attempts: 2}}",
    )],
    &[(
        "/stages/0/performanceChecks",
        "[{name: load, http: {url: 'https://a.example', requests: 3000, rate: 10, concurrency: 50, warmUp: 1000}, thresholds: {p99: {max: 60s}, throughput: {min: 500}}}]",
    )],
    &[(
        "/stages/0/performanceChecks",
        "[{name: load, http: {pods: {port: 80}, duration: 5m, rate: 500}, thresholds: {p99: {maxIncrease: 0.25%}, errorRate: {max: 0%}}}]",
    )],
    &[(
        "/stages/0/performanceChecks",
        "[{name: load, http: {pods: {port: 80}, requests: 1}, thresholds: {p50: {max: 1ms}}}, {name: more, http: {pods: {port: 80}}, thresholds: {p99: {max: 1m}}}]",
    )],
];

#[tokio::test]
async fn what_is_right_is_kept_as_it_was_written() {
    let api = releases("accepted").await;
    for edits in GOOD {
        let manifest = edited(edits);
        let name = manifest["metadata"]["name"].as_str().unwrap();
        let served = api.patch(name, &PatchParams::apply("kubectl").force(), &Patch::Apply(&manifest)).await;
        let served = served.unwrap_or_else(|e| panic!("{edits:?}: {e}"));
        // The API server's defaults and the controller's are the same, and nothing was cut off.
        let read: Release = serde_json::from_value(manifest).unwrap();
        assert_eq!(served.spec, read.spec, "{edits:?}");
    }
}

#[tokio::test]
async fn eight_stages_of_eight_targets_fit() {
    let api = releases("accepted-large").await;
    let mut release = edited(&[]);
    let target = |n: usize| json!({"name": format!("t{n}"), "kubernetes": {"kind": "Deployment", "name": "a", "containers": ["b"]}});
    let check =
        |kind: &str, n: usize| json!({"name": format!("{kind}{n}"), "http": {"pods": {"port": 80, "target": "t7"}}});
    let stage = |n: usize| {
        json!({
            "name": format!("s{n}"),
            "targets": (0..8).map(target).collect::<Vec<_>>(),
            "healthChecks": (0..16).map(|n| check("h", n)).collect::<Vec<_>>(),
            "smokeTests": (0..16).map(|n| check("s", n)).collect::<Vec<_>>(),
        })
    };
    release["spec"]["stages"] = (0..8).map(stage).collect();
    api.patch("checkout", &PatchParams::apply("kubectl"), &Patch::Apply(&release)).await.unwrap();
    release["spec"]["stages"] = (0..9).map(stage).collect();
    let said = api.patch("checkout", &PatchParams::apply("kubectl"), &Patch::Apply(&release)).await.unwrap_err();
    assert!(said.to_string().contains("spec.stages: Too many: 9: must have at most 8 items"), "{said}");
}

#[tokio::test]
async fn a_release_that_nobody_saw_yet_does_not_look_finished() {
    let api = releases("accepted-unseen").await;
    let served = api.patch("checkout", &PatchParams::apply("kubectl"), &Patch::Apply(edited(&[]))).await.unwrap();
    assert_eq!(served.status, Some(ReleaseStatus::default()));
    assert_eq!(served.status.unwrap().observed_generation, -1);
    assert_eq!(served.metadata.generation, Some(1));
}

#[tokio::test]
async fn stages_stand_in_the_order_of_the_last_apply() {
    let api = releases("accepted-order").await;
    let stage = |name: &str| {
        let mut stage = edited(&[])["spec"]["stages"][0].take();
        stage["name"] = json!(name);
        stage
    };
    for order in
        [&["a", "b"][..], &["a", "new", "b"], &["b", "a"], &["first", "b", "a", "last"], &["last", "a", "b", "first"]]
    {
        let mut release = edited(&[]);
        release["spec"]["stages"] = order.iter().map(|name| stage(name)).collect();
        let served = api.patch("checkout", &PatchParams::apply("kubectl"), &Patch::Apply(&release)).await.unwrap();
        assert_eq!(served.spec.stages.iter().map(|stage| &*stage.name).collect::<Vec<_>>(), order);
    }
}
