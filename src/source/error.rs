//! Why a pull or a probe failed.

use crate::net::{ErrorClass, NetError, Retryable};

/// A failed pull. The message names the object, the cause and the remedy, and holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    pub class: ErrorClass,
    pub message: String,
    /// Names of labels that the answer has and the KPI has not, where it fails for them: who writes a KPI can add them.
    pub labels: Vec<String>,
}

impl SourceError {
    pub fn new(class: ErrorClass, message: impl Into<String>) -> SourceError {
        SourceError { class, message: message.into(), labels: Vec::new() }
    }

    pub(super) fn config(message: impl Into<String>) -> SourceError {
        SourceError::new(ErrorClass::Config, message)
    }

    pub(super) fn with_labels(self, labels: Vec<String>) -> SourceError {
        SourceError { labels, ..self }
    }

    /// True when the same pull may succeed later.
    pub fn retryable(&self) -> bool {
        self.class.retryable()
    }
}

impl From<NetError> for SourceError {
    fn from(error: NetError) -> Self {
        SourceError::new(error.class, error.message)
    }
}

impl Retryable for SourceError {
    fn class(&self) -> ErrorClass {
        self.class
    }
}
