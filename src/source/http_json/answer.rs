//! From an answer's bytes to JSON, or why it is none.

use serde_json::Value;

use super::strict::Strict;
use crate::net::{ErrorClass, Response, excerpt};
use crate::source::error::SourceError;

/// One page.
pub(super) struct Page {
    /// None where the server says that there is no content.
    pub(super) json: Option<Value>,
    /// The headers `Link`.
    pub(super) links: Vec<String>,
    pub(super) bytes: usize,
    /// It was refused, in a way that may mean that it is none any more.
    pub(super) refused: Option<Refusal>,
}

/// How a page was refused.
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) error: SourceError,
}

/// Reads the answer to a request for a page beyond the first: some servers refuse those beyond the last.
pub(super) fn read_later(response: Response, hide: impl Fn(&str) -> String) -> Result<Page, SourceError> {
    let status = response.status;
    match read(response, hide) {
        Err(error) if matches!(status, 400 | 404 | 416 | 422) => {
            Ok(Page { json: None, links: Vec::new(), bytes: 0, refused: Some(Refusal { status, error }) })
        }
        read => read,
    }
}

/// Reads an answer; `hide` takes secrets out of what is quoted.
pub(super) fn read(mut response: Response, hide: impl Fn(&str) -> String) -> Result<Page, SourceError> {
    if !response.is_success() {
        // Before it is cut to an excerpt: half a secret would not be recognised.
        response.body = hide(&response.text()).into_bytes();
    }
    if let Some(error) = response.error() {
        return Err(error.into());
    }
    let links = response.headers.get_all("link").iter().filter_map(|link| link.to_str().ok()).map(str::to_owned);
    let links = links.collect();
    let bytes = response.body.len();
    if response.status == 204 {
        return Ok(Page { json: None, links, bytes, refused: None });
    }
    let origin = &response.origin;
    let unexpected = |what: String, remedy: &str| {
        let said = excerpt(hide(&response.text()).as_bytes());
        let said = if said.is_empty() { said } else { format!(" ({said})") };
        let message = format!("{origin} answered {} with {what}{said}; {remedy}", response.status);
        SourceError::new(ErrorClass::Unexpected, message)
    };
    let elsewhere = "check url, path and auth";
    if response.body.is_empty() {
        return Err(unexpected("nothing instead of JSON".to_owned(), elsewhere));
    }
    let content = response.header("content-type").unwrap_or_default();
    let media = content.split(';').next().unwrap_or_default().trim().to_lowercase();
    // Where nothing is said, the body speaks for itself.
    if !media.is_empty() && !media.ends_with("/json") && !media.ends_with("+json") {
        return Err(unexpected(format!("{media} instead of JSON"), elsewhere));
    }
    match serde_json::from_slice(&response.body) {
        Ok(Strict(json)) => Ok(Page { json: Some(json), links, bytes, refused: None }),
        Err(error) => {
            // What is named there still is what was not decompressed.
            if let Some(encoding) = response.header("content-encoding") {
                let what = format!("the encoding {}, which was not asked for", excerpt(encoding.as_bytes()));
                let message =
                    format!("{origin} answered {} with {what}; have it keep to Accept-Encoding", response.status);
                return Err(SourceError::new(ErrorClass::Unexpected, message));
            }
            // A server that says JSON means it: what it writes is to be mended there.
            let remedy = if media.is_empty() { elsewhere } else { "whoever runs that server must mend it" };
            let cause = error.to_string().replace("recursion limit exceeded", "nested deeper than 127 levels");
            Err(unexpected(format!("JSON that can't be read, {cause}"), remedy))
        }
    }
}
