//! The one HTTP client: total deadline, byte cap after decompression, redirects within one origin.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, ClientBuilder, Method, Proxy, redirect};

use super::Url;
use super::address::origin_of;
use super::error::{ErrorClass, NetError};
use super::guard::Guard;
use super::message::{Request, Response, header};
use super::quota::Budget;
use super::settings::{AuthConfig, HttpSettings};
use super::tls::{install_crypto, with_tls};
use crate::secret::{Resolver, Secret, scrub};

const BYTES_MAX_DEFAULT: usize = 64 * 1024 * 1024;
const REDIRECTS_MAX: usize = 5;
/// An error's body is kept no further.
const QUOTED_BYTES_MAX: usize = 64 * 1024;
const IDLE_CONNECTIONS_MAX: usize = 4;
/// For the connection alone, encryption included: a host that is gone is told from one that is slow.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// A client with its credentials. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct HttpClient {
    client: Client,
    headers: HeaderMap,
    bytes_max: usize,
    /// Shared by all clones.
    budget: Arc<Budget>,
    /// Scheme, host and port of the proxy, if there is one: what of it may be shown.
    proxy: Option<String>,
    /// What it was given to prove who is asking: never to be quoted.
    secrets: Vec<Secret>,
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpClient").field("bytes_max", &self.bytes_max).finish_non_exhaustive()
    }
}

