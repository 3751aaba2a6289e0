//! The settings of a prometheus source, and the source itself.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::kpi::{Kpi, Query};
use crate::model::unit::Kind;
use crate::net::{AuthConfig, HttpClient, HttpSettings, LimitsConfig, TlsConfig, Url};
use crate::secret::Text;
use crate::source::request::{BuildContext, Capabilities, QueryForm};

/// Prometheus, or what speaks its query API.
///
/// A KPI's query is PromQL, evaluated at the end of each bucket: `increase(orders_total[1d])` gives a
/// day's orders. Labels of the answer must be the KPI's dimensions. NaN, infinite and missing values
/// say nothing.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrometheusConfig {
    /// Address of the server, with a path if its API stands below one; may be a secret.
    /// Examples: `http://127.0.0.1:9090`, `https://mimir.example.test/prometheus`.
    pub url: Text,
    /// Credentials. Default: none. Example: `basic: {user: vigie, password: {env: PROM_PASSWORD}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthConfig>,
    /// Further headers of every request. Default: none. Example: `{X-Scope-OrgID: sales}`.
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
    /// Most series of one answer; more is an error. Default: 1000.
    #[serde(default = "series_max_default")]
    pub series_max: usize,
    /// Most bytes of one answer after decompression. Default: 67108864 (64 MiB).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_max: Option<usize>,
}

fn series_max_default() -> usize {
    1000
}

impl PrometheusConfig {
    pub fn build(self, context: &BuildContext<'_>) -> Result<PrometheusSource, String> {
        let form = "url must be an address such as http://127.0.0.1:9090";
        let mut base = Url::parse(self.url.resolve(context.resolve)?.expose().trim()).map_err(|_| form.to_owned())?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(form.to_owned());
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(format!("{form}, without anything after ? or #"));
        }
        // Without a final slash, joining would replace the last part of a path prefix.
        let prefix = base.path().trim_end_matches('/').trim_end_matches("/api/v1").to_owned();
        base.set_path(&format!("{prefix}/api/v1/"));
        let settings = HttpSettings {
            auth: self.auth,
            headers: self.headers,
            tls: self.tls,
            proxy: self.proxy,
            limits: self.limits,
            bytes_max: self.bytes_max,
            ..HttpSettings::default()
        };
        let client = HttpClient::new(&settings, context.base_dir, context.resolve)?;
        Ok(PrometheusSource { client, api: base, series_max: self.series_max })
    }
}

/// A Prometheus server, ready to be asked.
#[derive(Clone)]
pub struct PrometheusSource {
    pub(super) client: HttpClient,
    /// Ends with `/api/v1/`.
    pub(super) api: Url,
    pub(super) series_max: usize,
}

/// The address may hold a password: only its origin is shown.
impl std::fmt::Debug for PrometheusSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrometheusSource").field("origin", &self.object()).finish_non_exhaustive()
    }
}

impl PrometheusSource {
    pub(in crate::source) fn capabilities() -> Capabilities {
        Capabilities { query: QueryForm::Text, history: true, buckets_per_pull_max: 44_000, network: true }
    }

    pub(in crate::source) fn check_query(kpi: &Kpi) -> Result<(), String> {
        promql(kpi).map(|_| ())
    }

    /// Requests that were sent.
    pub(in crate::source) fn requests(&self) -> u64 {
        self.client.requests()
    }

    pub(in crate::source) fn object(&self) -> String {
        format!("prometheus {}", self.api.origin().ascii_serialization())
    }
}

/// The KPI's query as PromQL; only what is certainly wrong is refused without asking the server.
/// What stands for the length of the window in a query.
pub(super) const WINDOW: &str = "$window";

