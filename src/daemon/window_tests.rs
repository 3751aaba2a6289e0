//! Figures that only their source can compute: each bucket, and the period to date, are asked for as what they are.

use std::fmt::Write as _;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use super::*;
use crate::daemon::control::{Reply, Value};
use crate::model::grain::Grain;
use crate::model::ids::{KpiId, Labels};

const COMPANY: &str = r"timezone: UTC
state: sqlite:state.db
people:
  ada: {mail: ada@example.test}
sources:
  site: {sql: {url: 'sqlite://site.db'}}
kpis:
  users:
    title: Users
    category: customer
    source: site
    kind: window
    query: SELECT count(DISTINCT visitor) AS value FROM visits WHERE at >= :from AND at < :to
    schedule: daily 06:00
    history: 10d
objectives:
  reach: {kpi: users, statement: 300 users a month, reach: 300, period: month, trajectory: linear}
rules:
  behind: {script: objective/off_trajectory, on: [users], for: 1 bucket}
  quiet: {script: signal/threshold, on: [users], with: {below: 12}}
receivers:
  ops: {maildir: {path: boxes, to: [ada]}}
route: {to: ops, group: {wait: 0s}}
";

/// Day after day ten visitors come: two who always do, eight who have never come before; none but the first two on the
/// fifth of September.
async fn place() -> Place {
    let place = Place::new(&[]);
    let options = SqliteConnectOptions::new().filename(place.path("site.db")).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    let mut sql = "CREATE TABLE visits (at TEXT, visitor INTEGER);".to_owned();
    for (number, day) in jiff::civil::date(2026, 8, 20).series(jiff::ToSpan::days(1)).take(40).enumerate() {
        let new = if day == jiff::civil::date(2026, 9, 5) { 0 } else { 8 };
        for visitor in (0..2).chain((0..new).map(|place| 1_000 + number as i64 * 10 + place)) {
            let visits = format!("('{day} 10:00:00', {visitor}), ('{day} 11:00:00', {visitor})");
            write!(sql, "INSERT INTO visits VALUES {visits};").unwrap();
        }
    }
    connection.execute(AssertSqlSafe(sql)).await.unwrap();
    connection.close().await.unwrap();
    place
}

async fn values(script: &Script, kpi: &str, days: &[&str]) -> Vec<Option<f64>> {
    let (kpi, days): (KpiId, Vec<i64>) =
        (kpi.into(), days.iter().map(|day| Grain::Day.index_of_date(day.parse().unwrap())).collect());
    let read = move |state: &mut crate::engine::State, _: &crate::engine::Setup| {
        let data = state.history.series(&kpi, &Labels::total()).cloned().unwrap();
        days.iter().map(|day| data.get(*day).map(|point| point.value)).collect()
    };
    script.cycle.engine().with(read).await
}

#[tokio::test]
async fn a_period_to_date_is_asked_for_as_one_and_never_added_up() {
    let place = place().await;
    let mut script = place.start(COMPANY, "2026-09-03T09:00:00Z").await;
    script.advance_to(at("2026-09-06T09:00:00Z")).await.unwrap();
    let days = ["2026-08-25", "2026-08-31", "2026-09-01", "2026-09-02", "2026-09-04", "2026-09-05"];
    let users = values(&script, "users", &days).await;
    assert_eq!(users, [10.0, 10.0, 10.0, 10.0, 10.0, 2.0].map(Some));
    // Whoever came again counts once; a month begins anew, and what began before the history is whole all the same.
    let to_date = values(&script, "users@month", &days).await;
    assert_eq!(to_date, [50.0, 98.0, 10.0, 18.0, 34.0, 34.0].map(Some));
    script.advance_to(at("2026-09-10T09:00:00Z")).await.unwrap();
    assert_eq!(values(&script, "users@month", &["2026-09-09"]).await, [Some(66.0)]);
    let told = changes(&script.cycle).await;
    // The rule without objective judges days, the one with it the month: of August 98 users, of September too few so far.
    for (rule, change) in [
        ("rule:behind/users@month/reach@2026-08-01#breach", "Resolved(PeriodEnded(Missed))"),
        ("rule:behind/users@month/reach@2026-09-01#breach", "Fired"),
        ("rule:quiet/users#breach", "Fired"),
    ] {
        assert!(told.iter().any(|line| line.contains(rule) && line.ends_with(change)), "{rule}: {told:?}");
    }
    assert!(told.iter().all(|line| !line.contains("quiet/users@") && !line.contains("no_data")), "{told:?}");
}

#[tokio::test]
async fn a_week_that_a_month_ends_is_asked_for_up_to_there() {
    let place = place().await;
    let weekly = COMPANY.replace("schedule: daily 06:00", "grain: week\n    schedule: daily 06:00");
    let built = place.built(&weekly);
    let to_date = built.setup.catalog.kpi(&"users@month".into()).unwrap();
    let asked = |day: &str| {
        let (from, to) = to_date.window_of(to_date.grain.index_of_date(day.parse().unwrap())).unwrap();
        format!("{from} {to}")
    };
    assert_eq!(asked("2026-08-24"), "2026-08-01T00:00:00Z 2026-08-31T00:00:00Z");
    assert_eq!(
        asked("2026-08-31"),
        "2026-08-01T00:00:00Z 2026-09-01T00:00:00Z",
        "the week of the last of August is August's"
    );
    assert_eq!(asked("2026-09-07"), "2026-09-01T00:00:00Z 2026-09-14T00:00:00Z");
}

#[tokio::test]
async fn a_period_to_date_is_pulled_again_by_its_name() {
    let place = place().await;
    let mut script = place.start(COMPANY, "2026-09-03T09:00:00Z").await;
    script.advance_to(at("2026-09-03T10:00:00Z")).await.unwrap();
    let pulled = super::repairs::ask(&mut script, "users@month", "2026-08-20", "2026-08-22").await;
    let Reply::Ok(Value::Pulled { stored: 3, rejected: 0, warnings, .. }) = pulled else { panic!("{pulled:?}") };
    assert_eq!(warnings, Vec::<String>::new());
    let days = ["2026-08-20", "2026-08-21", "2026-08-22"];
    assert_eq!(values(&script, "users@month", &days).await, [10.0, 18.0, 26.0].map(Some));
    assert_eq!(values(&script, "users", &days).await, [None, None, None], "the days themselves were not asked for");
}
