//! Why a pull or a probe failed.

use crate::net::{ErrorClass, NetError, Retryable};

/// A failed pull. The message names the object, the cause and the remedy, and holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    pub class: ErrorClass,
    pub message: String,
}

impl SourceError {
    pub fn new(class: ErrorClass, message: impl Into<String>) -> SourceError {
        SourceError { class, message: message.into() }
    }

    pub(super) fn config(message: impl Into<String>) -> SourceError {
        SourceError::new(ErrorClass::Config, message)
    }

    /// True when the same pull may succeed later.
    pub fn retryable(&self) -> bool {
        self.class.retryable()
    }
}

impl From<NetError> for SourceError {
    fn from(error: NetError) -> Self {
        SourceError { class: error.class, message: error.message }
    }
}

impl Retryable for SourceError {
    fn class(&self) -> ErrorClass {
        self.class
    }
}
