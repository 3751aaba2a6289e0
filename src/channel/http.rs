//! What becomes of a delivery that is one POST to one configured address; the exchange itself is `net`'s.

use std::time::Duration;

use jiff::SignedDuration;

use crate::model::notification::AttemptOutcome;
use crate::net::{Answer, Endpoint, ErrorClass, HttpClient, HttpSettings, Unanswered};
use crate::secret::Secret;

use super::build::ChannelContext;
use super::clean;
use super::reply::MENDABLE;

/// Of an answer this much is quoted in causes.
const QUOTE_CHARS_MAX: usize = 200;

/// An address that deliveries are posted to.
pub(super) struct Http {
    /// What the channel calls it: `slack webhook`.
    name: &'static str,
    endpoint: Endpoint,
}

impl Http {
    pub(super) fn build(
        name: &'static str,
        url: &Secret,
        settings: &HttpSettings,
        context: &ChannelContext<'_>,
    ) -> Result<Http, String> {
        let said = |cause: String| format!("{name}: {cause}");
        let client = HttpClient::new(settings, context.base_dir, context.resolve).map_err(said)?;
        let endpoint = Endpoint::new(client, url.expose()).map_err(said)?;
        Ok(Http { name, endpoint })
    }

    /// Another secret that no answer may be quoted with; address and headers are ones anyway.
    pub(super) fn hide(&mut self, secret: Secret) {
        self.endpoint.hide(secret);
    }

    /// Name and server, as causes begin.
    pub(super) fn place(&self) -> String {
        format!("{} at {}", self.name, self.endpoint.origin())
    }

    pub(super) fn is_private(&self) -> bool {
        self.endpoint.is_private()
    }

    /// Posts JSON. An error is what the attempt comes to: nothing reached the server, or nobody knows.
    pub(super) async fn post(
        &self,
        body: Vec<u8>,
        headers: &[(&str, &str)],
        deadline: Duration,
    ) -> Result<Answer, AttemptOutcome> {
        let json = ("content-type", "application/json; charset=utf-8");
        let headers: Vec<_> = headers.iter().copied().chain([json]).collect();
        match self.endpoint.post(body, &headers, deadline).await {
            Ok(answer) => Ok(Answer { body: clean::one_line(&answer.body, QUOTE_CHARS_MAX), ..answer }),
            Err(unanswered) => Err(self.broken(&unanswered)),
        }
    }

    /// Connects, encrypts and asks for the server's root, without a post.
    pub(super) async fn probe(&self, deadline: Duration) -> Result<String, String> {
        match self.endpoint.probe(deadline).await {
            Ok(()) => Ok(format!("{} answers (nothing was posted)", self.endpoint.origin())),
            Err(error) => Err(clean::one_line(&error.message, 2 * QUOTE_CHARS_MAX)),
        }
    }

    fn broken(&self, Unanswered { error, may_have_arrived }: &Unanswered) -> AttemptOutcome {
        let cause = clean::one_line(&format!("{}: {}", self.name, error.message), 2 * QUOTE_CHARS_MAX);
        if *may_have_arrived {
            return AttemptOutcome::Ambiguous { cause: format!("{cause}; it may have been taken") };
        }
        match error.class {
            ErrorClass::Config | ErrorClass::Auth => AttemptOutcome::Retry { cause, after: Some(MENDABLE) },
            ErrorClass::Throttled { .. }
            | ErrorClass::Quota { .. }
            | ErrorClass::Transient
            | ErrorClass::Unexpected
            | ErrorClass::Deadline
            | ErrorClass::TooLarge => AttemptOutcome::Retry { cause, after: None },
        }
    }

    /// Who answered what, as causes begin.
    pub(super) fn told(&self, answer: &Answer) -> String {
        let said = if answer.body.is_empty() { String::new() } else { format!(" {}", answer.body) };
        format!("{} answered {}{said}", self.place(), answer.status)
    }

    /// What a refusal means for the attempt; rules that all HTTP channels share.
    pub(super) fn refusal(&self, answer: &Answer) -> AttemptOutcome {
        let cause = self.told(answer);
        match answer.status {
            408 | 425 | 429 | 500..=599 => {
                let after = answer.after.and_then(|after| SignedDuration::try_from(after).ok());
                AttemptOutcome::Retry { cause, after }
            }
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
