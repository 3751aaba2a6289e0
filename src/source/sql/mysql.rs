//! Asking MySQL and MariaDB: one read-only snapshot per pull, in the KPI's time zone, with the server's own time limit.

use std::time::Duration;

use bigdecimal::BigDecimal;
use chrono::{Datelike, NaiveDate, NaiveDateTime, Timelike};
use futures_util::TryStreamExt;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlRow, MySqlSslMode};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection, Executor, Row, SqlSafeStr, Statement as _, TypeInfo, ValueRef,
};
use tokio::time::timeout;

use super::server::{CONNECT_MAX, Server, read_rows};
use super::statement::{Bound, Statement};
use super::table::{Columns, SqlValue};
use crate::model::observation::Pull;
use crate::net::ErrorClass;
use crate::source::error::SourceError;
use crate::source::request::PullRequest;

pub(super) const PORT: u16 = 3306;
/// For the server to say goodbye.
const CLOSE_MAX: Duration = Duration::from_secs(1);

pub(super) async fn pull(
    server: &Server,
    statement: &Statement,
    request: &PullRequest,
    left: Duration,
) -> Result<Pull, SourceError> {
    let exchange = async {
        let mut connection = connect(server).await?;
        let pull = ask(server, &mut connection, statement, request, left).await?;
        close(connection).await;
        Ok(pull)
    };
    server.within(left, exchange).await
}

pub(super) async fn probe(server: &Server, left: Duration) -> Result<String, SourceError> {
    let exchange = async {
        let mut connection = connect(server).await?;
        let asked = "SELECT CAST(@@version AS CHAR), CAST(@@time_zone AS CHAR), \
                     (SELECT count(*) FROM information_schema.tables WHERE table_schema = database())";
        let row = sqlx::query(asked).fetch_one(&mut connection).await.map_err(|error| failed(server, &error))?;
        let (version, zone): (String, String) =
            (row.try_get(0).unwrap_or_default(), row.try_get(1).unwrap_or_default());
        let tables: i64 = row.try_get(2).unwrap_or_default();
        close(connection).await;
        let product = if is_mariadb(&version) { "MariaDB" } else { "MySQL" };
        Ok(format!("{product} {version}, zone {zone}, {} with {tables} tables to read", server.address.shown()))
    };
    server.within(left, exchange).await
}

fn is_mariadb(version: &str) -> bool {
    version.to_lowercase().contains("mariadb")
}

async fn connect(server: &Server) -> Result<MySqlConnection, SourceError> {
    let address = &server.address;
    // The session is left as the server sets it, so that a query means what it means in the server's own client.
    let mut options = MySqlConnectOptions::new()
        .host(&address.host)
        .port(address.port)
        .username(&address.user)
        .database(&address.database)
        .charset("utf8mb4")
        .timezone(None)
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .statement_cache_capacity(4)
        .disable_statement_logging();
    if let Some(password) = &address.password {
        options = options.password(password.expose());
    }
    if let Some(socket) = &address.socket {
        options = options.socket(socket);
    }
    options = match &server.encryption {
        None => options.ssl_mode(MySqlSslMode::Disabled),
        Some(encryption) => {
            options = options.ssl_mode(MySqlSslMode::VerifyIdentity);
            if let Some(ca) = &encryption.ca {
                options = options.ssl_ca_from_pem(ca.clone());
            }
            match &encryption.identity {
                Some((cert, key)) => {
                    options.ssl_client_cert_from_pem(cert).ssl_client_key_from_pem(key.expose().as_bytes())
                }
                None => options,
            }
        }
    };
    match timeout(CONNECT_MAX, MySqlConnection::connect_with(&options)).await {
        Ok(connected) => connected.map_err(|error| failed(server, &error)),
        Err(_) => Err(server.failed(
            ErrorClass::Transient,
            &format!("no connection within {CONNECT_MAX:?}"),
            "check that the server runs and can be reached from here",
        )),
    }
}

async fn close(connection: MySqlConnection) {
    // A connection that doesn't end in time is dropped; its own errors say nothing new.
    let _ = timeout(CLOSE_MAX, connection.close()).await;
}

