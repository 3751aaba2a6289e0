//! Speaking HTTP with bounds: one client, its errors by class, retries, and the settings that build it.
//!
//! Sources and channels share it. It raises on what prevents an answer; judging the answer is theirs.

mod client;
mod error;
mod message;
mod retry;
mod settings;
mod span;

pub use client::HttpClient;
pub use error::{ErrorClass, NetError, RETRY_AFTER_MAX};
pub use message::{Request, Response, excerpt};
pub use retry::{RetryPolicy, Retryable, retry};
pub use settings::{AuthConfig, BasicAuth, HttpSettings, TlsConfig};
pub use span::TimeSpan;

pub use reqwest::Url;
