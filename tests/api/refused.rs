//! Bad Releases and the one complaint that each is answered with.

use crate::manifest::{Edit, edited};
use crate::plane::raw_releases;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::Request;
use serde_json::Value;

/// Edits of a good Release, the field that is complained of, the sentence.
type Bad<'a> = (&'a [Edit<'a>], &'a str, &'a str);

const LABEL: &str =
    "must be a DNS label: lower-case letters, digits and -, beginning and ending with a letter or digit";

const NO_ECS_TARGET: &str =
    "an ecsTask runs beside an ECS target of its stage: add one, name one by ecsTask.target, or use job";

#[rustfmt::skip]
const BAD: &[Bad] = &[
    // the object
    (&[("/metadata/name", "a123456789-123456789-123456789-123456789-123456789-123")], "<nil>", "metadata.name must have at most 52 characters: other names are made from it"),
    (&[("/stagez", "[]")], "", "unknown field \"spec.stagez\""),
    (&[("/stages/0/healthCheck", "[]")], "", "unknown field \"spec.stages[0].healthCheck\""),
    (&[("/historyLimit", "11")], "spec.historyLimit", "spec.historyLimit in body should be less than or equal to 10"),
    // image
    (&[("/image/tag", "-")], "spec.image", "image needs a tag, a digest, or both"),
    (&[("/image/tag", "latest")], "spec.image", MOVING),
    (&[("/image/tag", "main")], "spec.image", MOVING),
    (&[("/image/tag", "release-candidate")], "spec.image", MOVING),
    (&[("/image/tag", "-sha-1")], "spec.image.tag", "tag may have only letters, digits, _, . and -, and must not begin with . or -"),
    (&[("/image/tag", "1234567")], "spec.image.tag", "spec.image.tag in body must be of type string: \"integer\""),
    (&[("/image/repository", "-")], "spec.image.repository", "Required value"),
    (&[("/image/repository", "ghcr.io/acme/checkout:sha-1")], "spec.image.repository", REPOSITORY),
    (&[("/image/repository", "https://ghcr.io/acme/checkout")], "spec.image.repository", REPOSITORY),
    (&[("/image/repository", "ghcr.io/Acme/checkout")], "spec.image.repository", REPOSITORY),
    (&[("/image/digest", "sha256:4f2c1d9")], "spec.image.digest", "digest must be sha256: and 64 lower-case hex digits"),
    (&[("/image/resolve", "Always")], "spec.image.resolve", "Unsupported value: \"Always\": supported values: \"Never\", \"Registry\""),
    (&[("/image/pullSecret", "pull")], "spec.image", "image.pullSecret is for asking the registry: add resolve: Registry, or remove it"),
    (&[("/image/resolve", "Registry"), ("/image/pullSecret", "Pull_Secret")], "spec.image.pullSecret", "must be the name of an object: lower-case letters, digits, - and ., beginning and ending with a letter or digit"),
    (&[("/stages/0/targets/0/repository", "ghcr.io/acme/checkout@sha256:1")], "spec.stages[0].targets[0].repository", REPOSITORY),
    // stages
    (&[("/stages", "[]")], "spec.stages", "spec.stages in body should have at least 1 items"),
    (&[("/stages/1", "-")], "spec.stages", "a Release with one stage must say how it is entered: add promotion: {mode: Manual} or promotion: {mode: Automatic} to the stage"),
    (&[("/stages/1/name", "staging")], "spec.stages[1]", "Duplicate value: {\"name\":\"staging\"}"),
    (&[("/stages/0/name", "Staging")], "spec.stages[0].name", LABEL),
    (&[("/stages/0/name", "a-name-of-thirty-one-characters")], "spec.stages[0].name", "Too long: may not be more than 30 bytes"),
    (&[("/stages/0/name", "''")], "spec.stages[0].name", LABEL),
    (&[("/stages/1/promotion", "{timeout: 1h}")], "spec.stages[1].promotion.mode", "Required value"),
    (&[("/stages/1/promotion", "{mode: Auto}")], "spec.stages[1].promotion.mode", "Unsupported value: \"Auto\": supported values: \"Automatic\", \"Manual\""),
    (&[("/stages/1/promotion", "{mode: Manual, timeout: 31d}")], "spec.stages[1].promotion.timeout", "must be a duration from 1s to 720h, such as 24h"),
    (&[("/stages/0/progressDeadline", "1s")], "spec.stages[0].progressDeadline", "must be a duration from 5s to 24h, such as 10m"),
    (&[("/stages/0/progressDeadline", "ten minutes")], "spec.stages[0].progressDeadline", "must be a duration from 5s to 24h, such as 10m"),
    (&[("/stages/0/progressDeadline", "600")], "spec.stages[0].progressDeadline", "spec.stages[0].progressDeadline in body must be of type string: \"integer\""),
    (&[("/stages/0/bake", "25h")], "spec.stages[0].bake", "must be a duration from 1s to 24h, such as 10m"),
    (&[("/stages/0/every", "5s")], "spec.stages[0].every", "must be a duration from 10s to 720h, such as 4h"),
    (&[("/stages/0/smokeTests", "-"), ("/stages/0/every", "4h")], "spec.stages[0]", "every asks the smoke tests again at rest, and there are none: add smokeTests, or remove every"),
    (&[("/stages/0/rollback", "{mode: Sometimes}")], "spec.stages[0].rollback.mode", "Unsupported value: \"Sometimes\": supported values: \"Automatic\", \"Manual\", \"Never\""),
    (&[("/stages/0/readiness", "{maxAge: 1s}")], "spec.stages[0].readiness.maxAge", "must be a duration from 1m to 720h, such as 24h"),
    (&[("/stages/0/readiness", "{threshold: 101}")], "spec.stages[0].readiness.threshold", "spec.stages[0].readiness.threshold in body should be less than or equal to 100"),
    (&[("/stages/0/readiness", "{weights: {ci: 0, coverage: 0, security: 0, quality: 0}}")], "spec.stages[0].readiness.weights", "weights must not all be 0: a score of nothing says nothing"),
    (&[("/stages/0/readiness", "{configMap: {name: Evidence}}")], "spec.stages[0].readiness.configMap.name", "must be the name of an object: lower-case letters, digits, - and ., beginning and ending with a letter or digit"),
    // health checks, or none on purpose
    (&[("/stages/0/healthChecks", "-")], "spec.stages[0]", "a stage needs at least one entry in healthChecks, or checks: None to be verified by availability alone"),
    (&[("/stages/0/healthChecks", "[]")], "spec.stages[0]", "a stage needs at least one entry in healthChecks, or checks: None to be verified by availability alone"),
    (&[("/stages/1/checks", "None")], "spec.stages[1]", "checks: None contradicts the checks listed beside it: remove one of the two"),
    (&[("/stages/0/healthChecks", "-"), ("/stages/0/checks", "None")], "spec.stages[0]", "checks: None contradicts the checks listed beside it: remove one of the two"),
    (&[("/stages/1/healthChecks", "-"), ("/stages/1/checks", "None"), ("/stages/1/bake", "1m")], "spec.stages[1]", "bake asks the health checks again, and checks: None says that there are none: remove one of the two"),
    (&[("/stages/0/checks", "Few")], "spec.stages[0].checks", "Unsupported value: \"Few\": supported values: \"None\""),
    // targets
    (&[("/stages/0/targets", "[]")], "spec.stages[0].targets", "spec.stages[0].targets in body should have at least 1 items"),
    (&[("/stages/0/targets/0/kubernetes", "-")], "spec.stages[0].targets[0]", "a target needs exactly one of kubernetes and ecs"),
    (&[("/stages/0/targets/0/ecs", ECS)], "spec.stages[0].targets[0]", "a target needs exactly one of kubernetes and ecs"),
    (&[("/stages/1/targets/1/name", "web")], "spec.stages[1].targets[1]", "Duplicate value: {\"name\":\"web\"}"),
    (&[("/stages/0/targets/0/name", "web.1")], "spec.stages[0].targets[0].name", LABEL),
    (&[("/stages/0/targets/0/kubernetes/kind", "Pod")], "spec.stages[0].targets[0].kubernetes.kind", "Unsupported value: \"Pod\": supported values: \"Deployment\", \"StatefulSet\", \"DaemonSet\""),
    (&[("/stages/0/targets/0/kubernetes/containers", "-")], "spec.stages[0].targets[0].kubernetes.containers", "Required value"),
    (&[("/stages/0/targets/0/kubernetes/containers", "[app, app]")], "spec.stages[0].targets[0].kubernetes.containers[1]", "Duplicate value: \"app\""),
    (&[("/stages/0/targets/0/kubernetes/namespace", "Shop")], "spec.stages[0].targets[0].kubernetes.namespace", LABEL),
    (&[("/stages/0/targets/0/kubernetes/name", "checkout_web")], "spec.stages[0].targets[0].kubernetes.name", "must be the name of an object: lower-case letters, digits, - and ., beginning and ending with a letter or digit"),
    (&[("/stages/1/targets/0", "{name: web, ecs: {region: Ireland, cluster: prod, service: checkout, containers: [app]}}")], "spec.stages[1].targets[0].ecs.region", "region must be an AWS region such as eu-west-1"),
    (&[("/stages/1/targets/0", "{name: web, ecs: {region: eu-west-1, cluster: prod, service: checkout, containers: [app], roleArn: 'arn:aws:iam::1:user/me'}}")], "spec.stages[1].targets[0].ecs.roleArn", "roleArn must be the ARN of an IAM role, such as arn:aws:iam::123456789012:role/tidegate"),
    (&[("/stages/1/targets/0", "{name: web, ecs: {region: eu-west-1, cluster: 'a cluster', service: checkout, containers: [app]}}")], "spec.stages[1].targets[0].ecs.cluster", "cluster must be the name or the ARN of an ECS cluster"),
    (&[("/stages/1/targets/0", "{name: web, ecs: {region: eu-west-1, cluster: prod, service: 'a/b', containers: [app]}}")], "spec.stages[1].targets[0].ecs.service", "must be a name of letters, digits, - and _"),
    (&[("/stages/0/healthChecks/0", "{name: a, job: {fromJob: {name: a}}}")], "", "unknown field \"spec.stages[0].healthChecks[0].job\""),
    (&[("/stages/0/smokeTests/0", "{name: a, job: {timeout: 2h, fromJob: {name: a}}}")], "spec.stages[0].smokeTests[0].job.timeout", "must be a duration from 1s to 1h, such as 5m"),
    (&[("/stages/0/smokeTests/0", "{name: a, job: {}}")], "spec.stages[0].smokeTests[0].job", "job needs exactly one of fromCronJob, fromJob and template"),
    // hooks
    (&[("/stages/0/hooks", "[{name: migrate}]")], "spec.stages[0].hooks[0]", "a hook needs exactly one of job and ecsTask"),
    (&[("/stages/0/hooks", "[{name: migrate, job: {}}]")], "spec.stages[0].hooks[0].job", "job needs exactly one of fromCronJob, fromJob and template"),
    (&[("/stages/0/hooks", "[{name: migrate, job: {fromJob: {name: a}, template: {}}}]")], "spec.stages[0].hooks[0].job", "job needs exactly one of fromCronJob, fromJob and template"),
    (&[("/stages/0/onRollback", "[{name: undo, irreversible: true, job: {fromJob: {name: a}}}]")], "spec.stages[0].onRollback", "what undoes something cannot be irreversible itself: remove irreversible"),
    (&[("/stages/0/onRollback", "[{name: undo}]")], "spec.stages[0].onRollback[0]", "a hook needs exactly one of job and ecsTask"),
    (&[("/stages/0/hooks", "[{name: migrate, timeout: 2d, job: {fromJob: {name: a}}}]")], "spec.stages[0].hooks[0].timeout", "must be a duration from 1s to 24h, such as 15m"),
    (&[("/stages/0/hooks", "[{name: migrate, ecsTask: {container: app}}]")], "spec.stages[0].hooks", NO_ECS_TARGET),
    (&[("/stages/0/onRollback", "[{name: migrate, ecsTask: {container: app}}]")], "spec.stages[0].onRollback", NO_ECS_TARGET),
    (&[("/stages/1/targets/0", ECS_TARGET), ("/stages/1/hooks", "[{name: migrate, ecsTask: {container: app, target: worker}}]")], "spec.stages[1].hooks", NO_ECS_TARGET),
    (&[("/stages/1/targets/0", ECS_TARGET), ("/stages/1/hooks", "[{name: migrate, ecsTask: {taskDefinition: m}}]")], "spec.stages[1].hooks[0].ecsTask.container", "Required value"),
    (&[("/stages/1/targets/0", ECS_TARGET), ("/stages/1/hooks", "[{name: migrate, ecsTask: {container: app, taskDefinition: 'a b'}}]")], "spec.stages[1].hooks[0].ecsTask.taskDefinition", "taskDefinition must be a family, family:revision or the ARN of a task definition"),
    (&[("/stages/1/targets/0", ECS_TARGET), ("/stages/1/hooks", "[{name: migrate, ecsTask: {container: app, launchType: EC2, capacityProvider: a}}]")], "spec.stages[1].hooks[0].ecsTask", "a task has a launchType or a capacityProvider: remove one of the two"),
    (&[("/stages/1/targets/0", ECS_TARGET), ("/stages/1/hooks", "[{name: migrate, ecsTask: {container: app, networkConfiguration: {}}}]")], "spec.stages[1].hooks[0].ecsTask.networkConfiguration.subnets", "Required value"),
    // whom checks ask
    (&[("/stages/0/healthChecks/0/http", "{path: /health}")], "spec.stages[0].healthChecks[0].http", ONE_PROBE),
    (&[("/stages/0/healthChecks/0/http", "{pods: {port: 80}, service: {name: a, port: 80}}")], "spec.stages[0].healthChecks[0].http", ONE_PROBE),
    (&[("/stages/0/smokeTests/0/http/pods", "{port: 80}")], "spec.stages[0].smokeTests[0].http", ONE_PROBE),
    (&[("/stages/1/healthChecks/0/http", "{pods: {port: 80}}")], "spec.stages[1].healthChecks", "http.pods needs a target where the stage has several: say whose pods are asked"),
    (&[("/stages/1/healthChecks/0/http", "{pods: {port: 80, target: api}}")], "spec.stages[1].healthChecks", "http.pods.target names no target of this stage"),
    (&[("/stages/0/smokeTests/0/http", "{pods: {port: 80, target: api}}")], "spec.stages[0].smokeTests", "http.pods.target names no target of this stage"),
    (&[("/stages/0/targets/0", ECS_TARGET)], "spec.stages[0].healthChecks", "http.pods asks pods, and an ECS service has none: use http with a url"),
    (&[("/stages/1/targets/0", ECS_TARGET), ("/stages/1/healthChecks/0/http", "{pods: {port: 80, target: web}}")], "spec.stages[1].healthChecks", "http.pods asks pods, and an ECS service has none: use http with a url"),
    (&[("/stages/0/healthChecks/0/http", "-")], "spec.stages[0].healthChecks[0]", ONE_FORM),
    (&[("/stages/0/healthChecks/0/tcp", "{pods: {port: 80}}")], "spec.stages[0].healthChecks[0]", ONE_FORM),
    (&[("/stages/0/smokeTests/0/grpc", "{pods: {port: 80}}")], "spec.stages[0].smokeTests[0]", "a smoke test needs exactly one of http, tcp, grpc and job"),
    (&[("/stages/0/healthChecks/0", "{name: a, tcp: {}}")], "spec.stages[0].healthChecks[0].tcp", "tcp needs exactly one of pods and service"),
    (&[("/stages/0/smokeTests/0", "{name: a, grpc: {pods: {port: 80}, service: {name: a, port: 80}}}")], "spec.stages[0].smokeTests[0].grpc", "grpc needs exactly one of pods and service"),
    (&[("/stages/0/healthChecks/0", "{name: a, tcp: {pods: {port: 80}, timeout: 2m}}")], "spec.stages[0].healthChecks[0].tcp.timeout", "must be a duration from 100ms to 60s, such as 5s"),
    (&[("/stages/0/healthChecks/0", "{name: a, tcp: {pods: {port: 65536}}}")], "spec.stages[0].healthChecks[0].tcp.pods.port", "spec.stages[0].healthChecks[0].tcp.pods.port in body should be less than or equal to 65535"),
    (&[("/stages/0/healthChecks/0", "{name: a, tcp: {service: {name: A, port: 80}}}")], "spec.stages[0].healthChecks[0].tcp.service.name", LABEL),
    (&[("/stages/0/healthChecks/0", "{name: a, grpc: {pods: {port: 80}, serviceName: 'a b'}}")], "spec.stages[0].healthChecks[0].grpc.serviceName", "serviceName must be the name of a gRPC service such as shop.v1.Items, or left out for the whole server"),
    (&[("/stages/1/healthChecks/0", "{name: a, tcp: {pods: {port: 80}}}")], "spec.stages[1].healthChecks", "tcp.pods needs a target where the stage has several: say whose pods are asked"),
    (&[("/stages/1/healthChecks/0", "{name: a, grpc: {pods: {port: 80}}}")], "spec.stages[1].healthChecks", "grpc.pods needs a target where the stage has several: say whose pods are asked"),
    (&[("/stages/0/smokeTests/0", "{name: a, tcp: {pods: {port: 80, target: api}}}")], "spec.stages[0].smokeTests", "tcp.pods.target names no target of this stage"),
    (&[("/stages/0/smokeTests/0", "{name: a, grpc: {pods: {port: 80, target: api}}}")], "spec.stages[0].smokeTests", "grpc.pods.target names no target of this stage"),
    (&[("/stages/0/targets/0", ECS_TARGET), ("/stages/0/healthChecks/0", "{name: a, tcp: {pods: {port: 80}}}")], "spec.stages[0].healthChecks", "tcp.pods asks pods, and an ECS service has none: use http with a url"),
    (&[("/stages/0/targets/0", ECS_TARGET), ("/stages/0/healthChecks/0", "{name: a, grpc: {pods: {port: 80}}}")], "spec.stages[0].healthChecks", "grpc.pods asks pods, and an ECS service has none: use http with a url"),
    (&[("/stages/1/performanceChecks", "[{name: load, http: {pods: {port: 80}}, thresholds: {p95: {max: 1s}}}]")], "spec.stages[1].performanceChecks", "http.pods needs a target where the stage has several: say whose pods are asked"),
    (&[("/stages/0/performanceChecks", "[{name: load, http: {pods: {port: 80, target: api}}, thresholds: {p95: {max: 1s}}}]")], "spec.stages[0].performanceChecks", "http.pods.target names no target of this stage"),
    (&[("/stages/0/targets/0", ECS_TARGET), ("/stages/0/healthChecks/0", "{name: a, http: {url: 'https://a.example'}}"), ("/stages/0/performanceChecks", "[{name: load, http: {pods: {port: 80}}, thresholds: {p95: {max: 1s}}}]")], "spec.stages[0].performanceChecks", "http.pods asks pods, and an ECS service has none: use http with a url"),
    (&[("/stages/0/healthChecks/0/http/pods/port", "0")], "spec.stages[0].healthChecks[0].http.pods.port", "spec.stages[0].healthChecks[0].http.pods.port in body should be greater than or equal to 1"),
    (&[("/stages/0/smokeTests/0/http/service", "{name: checkout}")], "spec.stages[0].smokeTests[0].http.service.port", "Required value"),
    (&[("/stages/1/healthChecks/0/http/url", "shop.example/health")], "spec.stages[1].healthChecks[0].http.url", URL),
    (&[("/stages/1/healthChecks/0/http/url", "file:///etc/passwd")], "spec.stages[1].healthChecks[0].http.url", URL),
    (&[("/stages/1/healthChecks/0/http/url", "https://")], "spec.stages[1].healthChecks[0].http.url", URL),
    (&[("/stages/1/healthChecks/0/http/url", "https://me:secret@shop.example/")], "spec.stages[1].healthChecks[0].http.url", "url must not carry a user name or password: send them as a header from a secret"),
    (&[("/stages/1/healthChecks/0/http/url", "http://127.1/")], "spec.stages[1].healthChecks[0].http.url", URL_HOST),
    (&[("/stages/1/healthChecks/0/http/url", "http://2130706433/")], "spec.stages[1].healthChecks[0].http.url", URL_HOST),
    (&[("/stages/1/healthChecks/0/http/url", "http://0x7f.0.0.1/")], "spec.stages[1].healthChecks[0].http.url", URL_HOST),
    (&[("/stages/1/healthChecks/0/http/url", "http://127.0.0.01/")], "spec.stages[1].healthChecks[0].http.url", URL_HOST),
    (&[("/stages/1/healthChecks/0/http/url", "http://1.2.3.4.5/")], "spec.stages[1].healthChecks[0].http.url", URL_HOST),
    (&[("/stages/1/healthChecks/0/http/url", "http://127.0.0.1./")], "spec.stages[1].healthChecks[0].http.url", URL_HOST),
    (&[("/stages/1/healthChecks/0/http/url", "http://[fe80::1%25eth0]/")], "spec.stages[1].healthChecks[0].http.url", URL_HOST),
    (&[("/stages/1/healthChecks/0/http/url", "http://shop..example/")], "spec.stages[1].healthChecks[0].http.url", URL_HOST),
    (&[("/stages/1/healthChecks/0/http/url", "http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example/")], "spec.stages[1].healthChecks[0].http.url", URL_HOST),
    (&[("/stages/1/healthChecks/0/http/url", "http://abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.example/")], "spec.stages[1].healthChecks[0].http.url", URL_HOST),
    (&[("/stages/1/healthChecks/0/http/url", "https://shop.example:0/")], "spec.stages[1].healthChecks[0].http.url", URL_PORT),
    (&[("/stages/1/healthChecks/0/http/url", "https://shop.example:0/a:80/")], "spec.stages[1].healthChecks[0].http.url", URL_PORT),
    (&[("/stages/1/healthChecks/0/http/url", "https://shop.example:65536/")], "spec.stages[1].healthChecks[0].http.url", URL_PORT),
    (&[("/stages/1/healthChecks/0/http/url", "https://shop.example:/")], "spec.stages[1].healthChecks[0].http.url", URL_PORT),
    (&[("/stages/1/healthChecks/0/http/url", "https://shop.example/a b")], "spec.stages[1].healthChecks[0].http.url", URL_BLANKS),
    (&[("/stages/1/healthChecks/0/http/url", "https://shop.example/\\a")], "spec.stages[1].healthChecks[0].http.url", URL_BLANKS),
    (&[("/stages/1/healthChecks/0/http/url", "https://@shop.example/")], "spec.stages[1].healthChecks[0].http.url", "url must not carry a user name or password: send them as a header from a secret"),
    (&[("/stages/1/healthChecks/0/http/url", "//shop.example/")], "spec.stages[1].healthChecks[0].http.url", URL),
    (&[("/stages/1/healthChecks/0/http/url", "https:shop.example")], "spec.stages[1].healthChecks[0].http.url", URL),
    (&[("/stages/1/healthChecks/0/http/url", "HTTPS://shop.example/")], "spec.stages[1].healthChecks[0].http.url", URL),
    (&[("/stages/1/healthChecks/0/http/url", "https://:443/")], "spec.stages[1].healthChecks[0].http.url", URL),
    (&[("/stages/1/healthChecks/0/http/path", "/health")], "spec.stages[1].healthChecks[0].http", "path is not for url: write it at the end of the url itself"),
    (&[("/stages/0/healthChecks/0/http/path", "health")], "spec.stages[0].healthChecks[0].http.path", PATH),
    (&[("/stages/0/healthChecks/0/http/path", "/a b")], "spec.stages[0].healthChecks[0].http.path", PATH),
    // how they ask
    (&[("/stages/0/healthChecks/0/name", "Health")], "spec.stages[0].healthChecks[0].name", LABEL),
    (&[("/stages/0/healthChecks/-", "{name: health, http: {pods: {port: 80}}}")], "spec.stages[0].healthChecks[1]", "Duplicate value: {\"name\":\"health\"}"),
    (&[("/stages/0/smokeTests/0/name", "health")], "spec.stages[0].smokeTests", "a smoke test bears the name of a health check: names of checks must differ within a stage"),
    (&[("/stages/0/healthChecks/0/initialDelay", "2h")], "spec.stages[0].healthChecks[0].initialDelay", "must be a duration from 0s to 1h, such as 15s"),
    (&[("/stages/0/healthChecks/0/retry", "{interval: 100ms}")], "spec.stages[0].healthChecks[0].retry.interval", "must be a duration from 1s to 10m, such as 5s"),
    (&[("/stages/0/healthChecks/0/retry", "{attempts: 0}")], "spec.stages[0].healthChecks[0].retry.attempts", "spec.stages[0].healthChecks[0].retry.attempts in body should be greater than or equal to 1"),
    (&[("/stages/0/healthChecks/0/http/timeout", "2m")], "spec.stages[0].healthChecks[0].http.timeout", "must be a duration from 100ms to 60s, such as 5s"),
    (&[("/stages/0/healthChecks/0/http/headers", "[{name: Accept}]")], "spec.stages[0].healthChecks[0].http.headers[0]", ONE_VALUE),
    (&[("/stages/0/healthChecks/0/http/headers", "[{name: Accept, value: a, secret: {name: b, key: c}}]")], "spec.stages[0].healthChecks[0].http.headers[0]", ONE_VALUE),
    (&[("/stages/0/healthChecks/0/http/headers", "[{name: Host, value: other.example}]")], "spec.stages[0].healthChecks[0].http.headers[0].name", "this header belongs to the connection and cannot be set: remove it"),
    (&[("/stages/0/healthChecks/0/http/headers", "[{name: 'X Y', value: a}]")], "spec.stages[0].healthChecks[0].http.headers[0].name", "a header's name may have only letters, digits and !#$%&*+.^_`|~-"),
    (&[("/stages/0/healthChecks/0/http/headers", "[{name: X, value: \"a\\r\\nHost: b\"}]")], "spec.stages[0].healthChecks[0].http.headers[0].value", "a header's value may have only printable ASCII characters, all on one line"),
    (&[("/stages/0/healthChecks/0/http/headers", "[{name: X, secret: {name: a, key: b/c}}]")], "spec.stages[0].healthChecks[0].http.headers[0].secret.key", "must be a key of the Secret: letters, digits, -, _ and ."),
    (&[("/stages/0/healthChecks/0/http/expect", "{status: [99]}")], "spec.stages[0].healthChecks[0].http.expect.status[0]", "spec.stages[0].healthChecks[0].http.expect.status[0] in body should be greater than or equal to 100"),
    (&[("/stages/0/healthChecks/0/http/expect", "{json: [{pointer: status, equals: ok}]}")], "spec.stages[0].healthChecks[0].http.expect.json[0].pointer", POINTER),
    (&[("/stages/0/healthChecks/0/http/expect", "{json: [{pointer: /a~2, equals: ok}]}")], "spec.stages[0].healthChecks[0].http.expect.json[0].pointer", POINTER),
    (&[("/stages/0/healthChecks/0/http/expect", "{json: [{pointer: /status}]}")], "spec.stages[0].healthChecks[0].http.expect.json[0].equals", "Required value"),
    // performance
    (&[("/stages/0/performanceChecks", "[{name: load, http: {url: 'https://a.example'}, thresholds: {}}]")], "spec.stages[0].performanceChecks[0].thresholds", "thresholds needs at least one of p50, p90, p95, p99, errorRate and throughput"),
    (&[("/stages/0/performanceChecks", "[{name: load, http: {url: 'https://a.example'}, thresholds: {p95: {}}}]")], "spec.stages[0].performanceChecks[0].thresholds.p95", "a threshold needs max, maxIncrease, or both"),
    (&[("/stages/0/performanceChecks", "[{name: load, http: {url: 'https://a.example'}, thresholds: {p95: {max: fast}}}]")], "spec.stages[0].performanceChecks[0].thresholds.p95.max", "must be a duration from 1ms to 60s, such as 300ms"),
    (&[("/stages/0/performanceChecks", "[{name: load, http: {url: 'https://a.example'}, thresholds: {p99: {max: 2m}}}]")], "spec.stages[0].performanceChecks[0].thresholds.p99.max", "must be a duration from 1ms to 60s, such as 300ms"),
    (&[("/stages/0/performanceChecks", "[{name: load, http: {url: 'https://a.example', duration: 10m}, thresholds: {p95: {max: 1s}}}]")], "spec.stages[0].performanceChecks[0].http.duration", "must be a duration from 1s to 5m, such as 30s"),
    (&[("/stages/0/performanceChecks", "[{name: load, http: {url: 'https://a.example', requests: 50, duration: 10s}, thresholds: {p95: {max: 1s}}}]")], "spec.stages[0].performanceChecks[0].http", "a load lasts for requests or for duration: remove one of the two"),
    (&[("/stages/0/performanceChecks", "[{name: load, http: {url: 'https://a.example', requests: 3001, rate: 10}, thresholds: {p95: {max: 1s}}}]")], "spec.stages[0].performanceChecks[0].http", "at this rate the requests take longer than 5m: ask for fewer, or raise rate"),
    (&[("/stages/0/performanceChecks", "[{name: load, http: {url: 'https://a.example', rate: 501}, thresholds: {p95: {max: 1s}}}]")], "spec.stages[0].performanceChecks[0].http.rate", "spec.stages[0].performanceChecks[0].http.rate in body should be less than or equal to 500"),
    (&[("/stages/0/performanceChecks", "[{name: load, http: {url: 'https://a.example', warmUp: 1001}, thresholds: {p95: {max: 1s}}}]")], "spec.stages[0].performanceChecks[0].http.warmUp", "spec.stages[0].performanceChecks[0].http.warmUp in body should be less than or equal to 1000"),
    (&[("/stages/0/performanceChecks", "[{name: load, http: {url: 'https://a.example', requests: 99}, thresholds: {p99: {max: 1s}}}]")], "spec.stages[0].performanceChecks[0]", FEW),
    (&[("/stages/0/performanceChecks", "[{name: load, http: {url: 'https://a.example', requests: 19}, thresholds: {p95: {max: 1s}}}]")], "spec.stages[0].performanceChecks[0]", FEW),
    (&[("/stages/0/performanceChecks", "[{name: load, http: {url: 'https://a.example', requests: 9}, thresholds: {p90: {max: 1s}, p50: {max: 1s}}}]")], "spec.stages[0].performanceChecks[0]", FEW),
    (&[("/stages/0/performanceChecks", "[{name: load, http: {url: 'https://a.example'}, thresholds: {throughput: {min: 0}}}]")], "spec.stages[0].performanceChecks[0].thresholds.throughput.min", "spec.stages[0].performanceChecks[0].thresholds.throughput.min in body should be greater than or equal to 1"),
    (&[("/stages/0/performanceChecks", "[{name: load, http: {url: 'https://a.example'}, thresholds: {errorRate: {max: '0.01'}}}]")], "spec.stages[0].performanceChecks[0].thresholds.errorRate.max", "max must be a share from 0% to 100%, such as 1% or 0.5%"),
    (&[("/stages/0/performanceChecks", "[{name: load, http: {url: 'https://a.example'}, thresholds: {p50: {maxIncrease: 20ms}}}]")], "spec.stages[0].performanceChecks[0].thresholds.p50.maxIncrease", "maxIncrease must be a share of the old version's value, such as 20%"),
    (&[("/stages/0/performanceChecks", "[{name: items, http: {url: 'https://a.example'}, thresholds: {p95: {max: 1s}}}]")], "spec.stages[0].performanceChecks", "a performance check bears the name of another check: names of checks must differ within a stage"),
    // metric gates
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: g}]")], "spec.stages[0].metricGates[0]", "a metric gate needs exactly one of prometheus and cloudwatch"),
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: g, prometheus: {url: 'https://m.example', query: up, condition: {max: '1'}}, cloudwatch: {region: eu-west-1, alarmNames: [a]}}]")], "spec.stages[0].metricGates[0]", "a metric gate needs exactly one of prometheus and cloudwatch"),
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: g, prometheus: {query: up, condition: {max: '1'}}}]")], "spec.stages[0].metricGates[0].prometheus", "prometheus needs exactly one of service and url"),
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: g, prometheus: {url: 'https://m.example', service: {name: a, port: 80}, query: up, condition: {max: '1'}}}]")], "spec.stages[0].metricGates[0].prometheus", "prometheus needs exactly one of service and url"),
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: g, prometheus: {url: 'https://m.example', path: /a, query: up, condition: {max: '1'}}}]")], "spec.stages[0].metricGates[0].prometheus", "path is not for url: write it at the end of the url itself"),
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: g, prometheus: {service: {name: a, port: 80}, path: '/a?b=c', query: up, condition: {max: '1'}}}]")], "spec.stages[0].metricGates[0].prometheus.path", "path must be what stands before /api/v1/query, such as /prometheus"),
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: g, prometheus: {url: 'https://m.example/?a=b', query: up, condition: {max: '1'}}}]")], "spec.stages[0].metricGates[0].prometheus.url", "url must end before /api/v1/query, without ? and #"),
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: g, prometheus: {url: 'ftp://m.example', query: up, condition: {max: '1'}}}]")], "spec.stages[0].metricGates[0].prometheus.url", URL),
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: g, prometheus: {url: 'https://m.example', query: up}}]")], "spec.stages[0].metricGates[0].prometheus.condition", "Required value"),
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: g, prometheus: {url: 'https://m.example', query: up, condition: {}}}]")], "spec.stages[0].metricGates[0].prometheus.condition", "condition needs max, min, or both"),
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: g, prometheus: {url: 'https://m.example', query: up, condition: {max: 0.5}}}]")], "spec.stages[0].metricGates[0].prometheus.condition.max", "spec.stages[0].metricGates[0].prometheus.condition.max in body must be of type string: \"number\""),
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: g, prometheus: {url: 'https://m.example', query: up, condition: {max: 5%}}}]")], "spec.stages[0].metricGates[0].prometheus.condition.max", "must be a decimal number in quotes, such as \"0.01\""),
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: g, prometheus: {url: 'https://m.example', query: up, condition: {min: '2', max: '1.5'}}}]")], "spec.stages[0].metricGates[0].prometheus.condition", "condition.min must not be above condition.max: no value could hold both"),
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: g, prometheus: {url: 'https://m.example', query: ' ', condition: {max: '1'}}}]")], "spec.stages[0].metricGates[0].prometheus.query", "query must not be empty"),
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: g, prometheus: {url: 'https://m.example', query: 'up{tag=$(TIDEGATE_SHA)}', condition: {max: '1'}}}]")], "spec.stages[0].metricGates[0].prometheus.query", "query has a placeholder that is not known: there are $(TIDEGATE_TAG), $(TIDEGATE_IMAGE), $(TIDEGATE_STAGE), $(TIDEGATE_NAMESPACE) and $(TIDEGATE_REVISION)"),
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: g, prometheus: {url: 'https://m.example', query: up, condition: {max: '1'}, headers: [{name: a}]}}]")], "spec.stages[0].metricGates[0].prometheus.headers[0]", ONE_VALUE),
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: g, prometheus: {url: 'https://m.example', query: up, condition: {max: '1'}, timeout: 2m}}]")], "spec.stages[0].metricGates[0].prometheus.timeout", "must be a duration from 100ms to 60s, such as 5s"),
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: g, interval: 1s, prometheus: {url: 'https://m.example', query: up, condition: {max: '1'}}}]")], "spec.stages[0].metricGates[0].interval", "must be a duration from 5s to 10m, such as 30s"),
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: g, limits: {fail: {total: 0}}, prometheus: {url: 'https://m.example', query: up, condition: {max: '1'}}}]")], "spec.stages[0].metricGates[0].limits.fail.total", "spec.stages[0].metricGates[0].limits.fail.total in body should be greater than or equal to 1"),
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: g, onNoData: Pass, prometheus: {url: 'https://m.example', query: up, condition: {max: '1'}}}]")], "spec.stages[0].metricGates[0].onNoData", "Unsupported value: \"Pass\": supported values: \"Inconclusive\", \"Fail\""),
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: G, prometheus: {url: 'https://m.example', query: up, condition: {max: '1'}}}]")], "spec.stages[0].metricGates[0].name", LABEL),
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: g, cloudwatch: {region: eu-west-1, alarmNames: []}}]")], "spec.stages[0].metricGates[0].cloudwatch.alarmNames", "spec.stages[0].metricGates[0].cloudwatch.alarmNames in body should have at least 1 items"),
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: g, cloudwatch: {region: eu-west-1, alarmNames: [a, a]}}]")], "spec.stages[0].metricGates[0].cloudwatch.alarmNames[1]", "Duplicate value: \"a\""),
    (&[("/stages/0/bake", "1m"), ("/stages/0/metricGates", "[{name: g, cloudwatch: {region: Europe, alarmNames: [a]}}]")], "spec.stages[0].metricGates[0].cloudwatch.region", "region must be an AWS region such as eu-west-1"),
    (&[("/stages/0/metricGates", "[{name: g, cloudwatch: {region: eu-west-1, alarmNames: [a]}}]")], "spec.stages[0]", "metricGates are asked while the stage bakes: say for how long, such as bake: 10m"),
];

