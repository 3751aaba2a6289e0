//! What was done to the service, by whom: for those who must be able to show it afterwards.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::action::Action;

/// One thing that was done. It is never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    pub at: Timestamp,
    /// Who did it; none: the service itself, or whoever may send it signals.
    pub by: Option<String>,
    /// `acknowledge`, `silence`, `reload`, `start`; stable across versions.
    pub what: String,
    /// All about it, as JSON. Free of secrets.
    pub detail: String,
}

impl AuditEntry {
    /// A person's action.
    pub fn of_action(action: &Action, at: Timestamp) -> AuditEntry {
        // An externally tagged enum: its only key is its name.
        let told = serde_json::to_value(&action.what).unwrap_or_default();
        let named = told.as_object().and_then(|fields| fields.iter().next());
        let (what, detail) = named.map_or_else(
            || (told.as_str().unwrap_or("action").to_owned(), "{}".to_owned()),
            |(name, detail)| (name.clone(), detail.to_string()),
        );
        AuditEntry { at, by: Some(action.by.clone()), what, detail }
    }
}

/// An entry as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// From 1, without gaps but for the oldest that are no more kept.
    pub number: i64,
    pub entry: AuditEntry,
    /// Digest of this entry and of the one before, as hexadecimal digits: who changes one must change all that follow.
    pub digest: String,
}
