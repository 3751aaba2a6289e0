//! What is sent and what comes back.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::Url;
use super::error::{ErrorClass, NetError, RETRY_AFTER_MAX};
use crate::clock::Clock;

/// One request, with the total time it may take, body included.
#[derive(Clone, Debug)]
pub struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) deadline: Duration,
}

const DEADLINE_DEFAULT: Duration = Duration::from_secs(30);

impl Request {
    pub fn get(url: Url) -> Request {
        Request::new(Method::GET, url, Vec::new())
    }

    pub(super) fn head(url: Url) -> Request {
        Request::new(Method::HEAD, url, Vec::new())
    }

    pub fn post(url: Url, body: Vec<u8>) -> Request {
        Request::new(Method::POST, url, body)
    }

    /// A POST of an HTML form.
    pub fn form(url: Url, fields: &[(&str, &str)]) -> Request {
        // The URL type writes queries in exactly the encoding of a form.
        let mut scratch = Url::parse("http://form").expect("invariant: a constant address");
        scratch.query_pairs_mut().extend_pairs(fields);
        let mut request = Request::post(url, scratch.query().unwrap_or_default().as_bytes().to_vec());
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers.insert(reqwest::header::CONTENT_TYPE, form);
        request
    }

    fn new(method: Method, url: Url, body: Vec<u8>) -> Request {
        Request { method, url, headers: HeaderMap::new(), body, deadline: DEADLINE_DEFAULT }
    }

    /// Adds a header, marked so that no library prints its value.
    pub fn header(mut self, name: &str, value: &str) -> Result<Request, NetError> {
        let (name, value) = header(name, value).map_err(|message| NetError::new(ErrorClass::Config, message))?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// The total time for connecting, sending, waiting and reading (30 s when not set).
    pub fn deadline(mut self, deadline: Duration) -> Request {
        self.deadline = deadline;
        self
    }
}

/// Reads a header; the message never repeats the value.
pub(super) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let key = HeaderName::try_from(name).map_err(|_| format!("`{name}` is no header name; use letters and dashes"))?;
    let mut value = HeaderValue::try_from(value)
        .map_err(|_| format!("the value of header `{name}` has characters that headers can't hold; check it"))?;
    value.set_sensitive(true);
    Ok((key, value))
}

/// A whole answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Scheme, host and port that answered; safe to print.
    pub origin: String,
}

impl Response {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as text, broken characters replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// How long the other side asks to wait (`Retry-After` in seconds or as a date), at most an hour.
    pub fn retry_after(&self) -> Option<Duration> {
        let asked = self.header("retry-after")?.trim();
        if asked.bytes().all(|byte| byte.is_ascii_digit()) && !asked.is_empty() {
            // More digits than fit are still a number: an absurdly long wait.
            let seconds = asked.parse().unwrap_or(u64::MAX);
            return Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
        }
        let until = http_date(asked)?;
        // The other side's own clock decides where it says what time it is there.
        let now = self.header("date").and_then(http_date).unwrap_or_else(|| Clock::Wall.now());
        let wait = Duration::try_from(until.duration_since(now)).unwrap_or_default();
        Some(wait.min(RETRY_AFTER_MAX))
    }

    /// What a status says by itself, for callers with nothing better to go by; none when it succeeded.
    pub fn error(&self) -> Option<NetError> {
        let (class, remedy) = match self.status {
            200..300 => return None,
            401 => (ErrorClass::Auth, "check the credentials"),
            403 => (ErrorClass::Auth, "the credentials may not do this, or an address filter is in the way"),
            407 => (ErrorClass::Auth, "the proxy wants credentials"),
            404 | 410 => (ErrorClass::Config, "nothing is at this address; check its path"),
            408 | 425 => (ErrorClass::Transient, "it is tried again"),
            429 => {
                let after = self.retry_after();
                let said = match after {
                    Some(after) => format!("it asks to wait {after:?}; ask it less often, or for less at once"),
                    None => "it wants fewer requests; ask it less often, or for less at once".to_owned(),
                };
                return Some(NetError::new(ErrorClass::Throttled { after }, self.told(&said)));
            }
            503 => match self.retry_after() {
                Some(after) => (ErrorClass::Throttled { after: Some(after) }, "it asks to come back later"),
                None => (ErrorClass::Transient, "it is not ready; it is tried again"),
            },
            500..600 => (ErrorClass::Transient, "the trouble is on its side; it is tried again"),
            _ => (ErrorClass::Config, "the request is refused as it is; check the settings"),
        };
        Some(NetError::new(class, self.told(remedy)))
    }