const FEW: &str = "p99 needs at least 100 requests, p95 20 and p90 10: fewer say nothing about it";
const MOVING: &str =
    "image.tag looks like one that moves: name one commit, such as sha-4f2c1d9, or set image.allowMovingTag: true";
const REPOSITORY: &str =
    "repository must be a lower-case name such as ghcr.io/acme/checkout, without scheme, tag or digest";
const ONE_FORM: &str = "a check needs exactly one of http, tcp and grpc";
const ONE_PROBE: &str = "http needs exactly one of pods, service and url";
const ONE_VALUE: &str = "a header needs exactly one of value and secret";
const URL: &str = "url must be a whole http:// or https:// address, such as https://shop.example/health";
const URL_HOST: &str = "url must name its host by a DNS name, four decimal numbers, or an IPv6 address in brackets";
const URL_PORT: &str = "the port of url must be between 1 and 65535";
const URL_BLANKS: &str = "url must not hold blanks or backslashes: write them as %20 and %5C";
const PATH: &str =
    "path must begin with / and have no spaces, no # and nothing that is not ASCII: percent-encode those";
const POINTER: &str = "pointer must be a JSON pointer such as /status/db: empty or beginning with /, with ~0 for ~ and ~1 for / in a name";
const ECS: &str = "{region: eu-west-1, cluster: prod, service: checkout, containers: [app]}";
const ECS_TARGET: &str = "{name: web, ecs: {region: eu-west-1, cluster: prod, service: checkout, containers: [app]}}";

