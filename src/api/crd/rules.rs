//! What the API server asks of a Release beyond types and bounds, as CEL with a sentence for people.
//!
//! Written as tables: where, the rule, what is said when it does not hold. `{list}` stands for each list of checks.
//! Rules stay off the object's root (there they would run at every status write), all but the one on the name.

/// One rule at one place.
#[derive(Clone, Debug)]
pub struct Rule {
    /// `spec.stages[].name`; empty for the root.
    pub at: String,
    /// Below `at`: the field that the complaint is shown at.
    pub field: Option<String>,
    pub cel: String,
    /// Shown to people when `cel` is false.
    pub says: String,
}

/// Lists in which the key may occur once.
pub const LIST_KEYS: &[(&str, &str)] = &[
    ("spec.stages", "name"),
    ("spec.stages[].targets", "name"),
    ("spec.stages[].hooks", "name"),
    ("spec.stages[].healthChecks", "name"),
    ("spec.stages[].smokeTests", "name"),
    ("spec.stages[].performanceChecks", "name"),
    ("spec.stages[].healthChecks[].http.headers", "name"),
    ("spec.stages[].smokeTests[].http.headers", "name"),
    ("spec.stages[].performanceChecks[].http.headers", "name"),
];

/// Lists in which a value may occur once.
pub const SETS: &[&str] = &["spec.stages[].targets[].kubernetes.containers", "spec.stages[].targets[].ecs.containers"];

/// Every rule, with `{list}` filled in.
pub fn all() -> Vec<Rule> {
    let fields = FIELDS.iter().map(|&(at, cel, says)| rule(at, None, cel, says));
    let placed = PLACED.iter().map(|&(at, field, cel, says)| rule(at, Some(field), cel, says));
    let durations = DURATIONS.iter().map(|&(at, least, most, example)| duration(at, least, most, example));
    let strings = PATTERNS.iter().flat_map(|&(pattern, says, places)| {
        places.iter().map(move |at| rule(at, None, &format!("self.matches('{pattern}')"), says))
    });
    fields.chain(placed).chain(durations).chain(strings).flat_map(each_list).collect()
}

/// Where, rule, sentence.
const FIELDS: &[(&str, &str, &str)] = &[
    (
        "",
        "size(self.metadata.name) <= 52",
        "metadata.name must have at most 52 characters: other names are made from it",
    ),
    // image
    ("spec.image", "has(self.tag) || has(self.digest)", "image needs a tag, a digest, or both"),
    (
        "spec.image",
        "!has(self.tag) || self.allowMovingTag || self.tag.matches('[0-9]') || self.tag.matches('(^|[-_.])[0-9a-f]{7,64}$')",
        "image.tag looks like one that moves: name one commit, such as sha-4f2c1d9, or set image.allowMovingTag: true",
    ),
    // targets, probes, hooks: exactly one key
    (
        "spec.stages[].targets[]",
        "has(self.kubernetes) != has(self.ecs)",
        "a target needs exactly one of kubernetes and ecs",
    ),
    (
        "spec.stages[].{list}[].http",
        "[has(self.pods), has(self.service), has(self.url)].filter(given, given).size() == 1",
        "http needs exactly one of pods, service and url",
    ),
    (
        "spec.stages[].{list}[].http",
        "!has(self.url) || !has(self.path)",
        "path is not for url: write it at the end of the url itself",
    ),
    ("spec.stages[].hooks[]", "has(self.job) != has(self.ecsTask)", "a hook needs exactly one of job and ecsTask"),
    (
        "spec.stages[].hooks[].job",
        "[has(self.fromCronJob), has(self.fromJob), has(self.template)].filter(given, given).size() == 1",
        "job needs exactly one of fromCronJob, fromJob and template",
    ),
    (
        "spec.stages[].{list}[].http.headers[]",
        "has(self.value) != has(self.secret)",
        "a header needs exactly one of value and secret",
    ),
    // stages
    (
        "spec.stages",
        "size(self) != 1 || has(self[0].promotion)",
        "a Release with one stage must say how it is entered: add promotion: {mode: Manual} or promotion: {mode: Automatic} to the stage",
    ),
    (
        "spec.stages[]",
        "has(self.checks) || (has(self.healthChecks) && size(self.healthChecks) > 0)",
        "a stage needs at least one entry in healthChecks, or checks: None to be verified by availability alone",
    ),
    (
        "spec.stages[]",
        "!has(self.checks) || ((!has(self.healthChecks) || size(self.healthChecks) == 0) \
         && (!has(self.smokeTests) || size(self.smokeTests) == 0) \
         && (!has(self.performanceChecks) || size(self.performanceChecks) == 0))",
        "checks: None contradicts the checks listed beside it: remove one of the two",
    ),
    (
        "spec.stages[]",
        "!has(self.checks) || !has(self.bake)",
        "bake asks the health checks again, and checks: None says that there are none: remove one of the two",
    ),
    // strings
    (
        "spec.stages[].{list}[].http.url",
        "self.matches('^https?://') && isURL(self) && url(self).getHostname() != ''",
        "url must be a whole http:// or https:// address, such as https://shop.example/health",
    ),
    (
        "spec.stages[].{list}[].http.url",
        "!self.matches('^[a-z]+://[^/?#]*@')",
        "url must not carry a user name or password: send them as a header from a secret",
    ),
    (
        "spec.stages[].{list}[].http.headers[].name",
        "!(self.lowerAscii() in ['host', 'content-length', 'transfer-encoding', 'connection', 'keep-alive', 'upgrade', \
         'te', 'trailer', 'expect', 'proxy-connection', 'proxy-authorization'])",
        "this header belongs to the connection and cannot be set: remove it",
    ),
    // performance
    (
        "spec.stages[].performanceChecks[].thresholds",
        "has(self.p50) || has(self.p90) || has(self.p95) || has(self.p99) || has(self.errorRate)",
        "thresholds needs at least one of p50, p90, p95, p99 and errorRate",
    ),
    ("spec.stages[].performanceChecks[].thresholds.p50", HAS_LIMIT, NEEDS_LIMIT),
    ("spec.stages[].performanceChecks[].thresholds.p90", HAS_LIMIT, NEEDS_LIMIT),
    ("spec.stages[].performanceChecks[].thresholds.p95", HAS_LIMIT, NEEDS_LIMIT),
    ("spec.stages[].performanceChecks[].thresholds.p99", HAS_LIMIT, NEEDS_LIMIT),
    ("spec.stages[].performanceChecks[].thresholds.errorRate", HAS_LIMIT, NEEDS_LIMIT),
];

