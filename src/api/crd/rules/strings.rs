//! How strings of the Release must look.

/// Where, shortest, longest, example.
pub(super) const DURATIONS: &[(&str, &str, &str, &str)] = &[
    ("spec.stages[].promotion.timeout", "1s", "720h", "24h"),
    ("spec.stages[].readiness.maxAge", "1m", "720h", "24h"),
    ("spec.stages[].progressDeadline", "5s", "24h", "10m"),
    ("spec.stages[].bake", "1s", "24h", "10m"),
    ("spec.stages[].every", "10s", "720h", "4h"),
    ("spec.stages[].{hooks}[].timeout", "1s", "24h", "15m"),
    ("spec.stages[].healthChecks[].initialDelay", "0s", "1h", "15s"),
    ("spec.stages[].healthChecks[].retry.interval", "1s", "10m", "5s"),
    ("spec.stages[].smokeTests[].retry.interval", "1s", "10m", "5s"),
    ("spec.stages[].smokeTests[].job.timeout", "1s", "1h", "5m"),
    ("spec.stages[].{request}.timeout", "100ms", "60s", "5s"),
    ("spec.stages[].metricGates[].interval", "5s", "10m", "30s"),
    ("spec.stages[].{check}[].{peer}.timeout", "100ms", "60s", "5s"),
    ("spec.stages[].performanceChecks[].http.duration", "1s", "5m", "30s"),
    ("spec.stages[].performanceChecks[].thresholds.p50.max", "1ms", "60s", "300ms"),
    ("spec.stages[].performanceChecks[].thresholds.p90.max", "1ms", "60s", "300ms"),
    ("spec.stages[].performanceChecks[].thresholds.p95.max", "1ms", "60s", "300ms"),
    ("spec.stages[].performanceChecks[].thresholds.p99.max", "1ms", "60s", "300ms"),
];