#[tokio::test]
async fn each_bad_release_is_answered_with_its_sentence() {
    let api = raw_releases("refused").await;
    assert!(complaints(create(&api, &edited(&[])).await).is_empty(), "the good Release is good");
    let mut wrong = Vec::new();
    for (edits, field, says) in BAD {
        let said = complaints(create(&api, &edited(edits)).await);
        if said != [(field.to_string(), says.to_string())] {
            wrong.push(format!("{edits:?}\n  wanted {field}: {says}\n  said   {said:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), BAD.len(), wrong.join("\n"));
    assert_eq!(api.list(&ListParams::default()).await.unwrap().items.len(), 1, "only the good one is there");
}

#[tokio::test]
async fn an_edit_is_judged_like_a_new_release() {
    let api = raw_releases("refused-edit").await;
    assert!(complaints(apply(&api, &edited(&[])).await).is_empty());
    let said = complaints(apply(&api, &edited(&[("/image/tag", "latest")])).await);
    assert_eq!(said, [("spec.image".to_owned(), MOVING.to_owned())]);
    assert_eq!(api.get("checkout").await.unwrap().data["spec"]["image"]["tag"], "sha-4f2c1d9");
}

/// As `kubectl create` and a first `kubectl apply` do: unknown fields are refused.
async fn create(api: &Api<DynamicObject>, release: &Value) -> kube::Result<DynamicObject> {
    let body = serde_json::to_vec(release).unwrap();
    let mut request = Request::new(api.resource_url()).create(&PostParams::default(), body).unwrap();
    *request.uri_mut() = format!("{}fieldValidation=Strict", request.uri()).parse().unwrap();
    api.clone().into_client().request(request).await
}

async fn apply(api: &Api<DynamicObject>, release: &Value) -> kube::Result<DynamicObject> {
    let name = release["metadata"]["name"].as_str().unwrap();
    api.patch(name, &PatchParams::apply("kubectl"), &Patch::Apply(release)).await
}

/// What the API server complains of: fields and sentences.
fn complaints(answer: kube::Result<DynamicObject>) -> Vec<(String, String)> {
    let status = match answer {
        Ok(_) => return Vec::new(),
        Err(kube::Error::Api(status)) => status,
        Err(e) => panic!("{e}"),
    };
    let causes = status.details.as_ref().map(|details| &details.causes[..]).unwrap_or_default();
    if causes.is_empty() {
        let said = status.message.rsplit_once("strict decoding error: ").map_or(&*status.message, |(_, said)| said);
        return vec![(String::new(), said.to_owned())];
    }
    let all = causes.iter().map(|cause| (cause.field.clone(), without_value(&cause.message)));
    // The remark that rules were left out stands beside the complaint that made it so.
    all.filter(|(_, says)| !says.starts_with("some validation rules were not checked")).collect()
}

/// The complaint without the value that it repeats.
fn without_value(message: &str) -> String {
    let Some(rest) = message.strip_prefix("Invalid value: ") else { return message.to_owned() };
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
    let sentence = match values.next() {
        Some(Ok(_)) => rest.get(values.byte_offset()..).and_then(|r| r.strip_prefix(": ")),
        _ => None,
    };
    sentence.unwrap_or(rest).to_owned()
}

#[test]
fn every_rule_is_broken_by_some_release() {
    let said = |says: &str| BAD.iter().any(|(_, _, sentence)| *sentence == says);
    let unbroken: Vec<_> = tidegate::api::crd::rules::all().into_iter().filter(|rule| !said(&rule.says)).collect();
    assert!(unbroken.is_empty(), "{unbroken:#?}");
}
