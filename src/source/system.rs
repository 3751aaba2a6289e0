//! The closed set of sources: settings that build themselves, and one surface over all.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::csv::{CsvConfig, CsvSource, XlsxConfig};
use super::error::SourceError;
use super::fec::{FecConfig, FecSource};
use super::http_json::{HttpJsonConfig, HttpJsonSource, pull_pages};
use super::manual::{ManualConfig, ManualSource};
use super::prometheus::{PrometheusConfig, PrometheusSource};
use super::request::{BuildContext, Capabilities, PullRequest};
use super::shared::Member;
use super::sql::{SqlConfig, SqlSource};
use crate::model::kpi::Kpi;
use crate::model::observation::Pull;
use crate::net::ErrorClass;

/// What a reading takes in memory, about.
const READING_BYTES: usize = 200;

/// A source that keeps the deadline itself says what hung; it comes first by this much.
const GRACE: Duration = Duration::from_millis(500);

/// How a source is described in the configuration.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceConfig {
    /// Text tables on disk. Example: `csv: {path: "exports/*.csv"}`.
    Csv(CsvConfig),
    /// Spreadsheets on disk. Example: `xlsx: {path: "exports/*.xlsx", sheet: Ventes}`.
    Xlsx(XlsxConfig),
    /// A database. Example: `sql: {url: "sqlite:///srv/shop.db"}`.
    Sql(SqlConfig),
    /// Prometheus, or what speaks its API. Example: `prometheus: {url: "http://127.0.0.1:9090"}`.
    Prometheus(PrometheusConfig),
    /// Any HTTP API that answers JSON. Example: `http_json: {url: "https://api.example.com/v1/"}`.
    HttpJson(HttpJsonConfig),
    /// French accounting exports (FEC) on disk. Example: `fec: {path: "exports/*FEC*.txt"}`.
    Fec(FecConfig),
    /// Figures that people enter with `vigie record`. Example: `manual: {}`.
    Manual(ManualConfig),
}

impl SourceConfig {
    /// Builds the source without reaching out to it.
    pub fn build(self, context: &BuildContext<'_>) -> Result<Source, String> {
        match self {
            SourceConfig::Csv(config) => config.build(context).map(Source::Csv),
            SourceConfig::Xlsx(config) => config.build(context).map(Source::Csv),
            SourceConfig::Sql(config) => config.build(context).map(Source::Sql),
            SourceConfig::Prometheus(config) => config.build(context).map(Source::Prometheus),
            SourceConfig::HttpJson(config) => config.build(context).map(Source::HttpJson),
            SourceConfig::Fec(config) => config.build(context).map(Source::Fec),
            SourceConfig::Manual(config) => Ok(Source::Manual(config.build())),
        }
    }

    /// What a pull makes of one file, or of pages, with these bytes, without any disk or server. For fuzzing.
    #[doc(hidden)]
    pub fn pull_bytes(&self, request: &PullRequest, bytes: &[u8]) -> Result<Pull, SourceError> {
        let resolve = |_: &crate::secret::SecretRef| Err("there are no secrets".to_owned());
        let context = BuildContext { base_dir: Path::new(""), resolve: &resolve };
        let built = match self {
            SourceConfig::Csv(config) => config.clone().build(&context),
            SourceConfig::Xlsx(config) => config.clone().build(&context),
            SourceConfig::HttpJson(config) => return pull_pages(config, request, bytes),
            SourceConfig::Sql(_) | SourceConfig::Prometheus(_) | SourceConfig::Fec(_) | SourceConfig::Manual(_) => {
                return Ok(Pull::default());
            }
        };
        built.map_err(SourceError::config)?.pull_bytes(request, bytes)
    }
}

/// An outside system, ready to be asked.
#[derive(Clone, Debug)]
pub enum Source {
    Csv(CsvSource),
    Sql(SqlSource),
    Prometheus(PrometheusSource),
    HttpJson(HttpJsonSource),
    Fec(FecSource),
    Manual(ManualSource),
}

impl Source {
    /// Asks for the buckets of one KPI. Ends within half a second of the request's deadline, retries included;
    /// dropping the future abandons the pull.
    pub async fn pull(&self, request: &PullRequest) -> Result<Pull, SourceError> {
        let asked = async {
            let member = request.shared.join(self.asks(&request.kpi));
            match self {
                Source::Csv(source) => source.pull(request, &member).await,
                Source::Sql(source) => whole(&member, request, source.pull(request)).await,
                Source::Prometheus(source) => whole(&member, request, Box::pin(source.pull(request))).await,
                Source::HttpJson(source) => source.pull(request, &member).await,
                Source::Fec(source) => source.pull(request).await,
                Source::Manual(_) => Ok(ManualSource::pull()),
            }
        };
        match tokio::time::timeout(request.deadline + GRACE, asked).await {
            Ok(outcome) => outcome,
            Err(_) => Err(SourceError::new(
                ErrorClass::Deadline,
                format!(
                    "{} did not deliver KPI `{}` within {:.0?}; make the query lighter, or check the system",
                    self.object(),
                    request.kpi.id,
                    request.deadline
                ),
            )),
        }
    }

