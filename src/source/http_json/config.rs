//! The settings of an http_json source, and the source itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::oauth::{OAuth2Config, Tokens};
use super::plan::Plan;
use crate::model::http_query::{HttpQuery, Paging};
use crate::model::kpi::{Kpi, Query};
use crate::net::{AuthConfig, BasicAuth, HttpClient, HttpSettings, LimitsConfig, TlsConfig, Url, is_guarded_host};
use crate::secret::{Secret, SecretRef, Text, scrub};
use crate::source::request::{BuildContext, Capabilities, QueryForm};

/// Any HTTP API that answers JSON.
///
/// A KPI says what it asks and where the answer holds the figures, by JSONPath (RFC 9535):
/// `query: {path: orders, params: {from: "{from}", to: "{to}"}, rows: "$.items[*]", time: $.created_at, value: $.total}`.
/// Without `time` an answer holds for the newest ended bucket; where the request has placeholders for the span, each
/// bucket is asked for by itself. Redirects and links to other hosts are not followed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpJsonConfig {
    /// Address that the paths of the queries stand below; may be a secret. Example: `https://api.example.com/v1/`.
    pub url: Text,
    /// Credentials. Default: none. Example: `header: {name: X-Api-Key, value: {env: API_KEY}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<HttpJsonAuth>,
    /// Further headers of every request. Default: none. Example: `{X-Team: sales}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Text>,
    /// Authorities to trust, client certificate. Default: the system's, none. Example: `{ca: ca.pem}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
    /// Address of a proxy, with `user:password@` before the host where it wants them (then as a secret). Variables such
    /// as `HTTPS_PROXY` are not read. Default: none. Example: `http://proxy.example.test:3128`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Text>,
    /// Most requests, for APIs that count them. Default: no limits.
    /// Example: `{requests_per_minute: 60, requests_per_day: 10000, concurrency: 2}`.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// How further pages are asked for; a KPI's query may say otherwise. They end where no link or cursor leads on, or with
    /// an empty page where pages or elements are counted: a short one does not end them. Default: `none`.
    /// Examples: `{next_link: $.next}`, `{link_header: true}`, `{cursor: {from: $.meta.cursor, param: cursor}}`,
    /// `{offset: {param: offset, size_param: limit, size: 100}}`, `{page: {param: page, first: 1}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paging: Option<Paging>,
    /// Most pages of one answer, an empty one at the end left out; more is an error. Default: 100.
    #[serde(default = "pages_max_default")]
    pub pages_max: u32,
    /// Most rows of one pull; more is an error. Default: 100000.
    #[serde(default = "rows_max_default")]
    pub rows_max: usize,
    /// Most bytes of one pull after decompression, all pages together. Default: 16777216 (16 MiB).
    #[serde(default = "bytes_max_default")]
    pub bytes_max: usize,
    /// Allows link-local and metadata addresses (169.254.0.0/16, fe80::/10, fd00:ec2::254) and 0.0.0.0. Behind a proxy
    /// only addresses are judged, since it is the proxy that looks names up. Default: `false`.
    #[serde(default)]
    pub allow_link_local: bool,
}

/// How to prove who is asking.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HttpJsonAuth {
    /// User name and password. Example: `basic: {user: vigie, password: {env: API_PASSWORD}}`.
    Basic(BasicAuth),
    /// A token sent as `Authorization: Bearer`. Example: `bearer: {file: token}`.
    Bearer(SecretRef),
    /// A key sent in a header of its own. Example: `header: {name: X-Api-Key, value: {env: API_KEY}}`.
    Header(HeaderAuth),
    /// A token fetched by OAuth 2.0.
    /// Example: `oauth2: {token_url: "https://login.example.com/token", client_id: vigie, client_secret: {env: S}}`.
    #[serde(rename = "oauth2")]
    OAuth2(OAuth2Config),
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderAuth {
    /// The header's name. Example: `X-Api-Key`.
    pub name: String,
    /// Where its value is. Example: `{env: API_KEY}`.
    pub value: SecretRef,
}

fn pages_max_default() -> u32 {
    100
}

fn rows_max_default() -> usize {
    100_000
}

fn bytes_max_default() -> usize {
    16 * 1024 * 1024
}

