//! Checks that the demo company's database tells its story, and that the shipped queries read it.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::{Date, date};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

use super::super::days::{each_day, is_working, month_of, shifted};
use super::super::story::{REPLAY_DAYS, Story, TARGET};
use super::{CONFIGURATION, FUTURE_DAYS, HISTORY_DAYS, generate, orders};

const SEED: u64 = 2026;
const NOWS: [Date; 6] =
    [date(2026, 11, 23), date(2026, 3, 2), date(2026, 6, 15), date(2027, 1, 4), date(2026, 12, 24), date(2026, 8, 31)];

struct Company {
    connection: SqliteConnection,
    now: Date,
    _folder: tempfile::TempDir,
}

impl Company {
    async fn at(now: Date, seed: u64) -> Company {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entreprise.db");
        generate(&path, now, seed).await.unwrap();
        Company { connection: open(&path).await, now, _folder: folder }
    }

    /// A shipped query's rows, as the SQL source would read them, by day: all figures summed.
    async fn figures(&mut self, kpi: &str, columns: &[&str]) -> BTreeMap<Date, Vec<f64>> {
        let (from, to) = (shifted(self.now, -HISTORY_DAYS), self.now);
        let mut days = BTreeMap::<Date, Vec<f64>>::new();
        for row in rows(&mut self.connection, &query_of(kpi), from, to).await {
            let day: Date = row.get::<String, _>("bucket").parse().unwrap();
            let sums = days.entry(day).or_insert_with(|| vec![0.0; columns.len()]);
            for (sum, column) in sums.iter_mut().zip(columns) {
                *sum += row.try_get::<f64, _>(column).unwrap_or_else(|_| row.get::<i64, _>(column) as f64);
            }
        }
        days
    }
}

async fn open(path: &Path) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path).read_only(true)).await.unwrap()
}

async fn rows(connection: &mut SqliteConnection, query: &str, from: Date, to: Date) -> Vec<sqlx::sqlite::SqliteRow> {
    let query = query.replace(":from", "?1").replace(":to", "?2");
    sqlx::query(AssertSqlSafe(query))
        .bind(format!("{from} 00:00:00"))
        .bind(format!("{to} 00:00:00"))
        .fetch_all(connection)
        .await
        .unwrap()
}

fn query_of(kpi: &str) -> String {
    let configuration: serde_yaml::Value = serde_yaml::from_str(CONFIGURATION).unwrap();
    configuration["kpis"][kpi]["query"].as_str().unwrap().to_owned()
}

/// Shortfall from the working-day trajectory at the end of each day of a month, as far as known.
fn shortfalls(revenue: &BTreeMap<Date, Vec<f64>>, month: Date, now: Date) -> Vec<(Date, f64)> {
    let (first, last) = month_of(month);
    let working_days = each_day(first, last).filter(|day| is_working(*day)).count() as f64;
    let (mut actual, mut worked) = (0.0, 0.0);
    let mut shortfalls = Vec::new();
    for day in each_day(first, last.min(shifted(now, -1))) {
        actual += revenue.get(&day).map_or(0.0, |figures| figures[0]);
        worked += f64::from(u8::from(is_working(day)));
        // Nothing is judged in the first fifth of the period.
        if f64::from(day.day()) >= 0.2 * f64::from(last.day()) {
            shortfalls.push((day, 1.0 - actual / (TARGET * worked / working_days)));
        }
    }
    shortfalls
}

/// The first day on which the condition has held for two days, after `since`.
fn twice(shortfalls: &[(Date, f64)], since: Date, holds: impl Fn(f64) -> bool) -> Option<Date> {
    shortfalls
        .windows(2)
        .filter(|pair| pair[0].0 >= since)
        .find(|pair| holds(pair[0].1) && holds(pair[1].1))
        .map(|pair| pair[1].0)
}

/// What the story promises of revenue: fires, escalates, recovers, all within the replay; nothing else.
fn check_revenue(revenue: &BTreeMap<Date, Vec<f64>>, now: Date) -> Result<(), String> {
    let story = Story::before(now).ok_or("no story")?;
    let month = shortfalls(revenue, story.month, now);
    let say = |what: &str| format!("{now}: {what}: {story:?}\n{month:.3?}");
    let fired = twice(&month, story.month, |shortfall| shortfall > 0.08).ok_or_else(|| say("never fires"))?;
    let critical = twice(&month, fired, |shortfall| shortfall > 0.15).ok_or_else(|| say("never critical"))?;
    let recovered = twice(&month, critical, |shortfall| shortfall < 0.04).ok_or_else(|| say("never recovers"))?;
    let at_firing = month.iter().find(|(day, _)| *day == fired).map_or(f64::NAN, |(_, shortfall)| *shortfall);
    let in_order = fired < critical && critical < recovered && recovered < now;
    for (holds, what) in [
        (shifted(now, -REPLAY_DAYS) <= fired, "fires before the replay"),
        (in_order, "out of order"),
        (at_firing < 0.15, "fires as critical at once"),
        (twice(&month, recovered, |shortfall| shortfall > 0.08).is_none(), "fires again"),
    ] {
        holds.then_some(()).ok_or_else(|| say(what))?;
    }
    let from = shifted(now, -REPLAY_DAYS).first_of_month();
    for other in [from, shifted(from.last_of_month(), 1), now.first_of_month()] {
        let calm = shortfalls(revenue, other, now);
        if other != story.month && twice(&calm, other, |shortfall| shortfall > 0.08).is_some() {
            return Err(format!("{now}: false alert in {other}: {calm:.3?}"));
        }
    }
    Ok(())
}

