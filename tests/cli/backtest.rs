//! `vigie backtest` from outside: tables on disk without any configuration.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::support::{Ran, vigie};

const LOAD: &str = "at,load
2026-03-01 10:00:00,50
2026-03-01 10:05:00,95
2026-03-01 10:10:00,96.5
2026-03-01 10:15:00,40
2026-03-01 10:30:00,99
2026-03-01 10:10:00,20
2026-03-01 10:35:00,10
";

fn backtest(dir: &Path, words: &[&str]) -> Ran {
    let table = ["backtest", "--csv", "load.csv", "--time", "at", "--value", "load", "--grain", "5m"];
    vigie(dir, &[&table, words].concat())
}

fn folder(table: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("load.csv"), table).unwrap();
    dir
}

fn records(ran: &Ran) -> Vec<Value> {
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const ABOVE_90: [&str; 4] = ["--rule", "signal/threshold", "--with", "above=90"];

#[test]
fn changes_are_told_by_the_times_that_stand_in_the_table() {
    let dir = folder(LOAD);
    let told = records(&backtest(dir.path(), &[&ABOVE_90[..], &["--format", "json"]].concat()));
    let (summary, changes) = told.split_last().unwrap();
    let brief = |change: &Value| {
        format!("{} {} {}", change["at"].as_str().unwrap(), change["change"].as_str().unwrap(), change["value"])
    };
    let seen: Vec<String> = changes.iter().map(brief).collect();
    assert_eq!(
        seen,
        [
            "2026-03-01T10:05:00Z fired 95.0",
            "2026-03-01T10:15:00Z resolved 40.0",
            // Of the rows that are not there.
            "2026-03-01T10:25:00Z pended null",
            "2026-03-01T10:30:00Z fired 99.0",
            "2026-03-01T10:30:00Z withdrawn null",
            "2026-03-01T10:35:00Z resolved 10.0",
        ]
    );
    let first = &changes[0];
    for (field, value) in [
        ("type", json!("transition")),
        ("rule", json!("signal/threshold")),
        ("kpi", json!("load")),
        ("labels", json!({})),
        ("objective", Value::Null),
        ("period", Value::Null),
        ("from", json!("inactive")),
        ("to", json!("firing")),
        ("severity", json!("warning")),
        ("title", json!("load")),
    ] {
        assert_eq!(first[field], value, "{field} of {first}");
    }
    for (field, value) in [
        ("type", json!("summary")),
        ("fired", json!(2)),
        ("resolved", json!(2)),
        ("open", json!(0)),
        ("firing_seconds", json!(15 * 60)),
    ] {
        assert_eq!(summary[field], value, "{field} of {summary}");
    }
}

#[test]
fn people_read_a_timeline_and_what_it_came_to() {
    let dir = folder(LOAD);
    let ran = backtest(dir.path(), &[&ABOVE_90[..], &["--for", "2 buckets"]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!("backtest", ran.out);
}

/// A day of values that rise and fall; now and then an older one is said again, or a few are left out.
fn table(seed: u64) -> Vec<String> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let start: jiff::civil::DateTime = "2026-03-01T00:00:00".parse().unwrap();
    let mut lines = Vec::new();
    let mut bucket = 0;
    while bucket < 400 {
        let said = if bucket > 5 && rng.u32(0..12) == 0 { bucket - rng.i64(1..5) } else { bucket };
        let at = start.saturating_add(jiff::Span::new().minutes(5 * said));
        lines.push(format!("{},{}", at.strftime("%Y-%m-%d %H:%M:%S"), rng.u32(0..120)));
        bucket += if said == bucket { 1 + i64::from(rng.u32(0..20) == 0) * 3 } else { 0 };
    }
    lines
}

#[test]
fn nothing_is_decided_on_what_comes_later() {
    let seeds: Vec<u64> = (1..=10).collect();
    for pair in seeds.chunks(2) {
        std::thread::scope(|scope| {
            for seed in pair {
                scope.spawn(|| nothing_of_one_is_decided_on_what_comes_later(*seed));
            }
        });
    }
}

fn nothing_of_one_is_decided_on_what_comes_later(seed: u64) {
    let rows = table(seed);
    let run = |count: usize| {
        let mut text = "at,load\n".to_owned();
        rows[..count].iter().for_each(|row| writeln!(text, "{row}").unwrap());
        let dir = folder(&text);
        let rule =
            ["--rule", "signal/threshold", "--with", "above=90", "--with", "recover=60", "--with", "critical=110"];
        let ran = backtest(dir.path(), &[&rule[..], &["--for", "2 buckets", "--format", "json"]].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        let lines: Vec<String> = ran.out.lines().map(str::to_owned).collect();
        lines[..lines.len() - 1].to_vec()
    };
    let whole = run(rows.len());
    assert!(whole.len() > 40, "seed {seed}: {} changes are too few to compare", whole.len());
    for part in 1..=20 {
        let count = rows.len() * part / 21;
        let some = run(count);
        assert_eq!(some, whole[..some.len()], "seed {seed}, the first {count} rows");
    }
}

#[test]
fn a_parameter_is_swept() {
    let dir = folder(LOAD);
    let sweep = ["--rule", "signal/threshold", "--sweep", "above=30..98/34"];
    let told = records(&backtest(dir.path(), &[&sweep[..], &["--format", "json"]].concat()));
    let seen: Vec<String> = told.iter().map(|each| format!("{} {}", each["parameter_value"], each["fired"])).collect();
    assert_eq!(seen, ["30.0 1", "64.0 2", "98.0 1"]);
    let ran = backtest(dir.path(), &sweep);
    assert!(ran.code == 0 && ran.out.lines().count() == 5, "{ran:?}");
}

#[test]
fn what_can_not_be_replayed_is_told() {
    let dir = folder(LOAD);
    let refused = |words: &[&str], parts: &[&str]| {
        let ran = backtest(dir.path(), words);
        assert!(ran.code != 0 && ran.out.is_empty(), "{ran:?}");
        for part in parts {
            assert!(ran.err.contains(part), "{part:?} is not in {ran:?}");
        }
    };
    refused(&["--rule", "signal/threshold", "--with", "abov=90"], &["--rule signal/threshold", "abov", "did you mean"]);
    refused(&["--rule", "signal/treshold"], &["signal/treshold", "these ship"]);
    refused(&["--rule", "signal/threshold", "--with", "above"], &["write NAME=VALUE"]);
    refused(&["--rule", "signal/threshold", "--with", "above=NaN"], &["parameter 'above' must be a number"]);
    refused(&["--rule", "signal/threshold", "--sweep", "above=9..1/1"], &["1 is before 9"]);
    let coarse =
        ["backtest", "--csv", "load.csv", "--time", "at", "--value", "load", "--grain", "hour", "--kind", "flow"];
    let ran = vigie(dir.path(), &[&coarse, &ABOVE_90[..]].concat());
    assert!(ran.code == 1 && ran.err.contains("give the --grain that the rows have"), "{ran:?}");
    let ran = vigie(
        dir.path(),
        &[&["backtest", "--csv", "load.csv", "--time", "when", "--value", "load"], &ABOVE_90[..]].concat(),
    );
    assert!(ran.code == 1 && ran.err.contains("no column `when`"), "{ran:?}");
    let table = ["backtest", "--csv", "load.csv", "--time", "at", "--value", "load"];
    for (flag, value, told) in [
        ("--grain", "5x", "--grain: `5x` is not a grain"),
        ("--zone", "Europe/Pari", "--zone: no time zone is called `Europe/Pari`"),
        ("--kind", "flo", "--kind: unknown value `flo`; did you mean `flow`?"),
        ("--better", "up", "--better: unknown value `up`; expected one of `higher`"),
    ] {
        let ran = vigie(dir.path(), &[&table[..], &ABOVE_90, &[flag, value]].concat());
        assert!(ran.code == 1 && ran.err.starts_with(&format!("error: {told}")), "{ran:?}");
    }
    let missing = ["backtest", "--csv", "lod.csv", "--time", "at", "--value", "load"];
    let ran = vigie(dir.path(), &[&missing[..], &ABOVE_90].concat());
    assert!(ran.code == 1 && ran.err.contains("no file lod.csv in the current folder;"), "{ran:?}");
}

#[test]
fn messages_of_a_table_are_dated_like_its_changes() {
    let dir = folder("at,load\n2026-03-01 10:00,5\n2026-03-01 10:05,95\n2026-03-01 10:10,5\n2026-03-01 10:15,96\n");
    let config = COMPANY
        .replace("grain: day", "")
        .replace("sales: {", "sales: {grain: 5m, kind: level, ")
        .replace("schedule: daily 06:15, history: 400d}\n  cost", "schedule: every 5m, history: 4d}\n  cost")
        .replace("{below: 50}, shadow: true", "{above: 90}")
        .replace("wait: 0s", "wait: 30s");
    let config = config.lines().filter(|line| !line.contains("margin")).collect::<Vec<_>>().join("\n");
    fs::write(dir.path().join("vigie.yaml"), config).unwrap();
    let table = ["--config", "vigie.yaml", "backtest", "--csv", "load.csv", "--time", "at", "--value", "load"];
    let ran = vigie(dir.path(), &[&table[..], &["--rule", "low", "--format", "json", "--messages"]].concat());
    let told = records(&ran);
    let seen: Vec<String> = told[..told.len() - 1]
        .iter()
        .map(|each| {
            let what = each["change"].as_str().or(each["reason"].as_str()).unwrap();
            format!("{} {} {what}", each["type"].as_str().unwrap(), each["at"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        seen,
        [
            "transition 2026-03-01T09:05:00Z fired",
            "message 2026-03-01T09:05:30Z first",
            "transition 2026-03-01T09:10:00Z resolved",
            "message 2026-03-01T09:10:30Z resolved",
            "transition 2026-03-01T09:15:00Z fired",
            // Nothing comes after the last row, and yet it would be told.
            "message 2026-03-01T09:15:30Z first",
        ]
    );
    assert_eq!(told.last().unwrap()["firing_seconds"], 300);
}

#[test]
fn what_fires_at_the_end_fires_for_no_less_than_nothing() {
    let dir = folder("at,load\n2026-05-01 00:00,5\n2026-05-02 01:00,95\n");
    let table = ["backtest", "--csv", "load.csv", "--time", "at", "--value", "load", "--format", "json"];
    let told = records(&vigie(dir.path(), &[&table[..], &ABOVE_90, &["--grain", "day"]].concat()));
    let summary = told.last().unwrap();
    assert_eq!((&summary["fired"], &summary["firing_seconds"]), (&json!(1), &json!(0)));
    // Nobody said how long a bucket is, and a day holds several rows.
    let dir = folder("at,load\n2026-05-01 00:00,5\n2026-05-01 01:00,95\n");
    let ran = vigie(dir.path(), &[&table[..], &ABOVE_90].concat());
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("are both of 2026-05-01; give the --grain that the rows have"), "{ran:?}");
}

#[test]
fn local_times_that_come_twice_are_told() {
    let dir = folder("at,load\n2026-10-25 01:30,5\n2026-10-25 02:30,95\n2026-10-25 02:30,5\n");
    let words = [&ABOVE_90[..], &["--zone", "Europe/Paris"]].concat();
    let ran = backtest(dir.path(), &words);
    assert!(
        ran.out.contains("warning: 2026-10-25T02:30:00 and what follows is a local time that comes twice"),
        "{ran:?}"
    );
}

/// A company without any state: what a replay needs is pulled.
const COMPANY: &str = r"timezone: Europe/Paris
state: sqlite:state.db
people: {ada: {mail: ada@example.test}}
sources: {shop: {csv: {path: sales.csv}}}
kpis:
  sales: {title: Ventes, category: financial, unit: EUR, source: shop, query: {time: day, value: amount}, schedule: daily 06:15, history: 400d}
  cost: {title: Cost, category: financial, unit: EUR, source: shop, query: {time: day, value: cost}, schedule: daily 06:15, history: 400d}
  margin: {title: Margin, category: financial, unit: ratio, formula: (sales - cost) / sales, schedule: daily 06:15, history: 400d}
rules:
  low: {script: signal/threshold, on: [sales], with: {below: 50}, shadow: true}
  thin: {script: signal/threshold, on: [margin], with: {below: 0.2}}
receivers: {ops: {maildir: {path: boxes, to: [ada]}}}
route: {to: ops, group: {wait: 0s}}
";

fn company() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut text = "day,amount,cost\n".to_owned();
    let mut day: jiff::civil::Date = "2026-01-01".parse().unwrap();
    while day.to_string().as_str() <= "2026-06-30" {
        let (amount, cost) = match day.to_string().as_str() {
            "2026-03-10" | "2026-03-11" => (40, 20),
            "2026-04-02" => (100, 90),
            _ => (100, 60),
        };
        writeln!(text, "{day},{amount},{cost}").unwrap();
        day = day.tomorrow().unwrap();
    }
    fs::write(dir.path().join("sales.csv"), text).unwrap();
    fs::write(dir.path().join("vigie.yaml"), COMPANY).unwrap();
    dir
}

#[test]
fn what_is_not_stored_is_pulled_and_nothing_is_written() {
    let dir = company();
    let words =
        ["backtest", "--config", "vigie.yaml", "--from", "2026-01-01", "--to", "2026-06-30", "--format", "json"];
    let told = records(&vigie(dir.path(), &words));
    let brief = |change: &Value| {
        let text = |name: &str| change[name].as_str().unwrap_or_default().to_owned();
        format!("{} {} {} {}", text("at"), text("rule"), text("change"), change["value"])
    };
    let breach = |change: &&Value| change["type"] == "transition" && change["aspect"] == "breach";
    let seen: Vec<String> = told.iter().filter(breach).map(brief).collect();
    assert_eq!(
        seen,
        [
            "2026-03-11T05:15:00Z low fired 40.0",
            "2026-03-13T05:15:00Z low resolved 100.0",
            "2026-04-03T04:15:00Z thin fired 0.1",
            "2026-04-04T04:15:00Z thin resolved 0.4",
        ]
    );
    let summary = told.last().unwrap();
    assert_eq!(summary["messages"]["ops"]["first"], 2, "a rule in shadow is shown as if it were none");
    let warning = summary["warnings"][0].as_str().unwrap();
    assert!(warning.contains("'low'") && warning.contains("shadow"), "{warning}");
    let mut left: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, ["sales.csv", "vigie.yaml"]);
    // A source that can't be read is told by its KPI.
    fs::remove_file(dir.path().join("sales.csv")).unwrap();
    let ran = vigie(dir.path(), &words);
    assert!(ran.code == 1 && ran.err.contains("KPI 'cost'") && ran.err.contains("sales.csv"), "{ran:?}");
}

#[test]
fn only_periods_within_the_span_are_counted() {
    let dir = company();
    // January to June bring 3100, 2800, 2980, 3000, 3100 and 3000: with 3050 to reach, four months are missed.
    let objective = "objectives:\n  month: {kpi: sales, statement: More, reach: 3050, period: month, trajectory: linear}\n\
                     rules:\n  off: {script: objective/off_trajectory, on: [sales], with: {enter: 0.02, exit: 0.01, critical: 0.5}}\n";
    fs::write(dir.path().join("vigie.yaml"), COMPANY.replace("rules:\n", objective)).unwrap();
    let judged = |from: &str, to: &str| {
        let words =
            ["backtest", "--config", "vigie.yaml", "--rule", "off", "--from", from, "--to", to, "--format", "json"];
        let told = records(&vigie(dir.path(), &words));
        let found = &told.last().unwrap()["objectives"];
        let count = |name: &str| found[name].as_u64().unwrap_or(0);
        (count("missed_warned") + count("missed_unwarned"), count("reached_warned") + count("reached_quiet"))
    };
    assert_eq!(judged("2026-01-01", "2026-07-01"), (4, 2));
    assert_eq!(judged("2026-03-15", "2026-05-20"), (2, 0), "March and April end there");
    assert_eq!(judged("2026-06-02", "2026-06-20"), (0, 0));
}

#[test]
fn a_page_stands_by_itself() {
    let dir = company();
    let words = ["backtest", "--config", "vigie.yaml", "--from", "2026-01-01", "--html", "page.html"];
    let ran = vigie(dir.path(), &words);
    assert_eq!(ran.code, 0, "{ran:?}");
    let page = fs::read_to_string(dir.path().join("page.html")).unwrap();
    assert_eq!(page.matches("<svg ").count(), 2);
    for part in [
        "Ventes",
        "Rule low: fired once.",
        "limit €50",
        "2026-03-11 06:15",
        "message (first)",
        "<title>low, thin on sales",
    ] {
        assert!(page.contains(part), "{part:?} is not in the page");
    }
    let outside = page.replace("http://www.w3.org/2000/svg", "");
    for part in ["http:", "https:", "<script", "src=", "url("] {
        assert!(!outside.contains(part), "{part:?} is in the page");
    }
    let ran = vigie(dir.path(), &[&words[..], &["--sweep", "below=1..2/1", "--rule", "low"]].concat());
    assert!(ran.code == 2 && ran.err.contains("cannot be used with"), "{ran:?}");
}
