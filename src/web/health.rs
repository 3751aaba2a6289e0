//! What the health pages ask of the service.

use std::future::Future;

/// Answers for the service.
pub trait Health: Send + Sync + 'static {
    /// Ends once the engine has answered; a caller that waits too long gives up.
    fn alive(&self) -> impl Future<Output = ()> + Send;

    /// Whether the service does its work; else what it waits for, in words free of secrets.
    fn ready(&self) -> impl Future<Output = Result<(), String>> + Send;
}
