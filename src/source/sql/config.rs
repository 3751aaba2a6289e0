//! The settings of a sql source, and the source itself.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sqlite::Sqlite;
use super::statement::{Dialect, Statement};
use crate::model::kpi::{Kpi, Query};
use crate::model::observation::Pull;
use crate::net::{RetryPolicy, TimeSpan, retry};
use crate::secret::Text;
use crate::source::error::SourceError;
use crate::source::request::{BuildContext, Capabilities, PullRequest, QueryForm};

/// A database. Each KPI has one SELECT, which runs read-only.
///
/// Columns: `bucket` (or `time`, `date`), then `value`, or `numerator` and `denominator` (and `n`);
/// every other column is a dimension of the KPI. Without a time column the value holds for the newest
/// ended bucket. Bound in the statement, in the KPI's zone: `:from`, `:to` (`2026-05-01 00:00:00`),
/// `:from_date`, `:to_date` (`2026-05-01`), `:from_unix`, `:to_unix` (seconds); `to` is exclusive.
/// NULL says nothing.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlConfig {
    /// Where the database is: `sqlite:///absolute/path.db`, or `sqlite://path.db` beside the
    /// configuration file. May be a secret. Example: `{env: SHOP_URL}`.
    pub url: Text,
    /// Most rows of one answer. Default: 100000.
    #[serde(default = "rows_max_default")]
    pub rows_max: usize,
    /// Longest run of one statement. Default: `30s`. Example: `2m`.
    #[serde(default = "statement_timeout_default")]
    pub statement_timeout: TimeSpan,
}

fn rows_max_default() -> usize {
    100_000
}

fn statement_timeout_default() -> TimeSpan {
    TimeSpan(Duration::from_secs(30))
}

impl SqlConfig {
    pub fn build(self, context: &BuildContext<'_>) -> Result<SqlSource, String> {
        let url = self.url.resolve(context.resolve)?;
        let url = url.expose();
        let scheme = url.split(':').next().unwrap_or_default();
        if scheme != "sqlite" {
            // The address itself may hold a password: only a scheme that looks like one is repeated.
            let known = ["postgres", "postgresql", "mysql", "mariadb", "mssql"].contains(&scheme);
            let shown = if known { format!("`{scheme}` databases") } else { "this kind of address".to_owned() };
            return Err(format!("url: {shown} can't be read by this version; use sqlite:///path/to/file.db"));
        }
        let path = url.trim_start_matches("sqlite:");
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.contains('?') || path.starts_with(':') {
            return Err("url must name a file and nothing more, such as sqlite:///srv/shop.db".to_owned());
        }
        let sqlite = Sqlite {
            path: context.base_dir.join(path),
            shown: PathBuf::from(path),
            rows_max: self.rows_max,
            statement_timeout: self.statement_timeout.0,
        };
        Ok(SqlSource { backend: Backend::Sqlite(sqlite) })
    }
}

/// A database, ready to be asked.
#[derive(Clone, Debug)]
pub struct SqlSource {
    backend: Backend,
}

#[derive(Clone, Debug)]
enum Backend {
    Sqlite(Sqlite),
}

impl Backend {
    fn dialect(&self) -> Dialect {
        match self {
            Backend::Sqlite(_) => Dialect::Sqlite,
        }
    }
}

impl SqlSource {
    pub(in crate::source) async fn pull(&self, request: &PullRequest) -> Result<Pull, SourceError> {
        let statement = self.statement(&request.kpi).map_err(SourceError::config)?;
        retry(RetryPolicy::default(), request.deadline, |left| {
            let statement = &statement;
            async move {
                match &self.backend {
                    Backend::Sqlite(sqlite) => sqlite.pull(statement, request, left).await,
                }
            }
        })
        .await
    }

    pub(in crate::source) async fn probe(&self) -> Result<String, SourceError> {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.probe().await,
        }
    }

    pub(in crate::source) fn capabilities() -> Capabilities {
        Capabilities { query: QueryForm::Text, history: true, buckets_per_pull_max: 50_000, network: false }
    }

    pub(in crate::source) fn check_query(&self, kpi: &Kpi) -> Result<(), String> {
        self.statement(kpi).map(|_| ())
    }

    pub(in crate::source) fn object(&self) -> String {
        match &self.backend {
            Backend::Sqlite(sqlite) => format!("database {}", sqlite.shown.display()),
        }
    }

    fn statement(&self, kpi: &Kpi) -> Result<Statement, String> {
        let named = |cause: String| format!("query of KPI `{}`: {cause}", kpi.id);
        match &kpi.query {
            Query::Text(text) => Statement::parse(text, self.backend.dialect()).map_err(named),
            Query::Table(_) => Err(named(
                "a database is asked in SQL, not by columns; write query: SELECT day AS bucket, sum(total) AS value ..."
                    .to_owned(),
            )),
        }
    }
}
