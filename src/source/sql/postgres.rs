//! Asking PostgreSQL: one read-only transaction per pull, in the KPI's time zone, with the server's own time limit.

use std::time::Duration;

use bigdecimal::BigDecimal;
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgRow, PgSslMode, PgTypeKind, Postgres};
use sqlx::query::Query;
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection, Either, Executor, Row, SqlSafeStr, Statement as _, TypeInfo,
    ValueRef,
};
use tokio::time::timeout;

use super::server::{CONNECT_MAX, Server, read_rows};
use super::statement::{Parameter, Statement};
use super::table::{Columns, SqlValue};
use crate::model::observation::Pull;
use crate::net::ErrorClass;
use crate::source::error::SourceError;
use crate::source::request::PullRequest;

pub(super) const PORT: u16 = 5432;
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
        let asked = "SELECT current_setting('server_version'), current_setting('TimeZone'), \
                     (SELECT count(*) FROM information_schema.tables \
                      WHERE table_schema NOT IN ('pg_catalog', 'information_schema'))";
        let row = sqlx::query(asked).fetch_one(&mut connection).await.map_err(|error| failed(server, &error))?;
        let (version, zone): (String, String) =
            (row.try_get(0).unwrap_or_default(), row.try_get(1).unwrap_or_default());
        let tables: i64 = row.try_get(2).unwrap_or_default();
        close(connection).await;
        Ok(format!("PostgreSQL {version}, zone {zone}, {} with {tables} tables to read", server.address.shown()))
    };
    server.within(left, exchange).await
}

async fn connect(server: &Server) -> Result<PgConnection, SourceError> {
    let address = &server.address;
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(&address.host)
        .port(address.port)
        .username(&address.user)
        .database(&address.database)
        .application_name("vigie")
        .statement_cache_capacity(4)
        .disable_statement_logging();
    if let Some(password) = &address.password {
        options = options.password(password.expose());
    }
    if let Some(socket) = &address.socket {
        options = options.socket(socket);
    }
    options = match &server.encryption {
        None => options.ssl_mode(PgSslMode::Disable),
        Some(encryption) => {
            options = options.ssl_mode(PgSslMode::VerifyFull);
            if let Some(ca) = &encryption.ca {
                options = options.ssl_root_cert_from_pem(ca.clone());
            }
            match &encryption.identity {
                Some((cert, key)) => {
                    options.ssl_client_cert_from_pem(cert).ssl_client_key_from_pem(key.expose().as_bytes())
                }
                None => options,
            }
        }
    };
    match timeout(CONNECT_MAX, PgConnection::connect_with(&options)).await {
        Ok(connected) => connected.map_err(|error| failed(server, &error)),
        Err(_) => Err(server.failed(
            ErrorClass::Transient,
            &format!("no connection within {CONNECT_MAX:?}"),
            "check that the server runs and can be reached from here",
        )),
    }
}

async fn close(connection: PgConnection) {
    // A connection that doesn't end in time is dropped; its own errors say nothing new.
    let _ = timeout(CLOSE_MAX, connection.close()).await;
}

async fn ask(
    server: &Server,
    connection: &mut PgConnection,
    statement: &Statement,
    request: &PullRequest,
    left: Duration,
) -> Result<Pull, SourceError> {
    let broke = |error: sqlx::Error| failed(server, &error);
    let named = |cause: String| SourceError::config(format!("query of KPI `{}`: {cause}", request.kpi.id));
    let begin = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";
    (&mut *connection).execute(begin).await.map_err(broke)?;
    let milliseconds = left.min(server.limits.statement_timeout).as_millis().max(1);
    let zone = server.session_zone(request);
    let set = "SELECT set_config('statement_timeout', $1, true), set_config('TimeZone', $2, true)";
    let set = sqlx::query(set).bind(milliseconds.to_string()).bind(&zone).execute(&mut *connection).await;
    set.map_err(|error| match code(&error).as_deref() {
        Some("22023") => {
            server.failed(ErrorClass::Config, &format!("it knows no time zone {zone}"), "say `zone` on the source")
        }
        _ => broke(error),
    })?;
    let sql = AssertSqlSafe(statement.sql.clone()).into_sql_str();
    let prepared = (&mut *connection).prepare(sql).await.map_err(broke)?;
    let names: Vec<String> = prepared.columns().iter().map(|column| column.name().to_owned()).collect();
    let columns = Columns::of(&names, &request.kpi)?;
    let types: Vec<String> = match prepared.parameters() {
        Some(Either::Left(types)) => types.iter().map(|each| each.name().to_owned()).collect(),
        Some(Either::Right(_)) | None => Vec::new(),
    };
    let mut query = prepared.query();
    let span = columns.span(request);
    for (place, parameter) in statement.parameters.iter().enumerate() {
        let wanted = types.get(place).map_or("TEXT", String::as_str);
        query = bind(query, *parameter, wanted, span, &request.kpi.zone).map_err(named)?;
    }
    let rows = query.fetch(connection).map_err(|error| failed(server, &error));
    let values = |row: &PgRow| values(row, &names).map_err(named);
    read_rows(server.limits, request, columns, rows, values).await
}