impl HttpClient {
    /// Builds the client; files of the settings are relative to `base_dir`.
    pub fn new(settings: &HttpSettings, base_dir: &Path, resolve: Resolver<'_>) -> Result<HttpClient, String> {
        install_crypto();
        let proxy = settings
            .proxy
            .as_ref()
            .map(|proxy| proxy.resolve(resolve))
            .transpose()
            .map_err(|cause| format!("proxy: {cause}"))?;
        let builder = || -> Result<ClientBuilder, String> {
            let mut builder = Client::builder()
                .user_agent(concat!("vigie/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                .referer(false)
                .connect_timeout(CONNECT_WAIT)
                .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
                .no_proxy();
            if let Some(proxy) = &proxy {
                let proxy = Proxy::all(proxy.expose())
                    .map_err(|_| "proxy is no address; write it as http://host:port".to_owned())?;
                builder = builder.proxy(proxy);
            }
            if settings.guarded {
                builder = builder.dns_resolver(Arc::new(Guard::new()));
            }
            Ok(builder)
        };
        let client = match &settings.tls {
            Some(tls) => with_tls(builder()?, tls, base_dir, resolve)?
                .build()
                .map_err(|error| format!("the TLS settings can't be used: {}; check tls", error.without_url()))?,
            // A machine without any trusted authority still speaks plain HTTP, and refuses every certificate.
            None => builder()?
                .build()
                .or_else(|_| builder().map_err(|_| ()).and_then(|b| b.tls_certs_only([]).build().map_err(|_| ())))
                .map_err(|()| "the HTTP client can't be set up; check the system's certificates".to_owned())?,
        };
        let (headers, mut secrets) = default_headers(settings, resolve)?;
        let shown = proxy.as_ref().and_then(|proxy| Url::parse(proxy.expose().trim()).ok());
        secrets.extend(shown.iter().flat_map(proofs_of));
        secrets.extend(proxy);
        let budget = Arc::new(Budget::new(&settings.limits)?);
        let bytes_max = settings.bytes_max.unwrap_or(BYTES_MAX_DEFAULT);
        Ok(HttpClient { client, headers, bytes_max, budget, proxy: shown.as_ref().map(origin_of), secrets })
    }

    /// Sends a request and reads the whole answer, whatever its status.
    ///
    /// A redirect is followed only within the same scheme, host and port (https instead of http is
    /// allowed), so that credentials never reach another host. Dropping the future ends the exchange.
    pub async fn send(&self, request: Request) -> Result<Response, NetError> {
        let origin = origin_of(&request.url);
        let deadline = request.deadline;
        match tokio::time::timeout(deadline, self.exchange(request)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(NetError::new(
                ErrorClass::Deadline,
                format!(
                    "{origin} did not answer whole within {deadline:.0?}; check that it is up, or ask for less at once"
                ),
            )),
        }
    }

    async fn exchange(&self, mut request: Request) -> Result<Response, NetError> {
        for _ in 0..=REDIRECTS_MAX {
            let origin = origin_of(&request.url);
            let _place = self.budget.take(&origin, request.deadline).await?;
            let sent = self.start(&request).await.map_err(|error| self.failed(error, &origin))?;
            match redirect_target(&request, sent.status().as_u16(), sent.headers())? {
                Some(next) => request = next,
                None => return self.read(sent, origin).await,
            }
        }
        let origin = origin_of(&request.url);
        let message = format!("{origin} redirects in a circle; write the final address in url");
        Err(NetError::new(ErrorClass::Config, message))
    }

    /// Classifies what the HTTP library reports; behind a proxy it is the proxy that was spoken to.
    pub(super) fn failed(&self, error: reqwest::Error, origin: &str) -> NetError {
        match &self.proxy {
            Some(proxy) => NetError::from_proxied(error, origin, proxy),
            None => NetError::from_reqwest(error, origin),
        }
    }

    /// Sends one request, once, up to the head of its answer.
    pub(super) async fn start(&self, request: &Request) -> Result<reqwest::Response, reqwest::Error> {
        let mut headers = self.headers.clone();
        headers.extend(request.headers.clone());
        let request = self.client.request(request.method.clone(), request.url.clone()).body(request.body.clone());
        request.headers(headers).send().await
    }

    /// The text without anything that was given to prove who is asking.
    pub fn scrubbed(&self, text: &str) -> String {
        scrub(text, &self.secrets)
    }

    /// Requests that were sent, but for those of an [`Endpoint`](super::Endpoint).
    pub fn requests(&self) -> u64 {
        self.budget.sent()
    }

    pub(super) fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    /// Reads the body piece by piece: what is counted is what came out of decompression.
    async fn read(&self, mut sent: reqwest::Response, origin: String) -> Result<Response, NetError> {
        let (status, headers) = (sent.status().as_u16(), sent.headers().clone());
        let mut body = Vec::new();
        while let Some(piece) = sent.chunk().await.map_err(|error| NetError::from_reqwest(error, &origin))? {
            if body.len() + piece.len() > self.bytes_max {
                let message = format!(
                    "the answer of {origin} is larger than {} bytes; ask for less, or raise bytes_max",
                    self.bytes_max
                );
                return Err(NetError::new(ErrorClass::TooLarge, message));
            }
            body.extend_from_slice(&piece);
        }
        if !(200..300).contains(&status) {
            body = self.quotable(&body);
        }
        Ok(Response { status, headers, body, origin })
    }

    /// The beginning of an answer that will be quoted: a server may echo what it was sent.
    fn quotable(&self, body: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(&body[..body.len().min(QUOTED_BYTES_MAX)]);
        scrub(&text, &self.secrets).into_bytes()
    }
}

/// The request to follow a redirect with; none when the answer is no redirect.
fn redirect_target(request: &Request, status: u16, headers: &HeaderMap) -> Result<Option<Request>, NetError> {
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let origin = origin_of(&request.url);
    let target = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let Some(target) = target.and_then(|location| request.url.join(location).ok()) else { return Ok(None) };
    let upgraded = request.url.scheme() == "http" && target.scheme() == "https" && request.url.host() == target.host();
    let same = target.origin() == request.url.origin() || upgraded;
    // Other redirects of a POST would turn it into a GET without its body.
    let keeps_method = request.method == Method::GET || matches!(status, 307 | 308);
    if !same || !keeps_method {
        let message = format!(
            "{origin} redirects to {}; this is not followed, so that credentials stay here: write the final address in url",
            origin_of(&target)
        );
        return Err(NetError::new(ErrorClass::Config, message));
    }
    Ok(Some(Request { url: target, ..request.clone() }))
}

/// The headers of every request, and the secrets in them.
fn default_headers(settings: &HttpSettings, resolve: Resolver<'_>) -> Result<(HeaderMap, Vec<Secret>), String> {
    let (mut headers, mut secrets) = (HeaderMap::new(), Vec::new());
    for (name, value) in &settings.headers {
        let value = value.resolve(resolve).map_err(|cause| format!("header `{name}`: {cause}"))?;
        let (name, parsed) = header(name, value.expose())?;
        headers.insert(name, parsed);
        secrets.push(value);
    }
    if let Some(auth) = &settings.auth {
        let (value, proofs) = authorization(auth, resolve)?;
        headers.insert(AUTHORIZATION, value);
        secrets.extend(proofs);
    }
    Ok((headers, secrets))
}

/// What in a proxy's address proves who is asking: a part alone would not be recognised by the whole.
fn proofs_of(proxy: &Url) -> Vec<Secret> {
    let Some(password) = proxy.password() else { return Vec::new() };
    let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let encoded = basic(&plain(proxy.username()), &plain(password));
    [encoded, plain(password), password.to_owned()].map(Secret::new).into()
}

fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"))
}

/// The header, and everything in it that proves who is asking.
fn authorization(auth: &AuthConfig, resolve: Resolver<'_>) -> Result<(HeaderValue, Vec<Secret>), String> {
    let (text, secrets) = match auth {
        AuthConfig::Basic(basic) => {
            let password = resolve(&basic.password)?;
            let encoded = self::basic(&basic.user, password.expose());
            (format!("Basic {encoded}"), vec![Secret::new(encoded), password])
        }
        AuthConfig::Bearer(token) => {
            let token = resolve(token)?;
            (format!("Bearer {}", token.expose().trim()), vec![Secret::new(token.expose().trim().to_owned())])
        }
    };
    header("authorization", &text).map(|(_, value)| (value, secrets))
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
