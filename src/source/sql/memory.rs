//! A table in memory that a statement is asked of: for sources that are no database.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::FutureExt as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, SqlSafeStr};

use super::sqlite::Sqlite;
use super::statement::{Dialect, Statement};
use super::table::{SqlValue, may_answer};
use crate::clock;
use crate::model::kpi::{Kpi, Query};
use crate::model::observation::Pull;
use crate::net::ErrorClass;
use crate::source::error::SourceError;
use crate::source::request::PullRequest;
use crate::source::suggest::{did_you_mean, listed};

const ROWS_MAX: usize = 100_000;
/// Values bound in one statement; SQLite allows 32,766.
const BOUND_MAX: usize = 30_000;

/// One table: names of columns, and rows with a value for each.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::source) struct Relation {
    pub(in crate::source) table: &'static str,
    pub(in crate::source) columns: Vec<String>,
    pub(in crate::source) rows: Vec<Vec<SqlValue>>,
    pub(in crate::source) warnings: Vec<String>,
    /// What was found in single columns.
    pub(in crate::source) notes: Vec<Note>,
}

/// Something about a column; it matters only to a statement that names it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::source) struct Note {
    pub(in crate::source) column: String,
    pub(in crate::source) said: String,
    pub(in crate::source) effect: Effect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) enum Effect {
    /// It is told, no more.
    Told,
    /// Cells had to be left out, so that the pull is not complete.
    Incomplete,
    /// Its figures would be wrong: nothing is asked.
    Refused,
}

/// The statement of a KPI over such a table.
pub(in crate::source) fn statement_of(kpi: &Kpi) -> Result<Option<Statement>, String> {
    let Query::Text(text) = &kpi.query else { return Ok(None) };
    let named = |cause: String| format!("query of KPI `{}`: {cause}", kpi.id);
    Statement::parse(text, Dialect::Sqlite).and_then(|statement| statement.suits(kpi)).map(Some).map_err(named)
}

impl Relation {
    /// Asks it; `object` names it in messages.
    pub(in crate::source) async fn ask(
        self,
        object: &str,
        statement: &Statement,
        request: &PullRequest,
        left: Duration,
    ) -> Result<Pull, SourceError> {
        let database =
            Sqlite { path: PathBuf::new(), shown: PathBuf::from(object), rows_max: ROWS_MAX, statement_timeout: left };
        self.check_names(object, statement).map_err(SourceError::config)?;
        let notes: Vec<&Note> =
            self.notes.iter().filter(|note| may_read(&statement.sql, &note.column, &request.kpi)).collect();
        if let Some(note) = notes.iter().find(|note| note.effect == Effect::Refused) {
            return Err(SourceError::config(note.said.clone()));
        }
        let complete = notes.iter().all(|note| note.effect == Effect::Told);
        let warnings: Vec<String> =
            self.warnings.iter().chain(notes.into_iter().map(|note| &note.said)).cloned().collect();
        let failed = |error: sqlx::Error| {
            SourceError::new(ErrorClass::Unexpected, format!("{object} can't be held as a table: {error}; report this"))
        };
        let options = SqliteConnectOptions::new().in_memory(true).disable_statement_logging();
        let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed)?;
        database.limit(&mut connection, clock::monotonic() + left).await?;
        self.fill(&mut connection).await.map_err(failed)?;
        (&mut connection).execute("PRAGMA query_only = 1").await.map_err(failed)?;
        let outcome = database.ask(&mut connection, statement, request).boxed().await;
        // Closing waits for the thread behind the connection; its own errors say nothing new.
        let _ = connection.close().await;
        let mut pull = outcome?;
        pull.warnings.extend(warnings);
        pull.complete &= complete;
        Ok(pull)
    }

    /// SQLite takes a name in double quotes that is no column for a text, so that a misspelled column would be a number.
    fn check_names(&self, object: &str, statement: &Statement) -> Result<(), String> {
        let known = |name: &str| {
            let name = name.to_lowercase();
            let mut columns = self.columns.iter().map(|column| column.to_lowercase());
            name == self.table || columns.any(|column| column == name)
        };
        let alias = |name: &str| statement.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name));
        match statement.quoted.iter().find(|name| !known(name) && !alias(name)) {
            None => Ok(()),
            Some(name) => {
                let near = did_you_mean(name, self.columns.iter().map(String::as_str));
                let has = listed(self.columns.iter().map(String::as_str));
                Err(format!(
                    "{object} has no column `{name}`{near}; it has {has}: correct the query (texts stand in '...', names are given with AS)"
                ))
            }
        }
    }

    async fn fill(self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let quoted = |name: &String| format!("\"{}\"", name.replace('"', "\"\""));
        let columns = self.columns.iter().map(quoted).collect::<Vec<_>>().join(", ");
        let create = format!("CREATE TABLE {} ({columns})", self.table);
        (&mut *connection).execute(AssertSqlSafe(create).into_sql_str()).await?;
        let mut transaction = connection.begin().await?;
        let at_once = (BOUND_MAX / self.columns.len().max(1)).clamp(1, 500);
        let places = format!("({})", vec!["?"; self.columns.len()].join(", "));
        let mut rows = self.rows.into_iter().peekable();
        while rows.peek().is_some() {
            let piece: Vec<Vec<SqlValue>> = rows.by_ref().take(at_once).collect();
            let values = vec![places.as_str(); piece.len()].join(", ");
            let insert = AssertSqlSafe(format!("INSERT INTO {} VALUES {values}", self.table)).into_sql_str();
            let mut query = sqlx::query(insert);
            for value in piece.into_iter().flatten() {
                query = match value {
                    SqlValue::Null | SqlValue::Blob => query.bind(None::<String>),
                    SqlValue::Bool(truth) => query.bind(truth),
                    SqlValue::Integer(number) => query.bind(number),
                    SqlValue::Real(number) => query.bind(number),
                    SqlValue::Text(text) => query.bind(text),
                };
            }
            query.execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }
}

/// Whether a statement may read a column: by its name, or by `*` where an answer may have a column of that name.
fn may_read(sql: &str, column: &str, kpi: &Kpi) -> bool {
    let (sql, column) = (sql.to_lowercase(), column.to_lowercase().replace('"', "\"\""));
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let named = sql
        .match_indices(&column)
        .any(|(at, _)| !is_part(sql[..at].chars().next_back()) && !is_part(sql[at + column.len()..].chars().next()));
    let dense: String = sql.chars().filter(|c| !c.is_whitespace()).collect();
    named || (dense.replace("count(*)", "").contains('*') && may_answer(&column, kpi))
}

#[cfg(test)]
mod tests {
    use super::may_read;
    use crate::model::kpi::Query;
    use crate::source::fixture;

    #[test]
    fn columns_that_a_statement_may_read() {
        let kpi = fixture::kpi(Query::Text(String::new()));
        for (sql, column, expected) in [
            ("SELECT sum(Total) AS value FROM data", "total", true),
            ("SELECT sum(total_usd) AS value FROM data", "total", false),
            ("SELECT sum(\"a \"\"b\") AS value FROM data", "a \"b", true),
            ("SELECT * FROM data", "value", true),
            ("SELECT date AS bucket, count(*) AS value FROM data", "total", false),
            ("SELECT '2026-05-01' AS bucket, count( * ) AS value FROM data", "date", false),
            ("SELECT sum(prix*été) AS value FROM data", "Été", true),
        ] {
            assert_eq!(may_read(sql, column, &kpi), expected, "{sql}");
        }
    }
}