/// Binds a parameter in the type that the server took from its place in the statement.
fn bind<'q>(
    query: Query<'q, Postgres, PgArguments>,
    parameter: Parameter,
    wanted: &str,
    (from, to): (Timestamp, Timestamp),
    zone: &TimeZone,
) -> Result<Query<'q, Postgres, PgArguments>, String> {
    let instant = parameter.instant(from, to);
    let local = parameter.local(from, to, zone);
    let seconds = instant.as_second();
    let utc = DateTime::<Utc>::from_timestamp_millis(instant.as_millisecond());
    let date = NaiveDate::from_ymd_opt(
        local.year().into(),
        local.month().unsigned_abs().into(),
        local.day().unsigned_abs().into(),
    );
    let time = date.and_then(|date| {
        date.and_hms_opt(
            local.hour().unsigned_abs().into(),
            local.minute().unsigned_abs().into(),
            local.second().unsigned_abs().into(),
        )
    });
    Ok(match wanted {
        "TIMESTAMPTZ" => query.bind(utc),
        "TIMESTAMP" if parameter.is_date() => query.bind(date.and_then(|date| date.and_hms_opt(0, 0, 0))),
        "TIMESTAMP" => query.bind(time),
        // A day that an hour ends in is asked for whole: rows too many are left out by their own time.
        "DATE" if parameter.is_end() && local.time() != Time::midnight() => {
            query.bind(date.and_then(|date| date.succ_opt()))
        }
        "DATE" => query.bind(date),
        "INT8" => query.bind(seconds),
        "INT4" => query.bind(i32::try_from(seconds).ok()),
        "FLOAT8" => query.bind(seconds as f64),
        "NUMERIC" => query.bind(BigDecimal::from(seconds)),
        "TEXT" | "VARCHAR" | "UNKNOWN" | "unknown" => query.bind(parameter.text(from, to, zone)),
        other => {
            return Err(format!(
                "`:{}` stands where a value of type {other} is wanted; cast it, such as :{}::date",
                parameter.name(),
                parameter.name()
            ));
        }
    })
}

fn values(row: &PgRow, names: &[String]) -> Result<Vec<SqlValue>, String> {
    (0..row.len()).map(|at| value(row, at).map_err(|cause| format!("column `{}` {cause}", names[at]))).collect()
}

