//! `docs/reference/release.md`: every field of the Release, from the schema that the API server serves.

use crate::api::crd;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Write as _;

const INTRO: &str = "\
<!-- Written by `tidegate generate reference`. Do not edit: change the types and rules in src/api instead. -->

# The Release

`apiVersion: tidegate.dev/v1alpha1`, `kind: Release`, short name `rel`. Every field, with the sentence that the API
server says where a rule is broken. `[]` stands for each entry of a list; **bold** fields must be given.

Durations are whole numbers with units, such as `250ms`, `90s`, `10m` or `1h30m`.
";

/// One object of the schema and its fields.
struct Section {
    path: String,
    node: Value,
}

pub(super) fn page() -> anyhow::Result<String> {
    let schema = crd::release_schema()?;
    let mut page = INTRO.to_owned();
    page.push_str("\nOf the object as a whole:\n\n");
    rules_of(&mut page, &schema);
    page.truncate(page.trim_end().len() + 1);
    let mut seen = HashMap::new();
    for root in ["spec", "status"] {
        let mut sections = Vec::new();
        collect(root, &schema["properties"][root], &mut seen, &mut sections);
        for section in &sections {
            write_section(&mut page, section, &seen);
        }
    }
    Ok(page)
}

/// Objects with fields of their own, each after its parent; one that was met before, field for field, is not repeated.
fn collect(path: &str, node: &Value, seen: &mut HashMap<String, String>, sections: &mut Vec<Section>) {
    let object = object_of(node);
    let Some(fields) = object["properties"].as_object() else { return };
    if let std::collections::hash_map::Entry::Vacant(first) = seen.entry(identity(object)) {
        first.insert(path.to_owned());
    } else {
        return;
    }
    sections.push(Section { path: path.to_owned(), node: object.clone() });
    for (name, field) in fields {
        collect(&join(path, name, field), field, seen, sections);
    }
}

fn write_section(page: &mut String, section: &Section, seen: &HashMap<String, String>) {
    let _ = write!(page, "\n## {}\n\n", section.path);
    if let Some(about) = section.node["description"].as_str() {
        let _ = writeln!(page, "{about}\n");
    }
    rules_of(page, &section.node);
    page.push_str("| field | type | default | limits | meaning |\n|---|---|---|---|---|\n");
    let required: Vec<_> =
        section.node["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let status = section.path.starts_with("status");
    for (name, field) in section.node["properties"].as_object().into_iter().flatten() {
        let mark = if required.contains(&name.as_str()) && !status { "**" } else { "" };
        let link = target(&join(&section.path, name, field), object_of(field), seen);
        let title = link.map_or_else(|| format!("`{name}`"), |link| format!("[`{name}`](#{link})"));
        let meaning = cell(field["description"].as_str().unwrap_or_default());
        let _ = writeln!(
            page,
            "| {mark}{title}{mark} | {} | {} | {} | {meaning} |",
            type_of(field),
            default(field),
            limits(field)
        );
    }
}

/// Where the fields of an object are told, if it has any.
fn target(path: &str, object: &Value, seen: &HashMap<String, String>) -> Option<String> {
    object["properties"].as_object()?;
    let told = seen.get(&identity(object)).map_or(path, String::as_str);
    Some(told.to_lowercase().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect())
}

fn rules_of(page: &mut String, node: &Value) {
    let mut told = Vec::new();
    for says in sentences(node) {
        if !told.contains(&says) {
            let _ = writeln!(page, "- {says}");
            told.push(says);
        }
    }
    if !told.is_empty() {
        page.push('\n');
    }
}

fn sentences(node: &Value) -> impl Iterator<Item = &str> {
    node["x-kubernetes-validations"].as_array().into_iter().flatten().filter_map(|rule| rule["message"].as_str())
}

/// A list's entries, or the node itself.
fn object_of(node: &Value) -> &Value {
    node.get("items").unwrap_or(node)
}

/// Equal for objects that have the same fields, whatever is said of the place where they stand.
fn identity(object: &Value) -> String {
    object["properties"].to_string()
}

fn join(path: &str, name: &str, node: &Value) -> String {
    format!("{path}.{name}{}", if node["type"] == "array" { "[]" } else { "" })
}

fn type_of(node: &Value) -> String {
    match node["type"].as_str() {
        Some("array") => format!("list of {}", type_of(&node["items"])),
        Some("string") if node["format"] == "date-time" => "time".to_owned(),
        Some("string") if node.to_string().contains("duration(self)") => "duration".to_owned(),
        Some(name) => name.to_owned(),
        None => "any value".to_owned(),
    }
}

fn default(node: &Value) -> String {
    match &node["default"] {
        Value::Null => String::new(),
        Value::String(text) => format!("`{text}`"),
        // An object's defaults stand at its fields.
        Value::Object(_) => "see its fields".to_owned(),
        other => format!("`{other}`"),
    }
}

fn limits(node: &Value) -> String {
    let mut limits = Vec::new();
    let range = |least: &str, most: &str| match (node[least].as_i64(), node[most].as_i64()) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}")),
        (None, Some(most)) => Some(format!("at most {most}")),
        (Some(least), None) => Some(format!("at least {least}")),
        (None, None) => None,
    };
    limits.extend(range("minimum", "maximum"));
    limits.extend(range("minItems", "maxItems").map(|r| format!("{r} entries")));
    limits.extend(node["x-kubernetes-list-map-keys"][0].as_str().map(|key| format!("each `{key}` once")));
    limits.extend((node["x-kubernetes-list-type"] == "set").then(|| "each once".to_owned()));
    limits.extend(one_of(node));
    if node["properties"].is_null() {
        // Those of an object stand above its own fields.
        limits.extend(sentences(node).map(str::to_owned));
    }
    if node["items"]["properties"].is_null() {
        limits.extend(sentences(&node["items"]).map(|says| format!("each {says}")));
    }
    if !sentences(node).any(|says| says.starts_with("must be a duration")) {
        limits.extend(range("minLength", "maxLength").map(|r| format!("{r} characters")));
    }
    cell(&limits.join("; "))
}

/// The values of an enum that its description does not list.
fn one_of(node: &Value) -> Option<String> {
    let listed = node["description"].as_str().is_some_and(|text| text.contains(crd::ENUM_LEAD));
    let values = node["enum"].as_array().filter(|_| !listed)?;
    Some(values.iter().filter_map(Value::as_str).map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", "))
}

/// Text in a cell of a table: one line, its lists set apart by semicolons.
fn cell(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.is_empty());
    let joined = lines.fold(String::new(), |cell, line| match line.strip_prefix("- ") {
        Some(item) if cell.ends_with(crd::ENUM_LEAD) => cell + " " + item,
        Some(item) => format!("{}; {item}", cell.trim_end_matches('.')),
        None if cell.is_empty() => line.to_owned(),
        None => cell + " " + line,
    });
    joined.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::crd::rules;

    #[test]
    fn every_rule_is_told() {
        let page = page().unwrap();
        for rule in rules::all() {
            assert!(page.contains(&rule.says.replace('|', "\\|")), "{}: {}", rule.at, rule.says);
        }
    }

    #[test]
    fn every_link_leads_somewhere() {
        let page = page().unwrap();
        let anchor =
            |title: &str| title.to_lowercase().chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>();
        let titles: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("## ")).map(anchor).collect();
        for link in page.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            assert!(titles.iter().any(|title| title == link), "{link}");
        }
    }
}
