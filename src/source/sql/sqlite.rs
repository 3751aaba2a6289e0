//! Asking a SQLite file: opened read-only and never created, with a bound on time, rows and bytes.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection, Executor, Row, SqlSafeStr, Statement as _, TypeInfo, ValueRef,
};

use super::server::{Limits, read_rows};
use super::statement::{Bound, Statement};
use super::table::{Columns, SqlValue};
use crate::clock;
use crate::model::observation::{Pull, ReadingValue};
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
        let time = columns.time();
        let has_local_times = statement.binds_local_times();
        let mut query = prepared.query();
        let (from, to) = columns.span(request);
        for parameter in &statement.parameters {
            query = match parameter.value(from, to, &request.kpi.zone) {
                Bound::Text(text) => query.bind(text),
                Bound::Integer(number) => query.bind(number),
            };
        }
        let rows = query.fetch(&mut *connection).map_err(|error| self.failed(&error));
        let limits = Limits { rows_max: self.rows_max, statement_timeout: self.statement_timeout };
        let otherwise = OnceLock::new();
        let read = |row: &SqliteRow| {
            let row = values(row).map_err(|error| self.failed(&error))?;
            if let Some(SqlValue::Text(text)) = time.filter(|_| has_local_times).map(|at| &row[at])
                && !compares_with_local_times(text)
            {
                otherwise.get_or_init(|| cut(text));
            }
            Ok(row)
        };
        let mut pull = read_rows(limits, request, columns.clone(), rows, read).await?;
        if has_local_times && says_nothing(&pull) {
            // Seldom asked, and large.
            Box::pin(self.refuse_numbers(connection, statement, request, &columns)).await?;
        }
        if let Some(text) = otherwise.into_inner() {
            pull.warnings.push(format!(
                "query of KPI `{}`: times such as `{text}` are texts that don't compare with :from and :to \
                 (`2026-05-01 14:00`, local), so that rows may be missing; if the query compares them, write \
                 unixepoch(column) >= :from_unix AND unixepoch(column) < :to_unix",
                request.kpi.id
            ));
        }
        Ok(pull)
    }

    /// In SQLite a number comes before every text, so that a column of epoch seconds has nothing between :from and :to.
    /// Where nothing was found, but is with numbers in their place, the query compares wrongly.
    async fn refuse_numbers(
        &self,
        connection: &mut SqliteConnection,
        statement: &Statement,
        request: &PullRequest,
        columns: &Columns,
    ) -> Result<(), SourceError> {
        const REMEDIES: [(f64, f64, &str, &str); 3] = [
            (1.0, 0.0, "epoch seconds", "column >= :from_unix AND column < :to_unix"),
            (1000.0, 0.0, "epoch milliseconds", "column >= 1000 * :from_unix AND column < 1000 * :to_unix"),
            (
                1.0 / 86_400.0,
                2_440_587.5,
                "Julian days",
                "unixepoch(column) >= :from_unix AND unixepoch(column) < :to_unix",
            ),
        ];
        let (from, to) = columns.span(request);
        for (factor, offset, kind, remedy) in REMEDIES {
            let number = |at: Timestamp| at.as_second() as f64 * factor + offset;
            let within = self.found_between(connection, statement, request, columns, (number(from), number(to))).await;
            // What is found between any two numbers is not found by its time.
            if within
                && !self.found_between(connection, statement, request, columns, (number(from), number(from))).await
            {
                return Err(SourceError::config(format!(
                    "query of KPI `{}`: its times are {kind}, which :from and :to (texts such as `2026-05-01 14:00`) find \
                     nothing of; write {remedy}",
                    request.kpi.id
                )));
            }
        }
        Ok(())
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

impl Sqlite {
    /// Whether a query says anything with numbers in the place of its local times.
    async fn found_between(
        &self,
        connection: &mut SqliteConnection,
        statement: &Statement,
        request: &PullRequest,
        columns: &Columns,
        (first, last): (f64, f64),
    ) -> bool {
        let (from, to) = columns.span(request);
        let mut query = sqlx::query(AssertSqlSafe(statement.sql.clone()));
        for parameter in &statement.parameters {
            query = match parameter.value(from, to, &request.kpi.zone) {
                _ if parameter.is_local_time() => query.bind(if parameter.is_end() { last } else { first }),
                Bound::Text(text) => query.bind(text),
                Bound::Integer(number) => query.bind(number),
            };
        }
        let rows = query.fetch(connection).map_err(|error| self.failed(&error));
        let limits = Limits { rows_max: self.rows_max, statement_timeout: self.statement_timeout };
        let has_rows = OnceLock::new();
        let read = |row: &SqliteRow| {
            has_rows.get_or_init(|| ());
            values(row).map_err(|error| self.failed(&error))
        };
        match read_rows(limits, request, columns.clone(), rows, read).await {
            Ok(pull) => !says_nothing(&pull),
            // Rows that can't be placed in time are rows.
            Err(_) => has_rows.get().is_some(),
        }
    }
}

/// No row, or nothing but zeros, as an aggregate over no rows gives.
fn says_nothing(pull: &Pull) -> bool {
    pull.outside == 0
        && pull.readings.iter().all(|reading| match &reading.value {
            ReadingValue::Absent => true,
            ReadingValue::Number(number) => *number == 0.0,
            ReadingValue::Parts(parts) => parts.denominator == 0.0,
            ReadingValue::Unreadable(_) | ReadingValue::Foreign { .. } => false,
        })
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
