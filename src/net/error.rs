//! Why an exchange failed, by what can be done about it.

use std::error::Error;
use std::time::Duration;

use jiff::Timestamp;

use super::fault::{TlsFault, TlsKeys};
use super::guard::GuardedAddress;

/// Longest wait that a server may ask for; more is cut to it.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// How every integration that speaks HTTP names its settings.
const TLS_KEYS: TlsKeys = TlsKeys { host: "url", ca: "tls.ca", cert: Some("tls.cert") };

/// What kind of failure, which decides whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Credentials are missing, wrong or not allowed to do this.
    Auth,
    /// The configuration or the query is wrong; it stays wrong until somebody changes it.
    Config,
    /// The other side asks to wait, at most [`RETRY_AFTER_MAX`].
    Throttled { after: Option<Duration> },
    /// The budget that the configuration allows is used up until then; nothing was sent.
    Quota { reset_at: Timestamp },
    /// It may work the next time.
    Transient,
    /// The answer is not what this system gives.
    Unexpected,
    /// The total deadline ran out.
    Deadline,
    /// The answer is larger than the bound.
    TooLarge,
}

impl ErrorClass {
    /// True when the same request may succeed later.
    pub fn retryable(self) -> bool {
        match self {
            ErrorClass::Throttled { .. } | ErrorClass::Transient => true,
            ErrorClass::Auth
            | ErrorClass::Config
            | ErrorClass::Quota { .. }
            | ErrorClass::Unexpected
            | ErrorClass::Deadline
            | ErrorClass::TooLarge => false,
        }
    }

    /// The words of all classes.
    pub const WORDS: [&'static str; 8] =
        ["auth", "config", "throttled", "quota", "transient", "unexpected", "deadline", "too_large"];

    /// The class as one word, for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorClass::Auth => "auth",
            ErrorClass::Config => "config",
            ErrorClass::Throttled { .. } => "throttled",
            ErrorClass::Quota { .. } => "quota",
            ErrorClass::Transient => "transient",
            ErrorClass::Unexpected => "unexpected",
            ErrorClass::Deadline => "deadline",
            ErrorClass::TooLarge => "too_large",
        }
    }
}

/// A failed exchange. The message names scheme, host and port only: paths, queries and user
/// information of addresses may be secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NetError {
    pub class: ErrorClass,
    pub message: String,
}

impl NetError {
    pub fn new(class: ErrorClass, message: impl Into<String>) -> NetError {
        NetError { class, message: message.into() }
    }

    pub fn retryable(&self) -> bool {
        self.class.retryable()
    }

    /// The same, where a proxy stands between.
    pub(super) fn from_proxied(error: reqwest::Error, origin: &str, proxy: &str) -> NetError {
        let cause = root_cause(&error).to_lowercase();
        if !error.is_connect() || TlsFault::find(&error).is_some() {
            return NetError::from_reqwest(error, origin);
        }
        let (class, remedy) = if cause.contains("proxy auth") {
            (ErrorClass::Auth, "write user and password into proxy: http://user:password@host:port, as a secret")
        } else {
            (ErrorClass::Transient, "check proxy, and that it lets this address through")
        };
        NetError::new(class, format!("can't connect to {origin} through the proxy {proxy}: {cause}; {remedy}"))
    }

    /// Classifies what the HTTP library reports. `origin` is scheme, host and port.
    pub(super) fn from_reqwest(error: reqwest::Error, origin: &str) -> NetError {
        // The library's own text repeats the whole address.
        let error = error.without_url();
        if let Some(fault) = TlsFault::find(&error) {
            let message = format!("{origin}: {}; {}", fault.cause(), fault.remedy(&TLS_KEYS));
            return NetError::new(ErrorClass::Config, message);
        }
        if GuardedAddress::caused(&error) {
            let message =
                format!("{origin} is refused: {GuardedAddress}; if that is meant, say allow_link_local: true");
            return NetError::new(ErrorClass::Config, message);
        }
        let cause = root_cause(&error).to_lowercase();
        if error.is_connect() {
            let message = format!("can't connect to {origin}: {cause}; check the address and that the service runs");
            return NetError::new(ErrorClass::Transient, message);
        }
        if error.is_timeout() {
            let message = format!("{origin} did not answer in time; check that it is up, or ask for less at once");
            return NetError::new(ErrorClass::Deadline, message);
        }
        if error.is_builder() {
            let message = format!("the request to {origin} can't be made: {cause}; check url and headers");
            return NetError::new(ErrorClass::Config, message);
        }
        if cause.starts_with("invalid http") {
            let message = format!("{origin} answers something else than HTTP; check the port in url");
            return NetError::new(ErrorClass::Unexpected, message);
        }
        let message = format!("the exchange with {origin} broke off: {cause}; it is tried again");
        NetError::new(ErrorClass::Transient, message)
    }
}

/// The innermost words of an error, without a final period.
pub fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string().trim_end_matches('.').to_owned()
}