    /// What a KPI asks, in words that are equal for KPIs that can share an answer; none where nothing can be shared.
    pub fn asks(&self, kpi: &Kpi) -> Option<String> {
        match self {
            Source::Csv(_) => Some("files".to_owned()),
            Source::Sql(_) | Source::Prometheus(_) => {
                let zone = kpi.zone.iana_name()?;
                let shape = (kpi.grain, zone, kpi.kind, &kpi.since, &kpi.unit, &kpi.dimensions);
                Some(format!("{:?} {shape:?}", kpi.query))
            }
            Source::HttpJson(_) => HttpJsonSource::asks(kpi),
            Source::Fec(_) | Source::Manual(_) => None,
        }
    }

    /// Requests that were sent since it was built; none where it is not asked by HTTP.
    pub fn requests(&self) -> Option<u64> {
        match self {
            Source::Csv(_) | Source::Sql(_) | Source::Fec(_) | Source::Manual(_) => None,
            Source::Prometheus(source) => Some(source.requests()),
            Source::HttpJson(source) => Some(source.requests()),
        }
    }

    pub fn capabilities(&self) -> Capabilities {
        match self {
            Source::Csv(_) => CsvSource::capabilities(),
            Source::Sql(source) => source.capabilities(),
            Source::Prometheus(_) => PrometheusSource::capabilities(),
            Source::HttpJson(_) => HttpJsonSource::capabilities(),
            Source::Fec(_) => FecSource::capabilities(),
            Source::Manual(_) => ManualSource::capabilities(),
        }
    }

    /// Judges a KPI's query without asking the system.
    pub fn check_query(&self, kpi: &Kpi) -> Result<(), String> {
        match self {
            Source::Csv(_) => CsvSource::check_query(kpi),
            Source::Sql(source) => source.check_query(kpi),
            Source::Prometheus(_) => PrometheusSource::check_query(kpi),
            Source::HttpJson(source) => source.check_query(kpi),
            Source::Fec(_) => FecSource::check_query(kpi),
            Source::Manual(_) => ManualSource::check_query(kpi),
        }
    }

    /// Reaches out and tells what is there: product, version, number of files. For `check --connect`.
    pub async fn probe(&self) -> Result<String, SourceError> {
        match self {
            Source::Csv(source) => source.probe().await,
            Source::Sql(source) => source.probe().await,
            Source::Prometheus(source) => source.probe().await,
            Source::HttpJson(source) => source.probe().await,
            Source::Fec(source) => source.probe().await,
            Source::Manual(_) => Ok(ManualSource::probe()),
        }
    }

    /// What it is, for messages; free of secrets.
    pub fn object(&self) -> String {
        match self {
            Source::Csv(source) => source.object(),
            Source::Sql(source) => source.object(),
            Source::Prometheus(source) => source.object(),
            Source::HttpJson(source) => source.object(),
            Source::Fec(source) => source.object(),
            Source::Manual(_) => "figures entered by hand".to_owned(),
        }
    }
}

/// A pull that others may take over as it is: they ask the same and want it in the same shape.
async fn whole(
    member: &Member<'_>,
    request: &PullRequest,
    ask: impl Future<Output = Result<Pull, SourceError>>,
) -> Result<Pull, SourceError> {
    if !member.is_shared() {
        return ask.await;
    }
    let bytes = |pull: &Pull| READING_BYTES.saturating_mul(pull.readings.len());
    let asked = format!("{} {} {}", request.from, request.to, request.now);
    member.get(asked, bytes, ask).await.map(Arc::unwrap_or_clone)
}

#[cfg(test)]
mod tests {
    use super::SourceConfig;

    #[test]
    fn settings_read_as_the_manual_writes_them() {
        let yaml = "
- csv: {path: \"exports/*.csv\", delimiter: \";\", decimal: comma}
- csv: {path: a.csv, overlap: {key: [invoice]}, wide: {keep: [shop], time: month, value: total}}
- xlsx: {path: a.xlsx, sheet: Ventes, skip_rows: 2, overlap: {period: {each: month, time: date}}}
- sql: {url: {env: SHOP_URL}, statement_timeout: 2m}
- sql: {url: \"postgres://vigie@db/shop\", tls: {ca: ca.pem}, zone: UTC, connections: 1}
- prometheus: {url: \"http://127.0.0.1:9090\", auth: {basic: {user: vigie, password: {file: p}}}, tls: {ca: ca.pem}}
- prometheus: {url: \"http://h\", auth: {bearer: {credential: token}}, headers: {X-Scope-OrgID: sales}}
- http_json: {url: \"https://api.example.com/v1/\", auth: {header: {name: X-Api-Key, value: {env: K}}}, paging: {page: {param: page}}}
- http_json: {url: \"https://h\", auth: {oauth2: {token_url: \"https://h/t\", client_id: a, client_secret: {env: S}}}, paging: none}
- fec: {path: \"exports/*FEC*.txt\", opening_journals: [AN], quiet_days: 30}
- manual: {}
";
        // The YAML library itself wants `!csv` for an enum; by way of a plain value, maps with one key will do.
        let value: serde_yaml::Value = serde_yaml::from_str(yaml).unwrap();
        let json = serde_json::to_value(value).unwrap();
        assert_eq!(serde_json::from_value::<Vec<SourceConfig>>(json).unwrap().len(), 11);
    }

    #[test]
    fn the_schema_describes_every_field() {
        let schema = serde_json::to_string(&schemars::schema_for!(SourceConfig)).unwrap();
        for word in ["csv", "sql", "prometheus", "statement_timeout", "skip_lines", "credential", "series_max"] {
            assert!(schema.contains(word), "the schema lacks {word}");
        }
    }
}