fn value(row: &PgRow, at: usize) -> Result<SqlValue, String> {
    let raw = row.try_get_raw(at).map_err(|error| error.to_string())?;
    if raw.is_null() {
        return Ok(SqlValue::Null);
    }
    let kind = raw.type_info().name().to_owned();
    // Such dates overflow where they are decoded.
    let endless =
        [&i32::MAX.to_be_bytes()[..], &i32::MIN.to_be_bytes(), &i64::MAX.to_be_bytes(), &i64::MIN.to_be_bytes()];
    if matches!(kind.as_str(), "DATE" | "TIMESTAMP" | "TIMESTAMPTZ")
        && raw.as_bytes().is_ok_and(|bytes| endless.contains(&bytes))
    {
        return Ok(SqlValue::Text("infinity".to_owned()));
    }
    let read = |error: sqlx::Error| format!("can't be read: {error}");
    Ok(match kind.as_str() {
        "BOOL" => SqlValue::Bool(row.try_get(at).map_err(read)?),
        "INT2" => SqlValue::Integer(row.try_get::<i16, _>(at).map_err(read)?.into()),
        "INT4" => SqlValue::Integer(row.try_get::<i32, _>(at).map_err(read)?.into()),
        "INT8" => SqlValue::Integer(row.try_get(at).map_err(read)?),
        "FLOAT4" => SqlValue::Real(row.try_get::<f32, _>(at).map_err(read)?.into()),
        "FLOAT8" => SqlValue::Real(row.try_get(at).map_err(read)?),
        // NaN and infinity have no decimal; they are refused as values with their text.
        "NUMERIC" => row.try_get::<BigDecimal, _>(at).map_or_else(
            |_| SqlValue::Text("not a finite number".to_owned()),
            |number| SqlValue::Text(number.to_plain_string()),
        ),
        "DATE" => SqlValue::Text(row.try_get::<NaiveDate, _>(at).map_err(read)?.to_string()),
        "TIMESTAMP" => SqlValue::Text(row.try_get::<NaiveDateTime, _>(at).map_err(read)?.to_string()),
        "TIMESTAMPTZ" => {
            let instant: DateTime<Utc> = row.try_get(at).map_err(read)?;
            SqlValue::Text(instant.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string())
        }
        "MONEY" => {
            return Err("is of type money, whose unit hangs on the server's language; cast it: ::numeric".to_owned());
        }
        "CHAR" | "BPCHAR" => {
            let text = row.try_get_unchecked::<String, _>(at).map_err(read)?;
            SqlValue::Text(text.trim_end().to_owned())
        }
        "TEXT" | "VARCHAR" | "NAME" | "CITEXT" | "citext" | "UNKNOWN" | "unknown" | "JSON" => {
            SqlValue::Text(row.try_get_unchecked(at).map_err(read)?)
        }
        _ if matches!(raw.type_info().kind(), PgTypeKind::Enum(_)) => {
            SqlValue::Text(row.try_get_unchecked(at).map_err(read)?)
        }
        "UUID" => return Err("is of type UUID, which can't be read; cast it: ::text".to_owned()),
        "INTERVAL" => {
            return Err("is of type INTERVAL, which can't be read; give seconds: extract(epoch FROM ...)".to_owned());
        }
        _ => return Err(format!("is of type {kind}, which can't be read; cast it: ::text or ::numeric")),
    })
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned))
}

/// Classifies what the server reports, by SQLSTATE.
fn failed(server: &Server, error: &sqlx::Error) -> SourceError {
    let (Some(code), Some(database)) = (code(error), error.as_database_error()) else {
        return server.unreachable(error);
    };
    let said = database.message().lines().next().unwrap_or_default().to_owned();
    let (class, remedy) = match code.as_str() {
        "57014" => return server.too_slow(),
        "25006" => (ErrorClass::Config, "the query wants to write; only reading is allowed"),
        "42501" => (ErrorClass::Auth, "GRANT SELECT on it to the user of the url"),
        "3D000" => (ErrorClass::Config, "correct the database's name in url"),
        "40001" | "40P01" => (ErrorClass::Transient, "it is tried again"),
        "22P02" | "42846" | "42883" => {
            (ErrorClass::Config, "correct the query; a cast may be missing, such as :from::date")
        }
        other => match &other[..2.min(other.len())] {
            "28" if server.encryption.is_none() && said.contains("no encryption") => {
                (ErrorClass::Auth, "the server requires encryption: say `encrypt: true`")
            }
            "28" => (ErrorClass::Auth, "check user and password of the url, and the server's pg_hba.conf"),
            "22" | "42" => (ErrorClass::Config, "correct the query"),
            "08" | "57" => (ErrorClass::Transient, "the server ends connections; it is tried again"),
            "53" => (ErrorClass::Transient, "the server has no room for another connection; lower `connections`"),
            _ => (ErrorClass::Unexpected, "look at the query and the server's log"),
        },
    };
    server.failed(class, &said, remedy)
}
