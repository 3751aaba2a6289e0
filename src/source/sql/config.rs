//! The settings of a sql source, and the source itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::address::Address;
use super::server::{Encryption, Limits, Server};
use super::sqlite::Sqlite;
use super::statement::{Dialect, Statement};
use super::{mysql, postgres};
use crate::model::kpi::{Kpi, Query};
use crate::model::observation::Pull;
use crate::net::{TimeSpan, TlsConfig, authorities, retry};
use crate::secret::{Secret, Text};
use crate::source::error::SourceError;
use crate::source::request::{BuildContext, Capabilities, PullRequest, QueryForm};

/// A database. Each KPI has one SELECT, which runs read-only.
///
/// Columns: `bucket` (or `time`, `date`), then `value`, or `numerator` and `denominator` (and `n`);
/// every other column is a dimension of the KPI. Without a time column the value holds for the newest
/// ended bucket, and `:from` and `:to` are its bounds. Bound in the statement, in the KPI's zone: `:from`, `:to`
/// (`2026-05-01 14:00`; `2026-05-01` at midnight, so that texts with and without a time compare rightly),
/// `:from_date`, `:to_date` (`2026-05-01`), `:from_unix`, `:to_unix` (seconds); `to` is exclusive.
/// NULL says nothing.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlConfig {
    /// Where the database is: `sqlite:///absolute/path.db`, or `sqlite://path.db` beside the configuration file;
    /// `postgres://user:password@host/database`, `mysql://...` (MariaDB too), with `?socket=/path` for a socket of this
    /// machine. May be a secret, and should where it holds a password. Example: `{env: SHOP_URL}`.
    pub url: Text,
    /// Most rows of one answer. Default: 100000.
    #[serde(default = "rows_max_default")]
    pub rows_max: usize,
    /// Longest run of one statement. Default: `30s`. Example: `2m`.
    #[serde(default = "statement_timeout_default")]
    pub statement_timeout: TimeSpan,
    /// Connections to a server at once. Default: 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<usize>,
    /// Whether the way to a server is encrypted; its certificate is then checked. Default: true, but for servers of this
    /// machine. Example: `false` on a trusted network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypt: Option<bool>,
    /// Whom to trust on the encrypted way, and a client certificate. Default: the system's authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
    /// Time zone in which a server's session reckons days. Default: that of the KPI. With another one compare columns that
    /// hold instants (TIMESTAMP of MySQL) with `:from_unix` and `:to_unix` only. Example: `UTC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// For a server to answer to a probe.
const PROBE_DEADLINE: Duration = Duration::from_secs(12);

fn rows_max_default() -> usize {
    100_000
}

fn statement_timeout_default() -> TimeSpan {
    TimeSpan(Duration::from_secs(30))
}

/// Connections to a server at once, unless it is said.
const CONNECTIONS: usize = 2;
const CONNECTIONS_MAX: usize = 64;

impl SqlConfig {
    pub fn build(self, context: &BuildContext<'_>) -> Result<SqlSource, String> {
        let url = self.url.resolve(context.resolve)?;
        let url = url.expose();
        let scheme = url.split(':').next().unwrap_or_default();
        let backend = match scheme {
            "sqlite" => Backend::Sqlite(self.sqlite(url, context)?),
            "postgres" | "postgresql" => Backend::Postgres(self.server(url, postgres::PORT, context)?),
            "mysql" | "mariadb" => Backend::MySql(self.server(url, mysql::PORT, context)?),
            _ => {
                // The address itself may hold a password: only a scheme that looks like one is repeated.
                let known = ["mssql", "sqlserver", "oracle", "snowflake", "bigquery"].contains(&scheme);
                let shown = if known { format!("`{scheme}` databases") } else { "this kind of address".to_owned() };
                return Err(format!(
                    "url: {shown} can't be read by this version; use postgres://, mysql:// or sqlite:///path/to/file.db"
                ));
            }
        };
        Ok(SqlSource { backend })
    }

    fn sqlite(&self, url: &str, context: &BuildContext<'_>) -> Result<Sqlite, String> {
        let path = url.trim_start_matches("sqlite:");
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.contains('?') || path.starts_with(':') {
            return Err("url must name a file and nothing more, such as sqlite:///srv/shop.db".to_owned());
        }
        let only_servers = [
            ("connections", self.connections.is_some()),
            ("encrypt", self.encrypt.is_some()),
            ("tls", self.tls.is_some()),
            ("zone", self.zone.is_some()),
        ];
        if let Some((name, _)) = only_servers.iter().find(|(_, given)| *given) {
            return Err(format!("{name} is for database servers; a SQLite file has none, so remove it"));
        }
        Ok(Sqlite {
            path: context.base_dir.join(path),
            shown: PathBuf::from(path),
            rows_max: self.rows_max,
            statement_timeout: self.statement_timeout.0,
        })
    }

