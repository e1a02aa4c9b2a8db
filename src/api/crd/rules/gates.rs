//! What the API server asks of metric gates.

/// Where, rule, sentence.
pub(super) const FIELDS: &[(&str, &str, &str)] = &[
    (
        "spec.stages[].metricGates[]",
        "has(self.prometheus) != has(self.cloudwatch)",
        "a metric gate needs exactly one of prometheus and cloudwatch",
    ),
    (
        "spec.stages[].metricGates[].prometheus",
        "has(self.service) != has(self.url)",
        "prometheus needs exactly one of service and url",
    ),
    (
        "spec.stages[].metricGates[].prometheus.condition",
        "has(self.max) || has(self.min)",
        "condition needs max, min, or both",
    ),
    (
        "spec.stages[].metricGates[].prometheus.condition",
        "!has(self.max) || !has(self.min) || double(self.min) <= double(self.max)",
        "condition.min must not be above condition.max: no value could hold both",
    ),
    ("spec.stages[].metricGates[].prometheus.query", "self.matches('[^ \\t\\r\\n]')", "query must not be empty"),
    (
        "spec.stages[].metricGates[].prometheus.query",
        "self.findAll('[$][(]TIDEGATE_').size() \
         == self.findAll('[$][(]TIDEGATE_(TAG|IMAGE|STAGE|NAMESPACE|REVISION)[)]').size()",
        "query has a placeholder that is not known: there are $(TIDEGATE_TAG), $(TIDEGATE_IMAGE), $(TIDEGATE_STAGE), \
         $(TIDEGATE_NAMESPACE) and $(TIDEGATE_REVISION)",
    ),
    (
        "spec.stages[].metricGates[].prometheus.url",
        "!self.matches('[?#]')",
        "url must end before /api/v1/query, without ? and #",
    ),
    (
        "spec.stages[]",
        "!has(self.metricGates) || size(self.metricGates) == 0 || has(self.bake)",
        "metricGates are asked while the stage bakes: say for how long, such as bake: 10m",
    ),
];
