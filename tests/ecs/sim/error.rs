//! Refusals, in the words of AWS.

use serde_json::json;

/// An answer that is no 200.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub status: u16,
    pub code: String,
    pub message: String,
    /// `resourceIds` of a ConflictException.
    pub resources: Vec<String>,
}

impl Refusal {
    /// Status 400.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.to_owned(), message: message.into(), resources: Vec::new() }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterException", message)
    }

    pub fn client(message: impl Into<String>) -> Self {
        Self::new("ClientException", message)
    }

    pub fn server() -> Self {
        Self { status: 500, ..Self::new("ServerException", "Service Unavailable. Try again.") }
    }

    pub fn throttled() -> Self {
        Self::new("ThrottlingException", "Rate exceeded")
    }

    pub fn json(&self) -> String {
        let mut told = json!({"__type": self.code, "message": self.message});
        if !self.resources.is_empty() {
            told["resourceIds"] = json!(self.resources);
        }
        told.to_string()
    }
}