    fn server(&self, url: &str, port: u16, context: &BuildContext<'_>) -> Result<Server, String> {
        let address = Address::parse(url, port)?;
        let connections = self.connections.unwrap_or(CONNECTIONS);
        if !(1..=CONNECTIONS_MAX).contains(&connections) {
            return Err(format!("connections must be from 1 to {CONNECTIONS_MAX}"));
        }
        if let Some(zone) = &self.zone {
            TimeZone::get(zone)
                .map_err(|_| format!("zone: `{zone}` is no time zone; write one as Europe/Paris or UTC"))?;
        }
        let encrypt = self.encrypt.unwrap_or(self.tls.is_some() || !address.is_local());
        if !encrypt && self.tls.is_some() {
            return Err("tls stands beside encrypt: false; remove one of them".to_owned());
        }
        let encryption = if encrypt { Some(self.encryption(context)?) } else { None };
        Ok(Server {
            address,
            limits: Limits { rows_max: self.rows_max, statement_timeout: self.statement_timeout.0 },
            encryption,
            zone: self.zone.clone(),
            permits: Arc::new(Semaphore::new(connections)),
        })
    }

    fn encryption(&self, context: &BuildContext<'_>) -> Result<Encryption, String> {
        let tls = self.tls.clone().unwrap_or_default();
        let ca = tls.ca.as_deref().map(|path| pem_file(context, path, "tls.ca")).transpose()?;
        if let Some(path) = &tls.ca {
            authorities(context.base_dir, path, "tls.ca")?;
        }
        let identity = match (&tls.cert, &tls.key) {
            (Some(path), key) => {
                let cert = pem_file(context, path, "tls.cert")?;
                let key = match key {
                    Some(key) => (context.resolve)(key)?,
                    None => {
                        Secret::new(String::from_utf8(cert.clone()).map_err(|_| "tls.cert must be PEM".to_owned())?)
                    }
                };
                Some((cert, key))
            }
            (None, Some(_)) => {
                return Err("tls.key stands without tls.cert; name the certificate's file too".to_owned());
            }
            (None, None) => None,
        };
        Ok(Encryption { ca, identity })
    }
}

fn pem_file(context: &BuildContext<'_>, path: &Path, key: &str) -> Result<Vec<u8>, String> {
    let path = context.base_dir.join(path);
    std::fs::read(&path)
        .map_err(|error| format!("{key}: can't read {}: {error}; check path and rights", path.display()))
}

/// A database, ready to be asked.
#[derive(Clone, Debug)]
pub struct SqlSource {
    backend: Backend,
}

#[derive(Clone, Debug)]
enum Backend {
    Sqlite(Sqlite),
    Postgres(Server),
    MySql(Server),
}

impl Backend {
    fn dialect(&self) -> Dialect {
        match self {
            Backend::Sqlite(_) => Dialect::Sqlite,
            Backend::Postgres(_) => Dialect::Postgres,
            Backend::MySql(_) => Dialect::MySql,
        }
    }
}

impl SqlSource {
    pub(in crate::source) async fn pull(&self, request: &PullRequest) -> Result<Pull, SourceError> {
        let statement = self.statement(&request.kpi).map_err(SourceError::config)?;
        retry(request.retries(), request.deadline, |left| {
            let statement = &statement;
            async move {
                match &self.backend {
                    // Exchanges with servers are large; most pulls are none.
                    Backend::Sqlite(sqlite) => sqlite.pull(statement, request, left).await,
                    Backend::Postgres(server) => Box::pin(postgres::pull(server, statement, request, left)).await,
                    Backend::MySql(server) => Box::pin(mysql::pull(server, statement, request, left)).await,
                }
            }
        })
        .await
    }

    pub(in crate::source) async fn probe(&self) -> Result<String, SourceError> {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.probe().await,
            Backend::Postgres(server) => Box::pin(postgres::probe(server, PROBE_DEADLINE)).await,
            Backend::MySql(server) => Box::pin(mysql::probe(server, PROBE_DEADLINE)).await,
        }
    }

    pub(in crate::source) fn capabilities(&self) -> Capabilities {
        let network = !matches!(self.backend, Backend::Sqlite(_));
        Capabilities { query: QueryForm::Text, history: true, buckets_per_pull_max: 50_000, network }
    }

    pub(in crate::source) fn check_query(&self, kpi: &Kpi) -> Result<(), String> {
        self.statement(kpi).map(|_| ())
    }

    pub(in crate::source) fn object(&self) -> String {
        match &self.backend {
            Backend::Sqlite(sqlite) => format!("database {}", sqlite.shown.display()),
            Backend::Postgres(server) | Backend::MySql(server) => server.object(),
        }
    }

    fn statement(&self, kpi: &Kpi) -> Result<Statement, String> {
        let named = |cause: String| format!("query of KPI `{}`: {cause}", kpi.id);
        match &kpi.query {
            Query::Text(text) => Statement::parse(text, self.backend.dialect()).and_then(|statement| statement.suits(kpi)).map_err(named),
            Query::Table(_) | Query::Http(_) | Query::Formula(_) | Query::Ledger(_) | Query::Entered => Err(named(
                "a database is asked in SQL, not by columns; write query: SELECT day AS bucket, sum(total) AS value ..."
                    .to_owned(),
            )),
        }
    }
}
