//! `vigie forecast` from outside: tables on disk without any configuration, and what is stored of a KPI.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;
use vigie::model::commit::EvaluateCommit;
use vigie::model::grain::Grain;
use vigie::model::ids::{Labels, SeriesKey};
use vigie::model::observation::Observation;
use vigie::store::{OpenOptions, Store};

use super::support::{Ran, SMALL, folder, vigie};

/// Orders of shop days: 20 from Monday to Saturday and more on Fridays, none on Sundays.
fn orders(day: usize) -> f64 {
    [20.0, 21.0, 20.0, 22.0, 30.0, 26.0, 0.0][day % 7]
}

/// 56 days from Monday, 2026-01-05 on.
fn table() -> String {
    let mut table = "day,orders\n".to_owned();
    let first: jiff::civil::Date = "2026-01-05".parse().unwrap();
    for day in 0..56_usize {
        let date = first.checked_add(jiff::Span::new().days(day as i64)).unwrap();
        writeln!(table, "{date},{}", orders(day)).unwrap();
    }
    table
}

fn forecast(dir: &Path, words: &[&str]) -> Ran {
    let table = ["forecast", "--csv", "shop.csv", "--time", "day", "--value", "orders"];
    vigie(dir, &[&table[..], words].concat())
}

fn shop(table: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("shop.csv"), table).unwrap();
    dir
}

