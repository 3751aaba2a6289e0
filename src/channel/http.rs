//! One POST to one configured address: no redirects, a total deadline, a bounded answer, no secret in any error.

use std::error::Error as _;
use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Url, redirect};

use crate::model::notification::AttemptOutcome;
use crate::secret::Secret;

use super::clean;
use super::smtp::is_loopback;

const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// An answer is read no further.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Of an answer this much is quoted in causes.
const QUOTE_CHARS_MAX: usize = 200;
/// A server can't ask for a longer pause.
const RETRY_AFTER_MAX: SignedDuration = SignedDuration::from_hours(1);

/// An address that can be posted to.
pub(super) struct Http {
    client: Client,
    url: Url,
    /// What must never be quoted: the address's path and query, and the channel's own secrets.
    secrets: Vec<Secret>,
}

/// What the server said.
pub(super) struct Answer {
    pub(super) status: u16,
    /// Not before that long, when the server said so.
    pub(super) after: Option<SignedDuration>,
    /// Its beginning, on one line, free of secrets.
    pub(super) body: String,
}

impl Http {
    pub(super) fn build(url: &str, mut secrets: Vec<Secret>) -> Result<Http, String> {
        let url = Url::parse(url.trim()).map_err(|error| format!("the address can't be read: {error}"))?;
        let Some(host) = url.host_str() else {
            return Err("the address names no host; write https://host/path".to_owned());
        };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("the address must begin with https://, not {}://", url.scheme()));
        }
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_WAIT)
            .user_agent(concat!("vigie/", env!("CARGO_PKG_VERSION")));
        if is_loopback(host) {
            // A proxy's own machine is not ours.
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| format!("the HTTP client can't be built: {}", words(error)))?;
        secrets.push(Secret::new(url.to_string()));
        if url.path().len() > 1 {
            secrets.push(Secret::new(url.path().to_owned()));
        }
        secrets.extend(url.query().map(|query| Secret::new(query.to_owned())));
        secrets.extend(url.password().map(|password| Secret::new(password.to_owned())));
        Ok(Http { client, url, secrets })
    }

    /// Host and port: all of the address that may be shown.
    pub(super) fn place(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    pub(super) fn is_private(&self) -> bool {
        self.url.scheme() == "https" || is_loopback(self.url.host_str().unwrap_or_default())
    }

    /// Posts JSON. An error is what the attempt comes to: nothing reached the server, or nobody knows.
    pub(super) async fn post(
        &self,
        body: Vec<u8>,
        headers: HeaderMap,
        now: Timestamp,
        deadline: Duration,
    ) -> Result<Answer, AttemptOutcome> {
        let exchange = async {
            let request = self.client.post(self.url.clone()).headers(headers).body(body);
            let mut response = request.send().await?;
            let status = response.status().as_u16();
            let after = response.headers().get(RETRY_AFTER).and_then(|value| retry_after(value, now));
            let mut body = Vec::new();
            // The status is the verdict; a body that breaks off takes nothing from it.
            while let Ok(Some(chunk)) = response.chunk().await {
                let room = ANSWER_BYTES_MAX - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if body.len() == ANSWER_BYTES_MAX {
                    break;
                }
            }
            Ok::<_, reqwest::Error>((status, after, body))
        };
        match tokio::time::timeout(deadline, exchange).await {
            Ok(Ok((status, after, body))) => {
                Ok(Answer { status, after, body: self.quoted(&String::from_utf8_lossy(&body)) })
            }
            Ok(Err(error)) => Err(self.broken(error)),
            Err(_) => Err(AttemptOutcome::Ambiguous {
                cause: format!("{}: no answer in time; it may have been taken", self.place()),
            }),
        }
    }

    /// Opens and closes a connection, without a request.
    pub(super) async fn probe(&self, deadline: Duration) -> Result<String, String> {
        let place = self.place();
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = self.url.port_or_known_default().unwrap_or(443);
        match tokio::time::timeout(deadline, tokio::net::TcpStream::connect((host, port))).await {
            Ok(Ok(_)) => Ok(format!("{place} takes connections (nothing was posted)")),
            Ok(Err(error)) => Err(format!("{place} can't be reached: {error}")),
            Err(_) => Err(format!("{place} gave no answer in time")),
        }
    }

    fn broken(&self, error: reqwest::Error) -> AttemptOutcome {
        let (connecting, building) = (error.is_connect(), error.is_builder());
        let cause = format!("{}: {}", self.place(), self.quoted(&words(error)));
        if building {
            return AttemptOutcome::Permanent { cause };
        }
        if connecting {
            return AttemptOutcome::Retry { cause, after: None };
        }
        AttemptOutcome::Ambiguous { cause: format!("{cause}; it may have been taken") }
    }

    fn quoted(&self, text: &str) -> String {
        clean::one_line(&clean::scrub(text, &self.secrets), QUOTE_CHARS_MAX)
    }
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What a refusal means for the attempt; rules that all HTTP channels share.
    pub(super) fn refusal(&self, place: &str) -> AttemptOutcome {
        let said = if self.body.is_empty() { String::new() } else { format!(" {}", self.body) };
        let cause = format!("{place} answered {}{said}", self.status);
        match self.status {
            408 | 425 | 429 | 500..=599 => AttemptOutcome::Retry { cause, after: self.after },
            300..=399 => AttemptOutcome::Permanent {
                cause: format!("{cause}; redirects are not followed, configure the final address"),
            },
            401 | 403 => AttemptOutcome::Permanent { cause: format!("{cause}; check the credentials or the address") },
            404 | 410 => {
                AttemptOutcome::Permanent { cause: format!("{cause}; the address is gone, configure a new one") }
            }
            _ => AttemptOutcome::Permanent { cause },
        }
    }
}

