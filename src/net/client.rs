//! The one HTTP client: total deadline, byte cap after decompression, redirects within one origin.

use std::path::Path;
use std::sync::Once;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Certificate, Client, ClientBuilder, Identity, Method, Proxy, redirect};

use super::Url;
use super::error::{ErrorClass, NetError};
use super::message::{Request, Response, header};
use super::settings::{AuthConfig, HttpSettings, TlsConfig};
use crate::secret::Resolver;

const BYTES_MAX_DEFAULT: usize = 64 * 1024 * 1024;
const REDIRECTS_MAX: usize = 5;
const IDLE_CONNECTIONS_MAX: usize = 4;

/// A client with its credentials. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct HttpClient {
    client: Client,
    headers: HeaderMap,
    bytes_max: usize,
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
        let proxy = settings.proxy.as_ref().map(|proxy| proxy.resolve(resolve)).transpose()?;
        let builder = || -> Result<ClientBuilder, String> {
            let mut builder = Client::builder()
                .user_agent(concat!("vigie/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                .referer(false)
                .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
                .no_proxy();
            if let Some(proxy) = &proxy {
                let proxy = Proxy::all(proxy.expose())
                    .map_err(|_| "proxy is no address; write it as http://host:port".to_owned())?;
                builder = builder.proxy(proxy);
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
        let headers = default_headers(settings, resolve)?;
        Ok(HttpClient { client, headers, bytes_max: settings.bytes_max.unwrap_or(BYTES_MAX_DEFAULT) })
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
                    "{origin} did not answer whole within {deadline:?}; check that it is up, or raise the deadline"
                ),
            )),
        }
    }

    async fn exchange(&self, mut request: Request) -> Result<Response, NetError> {
        for _ in 0..=REDIRECTS_MAX {
            let origin = origin_of(&request.url);
            let mut headers = self.headers.clone();
            headers.extend(request.headers.clone());
            let sent = self
                .client
                .request(request.method.clone(), request.url.clone())
                .headers(headers)
                .body(request.body.clone())
                .send()
                .await
                .map_err(|error| NetError::from_reqwest(error, &origin))?;
            match redirect_target(&request, sent.status().as_u16(), sent.headers())? {
                Some(next) => request = next,
                None => return self.read(sent, origin).await,
            }
        }
        let origin = origin_of(&request.url);
        let message = format!("{origin} redirects in a circle; write the final address in url");
        Err(NetError::new(ErrorClass::Config, message))
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
        Ok(Response { status, headers, body, origin })
    }
}

/// Scheme, host and port: the part of an address that is never secret.
pub(super) fn origin_of(url: &Url) -> String {
    url.origin().ascii_serialization()
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

fn default_headers(settings: &HttpSettings, resolve: Resolver<'_>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &settings.headers {
        let value = value.resolve(resolve).map_err(|cause| format!("header `{name}`: {cause}"))?;
        let (name, value) = header(name, value.expose())?;
        headers.insert(name, value);
    }
    if let Some(auth) = &settings.auth {
        headers.insert(AUTHORIZATION, authorization(auth, resolve)?);
    }
    Ok(headers)
}

fn authorization(auth: &AuthConfig, resolve: Resolver<'_>) -> Result<HeaderValue, String> {
    use base64::Engine as _;
    let text = match auth {
        AuthConfig::Basic(basic) => {
            let password = resolve(&basic.password)?;
            let pair = format!("{}:{}", basic.user, password.expose());
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
        }
        AuthConfig::Bearer(token) => format!("Bearer {}", resolve(token)?.expose().trim()),
    };
    header("authorization", &text).map(|(_, value)| value)
}

fn with_tls(
    mut builder: ClientBuilder,
    tls: &TlsConfig,
    base_dir: &Path,
    resolve: Resolver<'_>,
) -> Result<ClientBuilder, String> {
    if let Some(path) = &tls.ca {
        let pem = read_pem(base_dir, path, "tls.ca")?;
        let authorities = Certificate::from_pem_bundle(&pem).ok().filter(|found| !found.is_empty());
        let authorities = authorities
            .ok_or_else(|| format!("tls.ca: {} holds no certificate; it must be a PEM file", path.display()))?;
        builder = builder.tls_certs_only(authorities);
    }
    match (&tls.cert, &tls.key) {
        (Some(path), key) => {
            let mut pem = read_pem(base_dir, path, "tls.cert")?;
            if let Some(key) = key {
                pem.push(b'\n');
                pem.extend_from_slice(resolve(key)?.expose().as_bytes());
            }
            let identity = Identity::from_pem(&pem).map_err(|_| {
                format!("tls.cert: {} with its key is no usable identity; both must be PEM", path.display())
            })?;
            builder = builder.identity(identity);
        }
        (None, Some(_)) => return Err("tls.key stands without tls.cert; name the certificate's file too".to_owned()),
        (None, None) => {}
    }
    Ok(builder)
}

fn read_pem(base_dir: &Path, path: &Path, field: &str) -> Result<Vec<u8>, String> {
    let path = base_dir.join(path);
    std::fs::read(&path)
        .map_err(|error| format!("{field}: can't read {}: {error}; check path and rights", path.display()))
}

/// Names the one TLS implementation; a second call changes nothing.
fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error only says that somebody installed one before.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