fn record(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{ran:?}");
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn a_table_is_forecast_from_its_newest_row_on() {
    let dir = shop(&table());
    let words = ["--grain", "day", "--horizon", "14", "--level", "80", "--format", "json"];
    let told = record(&forecast(dir.path(), &words));
    let points = told["points"].as_array().unwrap();
    assert_eq!(points.len(), 14);
    assert_eq!(points[0]["start"], "2026-03-02T00:00:00Z");
    assert_eq!(points[13]["bucket"], "2026-03-15");
    for (step, point) in points.iter().enumerate() {
        let of = |key: &str| point[key].as_f64().unwrap();
        assert!((of("mean") - orders(step)).abs() < 0.1, "{point}");
        assert!(0.0 <= of("low") && of("low") <= of("mean") && of("mean") <= of("high"), "{point}");
    }
    assert_eq!(points[6]["high"], 0.0, "a Sunday");
    assert_eq!((&told["type"], &told["level"], &told["values"]), (&"forecast".into(), &80.0.into(), &56.into()));
    assert!(told["model"].as_str().unwrap().contains("last 7 values"), "{told}");
    // The same again is the same to the last bit.
    assert_eq!(forecast(dir.path(), &words).out, forecast(dir.path(), &words).out);
}

#[test]
fn people_get_a_table() {
    let dir = shop(&table());
    let ran = forecast(dir.path(), &["--grain", "day", "--horizon", "3"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["BUCKET", "MEAN", "LOW", "HIGH"]);
    assert!(lines[1].starts_with("2026-03-02  20"), "{ran:?}");
    assert_eq!(lines[4], "80 of 100 outcomes lie between low and high; from 56 values up to 2026-03-01");
    assert!(lines[5].starts_with("by "), "{ran:?}");
}

#[test]
fn zones_gaps_and_other_grains_are_read() {
    let mut hours = "at;load\n".to_owned();
    let first: jiff::civil::DateTime = "2026-06-01T00:00".parse().unwrap();
    for hour in (0..24 * 20_i64).filter(|hour| hour % 11 != 3) {
        let at = first.checked_add(jiff::SignedDuration::from_hours(hour)).unwrap();
        writeln!(hours, "{};{}", at.strftime("%Y-%m-%d %H:%M"), 10 + (hour % 24 - 12).abs()).unwrap();
    }
    let dir = shop(&hours);
    let words =
        ["forecast", "--csv", "shop.csv", "--time", "at", "--value", "load", "--grain", "hour", "--horizon", "24"];
    let told = record(&vigie(dir.path(), &[&words[..], &["--zone", "Europe/Paris", "--format", "json"]].concat()));
    assert_eq!(told["points"][0]["start"], "2026-06-20T22:00:00Z");
    for (hour, point) in told["points"].as_array().unwrap().iter().enumerate() {
        let expected = 10.0 + (hour as f64 - 12.0).abs();
        assert!((point["mean"].as_f64().unwrap() - expected).abs() < 0.5, "{hour}: {point}");
    }
}

#[test]
fn errors_name_what_is_wrong_and_the_remedy() {
    let dir = shop(&table());
    let check = |words: &[&str], code: i32, parts: &[&str]| {
        let ran = vigie(dir.path(), &[&["forecast"][..], words].concat());
        assert_eq!(ran.code, code, "{ran:?}");
        for part in parts {
            assert!(ran.err.contains(part), "{part:?} is not in {ran:?}");
        }
    };
    let csv = ["--csv", "shop.csv", "--time", "day", "--value", "orders", "--horizon", "3"];
    check(&[&csv[..], &["--grain", "daily"]].concat(), 1, &["--grain", "`day`"]);
    check(&[&csv[..], &["--grain", "month"]].concat(), 1, &["both of 2026-01", "--grain"]);
    check(&[&csv[..], &["--grain", "day", "--zone", "Europe/Pari"]].concat(), 1, &["--zone", "Europe/Paris"]);
    check(&[&csv[..], &["--grain", "day", "--level", "0.8"]].concat(), 2, &["between 1 and 99"]);
    check(&csv, 2, &["--grain"]);
    check(&["--horizon", "3"], 2, &["--kpi"]);
    check(&["--kpi", "revenue", "--horizon", "0"], 2, &["1..=1000"]);
    let wrong = ["--csv", "shop.csv", "--time", "day", "--value", "order", "--horizon", "3", "--grain", "day"];
    check(&wrong, 1, &["order", "orders"]);
    fs::write(dir.path().join("shop.csv"), "day,orders\n2026-01-05,7\n2026-01-06,seven\n").unwrap();
    check(&[&csv[..], &["--grain", "day"]].concat(), 1, &["shop.csv:3", "`seven` is no number", "mend the cell"]);
    fs::write(dir.path().join("shop.csv"), "day,orders\n2026-01-05,7\n2026-01-06,8\n2026-01-07,\n").unwrap();
    check(&[&csv[..], &["--grain", "day"]].concat(), 1, &["column `orders` of shop.csv", "2 buckets", "at least 3"]);
    fs::write(dir.path().join("shop.csv"), "day,orders\n").unwrap();
    check(&[&csv[..], &["--grain", "day"]].concat(), 1, &["0 buckets"]);
}

/// A state with 56 days of orders, each known the morning after, and the last day as it is before it settles.
fn stored(dir: &Path) {
    let paris = jiff::tz::TimeZone::get("Europe/Paris").unwrap();
    let first = Grain::Day.index_of_date("2026-01-05".parse().unwrap());
    let observation = |day: usize, value: f64| {
        let bucket = Grain::Day.bucket(first + day as i64, &paris);
        Observation {
            series: SeriesKey { kpi: "revenue".into(), labels: Labels::total() },
            bucket: bucket.index,
            value,
            parts: None,
            provisional: false,
            known_at: bucket.end + jiff::SignedDuration::from_hours(6),
            assumed: false,
        }
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = OpenOptions { create: true, reserve_bytes: 0, ..OpenOptions::default() };
        let store = Store::open(&dir.join("vigie.db"), options).await.unwrap();
        let observations = (0..56).map(|day| observation(day, orders(day))).collect();
        let commit = EvaluateCommit { observations, ..EvaluateCommit::default() };
        store.commit_evaluate(&commit, store.epoch()).await.unwrap();
        store.close().await;
    });
}

#[test]
fn a_kpi_is_forecast_by_what_was_known_then() {
    let dir = folder(SMALL);
    stored(dir.path());
    fs::write(dir.path().join("shop.csv"), "date,montant\n").unwrap();
    let forecast = |words: &[&str]| {
        let all = ["forecast", "--config", "vigie.yaml", "--kpi", "revenue", "--horizon", "7", "--format", "json"];
        vigie(dir.path(), &[&all[..], words].concat())
    };
    let told = record(&forecast(&["--at", "2026-02-20 12:00"]));
    // The 20th still ran.
    assert_eq!((&told["values"], &told["points"][0]["bucket"]), (&46.into(), &"2026-02-20".into()));
    assert_eq!(told["points"][0]["start"], "2026-02-19T23:00:00Z");
    assert!((told["points"][0]["mean"].as_f64().unwrap() - 30.0).abs() < 0.1, "{told}");
    // The 19th was not known before six.
    let told = record(&forecast(&["--at", "2026-02-20 05:00"]));
    assert_eq!(told["points"][0]["bucket"], "2026-02-19");
    // It begins where it should: there is nothing to be said of it.
    assert_eq!(forecast(&["--at", "2026-02-20 12:00"]).err, "");
    // Of a history that ended long ago it does not begin now, which was not said.
    let ran = forecast(&["--at", "2026-06-01 12:00"]);
    assert_eq!(record(&ran)["points"][0]["bucket"], "2026-03-02");
    for part in ["warning: KPI 'revenue'", "the last value is that of 2026-03-01, 91 days before", "begins there"] {
        assert!(ran.err.contains(part), "{part:?} is not in {ran:?}");
    }
    let ran = forecast(&["--at", "2099-01-01"]);
    assert!(ran.code == 1 && ran.err.contains("lies ahead"), "{ran:?}");
    let ran = forecast(&["--label", "shop=Lyon"]);
    assert!(ran.code == 1 && ran.err.contains("no series `{shop=\"Lyon\"}`") && ran.err.contains("total"), "{ran:?}");
    let ran = vigie(dir.path(), &["forecast", "--config", "vigie.yaml", "--kpi", "revenu", "--horizon", "7"]);
    assert!(ran.code == 1 && ran.err.contains("there are: revenue"), "{ran:?}");
}
