//! Asking a SQLite file: opened read-only and never created, with a bound on time, rows and bytes.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection, Executor, Row, SqlSafeStr, Statement as _, TypeInfo, ValueRef,
};

use super::server::{Limits, read_rows};
use super::statement::{Bound, Statement};
use super::table::{Columns, SqlValue};
use crate::clock;
use crate::model::observation::Pull;
use crate::net::ErrorClass;
use crate::source::error::SourceError;
use crate::source::request::PullRequest;
use crate::source::rows::cut;

/// Virtual machine instructions between two looks at the clock.
const INSTRUCTIONS_PER_LOOK: i32 = 10_000;
const BUSY_TIMEOUT_MAX: Duration = Duration::from_secs(5);

/// A SQLite file.
#[derive(Clone, Debug)]
pub(super) struct Sqlite {
    pub(super) path: PathBuf,
    /// As the configuration writes it.
    pub(super) shown: PathBuf,
    pub(super) rows_max: usize,
    pub(super) statement_timeout: Duration,
}

impl Sqlite {
    pub(super) async fn pull(
        &self,
        statement: &Statement,
        request: &PullRequest,
        left: Duration,
    ) -> Result<Pull, SourceError> {
        let time = left.min(self.statement_timeout);
        let mut connection = self.open(time).await?;
        let outcome = self.ask(&mut connection, statement, request).await;
        // Closing waits for the thread behind the connection; its own errors say nothing new.
        let _ = connection.close().await;
        outcome
    }

    pub(super) async fn probe(&self) -> Result<String, SourceError> {
        let mut connection = self.open(self.statement_timeout).await?;
        let asked = "SELECT sqlite_version(), (SELECT count(*) FROM sqlite_schema WHERE type IN ('table', 'view'))";
        let row = sqlx::query(asked).fetch_one(&mut connection).await.map_err(|error| self.failed(&error))?;
        let (version, tables): (String, i64) = (row.try_get(0).unwrap_or_default(), row.try_get(1).unwrap_or_default());
        let _ = connection.close().await;
        Ok(format!("SQLite {version}, {} with {tables} tables", self.shown.display()))
    }

    /// Opens the file; whatever runs on the connection is interrupted once `time` has passed.
    async fn open(&self, time: Duration) -> Result<SqliteConnection, SourceError> {
        if !self.path.is_file() {
            let shown = self.path.display();
            return Err(SourceError::config(format!(
                "no database at {shown}; correct url (the file is never created)"
            )));
        }
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .read_only(true)
            .create_if_missing(false)
            .busy_timeout(time.min(BUSY_TIMEOUT_MAX))
            .pragma("query_only", "1")
            .disable_statement_logging();
        let mut connection = SqliteConnection::connect_with(&options).await.map_err(|error| self.failed(&error))?;
        self.limit(&mut connection, clock::monotonic() + time).await?;
        Ok(connection)
    }

    /// From that moment on whatever runs on the connection is interrupted.
    pub(super) async fn limit(&self, connection: &mut SqliteConnection, until: Instant) -> Result<(), SourceError> {
        let mut handle = connection.lock_handle().await.map_err(|error| self.failed(&error))?;
        handle.set_progress_handler(INSTRUCTIONS_PER_LOOK, move || clock::monotonic() < until);
        Ok(())
    }