pub(super) fn promql(kpi: &Kpi) -> Result<&str, String> {
    let text = match &kpi.query {
        Query::Text(text) => text.trim(),
        Query::Table(_) | Query::Http(_) | Query::Formula(_) | Query::Ledger(_) | Query::Entered => {
            return Err(format!(
                "query of KPI `{}`: Prometheus is asked in PromQL, not by columns; write query: sum(increase(orders_total[1d]))",
                kpi.id
            ));
        }
    };
    if text.is_empty() {
        return Err(format!("query of KPI `{}` is empty; write PromQL", kpi.id));
    }
    if kpi.kind == Kind::Window && !text.contains(WINDOW) {
        return Err(format!(
            "query of KPI `{}`: a window is asked for by its length; write {WINDOW} for it: quantile_over_time(0.9, latency[{WINDOW}])",
            kpi.id
        ));
    }
    if kpi.kind != Kind::Window && text.contains(WINDOW) {
        return Err(format!(
            "query of KPI `{}`: {WINDOW} stands for the length of a window, and this KPI is none; write kind: window, or a length such as [1d]",
            kpi.id
        ));
    }
    if let Some(mark) = unbalanced(text) {
        return Err(format!("query of KPI `{}`: `{mark}` has no counterpart; close or remove it", kpi.id));
    }
    Ok(text)
}

/// The first bracket or quote without its counterpart.
fn unbalanced(text: &str) -> Option<char> {
    let mut open: Vec<char> = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '#' => while chars.next().is_some_and(|c| c != '\n') {},
            '"' | '\'' | '`' => loop {
                match chars.next() {
                    None => return Some(c),
                    Some('\\') if c != '`' => _ = chars.next(),
                    Some(end) if end == c => break,
                    Some(_) => {}
                }
            },
            '(' | '[' | '{' => open.push(c),
            ')' | ']' | '}' => {
                let wanted = match c {
                    ')' => '(',
                    ']' => '[',
                    _ => '{',
                };
                if open.pop() != Some(wanted) {
                    return Some(c);
                }
            }
            _ => {}
        }
    }
    open.pop()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::promql;
    use crate::model::kpi::Query;
    use crate::source::fixture;
    use crate::source::{BuildContext, Source, SourceConfig};

    fn build(json: &str) -> Result<Source, String> {
        let config: SourceConfig = serde_json::from_str(json).map_err(|error| error.to_string())?;
        config.build(&BuildContext { base_dir: Path::new("/conf"), resolve: &|_| Err("it is not set".into()) })
    }

    #[test]
    fn addresses_with_prefix() {
        for (url, expected) in [
            ("http://h:9090", "http://h:9090/api/v1/"),
            ("http://h:9090/", "http://h:9090/api/v1/"),
            ("https://h/prometheus", "https://h/prometheus/api/v1/"),
            ("https://h/prometheus/api/v1", "https://h/prometheus/api/v1/"),
        ] {
            let Source::Prometheus(source) = build(&format!(r#"{{"prometheus":{{"url":"{url}"}}}}"#)).unwrap() else {
                panic!("not prometheus")
            };
            assert_eq!(source.api.as_str(), expected);
        }
        let source = build(r#"{"prometheus":{"url":"http://u:hunter2@h:1/x"}}"#).unwrap();
        assert_eq!(
            (source.object(), format!("{source:?}").contains("hunter2")),
            ("prometheus http://h:1".into(), false)
        );
    }

    #[test]
    fn settings_are_judged_when_built() {
        for (json, part) in [
            (r#"{"prometheus":{"url":"h:9090"}}"#, "url must be an address"),
            (r#"{"prometheus":{"url":"http://h/?a=b"}}"#, "without anything after ?"),
            (r#"{"prometheus":{"url":{"env":"U"}}}"#, "it is not set"),
            (r#"{"prometheus":{"url":"http://h","auth":{"bearer":"hunter2"}}}"#, "{env: NAME}"),
            (r#"{"prometheus":{"url":"http://h","user":"x"}}"#, "unknown field `user`"),
        ] {
            let error = build(json).unwrap_err();
            assert!(error.contains(part) && !error.contains("hunter2"), "{error} lacks {part}");
        }
    }

    #[test]
    fn queries_certainly_wrong() {
        let check = |text: &str, part: Option<&str>| {
            let kpi = fixture::kpi(Query::Text(text.to_owned()));
            match (promql(&kpi), part) {
                (Ok(_), None) => {}
                (Err(error), Some(part)) => assert!(error.contains(part), "{error} lacks {part}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        };
        check(r#"sum by (x) (rate(a{b=~"(\"["}[5m])) # ("#, None);
        check("", Some("is empty"));
        check("sum(a", Some("`(` has no counterpart"));
        check("a]", Some("`]` has no counterpart"));
        check("a{b=\"c}", Some("`\"` has no counterpart"));
    }
}