const HAS_LIMIT: &str = "has(self.max) || has(self.maxIncrease)";
const NEEDS_LIMIT: &str = "a threshold needs max, maxIncrease, or both";

/// Where, the field below it that is complained of, rule, sentence.
const PLACED: &[(&str, &str, &str, &str)] = &[
    (
        "spec.stages[]",
        ".{list}",
        "!has(self.{list}) || size(self.targets) < 2 \
         || self.{list}.all(c, !has(c.http.pods) || has(c.http.pods.target))",
        "http.pods needs a target where the stage has several: say whose pods are asked",
    ),
    (
        "spec.stages[]",
        ".{list}",
        "!has(self.{list}) || self.{list}.all(c, !has(c.http.pods) || !has(c.http.pods.target) \
         || self.targets.exists(t, t.name == c.http.pods.target))",
        "http.pods.target names no target of this stage",
    ),
    (
        "spec.stages[]",
        ".{list}",
        "!has(self.{list}) || self.{list}.all(c, !has(c.http.pods) || !self.targets.exists(t, has(t.ecs) && !has(t.kubernetes) \
         && (has(c.http.pods.target) ? t.name == c.http.pods.target : size(self.targets) == 1)))",
        "http.pods asks pods, and an ECS service has none: use url",
    ),
    (
        "spec.stages[]",
        ".smokeTests",
        "!has(self.smokeTests) || !has(self.healthChecks) \
         || self.smokeTests.all(s, !self.healthChecks.exists(h, h.name == s.name))",
        "a smoke test bears the name of a health check: names of checks must differ within a stage",
    ),
    (
        "spec.stages[]",
        ".performanceChecks",
        "!has(self.performanceChecks) || self.performanceChecks.all(p, \
         (!has(self.healthChecks) || !self.healthChecks.exists(h, h.name == p.name)) \
         && (!has(self.smokeTests) || !self.smokeTests.exists(s, s.name == p.name)))",
        "a performance check bears the name of another check: names of checks must differ within a stage",
    ),
];

/// Where, shortest, longest, example.
const DURATIONS: &[(&str, &str, &str, &str)] = &[
    ("spec.stages[].promotion.timeout", "1s", "720h", "24h"),
    ("spec.stages[].progressDeadline", "5s", "24h", "10m"),
    ("spec.stages[].bake", "1s", "24h", "10m"),
    ("spec.stages[].hooks[].timeout", "1s", "24h", "15m"),
    ("spec.stages[].healthChecks[].initialDelay", "0s", "1h", "15s"),
    ("spec.stages[].healthChecks[].retry.interval", "1s", "10m", "5s"),
    ("spec.stages[].smokeTests[].retry.interval", "1s", "10m", "5s"),
    ("spec.stages[].{list}[].http.timeout", "100ms", "60s", "5s"),
];

