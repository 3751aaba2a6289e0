//! One address that is only posted to: a single exchange, no redirects, a bounded answer, no secret in any word.
//!
//! Nothing is tried twice here. What a failure means is the caller's to say, by whether the request may have arrived.

use std::time::Duration;

use super::Url;
use super::address::{is_loopback, origin_of};
use super::client::HttpClient;
use super::error::{ErrorClass, NetError};
use super::fault::TlsFault;
use super::message::{Request, Response, excerpt};
use crate::secret::{Secret, scrub};

/// An answer is read no further.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Shorter parts of a path are ordinary words.
const PIECE_CHARS_MIN: usize = 12;

/// An address that can be posted to.
pub struct Endpoint {
    client: HttpClient,
    url: Url,
    /// What is never quoted from an answer, beside the secrets of the client.
    secrets: Vec<Secret>,
}

/// What the server said.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// Not before that long, when the server said so.
    pub after: Option<Duration>,
    /// Its beginning, on one line, free of secrets.
    pub body: String,
}

/// A request that got no answer.
#[derive(Clone, Debug)]
pub struct Unanswered {
    pub error: NetError,
    /// False when it certainly did not reach the server, or not so far as to count.
    pub may_have_arrived: bool,
}

impl Endpoint {
    /// Everything in `url` but scheme, host and port counts as secret.
    pub fn new(client: HttpClient, url: &str) -> Result<Endpoint, String> {
        let url = Url::parse(url.trim()).map_err(|error| format!("the address can't be read: {error}"))?;
        if url.host_str().is_none() {
            return Err("the address names no host; write https://host/path".to_owned());
        }
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("the address must begin with https://, not {}://", url.scheme()));
        }
        let mut secrets = vec![Secret::new(url.to_string())];
        if url.path().len() > 1 {
            secrets.push(Secret::new(url.path().to_owned()));
        }
        secrets.extend(url.query().map(|query| Secret::new(query.to_owned())));
        secrets.extend(url.password().map(|password| Secret::new(password.to_owned())));
        secrets.extend(pieces(&url).map(Secret::new));
        Ok(Endpoint { client, url, secrets })
    }

    /// Another secret that no answer may be quoted with.
    pub fn hide(&mut self, secret: Secret) {
        self.secrets.push(secret);
    }

    /// Scheme, host and port: all of the address that may be shown.
    pub fn origin(&self) -> String {
        origin_of(&self.url)
    }

    /// Whether nobody on the way can read what is posted.
    pub fn is_private(&self) -> bool {
        self.url.scheme() == "https" || is_loopback(self.url.host_str().unwrap_or_default())
    }

    /// Posts once; whatever the status, an answer is an answer. Dropping the future breaks the exchange off.
    pub async fn post(
        &self,
        body: Vec<u8>,
        headers: &[(&str, &str)],
        deadline: Duration,
    ) -> Result<Answer, Unanswered> {
        let mut request = Request::post(self.url.clone(), body);
        for (name, value) in headers {
            request = request.header(name, value).map_err(|error| Unanswered { error, may_have_arrived: false })?;
        }
        match tokio::time::timeout(deadline, self.exchange(&request)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let message =
                    format!("{} gave no whole answer within {deadline:?}; check that it is up", self.origin());
                Err(Unanswered { error: NetError::new(ErrorClass::Deadline, message), may_have_arrived: true })
            }
        }
    }

    /// Whether the server can be reached and trusted. Its root is asked for: nothing is posted.
    pub async fn probe(&self, deadline: Duration) -> Result<(), NetError> {
        let origin = self.origin();
        let root = Url::parse(&origin).expect("invariant: the origin of an address with a host is an address");
        match tokio::time::timeout(deadline, self.client.start(&Request::head(root))).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.without_secrets(self.client.failed(error, &origin))),
            Err(_) => {
                let message = format!("{origin} gave no answer within {deadline:?}; check that it is up");
                Err(NetError::new(ErrorClass::Deadline, message))
            }
        }
    }

    async fn exchange(&self, request: &Request) -> Result<Answer, Unanswered> {
        let origin = self.origin();
        let mut sent = match self.client.start(request).await {
            Ok(sent) => sent,
            Err(error) => {
                let may_have_arrived = may_have_arrived(&error);
                let error = self.without_secrets(self.client.failed(error, &origin));
                return Err(Unanswered { error, may_have_arrived });
            }
        };
        let mut body = Vec::new();
        // The status is the verdict; a body that breaks off takes nothing from it.
        while let Ok(Some(piece)) = sent.chunk().await {
            let room = ANSWER_BYTES_MAX - body.len();
            body.extend_from_slice(&piece[..piece.len().min(room)]);
            if body.len() == ANSWER_BYTES_MAX {
                break;
            }
        }
        let response = Response { status: sent.status().as_u16(), headers: sent.headers().clone(), body, origin };
        Ok(Answer { status: response.status, after: response.retry_after(), body: self.quoted(&response.text()) })
    }

    fn quoted(&self, text: &str) -> String {
        excerpt(self.scrubbed(text).as_bytes())
    }

    fn without_secrets(&self, error: NetError) -> NetError {
        NetError { message: self.scrubbed(&error.message), ..error }
    }

    fn scrubbed(&self, text: &str) -> String {
        scrub(&scrub(text, &self.secrets), self.client.secrets())
    }
}

impl Answer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// What a server may quote alone: each value of the query, as it stands and as it is meant, and what is long in the path.
fn pieces(url: &Url) -> impl Iterator<Item = String> {
    let written = url.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let meant = url.query_pairs().map(|(_, value)| value.into_owned());
    let path = url.path().split('/').filter(|part| part.len() >= PIECE_CHARS_MIN);
    path.chain(written.map(|(_, value)| value)).map(str::to_owned).chain(meant)
}

fn may_have_arrived(error: &reqwest::Error) -> bool {
    // A server that refuses our certificate says so only once the request may be on its way.
    let over_certificate = TlsFault::find(error).is_some_and(|fault| fault.is_certificate());
    !(error.is_builder() || error.is_connect() || over_certificate)
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
