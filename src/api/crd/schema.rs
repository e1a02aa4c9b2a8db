//! Changes to a generated schema, each a plain function over its JSON.

use super::CrdError;
use super::rules::Rule;
use crate::api::{ReleaseSpec, ReleaseStatus};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How a description begins to list the values of an enum; one line each follows.
pub const ENUM_LEAD: &str = "One of:";

/// The node that `path` names: `spec.stages[].name`; the empty path is the root.
pub(super) fn at<'a>(root: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('.').filter(|part| !part.is_empty()).try_fold(root, |node, part| {
        let node = node.get_mut("properties")?.get_mut(part.trim_end_matches("[]"))?;
        if part.ends_with("[]") { node.get_mut("items") } else { Some(node) }
    })
}

/// Takes out what hides the sentences of rules (`oneOf`, `null` beside a type) and prints whole numbers as such.
pub(super) fn tidy(node: &mut Value) {
    if let Some(fields) = node.as_object_mut() {
        fields.remove("oneOf");
        if fields.contains_key("type") {
            fields.remove("nullable");
        }
        for bound in ["minimum", "maximum"] {
            if let Some(whole) = fields.get(bound).and_then(Value::as_f64) {
                #[expect(clippy::cast_possible_truncation, reason = "every bound is a small whole number")]
                fields.insert(bound.to_owned(), json!(whole as i64));
            }
        }
    }
    children(node, tidy);
}

/// Appends what each value of an enum means to the description of the field.
pub(super) fn explain_enums(root: &mut Value) -> Result<(), CrdError> {
    let mut docs = BTreeMap::new();
    for schema in [schemars::schema_for!(ReleaseSpec), schemars::schema_for!(ReleaseStatus)] {
        let schema = serde_json::to_value(schema)?;
        for definition in schema["$defs"].as_object().into_iter().flat_map(Map::values) {
            let variants = variants(definition);
            if variants.iter().any(|(_, doc)| !doc.is_empty()) {
                docs.insert(sorted(variants.iter().map(|(value, _)| value.clone()).collect()), variants);
            }
        }
    }
    explain(root, &docs);
    Ok(())
}

/// Adds `rule` to its node; bare bounds that would be answered before it, less readably, go.
pub(super) fn add_rule(node: &mut Value, rule: &Rule) {
    let mut entry = json!({"rule": rule.cel, "message": rule.says});
    if let Some(field) = &rule.field {
        entry["fieldPath"] = json!(field);
    }
    if let Some(fields) = node.as_object_mut() {
        fields.remove("pattern");
        fields.remove("minLength");
        let rules = fields.entry("x-kubernetes-validations").or_insert_with(|| json!([]));
        if let Some(rules) = rules.as_array_mut() {
            rules.push(entry);
        }
    }
}

/// Makes a schema that refuses and cuts off nothing but wrong types: the status is the controller's memory, and a CRD
/// that is older or newer than the controller must not make it forget.
pub(super) fn relax(node: &mut Value) {
    const BOUNDS: [&str; 10] = [
        "enum",
        "pattern",
        "maxLength",
        "minLength",
        "minimum",
        "maximum",
        "maxItems",
        "minItems",
        "required",
        "default",
    ];
    let is_condition = !node["properties"]["lastTransitionTime"].is_null();
    if let Some(fields) = node.as_object_mut() {
        if let Some(values) = fields.get("enum").and_then(Value::as_array).cloned() {
            list_values(fields, &values.iter().filter_map(Value::as_str).collect::<Vec<_>>());
        }
        fields.retain(|name, _| !BOUNDS.contains(&name.as_str()));
        if fields.get("type").is_some_and(|t| t == "object") {
            fields.insert("x-kubernetes-preserve-unknown-fields".to_owned(), json!(true));
        }
        if is_condition {
            // The key of a keyed list must be there.
            fields.insert("required".to_owned(), json!(["status", "type"]));
        }
    }
    children(node, relax);
}

fn children(node: &mut Value, mut change: impl FnMut(&mut Value)) {
    for child in node.get_mut("properties").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
        change(child);
    }
    if let Some(items) = node.get_mut("items") {
        change(items);
    }
}

type EnumDocs = BTreeMap<Vec<String>, Vec<(String, String)>>;

fn explain(node: &mut Value, docs: &EnumDocs) {
    let values = node["enum"].as_array().map(|e| e.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    if let Some(variants) = values.and_then(|v: Vec<String>| docs.get(&sorted(v)))
        && let Some(fields) = node.as_object_mut()
    {
        let lines =
            variants.iter().map(|(value, doc)| format!("- `{value}`{}{doc}", if doc.is_empty() { "" } else { ": " }));
        let list = format!("{ENUM_LEAD}\n{}", lines.collect::<Vec<_>>().join("\n"));
        append(fields, &list);
    }
    children(node, |child| explain(child, docs));
}

/// For an enum whose values are not explained yet.
fn list_values(fields: &mut Map<String, Value>, values: &[&str]) {
    if !fields.get("description").and_then(Value::as_str).unwrap_or_default().contains(ENUM_LEAD) {
        append(fields, &format!("{ENUM_LEAD} {}.", values.join(", ")));
    }
}

fn append(fields: &mut Map<String, Value>, text: &str) {
    let before = fields.get("description").and_then(Value::as_str).unwrap_or_default();
    let gap = if before.is_empty() { "" } else { "\n\n" };
    fields.insert("description".to_owned(), json!(format!("{before}{gap}{text}")));
}

/// The values of an enum and what their doc comments say, in the order of the source where all are documented.
fn variants(definition: &Value) -> Vec<(String, String)> {
    let one_line = |text: &Value| text.as_str().unwrap_or_default().replace('\n', " ");
    let mut found = Vec::new();
    for variant in definition["oneOf"].as_array().into_iter().flatten() {
        if let Some(value) = variant["const"].as_str() {
            found.push((value.to_owned(), one_line(&variant["description"])));
        }
        found.extend(
            variant["enum"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(|v| (v.to_owned(), String::new())),
        );
    }
    found
}

fn sorted(mut values: Vec<String>) -> Vec<String> {
    values.sort();
    values
}