/// Pattern, sentence, where.
const PATTERNS: &[(&str, &str, &[&str])] = &[
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
            "spec.stages[].hooks[].name",
            "spec.stages[].{list}[].name",
            "spec.stages[].targets[].kubernetes.namespace",
            "spec.stages[].targets[].kubernetes.containers[]",
            "spec.stages[].hooks[].job.fromCronJob.namespace",
            "spec.stages[].hooks[].job.fromJob.namespace",
            "spec.stages[].{list}[].http.service.name",
            "spec.stages[].{list}[].http.service.namespace",
        ],
    ),
    (
        "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        "must be the name of an object: lower-case letters, digits, - and ., beginning and ending with a letter or digit",
        &[
            "spec.stages[].targets[].kubernetes.name",
            "spec.stages[].hooks[].job.fromCronJob.name",
            "spec.stages[].hooks[].job.fromJob.name",
            "spec.stages[].{list}[].http.headers[].secret.name",
        ],
    ),
    (
        "^[-._a-zA-Z0-9]+$",
        "must be a key of the Secret: letters, digits, -, _ and .",
        &["spec.stages[].{list}[].http.headers[].secret.key"],
    ),
    (
        "^/[!\"$-~]*$",
        "path must begin with / and have no spaces, no # and nothing that is not ASCII: percent-encode those",
        &["spec.stages[].{list}[].http.path"],
    ),
    (
        "^[!#$%&*+.^_`|~0-9A-Za-z-]+$",
        "a header's name may have only letters, digits and !#$%&*+.^_`|~-",
        &["spec.stages[].{list}[].http.headers[].name"],
    ),
    (
        "^[ -~]*$",
        "a header's value may have only printable ASCII characters, all on one line",
        &["spec.stages[].{list}[].http.headers[].value"],
    ),
    (
        "^(/([^/~]|~0|~1)*)*$",
        "pointer must be a JSON pointer such as /status/db: empty or beginning with /, with ~0 for ~ and ~1 for / in a name",
        &["spec.stages[].{list}[].http.expect.json[].pointer"],
    ),
    (
        "^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$",
        "region must be an AWS region such as eu-west-1",
        &["spec.stages[].targets[].ecs.region"],
    ),
    (
        "^(arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{12}:cluster/)?[a-zA-Z0-9_-]+$",
        "cluster must be the name or the ARN of an ECS cluster",
        &["spec.stages[].targets[].ecs.cluster"],
    ),
    (
        "^[a-zA-Z0-9_-]+$",
        "must be a name of letters, digits, - and _",
        &["spec.stages[].targets[].ecs.service", "spec.stages[].targets[].ecs.containers[]"],
    ),
    (
        "^arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-~]+$",
        "roleArn must be the ARN of an IAM role, such as arn:aws:iam::123456789012:role/tidegate",
        &["spec.stages[].targets[].ecs.roleArn"],
    ),
    (
        "^([0-9]{1,6}(ms|s|m))+$",
        "max must be a duration such as 300ms",
        &[
            "spec.stages[].performanceChecks[].thresholds.p50.max",
            "spec.stages[].performanceChecks[].thresholds.p90.max",
            "spec.stages[].performanceChecks[].thresholds.p95.max",
            "spec.stages[].performanceChecks[].thresholds.p99.max",
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

const LISTS: [&str; 3] = ["healthChecks", "smokeTests", "performanceChecks"];

fn rule(at: &str, field: Option<&str>, cel: &str, says: &str) -> Rule {
    Rule { at: at.to_owned(), field: field.map(str::to_owned), cel: cel.to_owned(), says: says.to_owned() }
}

/// A duration in bounds; the digits are bounded so that no sum of them overflows.
fn duration(at: &str, least: &str, most: &str, example: &str) -> Rule {
    let cel = format!(
        "self.matches('^([0-9]{{1,6}}(h|m|s|ms))+$') && duration(self) >= duration('{least}') && duration(self) <= duration('{most}')"
    );
    rule(at, None, &cel, &format!("must be a duration from {least} to {most}, such as {example}"))
}

fn each_list(rule: Rule) -> Vec<Rule> {
    let fill = |list: &str| {
        let put = |text: &str| text.replace("{list}", list);
        Rule { at: put(&rule.at), field: rule.field.as_deref().map(put), cel: put(&rule.cel), says: rule.says.clone() }
    };
    if format!("{}{:?}", rule.at, rule.field).contains("{list}") { LISTS.map(fill).into() } else { vec![rule] }
}