impl HttpJsonConfig {
    pub fn build(self, context: &BuildContext<'_>) -> Result<HttpJsonSource, String> {
        let base = self.address("url", &self.url, context)?;
        if base.query().is_some() || base.fragment().is_some() {
            return Err("url must be without anything after ? or #; write it as params of the queries".to_owned());
        }
        super::paging::Paging::parse(self.paging.as_ref())?;
        let accepts = self.headers.keys().any(|name| name.eq_ignore_ascii_case("accept"));
        let mut settings = HttpSettings {
            auth: None,
            headers: self.headers.clone(),
            tls: self.tls.clone(),
            proxy: self.proxy.clone(),
            limits: self.limits.clone(),
            bytes_max: Some(self.bytes_max),
            guarded: !self.allow_link_local,
        };
        let mut tokens = None;
        match &self.auth {
            None => {}
            Some(HttpJsonAuth::Basic(basic)) => settings.auth = Some(AuthConfig::Basic(basic.clone())),
            Some(HttpJsonAuth::Bearer(token)) => settings.auth = Some(AuthConfig::Bearer(token.clone())),
            Some(HttpJsonAuth::Header(HeaderAuth { name, value })) => {
                settings.headers.insert(name.clone(), Text::Secret(value.clone()));
            }
            Some(HttpJsonAuth::OAuth2(config)) => {
                let url = self.address("auth.oauth2.token_url", &config.token_url, context)?;
                let bare =
                    HttpSettings { headers: BTreeMap::new(), limits: LimitsConfig::default(), ..settings.clone() };
                let client = HttpClient::new(&bare, context.base_dir, context.resolve)?;
                tokens = Some(Arc::new(Tokens::new(config, client, url, context.resolve)?));
            }
        }
        let client = HttpClient::new(&settings, context.base_dir, context.resolve)?;
        // An address that is kept secret has nothing to show but its host.
        let kept_secret = matches!(self.url, Text::Secret(_)) && base.path().len() > 1;
        let hidden = kept_secret.then(|| Secret::new(base.path().trim_matches('/').to_owned()));
        Ok(HttpJsonSource {
            client,
            tokens,
            base,
            accept: if accepts { None } else { Some("application/json") },
            paging: self.paging,
            pages_max: self.pages_max,
            rows_max: self.rows_max,
            bytes_max: self.bytes_max,
            hidden: hidden.into_iter().collect(),
        })
    }

    fn address(&self, key: &str, text: &Text, context: &BuildContext<'_>) -> Result<Url, String> {
        let form = format!("{key} must be an address such as https://api.example.com/v1/");
        let text = text.resolve(context.resolve).map_err(|cause| format!("{key}: {cause}"))?;
        let url = Url::parse(text.expose().trim()).map_err(|_| form.clone())?;
        let Some(host) = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https")) else { return Err(form) };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(format!("{key} holds a user or password; write them under auth: {{basic: ...}}"));
        }
        if !self.allow_link_local && is_guarded_host(host) {
            return Err(format!(
                "{key}: {host} is a link-local or metadata address, where credentials are handed out; if that is meant, say allow_link_local: true"
            ));
        }
        Ok(url)
    }
}

/// An HTTP API, ready to be asked.
#[derive(Clone)]
pub struct HttpJsonSource {
    pub(super) client: HttpClient,
    pub(super) tokens: Option<Arc<Tokens>>,
    pub(super) base: Url,
    /// What is asked for where the settings don't say; a header of these would count as a secret.
    pub(super) accept: Option<&'static str>,
    paging: Option<Paging>,
    pub(super) pages_max: u32,
    pub(super) rows_max: usize,
    pub(super) bytes_max: usize,
    hidden: Vec<Secret>,
}

/// The address may be secret: only its origin is shown.
impl std::fmt::Debug for HttpJsonSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpJsonSource").field("origin", &self.object()).finish_non_exhaustive()
    }
}

impl HttpJsonSource {
    pub(in crate::source) fn capabilities() -> Capabilities {
        Capabilities { query: QueryForm::Request, history: true, buckets_per_pull_max: 400, network: true }
    }

    pub(in crate::source) fn check_query(&self, kpi: &Kpi) -> Result<(), String> {
        self.plan(kpi).map(|_| ())
    }

    /// The request of a KPI, without what is then looked for in its answer.
    pub(in crate::source) fn asks(kpi: &Kpi) -> Option<String> {
        let (Query::Http(query), Some(zone)) = (&kpi.query, kpi.zone.iana_name()) else { return None };
        let HttpQuery { path, method, params, headers, body, paging, .. } = &**query;
        Some(format!("{:?}", (path, method, params, headers, body, paging, kpi.grain, zone)))
    }

    /// Requests that were sent, those for tokens left out.
    pub(in crate::source) fn requests(&self) -> u64 {
        self.client.requests()
    }

    pub(in crate::source) fn object(&self) -> String {
        format!("http_json {}", self.base.origin().ascii_serialization())
    }

    pub(super) fn plan(&self, kpi: &Kpi) -> Result<Plan, String> {
        let mut plan = Plan::of(kpi, self.paging.as_ref())?;
        if let Some(accept) = self.accept {
            plan.headers.insert(0, ("accept".to_owned(), accept.to_owned()));
        }
        Ok(plan)
    }

    /// The text without anything that proves who is asking.
    pub(super) fn scrubbed(&self, text: &str) -> String {
        let text = scrub(&self.client.scrubbed(text), &self.hidden);
        self.tokens.as_ref().map_or_else(|| text.clone(), |tokens| tokens.scrubbed(&text))
    }
}
