//! The sql source against real SQLite files.

use std::path::Path;
use std::time::Duration;

use jiff::civil::date;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, sqlite::SqliteConnectOptions};

use crate::model::grain::Grain;
use crate::model::kpi::{Kpi, Query, TableQuery};
use crate::model::observation::{Parts, Pull, ReadingTime, ReadingValue};
use crate::model::unit::Kind;
use crate::net::ErrorClass;
use crate::source::error::SourceError;
use crate::source::fixture::{self, instant};
use crate::source::{BuildContext, Source, SourceConfig};

const SHOP: &str = "
    CREATE TABLE orders (at TEXT, channel TEXT, total, asked INTEGER);
    INSERT INTO orders VALUES ('2026-05-01 10:00:00', 'web', 10.5, 4), ('2026-05-01 11:00:00', NULL, 1, 1),
        ('2026-05-02 09:00:00', 'web', NULL, 2), ('2026-05-03 09:00:00', 'shop', 'abc', 2),
        ('2026-05-03 10:00:00', 'shop', '12.25', 2), ('2026-06-30 09:00:00', 'web', 99, 2);";

fn build(url: &str, folder: &Path, more: &str) -> Result<Source, String> {
    let config: SourceConfig = serde_json::from_str(&format!(r#"{{"sql":{{"url":"{url}"{more}}}}}"#)).unwrap();
    config.build(&BuildContext { base_dir: folder, resolve: &|_| Err("no secrets here".into()) })
}

async fn shop() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new().filename(folder.path().join("shop.db")).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    connection.execute(AssertSqlSafe(SHOP)).await.unwrap();
    connection.close().await.unwrap();
    folder
}

fn kpi(sql: &str, dimensions: &[&str]) -> Kpi {
    let mut kpi = fixture::kpi(Query::Text(sql.to_owned()));
    kpi.dimensions = dimensions.iter().map(|name| (*name).to_owned()).collect();
    kpi
}

async fn pull_with(kpi: Kpi, more: &str) -> Result<Pull, SourceError> {
    let folder = shop().await;
    let source = build("sqlite://shop.db", folder.path(), more).unwrap();
    source.pull(&fixture::request(kpi, "2026-05-01", "2026-05-31")).await
}

async fn pull(sql: &str, dimensions: &[&str]) -> Result<Pull, SourceError> {
    pull_with(kpi(sql, dimensions), "").await
}

fn refused(outcome: Result<Pull, SourceError>, class: ErrorClass, parts: &[&str]) {
    let error = outcome.unwrap_err();
    assert_eq!(error.class, class, "{error}");
    for part in parts {
        assert!(error.message.contains(part), "{error} lacks {part}");
    }
}

#[tokio::test]
async fn rows_become_readings() {
    let sql =
        "SELECT date(at) AS bucket, channel, total AS value FROM orders WHERE at >= :from AND at < :to ORDER BY at";
    let found = pull(sql, &["channel"]).await.unwrap();
    let shown: Vec<_> = found.readings.iter().map(|r| (r.labels.to_string(), r.value.clone())).collect();
    let labels = |value: &str| format!("{{channel={value:?}}}");
    let expected = [
        (labels("web"), ReadingValue::Number(10.5)),
        (labels(""), ReadingValue::Number(1.0)),
        (labels("web"), ReadingValue::Absent),
        (labels("shop"), ReadingValue::Unreadable("abc".into())),
        (labels("shop"), ReadingValue::Number(12.25)),
    ];
    assert_eq!(shown, expected);
    assert_eq!(found.readings[0].time, ReadingTime::Date(date(2026, 5, 1)));
    assert_eq!(found.readings[3].origin, "row 4");
    assert!(found.complete);
}

#[tokio::test]
async fn days_written_without_a_time_are_of_the_first_day_too() {
    for written in ["2026-05-01", "2026-05-01 00:00:00", "2026-05-01T00:00:00", "2026-05-01 23:59:59"] {
        let rows = format!("WITH rows(day) AS (VALUES ('2026-04-30'), ('{written}'), ('2026-05-31'), ('2026-06-01'))");
        let sql = format!("{rows} SELECT date(day) AS bucket, 1 AS value FROM rows WHERE day >= :from AND day < :to");
        let days: Vec<_> = pull(&sql, &[]).await.unwrap().readings.iter().map(|reading| reading.time).collect();
        let expected = [date(2026, 5, 1), date(2026, 5, 31)].map(ReadingTime::Date);
        assert_eq!(days, expected, "{written}");
    }
}

#[tokio::test]
async fn ratios_instants_and_empty_answers() {
    let sql =
        "SELECT unixepoch('2026-05-05') AS time, count(*) AS numerator, sum(asked) AS denominator, 7 AS n FROM orders";
    let found = pull(sql, &[]).await.unwrap();
    let parts = Parts { numerator: 6.0, denominator: 13.0, n: Some(7.0) };
    assert_eq!(found.readings[0].value, ReadingValue::Parts(parts));
    assert_eq!(found.readings[0].time, ReadingTime::Instant(instant("2026-05-05T00:00:00Z")));
    let found = pull("SELECT at AS bucket, total AS value FROM orders WHERE at < :from", &[]).await.unwrap();
    assert!(found.readings.is_empty() && found.complete);
}

#[tokio::test]
async fn without_a_time_the_value_is_of_the_newest_ended_bucket() {
    let found = pull("SELECT count(*) AS value FROM orders", &[]).await.unwrap();
    // Asked at noon of 1 June in Paris.
    assert_eq!(found.readings[0].time, ReadingTime::Instant(instant("2026-05-30T22:00:00Z")));
    let mut hourly = kpi("SELECT count(*) AS value FROM orders", &[]);
    hourly.grain = Grain::HOUR;
    assert!(pull_with(hourly, "").await.unwrap().readings.is_empty(), "its newest hour was not asked for");
    refused(pull("SELECT total AS value FROM orders", &[]).await, ErrorClass::Config, &["6 rows but no time"]);
}

#[tokio::test]
async fn wrong_queries_are_told() {
    refused(
        pull("SELECT tot AS value FROM orders", &[]).await,
        ErrorClass::Config,
        &["database shop.db: ", "no such column: tot"],
    );
    refused(
        pull("SELECT at AS bucket, total FROM orders", &[]).await,
        ErrorClass::Config,
        &["KPI `revenue`", "`total`"],
    );
    refused(pull("DELETE FROM orders", &[]).await, ErrorClass::Config, &["only reading is allowed"]);
    refused(pull("SELECT :form AS value", &[]).await, ErrorClass::Config, &["did you mean `from`"]);
    refused(
        pull("SELECT channel AS bucket, 1 AS value FROM orders", &[]).await,
        ErrorClass::Config,
        &["row 1: `web` is no time"],
    );
    let table = Query::Table(TableQuery { time: "at".into(), ..TableQuery::default() });
    refused(pull_with(fixture::kpi(table), "").await, ErrorClass::Config, &["is asked in SQL, not by columns"]);
}

const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT ";

#[tokio::test]
async fn endless_statements_are_stopped() {
    let endless = format!("{ENDLESS} sum(i) AS value FROM n");
    let stopped = pull_with(kpi(&endless, &[]), r#","statement_timeout":"100ms""#).await;
    refused(stopped, ErrorClass::Deadline, &["ran longer than 100ms", "raise statement_timeout"]);
    let folder = shop().await;
    let source = build("sqlite://shop.db", folder.path(), "").unwrap();
    let mut request = fixture::request(kpi(&endless, &[]), "2026-05-01", "2026-05-31");
    request.deadline = Duration::from_millis(150);
    refused(source.pull(&request).await, ErrorClass::Deadline, &["shop.db"]);
}

#[tokio::test]
async fn too_many_rows_are_refused() {
    let many = format!("{ENDLESS} '2026-05-01' AS bucket, i AS value FROM n");
    let refusal = pull_with(kpi(&many, &[]), r#","rows_max":50"#).await;
    refused(refusal, ErrorClass::TooLarge, &["KPI `revenue`", "more than 50 rows", "raise rows_max"]);
}

#[tokio::test]
async fn files_that_are_not_there_or_no_database() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("text.db"), "this is no database, but long enough to be looked at ".repeat(40))
        .unwrap();
    let request = fixture::request(kpi("SELECT 1 AS value", &[]), "2026-05-01", "2026-05-31");
    for (url, part) in [("sqlite://none.db", "none.db; correct url"), ("sqlite://text.db", "no SQLite database")] {
        let outcome = build(url, folder.path(), "").unwrap().pull(&request).await;
        refused(outcome, ErrorClass::Config, &[part]);
    }
    assert!(!folder.path().join("none.db").exists());
}

#[tokio::test]
async fn probing_tells_version_and_tables() {
    let folder = shop().await;
    let told = build("sqlite://shop.db", folder.path(), "").unwrap().probe().await.unwrap();
    assert!(told.starts_with("SQLite 3.") && told.ends_with("shop.db with 1 tables"), "{told}");
}

#[test]
fn addresses() {
    let error = |url: &str| build(url, Path::new("/conf"), "").map(|_| ()).unwrap_err();
    assert!(error("mssql://u:hunter2@h/db").contains("`mssql` databases can't be read by this version"));
    assert!(!error("hunter2:x").contains("hunter2"));
    assert!(error("sqlite://").contains("must name a file"));
    assert!(error("sqlite::memory:").contains("must name a file"));
    assert_eq!(build("sqlite:///srv/a.db", Path::new("/conf"), "").unwrap().object(), "database /srv/a.db");
}

#[tokio::test]
async fn a_window_is_asked_for_at_once() {
    let folder = shop().await;
    let source = build("sqlite://shop.db", folder.path(), "").unwrap();
    let asked = |sql: &str| {
        let kpi = Kpi { kind: Kind::Window, ..kpi(sql, &[]) };
        let bucket = kpi.grain.index_of_date(date(2026, 5, 31));
        crate::source::PullRequest { window: Some(bucket), ..fixture::request(kpi, "2026-05-01", "2026-05-31") }
    };
    let found =
        source.pull(&asked("SELECT count(*) AS value FROM orders WHERE at >= :from AND at < :to")).await.unwrap();
    let [reading] = found.readings.as_slice() else { panic!("{found:?}") };
    assert_eq!(reading.value, ReadingValue::Number(5.0));
    assert_eq!(
        reading.time.bucket(Grain::Day, &fixture::kpi(Query::Text(String::new())).zone),
        Grain::Day.index_of_date(date(2026, 5, 31))
    );
    let by_day = "SELECT date(at) AS bucket, count(*) AS value FROM orders WHERE at >= :from AND at < :to GROUP BY 1";
    refused(source.pull(&asked(by_day)).await, ErrorClass::Config, &["column `bucket`", "remove it from SELECT"]);
    let open = asked("SELECT count(*) AS value FROM orders WHERE at >= :from");
    assert!(source.check_query(&open.kpi).unwrap_err().contains("asked for by its ends"));
}

#[tokio::test]
async fn times_whose_text_compares_wrongly_are_told() {
    async fn check(time: &str, condition: &str, told: bool) {
        let sql = format!("SELECT {time} AS bucket, 1 AS value FROM orders WHERE {condition}");
        let pull = pull(&sql, &[]).await.unwrap();
        let is_told = pull.warnings.iter().any(|warning| warning.contains("write unixepoch(column) >= :from_unix"));
        assert_eq!((is_told, pull.warnings.len()), (told, usize::from(told)), "{sql}: {:?}", pull.warnings);
    }
    let local = "at >= :from AND at < :to";
    check("at", local, false).await;
    check("date(at)", local, false).await;
    check("replace(at, ' ', 'T')", local, true).await;
    check("at || 'Z'", local, true).await;
    check("at || '+02:00'", local, true).await;
    // Seconds and days are compared as they are.
    check("at || 'Z'", "unixepoch(at) >= :from_unix AND unixepoch(at) < :to_unix", false).await;
    check("at || 'Z'", "date(at) >= :from_date", false).await;
}

#[tokio::test]
async fn an_empty_label_of_a_level_is_no_total() {
    let sql = "SELECT date(at) AS bucket, CASE channel WHEN 'web' THEN '' ELSE channel END AS channel, asked AS value FROM orders";
    let mut level = kpi(sql, &["channel"]);
    level.kind = Kind::Level { over_time: crate::model::unit::LevelOverTime::Last, additive: false };
    let pull = pull_with(level, "").await.unwrap();
    let labels: Vec<String> = pull.readings.iter().map(|reading| reading.labels.to_string()).collect();
    assert_eq!(labels[..3], [r#"{channel=""}"#, "", r#"{channel=""}"#]);
}

#[tokio::test]
async fn numbers_that_are_compared_with_texts_are_refused() {
    async fn check(column: &str, kind: &str) {
        for select in [format!("{column} AS bucket, 1"), "date(at) AS bucket, count(*)".to_owned()] {
            let sql =
                format!("SELECT {select} AS value FROM orders WHERE {column} >= :from AND {column} < :to GROUP BY 1");
            refused(pull(&sql, &[]).await, ErrorClass::Config, &[&format!("its times are {kind}"), ":from_unix"]);
        }
    }
    check("unixepoch(at)", "epoch seconds").await;
    check("1000 * unixepoch(at)", "epoch milliseconds").await;
    check("julianday(at)", "Julian days").await;
    // Nothing there is nothing wrong.
    let none =
        pull("SELECT at AS bucket, 1 AS value FROM orders WHERE at >= :from AND at < :to AND channel = 'x'", &[]).await;
    assert_eq!(none.unwrap().readings, []);
    let right = "SELECT unixepoch(at) AS bucket, 1 AS value FROM orders WHERE unixepoch(at) >= :from_unix AND unixepoch(at) < :to_unix";
    assert_eq!(pull(right, &[]).await.unwrap().readings.len(), 5);
    refused(
        pull("SELECT julianday(at) AS bucket, 1 AS value FROM orders", &[]).await,
        ErrorClass::Config,
        &["looks like a Julian day: write unixepoch(column)"],
    );
}

#[tokio::test]
async fn minutes_without_seconds_are_of_their_bucket() {
    let sql = "SELECT substr(at, 1, 16) AS bucket, asked AS value FROM orders WHERE substr(at, 1, 16) >= :from AND substr(at, 1, 16) < :to";
    let mut hourly = kpi(sql, &[]);
    hourly.grain = Grain::HOUR;
    let folder = shop().await;
    let source = build("sqlite://shop.db", folder.path(), "").unwrap();
    let mut request = fixture::request(hourly, "2026-05-01", "2026-05-01");
    (request.from, request.to) = (instant("2026-05-01T08:00:00Z"), instant("2026-05-01T09:00:00Z"));
    let found = source.pull(&request).await.unwrap();
    let times: Vec<ReadingTime> = found.readings.iter().map(|reading| reading.time).collect();
    assert_eq!(times, [ReadingTime::Local(date(2026, 5, 1).at(10, 0, 0, 0))]);
}