#[tokio::test]
async fn revenue_fires_escalates_and_recovers_within_the_replay() {
    for now in NOWS {
        let revenue = Company::at(now, SEED).await.figures("revenue", &["value"]).await;
        check_revenue(&revenue, now).unwrap();
    }
}

#[test]
fn revenue_keeps_its_promise_on_any_day() {
    let mut broken = Vec::new();
    for now in each_day(date(2025, 1, 1), date(2028, 12, 31)).step_by(5) {
        let mut revenue = BTreeMap::new();
        let story = Story::before(now).unwrap();
        for order in orders(&story, shifted(now, -75), shifted(now, -1), now, SEED) {
            revenue.entry(order.created_at.date()).or_insert_with(|| vec![0.0])[0] += order.total_cents as f64 / 100.0;
        }
        broken.extend(check_revenue(&revenue, now).err());
    }
    assert!(broken.is_empty(), "{} days: {}", broken.len(), broken.join("\n"));
}

#[tokio::test]
async fn halving_a_calm_week_would_be_noticed() {
    for now in NOWS {
        let story = Story::before(now).unwrap();
        let revenue = Company::at(now, SEED).await.figures("revenue", &["value"]).await;
        let calm = shifted(*story.drop.start(), -1);
        let week: f64 = each_day(shifted(calm, -6), calm).map(|day| revenue[&day][0]).sum();
        assert!(week / 2.0 > 0.08 * TARGET, "{now}: half a week is {week:.0} / 2");
    }
}

#[tokio::test]
async fn parcels_are_late_during_the_strike_only() {
    for now in NOWS {
        let story = Story::before(now).unwrap();
        let parts = Company::at(now, SEED).await.figures("on-time", &["numerator", "denominator"]).await;
        let first = shifted(now, 20 - HISTORY_DAYS);
        assert!(each_day(first, shifted(now, -1)).all(|day| parts.contains_key(&day)), "{now}: a day without parcels");
        let share = |from: Date, to: Date| pooled(&parts, from, to);
        assert!(share(*story.strike.start(), *story.strike.end()) < 0.80, "{now}");
        assert!(share(first, shifted(*story.strike.start(), -1)) > 0.96, "{now}");
    }
}

#[tokio::test]
async fn satisfaction_dips_after_the_strike() {
    for now in NOWS {
        let story = Story::before(now).unwrap();
        let parts = Company::at(now, SEED).await.figures("satisfaction", &["numerator", "denominator"]).await;
        assert!(each_day(shifted(now, -HISTORY_DAYS), shifted(now, -1)).all(|day| parts.contains_key(&day)));
        assert!(pooled(&parts, *story.discontent.start(), *story.discontent.end()) < 0.60, "{now}");
        assert!(pooled(&parts, shifted(now, -HISTORY_DAYS), shifted(*story.discontent.start(), -1)) > 0.84, "{now}");
    }
}

/// True when a share, pooled since its period began, falls below `limit` after the period's first
/// fifth and within the replay.
fn falls_below(parts: &BTreeMap<Date, Vec<f64>>, now: Date, period: impl Fn(Date) -> (Date, Date), limit: f64) -> bool {
    each_day(shifted(now, -REPLAY_DAYS), shifted(now, -1)).any(|day| {
        let (first, last) = period(day);
        let (past, whole) = ((day - first).get_days() + 1, (last - first).get_days() + 1);
        f64::from(past) >= 0.2 * f64::from(whole) && pooled(parts, first, day) < limit
    })
}

fn quarter_of(day: Date) -> (Date, Date) {
    let first = date(day.year(), (day.month() - 1) / 3 * 3 + 1, 1);
    (first, date(day.year(), first.month() + 2, 1).last_of_month())
}

