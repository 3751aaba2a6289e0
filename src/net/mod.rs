//! Speaking HTTP with bounds: one client, its errors by class, retries, and the settings that build it.
//!
//! Sources and channels share it. It raises on what prevents an answer; judging the answer is theirs.

mod address;
mod client;
mod endpoint;
mod error;
mod fault;
mod guard;
mod message;
mod quota;
mod retry;
mod settings;
mod span;
mod tls;

#[cfg(test)]
pub(crate) mod fixture;

pub use address::is_loopback;
pub use client::HttpClient;
pub use endpoint::{Answer, Endpoint, Unanswered};
pub use error::{ErrorClass, NetError, RETRY_AFTER_MAX, root_cause};
pub use fault::{TlsFault, TlsKeys};
pub use guard::is_guarded_host;
pub use message::{Request, Response, excerpt};
pub use quota::LimitsConfig;
pub use retry::{RetryPolicy, Retryable, retry};
pub use settings::{AuthConfig, BasicAuth, HttpSettings, TlsConfig};
pub use span::TimeSpan;
pub use tls::{authorities, install_crypto};

pub use reqwest::Url;