    pub(super) async fn ask(
        &self,
        connection: &mut SqliteConnection,
        statement: &Statement,
        request: &PullRequest,
    ) -> Result<Pull, SourceError> {
        let sql = AssertSqlSafe(statement.sql.clone()).into_sql_str();
        let prepared = (&mut *connection).prepare(sql).await.map_err(|error| self.failed(&error))?;
        let names: Vec<String> = prepared.columns().iter().map(|column| column.name().to_owned()).collect();
        let columns = Columns::of(&names, &request.kpi)?;
        let mut query = prepared.query();
        let (from, to) = columns.span(request);
        for parameter in &statement.parameters {
            query = match parameter.value(from, to, &request.kpi.zone) {
                Bound::Text(text) => query.bind(text),
                Bound::Integer(number) => query.bind(number),
            };
        }
        let rows = query.fetch(connection).map_err(|error| self.failed(&error));
        let limits = Limits { rows_max: self.rows_max, statement_timeout: self.statement_timeout };
        let time = columns.time().filter(|_| statement.binds_local_times());
        let otherwise = OnceLock::new();
        let read = |row: &SqliteRow| {
            let row = values(row).map_err(|error| self.failed(&error))?;
            if let Some(SqlValue::Text(text)) = time.map(|at| &row[at])
                && !compares_with_local_times(text)
            {
                otherwise.get_or_init(|| cut(text));
            }
            Ok(row)
        };
        let mut pull = read_rows(limits, request, columns, rows, read).await?;
        if let Some(text) = otherwise.into_inner() {
            pull.warnings.push(format!(
                "query of KPI `{}`: times such as `{text}` are texts that don't compare with :from and :to \
                 (`2026-05-01 14:00:00`, local), so that rows may be missing; if the query compares them, write \
                 unixepoch(column) >= :from_unix AND unixepoch(column) < :to_unix",
                request.kpi.id
            ));
        }
        Ok(pull)
    }

    /// Classifies what the database reports.
    fn failed(&self, error: &sqlx::Error) -> SourceError {
        // A table in memory stands for files that are no database.
        let in_memory = self.path.as_os_str().is_empty();
        let object = format!("{}{}", if in_memory { "" } else { "database " }, self.shown.display());
        let (code, said) = match error.as_database_error() {
            Some(error) => (error.code().and_then(|code| code.parse::<i32>().ok()), error.message().to_lowercase()),
            None => (None, error.to_string().to_lowercase()),
        };
        // Primary result codes of SQLite; the upper bits only refine them.
        let (class, remedy) = match code.map(|code| code & 0xff) {
            Some(1) if in_memory && said.contains("no such table") => {
                (ErrorClass::Config, "correct the query: the table is called `data`")
            }
            Some(1) => (ErrorClass::Config, "correct the query"),
            Some(3 | 23) => (ErrorClass::Auth, "give the service the right to read it"),
            Some(5 | 6) => (ErrorClass::Transient, "another program holds it; it is tried again"),
            Some(8) => (ErrorClass::Config, "the query wants to write; only reading is allowed"),
            Some(9) => {
                let remedy = if in_memory {
                    "make it lighter"
                } else {
                    "make it lighter, add an index, or raise statement_timeout"
                };
                let message = format!(
                    "{object}: the query ran longer than {:?} and was stopped; {remedy}",
                    self.statement_timeout
                );
                return SourceError::new(ErrorClass::Deadline, message);
            }
            Some(10) => (ErrorClass::Transient, "the disk failed to read; check it"),
            Some(11) => (ErrorClass::Unexpected, "the file is damaged; restore it"),
            Some(14) => (ErrorClass::Config, "check that the service may read the file and enter its folder"),
            Some(26) => (ErrorClass::Config, "the file is no SQLite database; correct url"),
            _ => (ErrorClass::Unexpected, "look at the query and the file"),
        };
        SourceError::new(class, format!("{object}: {said}; {remedy}"))
    }
}

/// Whether a time that stands as text comes before and after `2026-05-01 14:00:00` as the moment does that it names. A `T`
/// comes after every hour of its day, and with an offset the text is of another zone.
fn compares_with_local_times(text: &str) -> bool {
    let Some((_, time)) = text.split_at_checked(10) else { return true };
    !(time.starts_with(['T', 't']) || time.contains(['Z', 'z', '+', '-']))
}

fn values(row: &SqliteRow) -> Result<Vec<SqlValue>, sqlx::Error> {
    (0..row.len())
        .map(|at| {
            let raw = row.try_get_raw(at)?;
            if raw.is_null() {
                return Ok(SqlValue::Null);
            }
            let name = raw.type_info().name().to_owned();
            Ok(match name.as_str() {
                "INTEGER" => SqlValue::Integer(row.try_get_unchecked(at)?),
                "REAL" => SqlValue::Real(row.try_get_unchecked(at)?),
                "TEXT" => SqlValue::Text(row.try_get_unchecked(at)?),
                _ => SqlValue::Blob,
            })
        })
        .collect()
}

#[cfg(test)]
#[path = "sqlite_tests.rs"]
mod tests;