/// Time zone, time limit and a read-only snapshot.
async fn set_up(
    server: &Server,
    connection: &mut MySqlConnection,
    zone: &str,
    left: Duration,
) -> Result<(), SourceError> {
    let broke = |error: sqlx::Error| failed(server, &error);
    let asked = sqlx::query_scalar("SELECT CAST(@@version AS CHAR)");
    let version: String = asked.fetch_one(&mut *connection).await.map_err(broke)?;
    // A server without zone tables still knows distances.
    let zone = if zone == "UTC" { "+00:00" } else { zone };
    let set = sqlx::query("SET time_zone = ?").bind(zone).execute(&mut *connection).await;
    set.map_err(|error| match number(&error) {
        Some(1298) => server.failed(
            ErrorClass::Config,
            &format!("it knows no time zone {zone}"),
            "fill its zone tables (mysql_tzinfo_to_sql /usr/share/zoneinfo | mysql mysql); where every column is a DATE or a \
             DATETIME in local time, zone: UTC on the source does too (a TIMESTAMP would be cut at the wrong hour)",
        ),
        _ => broke(error),
    })?;
    let time = left.min(server.limits.statement_timeout);
    let limit = if is_mariadb(&version) {
        format!("SET SESSION max_statement_time = {}", time.as_secs_f64().max(0.001))
    } else {
        format!("SET SESSION max_execution_time = {}", time.as_millis().max(1))
    };
    (&mut *connection).execute(AssertSqlSafe(limit)).await.map_err(broke)?;
    let begin = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";
    (&mut *connection).execute(begin).await.map_err(broke)?;
    Ok(())
}

async fn ask(
    server: &Server,
    connection: &mut MySqlConnection,
    statement: &Statement,
    request: &PullRequest,
    left: Duration,
) -> Result<Pull, SourceError> {
    let broke = |error: sqlx::Error| failed(server, &error);
    let named = |cause: String| SourceError::config(format!("query of KPI `{}`: {cause}", request.kpi.id));
    let zone = server.session_zone(request);
    set_up(server, connection, &zone, left).await?;
    let session_zone = TimeZone::get(&zone).map_err(|_| named(format!("no time zone `{zone}` is known")))?;
    let fine = !request.kpi.grain.is_civil();
    let sql = AssertSqlSafe(statement.sql.clone()).into_sql_str();
    let prepared = (&mut *connection).prepare(sql).await.map_err(broke)?;
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
    let rows = query.fetch(connection).map_err(|error| failed(server, &error));
    let values = |row: &MySqlRow| values(row, &names, (&session_zone, fine)).map_err(named);
    read_rows(server.limits, request, columns, rows, values).await
}

fn values(row: &MySqlRow, names: &[String], zone: (&TimeZone, bool)) -> Result<Vec<SqlValue>, String> {
    (0..row.len()).map(|at| value(row, at, zone).map_err(|cause| format!("column `{}` {cause}", names[at]))).collect()
}