    /// Who answered what, and what follows of it.
    fn told(&self, remedy: &str) -> String {
        let said = excerpt(&self.body);
        let said = if said.is_empty() { said } else { format!(" ({said})") };
        format!("{} answered {}{said}: {remedy}", self.origin, self.status)
    }
}

fn http_date(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

/// The beginning of a body on one line, for messages: at most 120 characters, tags and control
/// characters left out.
pub fn excerpt(body: &[u8]) -> String {
    const CHARACTERS_MAX: usize = 120;
    let text = String::from_utf8_lossy(&body[..body.len().min(2000)]);
    let mut words = String::new();
    let mut in_tag = false;
    for c in text.chars() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                words.push(' ');
            }
            _ if in_tag => {}
            c if c.is_control() => words.push(' '),
            c => words.push(c),
        }
    }
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(CHARACTERS_MAX) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Request, Response, excerpt, header};
    use crate::net::{ErrorClass, Url};

    fn response(status: u16, headers: &[(&str, &str)]) -> Response {
        let headers = headers.iter().map(|(name, value)| header(name, value).unwrap()).collect();
        Response { status, headers, body: b"<h1>Bad\nGateway</h1>".to_vec(), origin: "http://h:1".into() }
    }

    #[test]
    fn waits_asked_for() {
        fn check(headers: &[(&str, &str)], seconds: Option<u64>) {
            assert_eq!(response(429, headers).retry_after(), seconds.map(Duration::from_secs), "{headers:?}");
        }
        check(&[], None);
        check(&[("retry-after", "17")], Some(17));
        check(&[("retry-after", "99999999")], Some(3600));
        check(&[("retry-after", "99999999999999999999999999")], Some(3600));
        check(&[("retry-after", "soon")], None);
        check(&[("retry-after", "")], None);
        check(&[("retry-after", " 7 ")], Some(7));
        check(&[("retry-after", "-3")], None);
        let date = ("date", "Sun, 06 Nov 1994 08:49:00 GMT");
        check(&[date, ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], Some(37));
        check(&[date, ("retry-after", "Sun, 06 Nov 1994 08:48:37 GMT")], Some(0));
        check(&[date, ("retry-after", "Sat, 06 Nov 2094 08:48:37 GMT")], Some(3600));
    }

    #[test]
    fn statuses_have_classes() {
        fn check(status: u16, class: ErrorClass, part: &str) {
            let error = response(status, &[]).error().unwrap();
            assert_eq!(error.class, class, "{status}");
            assert!(error.message.contains(part), "{error}");
        }
        assert!(response(204, &[]).error().is_none());
        check(401, ErrorClass::Auth, "check the credentials");
        check(403, ErrorClass::Auth, "may not");
        check(404, ErrorClass::Config, "check its path");
        check(400, ErrorClass::Config, "refused");
        check(429, ErrorClass::Throttled { after: None }, "fewer");
        check(502, ErrorClass::Transient, "http://h:1 answered 502 (Bad Gateway)");
        let throttled = response(503, &[("retry-after", "5")]).error().unwrap();
        assert_eq!(throttled.class, ErrorClass::Throttled { after: Some(Duration::from_secs(5)) });
    }

    #[test]
    fn forms_and_headers() {
        let request = Request::form(Url::parse("http://h/").unwrap(), &[("query", "a + b{x=\"é&\"}")]);
        assert_eq!(request.body, b"query=a+%2B+b%7Bx%3D%22%C3%A9%26%22%7D");
        let error = request.header("x-key", "line\nbreak").unwrap_err();
        assert!(error.message.contains("`x-key`") && !error.message.contains("break"), "{error}");
        for name in ["", "x key", "x-team\r\nhost"] {
            assert!(header(name, "a").unwrap_err().contains("no header name"), "{name:?}");
        }
    }

    #[test]
    fn excerpts_are_short_and_on_one_line() {
        assert_eq!(excerpt(b"  a\n\tb <b>c</b>"), "a b c");
        assert_eq!(excerpt(&[b'x'; 5000]).chars().count(), 121);
        assert_eq!(excerpt("é".repeat(2000).as_bytes()).chars().count(), 121);
    }
}