/// Pattern, sentence, where.
pub(super) const PATTERNS: &[(&str, &str, &[&str])] = &[
    (
        "^([a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?(:[0-9]{1,5})?/)?[a-z0-9]+(([.]|_{1,2}|-+)[a-z0-9]+)*(/[a-z0-9]+(([.]|_{1,2}|-+)[a-z0-9]+)*)*$",
        "repository must be a lower-case name such as ghcr.io/acme/checkout, without scheme, tag or digest",
        &["spec.image.repository", "spec.stages[].targets[].repository"],
    ),
    (
        "^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
        "tag may have only letters, digits, _, . and -, and must not begin with . or -",
        &["spec.image.tag"],
    ),
    ("^sha256:[0-9a-f]{64}$", "digest must be sha256: and 64 lower-case hex digits", &["spec.image.digest"]),
    (
        "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        "must be a DNS label: lower-case letters, digits and -, beginning and ending with a letter or digit",
        &[
            "spec.stages[].name",
            "spec.stages[].targets[].name",
            "spec.stages[].{hooks}[].name",
            "spec.stages[].{list}[].name",
            "spec.stages[].metricGates[].name",
            "spec.stages[].targets[].kubernetes.namespace",
            "spec.stages[].targets[].kubernetes.containers[]",
            "spec.stages[].{jobs}[].job.fromCronJob.namespace",
            "spec.stages[].{jobs}[].job.fromJob.namespace",
            "spec.stages[].{request}.service.name",
            "spec.stages[].{request}.service.namespace",
            "spec.stages[].{check}[].{peer}.service.name",
            "spec.stages[].{check}[].{peer}.service.namespace",
        ],
    ),
    (
        "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        "must be the name of an object: lower-case letters, digits, - and ., beginning and ending with a letter or digit",
        &[
            "spec.image.pullSecret",
            "spec.stages[].targets[].kubernetes.name",
            "spec.stages[].readiness.configMap.name",
            "spec.stages[].{jobs}[].job.fromCronJob.name",
            "spec.stages[].{jobs}[].job.fromJob.name",
            "spec.stages[].{request}.headers[].secret.name",
        ],
    ),
    (
        "^[-._a-zA-Z0-9]+$",
        "must be a key of the Secret: letters, digits, -, _ and .",
        &["spec.stages[].{request}.headers[].secret.key"],
    ),
    (
        "^[A-Za-z0-9._/-]*$",
        "serviceName must be the name of a gRPC service such as shop.v1.Items, or left out for the whole server",
        &["spec.stages[].{check}[].grpc.serviceName"],
    ),
    (
        "^/[!\"$-~]*$",
        "path must begin with / and have no spaces, no # and nothing that is not ASCII: percent-encode those",
        &["spec.stages[].{list}[].http.path"],
    ),
    (
        "^[!#$%&*+.^_`|~0-9A-Za-z-]+$",
        "a header's name may have only letters, digits and !#$%&*+.^_`|~-",
        &["spec.stages[].{request}.headers[].name"],
    ),
    (
        "^[ -~]*$",
        "a header's value may have only printable ASCII characters, all on one line",
        &["spec.stages[].{request}.headers[].value"],
    ),
    (
        "^(/([^/~]|~0|~1)*)*$",
        "pointer must be a JSON pointer such as /status/db: empty or beginning with /, with ~0 for ~ and ~1 for / in a name",
        &["spec.stages[].{list}[].http.expect.json[].pointer"],
    ),
    (
        "^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$",
        "region must be an AWS region such as eu-west-1",
        &["spec.stages[].targets[].ecs.region", "spec.stages[].metricGates[].cloudwatch.region"],
    ),
    (
        "^(arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{12}:cluster/)?[a-zA-Z0-9_-]+$",
        "cluster must be the name or the ARN of an ECS cluster",
        &["spec.stages[].targets[].ecs.cluster"],
    ),
    (
        "^[a-zA-Z0-9_-]+$",
        "must be a name of letters, digits, - and _",
        &[
            "spec.stages[].targets[].ecs.service",
            "spec.stages[].targets[].ecs.containers[]",
            "spec.stages[].{hooks}[].ecsTask.container",
            "spec.stages[].{hooks}[].ecsTask.capacityProvider",
            "spec.stages[].{hooks}[].ecsTask.networkConfiguration.subnets[]",
            "spec.stages[].{hooks}[].ecsTask.networkConfiguration.securityGroups[]",
        ],
    ),
    (
        "^(arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{12}:task-definition/)?[a-zA-Z0-9_-]+(:[0-9]{1,9})?$",
        "taskDefinition must be a family, family:revision or the ARN of a task definition",
        &["spec.stages[].{hooks}[].ecsTask.taskDefinition"],
    ),
    (
        "^arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-~]+$",
        "roleArn must be the ARN of an IAM role, such as arn:aws:iam::123456789012:role/tidegate",
        &["spec.stages[].targets[].ecs.roleArn", "spec.stages[].metricGates[].cloudwatch.roleArn"],
    ),
    (
        "^(/[A-Za-z0-9._~%-]+)*/?$",
        "path must be what stands before /api/v1/query, such as /prometheus",
        &["spec.stages[].metricGates[].prometheus.path"],
    ),
    (
        "^-?[0-9]{1,15}([.][0-9]{1,15})?$",
        "must be a decimal number in quotes, such as \"0.01\"",
        &[
            "spec.stages[].metricGates[].prometheus.condition.max",
            "spec.stages[].metricGates[].prometheus.condition.min",
        ],
    ),
    (
        "^(100|[0-9]{1,2}([.][0-9]{1,3})?)%$",
        "max must be a share from 0% to 100%, such as 1% or 0.5%",
        &["spec.stages[].performanceChecks[].thresholds.errorRate.max"],
    ),
    (
        "^[0-9]{1,4}([.][0-9]{1,3})?%$",
        "maxIncrease must be a share of the old version's value, such as 20%",
        &[
            "spec.stages[].performanceChecks[].thresholds.p50.maxIncrease",
            "spec.stages[].performanceChecks[].thresholds.p90.maxIncrease",
            "spec.stages[].performanceChecks[].thresholds.p95.maxIncrease",
            "spec.stages[].performanceChecks[].thresholds.p99.maxIncrease",
            "spec.stages[].performanceChecks[].thresholds.errorRate.maxIncrease",
        ],
    ),
];