/// `zone` is that of the session, with whether buckets are shorter than days.
fn value(row: &MySqlRow, at: usize, zone: (&TimeZone, bool)) -> Result<SqlValue, String> {
    let raw = row.try_get_raw(at).map_err(|error| error.to_string())?;
    if raw.is_null() {
        return Ok(SqlValue::Null);
    }
    let kind = raw.type_info().name().to_owned();
    let read = |error: sqlx::Error| format!("can't be read: {error}");
    Ok(match kind.as_str() {
        "BOOLEAN" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" => {
            SqlValue::Integer(row.try_get_unchecked(at).map_err(read)?)
        }
        "TINYINT UNSIGNED" | "SMALLINT UNSIGNED" | "MEDIUMINT UNSIGNED" | "INT UNSIGNED" | "BIGINT UNSIGNED"
        | "BIT" | "YEAR" => SqlValue::Text(row.try_get_unchecked::<u64, _>(at).map_err(read)?.to_string()),
        "FLOAT" => SqlValue::Real(row.try_get_unchecked::<f32, _>(at).map_err(read)?.into()),
        "DOUBLE" => SqlValue::Real(row.try_get_unchecked(at).map_err(read)?),
        "DECIMAL" => SqlValue::Text(row.try_get_unchecked::<BigDecimal, _>(at).map_err(read)?.to_plain_string()),
        // A date of zeros is none; the row is told as undated.
        "DATE" => row
            .try_get_unchecked::<NaiveDate, _>(at)
            .map_or_else(|_| SqlValue::Text("0000-00-00".to_owned()), |date| SqlValue::Text(date.to_string())),
        "DATETIME" => row
            .try_get_unchecked::<NaiveDateTime, _>(at)
            .map_or_else(|_| SqlValue::Text("0000-00-00".to_owned()), |time| SqlValue::Text(time.to_string())),
        // An instant, told in the session's zone.
        "TIMESTAMP" => match row.try_get_unchecked::<NaiveDateTime, _>(at).ok().and_then(civil_of) {
            None => SqlValue::Text("0000-00-00".to_owned()),
            Some(local) => {
                let (zone, fine) = zone;
                let found = zone.to_ambiguous_timestamp(local);
                if fine && found.is_ambiguous() {
                    return Err(format!(
                        "holds {local}, a local time that comes twice when the clocks go back; select UNIX_TIMESTAMP of it"
                    ));
                }
                found.compatible().map_or(SqlValue::Null, |at| SqlValue::Text(at.to_string()))
            }
        },
        "CHAR" | "VARCHAR" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" | "ENUM" | "SET" | "JSON" => {
            SqlValue::Text(row.try_get_unchecked(at).map_err(read)?)
        }
        // Texts that functions make may be called binary.
        "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => {
            let bytes: Vec<u8> = row.try_get_unchecked(at).map_err(read)?;
            String::from_utf8(bytes).map_or(SqlValue::Blob, SqlValue::Text)
        }
        "TIME" => return Err("is of type TIME; only dates and numbers count: take TIME_TO_SEC of it".to_owned()),
        _ => return Err(format!("is of type {kind}, which can't be read; CAST it AS CHAR")),
    })
}

fn civil_of(time: NaiveDateTime) -> Option<DateTime> {
    let small = |number: u32| i8::try_from(number).ok();
    let (month, day) = (small(time.month())?, small(time.day())?);
    let (hour, minute, second) = (small(time.hour())?, small(time.minute())?, small(time.second())?);
    DateTime::new(i16::try_from(time.year()).ok()?, month, day, hour, minute, second, 0).ok()
}

fn number(error: &sqlx::Error) -> Option<u16> {
    let database = error.as_database_error()?;
    database.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
}

/// Classifies what the server reports, by its numbers (those from 1900 on are MariaDB's own).
fn failed(server: &Server, error: &sqlx::Error) -> SourceError {
    let (Some(number), Some(database)) = (number(error), error.as_database_error()) else {
        return server.unreachable(error);
    };
    let said = database.message().lines().next().unwrap_or_default().to_owned();
    let (class, remedy) = match number {
        1969 | 3024 | 1317 => return server.too_slow(),
        // MariaDB says no more than that to who comes without the encryption that it requires.
        1045 if server.encryption.is_none() => (
            ErrorClass::Auth,
            "check user and password of the url; if the server requires encryption, say `encrypt: true`",
        ),
        1045 | 1698 | 1251 | 1130 => (ErrorClass::Auth, "check user and password of the url"),
        1044 | 1142 | 1143 | 1227 | 1370 => (ErrorClass::Auth, "GRANT SELECT on it to the user of the url"),
        1049 => (ErrorClass::Config, "correct the database's name in url"),
        1792 => (ErrorClass::Config, "the query wants to write; only reading is allowed"),
        1040 | 1203 | 1226 => {
            (ErrorClass::Transient, "the server has no room for another connection; lower `connections`")
        }
        1053 | 1205 | 1213 | 1927 | 2006 | 2013 | 4031 => (ErrorClass::Transient, "it is tried again"),
        3159 => (ErrorClass::Config, "the server wants encryption; say `encrypt: true`"),
        1052..=1066 | 1109 | 1111 | 1140 | 1146 | 1149 | 1221 | 1241 | 1242 | 1267 | 1305 | 1365 | 1582 | 1690 => {
            (ErrorClass::Config, "correct the query")
        }
        _ => (ErrorClass::Unexpected, "look at the query and the server's log"),
    };
    server.failed(class, &said, remedy)
}
