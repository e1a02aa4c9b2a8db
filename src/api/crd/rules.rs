//! What the API server asks of a Release beyond types and bounds, as CEL with a sentence for people.
//!
//! Written as tables: where, the rule, what is said when it does not hold. Words in braces stand for each of several
//! fields: see [`STANDS_FOR`].
//! Rules stay off the object's root (there they would run at every status write), all but the one on the name.

mod gates;
mod strings;

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
    ("spec.stages[].onRollback", "name"),
    ("spec.stages[].healthChecks", "name"),
    ("spec.stages[].smokeTests", "name"),
    ("spec.stages[].performanceChecks", "name"),
    ("spec.stages[].metricGates", "name"),
    ("spec.stages[].metricGates[].prometheus.headers", "name"),
    ("spec.stages[].healthChecks[].http.headers", "name"),
    ("spec.stages[].smokeTests[].http.headers", "name"),
    ("spec.stages[].performanceChecks[].http.headers", "name"),
];

/// Lists in which a value may occur once.
pub const SETS: &[&str] = &[
    "spec.stages[].targets[].kubernetes.containers",
    "spec.stages[].targets[].ecs.containers",
    "spec.stages[].metricGates[].cloudwatch.alarmNames",
];

/// Every rule, with each word in braces filled in.
pub fn all() -> Vec<Rule> {
    let fields = FIELDS.iter().chain(gates::FIELDS).map(|&(at, cel, says)| rule(at, None, cel, says));
    let placed = PLACED.iter().map(|&(at, field, cel, says)| rule(at, Some(field), cel, says));
    let durations = strings::DURATIONS.iter().map(|&(at, least, most, example)| duration(at, least, most, example));
    let strings = strings::PATTERNS.iter().flat_map(|&(pattern, says, places)| {
        places.iter().map(move |at| rule(at, None, &format!("self.matches('{pattern}')"), says))
    });
    fields.chain(placed).chain(durations).chain(strings).flat_map(filled).collect()
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
    (
        "spec.image",
        "!has(self.pullSecret) || self.resolve == 'Registry'",
        "image.pullSecret is for asking the registry: add resolve: Registry, or remove it",
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
        "spec.stages[].{request}",
        "!has(self.url) || !has(self.path)",
        "path is not for url: write it at the end of the url itself",
    ),
    (
        "spec.stages[].healthChecks[]",
        "[has(self.http), has(self.tcp), has(self.grpc)].filter(given, given).size() == 1",
        "a check needs exactly one of http, tcp and grpc",
    ),
    (
        "spec.stages[].smokeTests[]",
        "[has(self.http), has(self.tcp), has(self.grpc), has(self.job)].filter(given, given).size() == 1",
        "a smoke test needs exactly one of http, tcp, grpc and job",
    ),
    (
        "spec.stages[].{check}[].{peer}",
        "has(self.pods) != has(self.service)",
        "{peer} needs exactly one of pods and service",
    ),
    ("spec.stages[].{hooks}[]", "has(self.job) != has(self.ecsTask)", "a hook needs exactly one of job and ecsTask"),
    (
        "spec.stages[].{hooks}[].ecsTask",
        "!has(self.launchType) || !has(self.capacityProvider)",
        "a task has a launchType or a capacityProvider: remove one of the two",
    ),
    (
        "spec.stages[].onRollback",
        "self.all(h, !has(h.irreversible) || !h.irreversible)",
        "what undoes something cannot be irreversible itself: remove irreversible",
    ),
    (
        "spec.stages[].{jobs}[].job",
        "[has(self.fromCronJob), has(self.fromJob), has(self.template)].filter(given, given).size() == 1",
        "job needs exactly one of fromCronJob, fromJob and template",
    ),
    (
        "spec.stages[].{request}.headers[]",
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
    (
        "spec.stages[]",
        "!has(self.every) || (has(self.smokeTests) && size(self.smokeTests) > 0)",
        "every asks the smoke tests again at rest, and there are none: add smokeTests, or remove every",
    ),
    (
        "spec.stages[].readiness.weights",
        "self.ci + self.coverage + self.security + self.quality > 0",
        "weights must not all be 0: a score of nothing says nothing",
    ),
    // strings
    (
        "spec.stages[].{request}.url",
        "self.matches('^https?://') && isURL(self) && url(self).getHostname() != ''",
        "url must be a whole http:// or https:// address, such as https://shop.example/health",
    ),
    (
        "spec.stages[].{request}.url",
        "!self.matches('^[a-z]+://[^/?#]*@')",
        "url must not carry a user name or password: send them as a header from a secret",
    ),
    (
        "spec.stages[].{request}.url",
        r"!self.matches('[\\s\\\\]')",
        "url must not hold blanks or backslashes: write them as %20 and %5C",
    ),
    ("spec.stages[].{request}.url", URL_HOST, URL_HOST_SAYS),
    ("spec.stages[].{request}.url", URL_PORT, "the port of url must be between 1 and 65535"),
    (
        "spec.stages[].{request}.headers[].name",
        "!(self.lowerAscii() in ['host', 'content-length', 'transfer-encoding', 'connection', 'keep-alive', 'upgrade', \
         'te', 'trailer', 'expect', 'proxy-connection', 'proxy-authorization'])",
        "this header belongs to the connection and cannot be set: remove it",
    ),
    // performance
    (
        "spec.stages[].performanceChecks[].thresholds",
        "has(self.p50) || has(self.p90) || has(self.p95) || has(self.p99) || has(self.errorRate) || has(self.throughput)",
        "thresholds needs at least one of p50, p90, p95, p99, errorRate and throughput",
    ),
    (
        "spec.stages[].performanceChecks[].http",
        "!has(self.requests) || !has(self.duration)",
        "a load lasts for requests or for duration: remove one of the two",
    ),
    (
        "spec.stages[].performanceChecks[].http",
        "!has(self.requests) || !has(self.rate) || self.requests <= self.rate * 300",
        "at this rate the requests take longer than 5m: ask for fewer, or raise rate",
    ),
    (
        "spec.stages[].performanceChecks[]",
        "has(self.http.duration) || (has(self.http.requests) ? self.http.requests : 100) >= \
         (has(self.thresholds.p99) ? 100 : has(self.thresholds.p95) ? 20 : has(self.thresholds.p90) ? 10 : 1)",
        "p99 needs at least 100 requests, p95 20 and p90 10: fewer say nothing about it",
    ),
    ("spec.stages[].performanceChecks[].thresholds.p50", HAS_LIMIT, NEEDS_LIMIT),
    ("spec.stages[].performanceChecks[].thresholds.p90", HAS_LIMIT, NEEDS_LIMIT),
    ("spec.stages[].performanceChecks[].thresholds.p95", HAS_LIMIT, NEEDS_LIMIT),
    ("spec.stages[].performanceChecks[].thresholds.p99", HAS_LIMIT, NEEDS_LIMIT),
    ("spec.stages[].performanceChecks[].thresholds.errorRate", HAS_LIMIT, NEEDS_LIMIT),
];

/// Programs differ in what they make of 127.1, 0x7f.0.0.1 or a zone: nobody should have to know. A name's last part is
/// no number.
const URL_HOST: &str = "self.matches('^https?://([^/?#]*@|[?/#]|:|$)|^https?://(\
    ((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\
    |[[][0-9a-fA-F:.]{2,45}[]]\
    |([^][.:/?#@%]{1,63}[.])*([1-9][0-9]*)?[^][.:/?#@%0-9][^][.:/?#@%]{0,62}[.]?\
    )(:[^/?#]*)?([/?#]|$)') && self.matches('^[^/]*//[^/?#]{0,259}([/?#]|$)') || !self.matches('^https?://')";
const URL_PORT: &str = "!self.matches('^https?://[^/?#@]*:[0-9]*([/?#]|$)') \
    || self.matches('^[^/]*//[^/?#]*:0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])([/?#]|$)')";
const URL_HOST_SAYS: &str =
    "url must name its host by a DNS name, four decimal numbers, or an IPv6 address in brackets";

const HAS_LIMIT: &str = "has(self.max) || has(self.maxIncrease)";
const NEEDS_LIMIT: &str = "a threshold needs max, maxIncrease, or both";

/// Where, the field below it that is complained of, rule, sentence.
const PLACED: &[(&str, &str, &str, &str)] = &[
    (
        "spec.stages[]",
        ".{check}",
        "!has(self.{check}) || size(self.targets) < 2 \
         || self.{check}.all(c, !has(c.{form}) || !has(c.{form}.pods) || has(c.{form}.pods.target))",
        NEEDS_TARGET,
    ),
    (
        "spec.stages[]",
        ".{check}",
        "!has(self.{check}) || self.{check}.all(c, !has(c.{form}) || !has(c.{form}.pods) || !has(c.{form}.pods.target) \
         || self.targets.exists(t, t.name == c.{form}.pods.target))",
        NO_TARGET,
    ),
    (
        "spec.stages[]",
        ".{check}",
        "!has(self.{check}) || self.{check}.all(c, !has(c.{form}) || !has(c.{form}.pods) \
         || !self.targets.exists(t, has(t.ecs) && !has(t.kubernetes) \
         && (has(c.{form}.pods.target) ? t.name == c.{form}.pods.target : size(self.targets) == 1)))",
        NO_PODS,
    ),
    (
        "spec.stages[]",
        ".{hooks}",
        "!has(self.{hooks}) || self.{hooks}.all(h, !has(h.ecsTask) || self.targets.exists(t, has(t.ecs) \
         && (!has(h.ecsTask.target) || h.ecsTask.target == t.name)))",
        "an ecsTask runs beside an ECS target of its stage: add one, name one by ecsTask.target, or use job",
    ),
    (
        "spec.stages[]",
        ".performanceChecks",
        "!has(self.performanceChecks) || size(self.targets) < 2 \
         || self.performanceChecks.all(c, !has(c.http.pods) || has(c.http.pods.target))",
        "http.pods needs a target where the stage has several: say whose pods are asked",
    ),
    (
        "spec.stages[]",
        ".performanceChecks",
        "!has(self.performanceChecks) || self.performanceChecks.all(c, !has(c.http.pods) || !has(c.http.pods.target) \
         || self.targets.exists(t, t.name == c.http.pods.target))",
        "http.pods.target names no target of this stage",
    ),
    (
        "spec.stages[]",
        ".performanceChecks",
        "!has(self.performanceChecks) || self.performanceChecks.all(c, !has(c.http.pods) \
         || !self.targets.exists(t, has(t.ecs) && !has(t.kubernetes) \
         && (has(c.http.pods.target) ? t.name == c.http.pods.target : size(self.targets) == 1)))",
        "http.pods asks pods, and an ECS service has none: use http with a url",
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

const NEEDS_TARGET: &str = "{form}.pods needs a target where the stage has several: say whose pods are asked";
const NO_TARGET: &str = "{form}.pods.target names no target of this stage";
const NO_PODS: &str = "{form}.pods asks pods, and an ECS service has none: use http with a url";

const STANDS_FOR: [(&str, &[&str]); 7] = [
    ("{jobs}", &["hooks", "onRollback", "smokeTests"]),
    ("{hooks}", &["hooks", "onRollback"]),
    ("{request}", &["{list}[].http", "metricGates[].prometheus"]),
    ("{list}", &["healthChecks", "smokeTests", "performanceChecks"]),
    ("{check}", &["healthChecks", "smokeTests"]),
    ("{form}", &["http", "tcp", "grpc"]),
    ("{peer}", &["tcp", "grpc"]),
];

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

fn filled(rule: Rule) -> Vec<Rule> {
    STANDS_FOR.iter().fold(vec![rule], |rules, (word, fields)| {
        let has = |rule: &Rule| format!("{}{:?}{}", rule.at, rule.field, rule.cel).contains(word);
        let each = |rule: Rule| match has(&rule) {
            true => fields.iter().map(|field| fill(&rule, word, field)).collect(),
            false => vec![rule],
        };
        rules.into_iter().flat_map(each).collect()
    })
}

fn fill(rule: &Rule, word: &str, field: &str) -> Rule {
    let put = |text: &str| text.replace(word, field);
    Rule { at: put(&rule.at), field: rule.field.as_deref().map(put), cel: put(&rule.cel), says: put(&rule.says) }
}