#[tokio::test]
async fn both_shares_fall_below_their_objectives() {
    for now in NOWS {
        let mut company = Company::at(now, SEED).await;
        let on_time = company.figures("on-time", &["numerator", "denominator"]).await;
        assert!(falls_below(&on_time, now, month_of, 0.95 * (1.0 - 0.03)), "{now}: deliveries");
        let satisfied = company.figures("satisfaction", &["numerator", "denominator"]).await;
        assert!(falls_below(&satisfied, now, quarter_of, 0.80 * (1.0 - 0.02)), "{now}: satisfaction");
    }
}

fn pooled(parts: &BTreeMap<Date, Vec<f64>>, from: Date, to: Date) -> f64 {
    let (numerator, denominator) =
        parts.range(from..=to).fold((0.0, 0.0), |sums, (_, figures)| (sums.0 + figures[0], sums.1 + figures[1]));
    numerator / denominator
}

#[tokio::test]
async fn only_the_best_seller_runs_out_and_for_three_days() {
    for now in NOWS {
        let story = Story::before(now).unwrap();
        let mut company = Company::at(now, SEED).await;
        let (from, to) = (shifted(now, -HISTORY_DAYS), shifted(now, FUTURE_DAYS));
        let mut bare = Vec::new();
        for row in rows(&mut company.connection, &query_of("stock"), from, to).await {
            let quantity: i64 = row.get("value");
            assert!(quantity >= 0);
            if quantity == 0 {
                assert_eq!(row.get::<String, _>("article"), "lampe-azur");
                bare.push(row.get::<String, _>("bucket").parse::<Date>().unwrap());
            }
        }
        assert_eq!(bare, each_day(*story.stock_out.start(), *story.stock_out.end()).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn orders_look_like_a_real_shop() {
    let mut company = Company::at(NOWS[0], SEED).await;
    let counts = company.figures("orders", &["value"]).await;
    let (mut working, mut off) = (Vec::new(), Vec::new());
    for (day, figures) in &counts {
        if is_working(*day) { working.push(figures[0]) } else { off.push(figures[0]) }
    }
    let mean = |counts: &[f64]| counts.iter().sum::<f64>() / counts.len() as f64;
    assert!((40.0..80.0).contains(&mean(&working)), "{}", mean(&working));
    assert!((2.0..15.0).contains(&mean(&off)), "{}", mean(&off));
    let cents: i64 =
        sqlx::query_scalar("SELECT count(*) FROM orders WHERE abs(total * 100 - round(total * 100)) > 1e-6")
            .fetch_one(&mut company.connection)
            .await
            .unwrap();
    assert_eq!(cents, 0, "totals are to the cent");
    let orphans: i64 =
        sqlx::query_scalar("SELECT count(*) FROM deliveries WHERE order_id NOT IN (SELECT id FROM orders)")
            .fetch_one(&mut company.connection)
            .await
            .unwrap();
    assert_eq!(orphans, 0);
}

#[tokio::test]
async fn orders_fall_against_last_year_while_the_shop_is_down_only() {
    for now in NOWS {
        let story = Story::before(now).unwrap();
        let orders = Company::at(now, SEED).await.figures("orders", &["value"]).await;
        let week = |to: Date| each_day(shifted(to, -6), to).map(|day| orders[&day][0]).sum::<f64>();
        let change = |day: Date| week(day) / week(shifted(day, -364)) - 1.0;
        let worst = each_day(*story.drop.start(), *story.campaign.start()).map(change).fold(0.0, f64::min);
        assert!(worst < -0.26, "{now}: {worst:.2}");
        for day in each_day(shifted(now, -REPLAY_DAYS), shifted(now, -1)) {
            let disturbed = *story.drop.start() <= day && day <= shifted(*story.campaign.start(), 7);
            assert!(disturbed || change(day) > -0.25, "{now}, {day}: {:.2}", change(day));
        }
    }
}

#[tokio::test]
async fn same_day_and_seed_give_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (name, seed) in [("a", SEED), ("b", SEED), ("c", SEED + 1)] {
        let path = folder.path().join(name);
        generate(&path, NOWS[0], seed).await.unwrap();
        files.push(std::fs::read(path).unwrap());
    }
    assert!(files[0] == files[1], "the same seed gave another file");
    assert!(files[0] != files[2], "another seed gave the same file");
}

#[tokio::test]
async fn an_existing_database_is_never_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entreprise.db");
    std::fs::write(&path, "mine").unwrap();
    let error = generate(&path, NOWS[0], SEED).await.unwrap_err().to_string();
    assert!(error.contains("exists already"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    std::fs::write(folder.path().join("new.db.partial"), "left over").unwrap();
    generate(&folder.path().join("new.db"), NOWS[0], SEED).await.unwrap();
    assert!(!folder.path().join("new.db.partial").exists());
}
