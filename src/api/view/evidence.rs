//! What CI published about an image, as it was found.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A ConfigMap that holds evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EvidenceView {
    Found(BTreeMap<String, String>),
    Absent,
    Denied(String),
    Unreachable(String),
}