/// Seconds or an HTTP date, never longer than an hour.
fn retry_after(value: &HeaderValue, now: Timestamp) -> Option<SignedDuration> {
    let text = value.to_str().ok()?.trim();
    let wanted = match text.parse::<u32>() {
        Ok(seconds) => SignedDuration::from_secs(i64::from(seconds)),
        Err(_) => DateTimeParser::new().parse_timestamp(text).ok()?.duration_since(now),
    };
    Some(wanted.clamp(SignedDuration::ZERO, RETRY_AFTER_MAX))
}

/// A header of the configuration or of ours, when it can stand in a request.
pub(super) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let plain = |each: char| each.is_ascii_alphanumeric() || each == '-';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(format!("header {name:?}: a name has letters, digits and `-` only"));
    }
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("header {name:?} is no header name"))?;
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| format!("header {name:?}: its value holds characters a header can't"))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

/// All causes of an error, without the address.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut out = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let text = inner.to_string();
        if !out.contains(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
        source = inner.source();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_retry_after(value: &str, seconds: Option<i64>) {
        let now: Timestamp = "2026-11-23T08:00:00Z".parse().expect("valid");
        let value = HeaderValue::from_str(value).expect("valid");
        assert_eq!(retry_after(&value, now).map(|after| after.as_secs()), seconds);
    }

    #[test]
    fn pauses_are_read_and_bounded() {
        check_retry_after("30", Some(30));
        check_retry_after(" 7 ", Some(7));
        check_retry_after("86400", Some(3600));
        check_retry_after("Mon, 23 Nov 2026 08:02:00 GMT", Some(120));
        check_retry_after("Mon, 23 Nov 2026 07:00:00 GMT", Some(0));
        check_retry_after("Wed, 25 Nov 2026 07:00:00 GMT", Some(3600));
        check_retry_after("soon", None);
        check_retry_after("-3", None);
    }

    #[test]
    fn addresses_are_checked_without_being_shown() {
        for (url, hint) in [("ftp://h/SECRETPATH", "https://"), ("not a url SECRETPATH", "can't be read")] {
            let error = Http::build(url, vec![]).err().expect("refused");
            assert!(error.contains(hint) && !error.contains("SECRETPATH"), "{error}");
        }
        let http = Http::build("https://hooks.example.test:8443/services/SECRETPATH?q=1", vec![]).expect("builds");
        assert_eq!(http.place(), "hooks.example.test:8443");
        assert_eq!(http.quoted("see /services/SECRETPATH"), "see ***");
    }

    #[test]
    fn header_names_are_plain() {
        assert!(header("X-Team", "a").is_ok());
        assert!(header("X-Team\r\nHost", "a").is_err());
        assert!(header("X-Team", "a\r\nHost: b").is_err());
        assert!(header("", "a").is_err());
    }
}
