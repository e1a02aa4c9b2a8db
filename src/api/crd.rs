//! The CustomResourceDefinition: the Rust types' schema, with everything that types cannot say.
//!
//! The API server itself refuses a bad Release with a sentence for people, so no webhook is needed. What is added here:
//! rules between fields and within strings ([`rules`]), list keys, and a status that no version of the controller can
//! be refused. Never reads or writes anything.

use super::Release;
use kube::CustomResourceExt as _;
use serde_json::{Value, json};

pub mod rules;
mod schema;

pub use schema::ENUM_LEAD;

#[derive(Debug, thiserror::Error)]
pub enum CrdError {
    #[error("the generated CRD is not JSON")]
    Json(#[from] serde_json::Error),
    #[error("{0} names no field of the Release: mend the table in src/api/crd/rules.rs")]
    NoSuchField(String),
}

/// The whole CustomResourceDefinition, ready to be applied.
pub fn crd() -> Result<Value, CrdError> {
    let mut crd = serde_json::to_value(Release::crd())?;
    let schema = schema_mut(&mut crd)?;
    schema::tidy(schema);
    schema::explain_enums(schema)?;
    for rule in rules::all() {
        let node = schema::at(schema, &rule.at).ok_or_else(|| CrdError::NoSuchField(rule.at.clone()))?;
        schema::add_rule(node, &rule);
    }
    for (at, key) in rules::LIST_KEYS {
        let node = schema::at(schema, at).ok_or_else(|| CrdError::NoSuchField((*at).to_owned()))?;
        node["x-kubernetes-list-type"] = json!("map");
        node["x-kubernetes-list-map-keys"] = json!([key]);
    }
    for at in rules::SETS {
        let node = schema::at(schema, at).ok_or_else(|| CrdError::NoSuchField((*at).to_owned()))?;
        node["x-kubernetes-list-type"] = json!("set");
    }
    let status = schema::at(schema, "status").ok_or_else(|| CrdError::NoSuchField("status".to_owned()))?;
    schema::relax(status);
    // A Release that no controller has seen yet must not look finished to tools that compare generations.
    status["default"] = json!({"observedGeneration": -1});
    status["properties"]["observedGeneration"]["default"] = json!(-1);
    Ok(crd)
}

/// The schema of one Release, out of [`crd`].
pub fn release_schema() -> Result<Value, CrdError> {
    let mut crd = crd()?;
    schema_mut(&mut crd).map(Value::take)
}

fn schema_mut(crd: &mut Value) -> Result<&mut Value, CrdError> {
    crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema")
        .ok_or_else(|| CrdError::NoSuchField("openAPIV3Schema".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(node: &Value, path: &str, see: &mut dyn FnMut(&str, &Value)) {
        see(path, node);
        for (name, child) in node["properties"].as_object().into_iter().flatten() {
            walk(child, &format!("{path}.{name}"), see);
        }
        if node.get("items").is_some() {
            walk(&node["items"], &format!("{path}[]"), see);
        }
    }

    #[test]
    fn nothing_hides_the_sentences() {
        walk(&release_schema().unwrap(), "", &mut |path, node| {
            for word in ["oneOf", "anyOf", "allOf", "not", "additionalProperties"] {
                assert!(node.get(word).is_none(), "{path} has {word}");
            }
            assert!(node.get("nullable").is_none() || node.get("type").is_none(), "{path} is nullable");
            if node.get("x-kubernetes-validations").is_some() {
                assert!(node.get("pattern").is_none() && node.get("minLength").is_none(), "{path}");
            }
        });
    }

    #[test]
    fn every_list_and_string_of_the_spec_is_bounded() {
        walk(&release_schema().unwrap()["properties"]["spec"], "spec", &mut |path, node| match node["type"].as_str() {
            Some("array") => assert!(node["maxItems"].is_i64(), "{path}"),
            Some("string") => assert!(node["maxLength"].is_i64() || node["enum"].is_array(), "{path}"),
            _ => {}
        });
    }

    #[test]
    fn every_field_is_described() {
        let mut missing = Vec::new();
        walk(&release_schema().unwrap(), "", &mut |path, node| {
            let own = path.starts_with(".spec.") || path.matches('.').count() < 3;
            let described = path.is_empty() || path.ends_with("[]") || !own || node["description"].is_string();
            if !described {
                missing.push(path.to_owned());
            }
        });
        assert!(missing.is_empty(), "no description: {missing:#?}");
    }

    #[test]
    fn numbers_have_formats_that_openapi_knows() {
        walk(&release_schema().unwrap(), "", &mut |path, node| {
            if let Some(format) = node["format"].as_str() {
                assert!(["int32", "int64", "date-time"].contains(&format), "{path}: {format}");
            }
        });
    }

    #[test]
    fn a_status_of_another_version_is_neither_refused_nor_cut() {
        let schema = release_schema().unwrap();
        walk(&schema["properties"]["status"], "status", &mut |path, node| {
            for word in ["enum", "pattern", "maxLength", "minLength", "minimum", "maximum", "maxItems"] {
                assert!(node.get(word).is_none(), "{path} has {word}");
            }
            if !path.contains("conditions") {
                assert!(node.get("required").is_none(), "{path} has required");
            }
            if node["type"] == "object" {
                assert_eq!(node["x-kubernetes-preserve-unknown-fields"], true, "{path}");
            }
        });
        assert_eq!(schema["properties"]["status"]["default"], json!({"observedGeneration": -1}));
    }
}
