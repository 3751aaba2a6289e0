//! `objectives`: how they stand, how past periods ended, those of the next year, targets within reach.

use std::path::Path;

use jiff::ToSpan;
use jiff::civil::{Date, date};
use serde_json::{Value, json};

use super::support::{Ran, folder, vigie};
use vigie::model::alert::PeriodOutcome;
use vigie::model::commit::EvaluateCommit;
use vigie::model::ids::Labels;
use vigie::model::objective::{Measure, Target};
use vigie::model::outcome::{ClosedPeriod, Replaced};
use vigie::model::period::Period;
use vigie::store::{OpenOptions, Store};

/// Two years of a shop that sells 12 000 € a day, of which its objectives know more or less.
const SHOP: &str = r"timezone: Europe/Paris
state: sqlite:vigie.db
control: c.sock
people:
  claire: {mail: claire@example.test}
  paul: {mail: paul@example.test}
sources:
  shop: {csv: {path: shop.csv}}
kpis:
  revenue:
    title: Chiffre d'affaires
    category: financial
    unit: EUR
    source: shop
    query: {time: date, value: montant}
    history: 9000d
    owner: claire
  visits:
    title: Visites
    category: customer
    source: shop
    query: {time: date, value: visites}
    history: 9000d
objectives:
  revenue-month:
    kpi: revenue
    statement: Atteindre 360 000 € par mois
    reach: 360000
    period: month
    axis: croissance
    actions:
      - {do: Relancer les paniers abandonnés, who: paul, by: 2026-11-30}
  # Voted by the board.
  revenue-2026:
    was: ca-2026
    kpi: revenue
    statement: Porter le chiffre d'affaires 2026 à 6 M€
    reach: 6000000   # the board's figure
    period: 2026
    trajectory: linear
  visits-autumn:
    kpi: visits
    statement: 90 000 visites à l'automne
    reach: '90 000'
    period: {from: 2026-09-01, to: 2026-11-30}
    trajectory: {milestones: {2026-09-30: 30000, 2026-10-31: 61000}}
    owner: paul
    actions: [{do: Campagne, by: 2026-09-15}]
receivers:
  direction: {maildir: {path: boites, to: [claire]}}
route: {to: direction}
";

fn shop() -> tempfile::TempDir {
    let dir = folder(SHOP);
    let days = date(2025, 1, 1).series(1.days()).take_while(|day| *day <= date(2026, 10, 20));
    let sold =
        |day: Date| 11_000 + 250 * i64::from(day.weekday().to_monday_one_offset()) + 7 * i64::from(day.day() % 5);
    let line = |day: Date| format!("{day};{};{}\n", sold(day), 1_000 + 13 * i64::from(day.day() % 7));
    let text: String = std::iter::once("date;montant;visites\n".to_owned()).chain(days.map(line)).collect();
    std::fs::write(dir.path().join("shop.csv"), text).unwrap();
    dir
}

pub(super) fn ran(dir: &Path, words: &[&str]) -> Ran {
    vigie(dir, &[&["objectives"], words, &["--config", "vigie.yaml"]].concat())
}

#[track_caller]
pub(super) fn shown(dir: &Path, words: &[&str]) -> String {
    let ran = ran(dir, words);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    ran.out
}

pub(super) fn records(dir: &Path, words: &[&str]) -> Vec<Value> {
    let text = shown(dir, &[words, &["--format", "json"]].concat());
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_stands_on_a_line() {
    let dir = shop();
    insta::assert_snapshot!("objectives_list", shown(dir.path(), &["--at", "2026-10-15"]));
    let found = records(dir.path(), &["list", "--at", "2026-10-15"]);
    let ids: Vec<_> = found.iter().map(|line| line["objective"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["revenue-month", "revenue-2026", "visits-autumn"]);
    for name in ["actual", "expected", "projected", "probability", "required_rate", "target"] {
        assert!(!found[1]["objective"][name].is_null(), "{name}: {}", found[1]);
    }
    // The same figures as those of `assess`.
    let words = ["assess", "--kpi", "visits", "--at", "2026-10-15", "--format", "json", "--config", "vigie.yaml"];
    let mut assessed: Value = serde_json::from_str(vigie(dir.path(), &words).out.trim()).unwrap();
    assessed["objective"]["target"] = found[2]["objective"]["target"].clone();
    assert_eq!(found[2]["objective"], assessed["objective"]);
    assert_eq!((&found[2]["owner"], &found[2]["stage"]), (&json!("paul"), &json!("running")));
}

#[test]
fn lists_are_narrowed_and_slips_are_named() {
    let dir = shop();
    let ids = |words: &[&str]| -> Vec<String> {
        let found = records(dir.path(), &[words, &["--at", "2026-10-15"]].concat());
        found.iter().map(|line| line["objective"]["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&["--kpi", "visits"]), ["visits-autumn"]);
    assert_eq!(ids(&["--owner", "claire"]), ["revenue-month", "revenue-2026"]);
    assert_eq!(ids(&["--axis", "croissance"]), ["revenue-month"]);
    assert_eq!(ids(&["--status", "ended"]), Vec::<String>::new());
    let off = ids(&["--status", "off_trajectory"]);
    assert_eq!(off, ["revenue-2026"]);
    for (words, part) in [
        (&["--kpi", "sales"][..], "no KPI 'sales'"),
        (&["--owner", "zoe"], "no person 'zoe'"),
        (&["--status", "late"], "no status 'late'"),
        (&["show", "revenue"], "no objective 'revenue'"),
        (&["outcomes", "revenue-month"], "no state database"),
        (&["--at", "2999-01-01"], "lies ahead"),
    ] {
        let ran = ran(dir.path(), words);
        assert!(ran.code == 1 && ran.err.contains(part), "{words:?}: {ran:?}");
    }
}

fn closed(month: i8, outcome: PeriodOutcome, actual: f64) -> ClosedPeriod {
    let first = date(2026, month, 1);
    let decided_at = date(2026, month + 1, 3).at(6, 15, 0, 0).in_tz("Europe/Paris").unwrap().timestamp();
    ClosedPeriod {
        objective: "revenue-month".into(),
        kpi: "revenue".into(),
        labels: Labels::total(),
        period: Period { first, last: first.last_of_month() },
        outcome,
        target: Target::Reach(360_000.0),
        measure: Measure::Sum,
        actual,
        present: u32::from(first.days_in_month().unsigned_abs()),
        due: u32::from(first.days_in_month().unsigned_abs()),
        alerts: u32::from(outcome == PeriodOutcome::Missed),
        decided_at,
        filled_in: false,
        shape: String::new(),
        revision: 0,
        replaced: None,
    }
}

/// A state in which three months have ended; the last of them was revised.
fn ended(dir: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = OpenOptions { create: true, reserve_bytes: 0, ..OpenOptions::default() };
        let store = Store::open(&dir.join("vigie.db"), options).await.unwrap();
        let september = closed(9, PeriodOutcome::Missed, 358_000.0);
        let decided_at = september.decided_at;
        let replaced = Some(Replaced { outcome: PeriodOutcome::Reached, actual: 361_000.0, decided_at });
        let all = vec![
            closed(7, PeriodOutcome::Reached, 372_500.0),
            closed(8, PeriodOutcome::Missed, 359_999.0),
            ClosedPeriod { revision: 1, replaced, ..september },
        ];
        let commit = EvaluateCommit { closed: all, ..EvaluateCommit::default() };
        store.commit_evaluate(&commit, store.epoch()).await.unwrap();
        store.close().await;
    });
}

#[test]
fn past_periods_are_kept_and_counted() {
    let dir = shop();
    ended(dir.path());
    insta::assert_snapshot!("objectives_outcomes", shown(dir.path(), &["outcomes"]));
    let found = records(dir.path(), &["outcomes", "revenue-month", "--from", "2026-08-01", "--to", "2026-09-30"]);
    assert_eq!(found.len(), 3, "two periods and what they come to");
    assert_eq!(found[0]["period"], json!({"from": "2026-08-01", "to": "2026-08-31"}));
    assert_eq!((&found[0]["outcome"], &found[0]["alerts"]), (&json!("missed"), &json!(1)));
    assert_eq!(found[1]["replaced"]["outcome"], "reached");
    let rate = json!({"type": "hit_rate", "objective": "revenue-month", "periods": 2, "reached": 0, "rate": 0.0});
    assert_eq!(found[2], rate);
    assert_eq!(shown(dir.path(), &["outcomes", "revenue-2026"]), "no period was decided yet\n");
    let unknown = ran(dir.path(), &["outcomes", "nothing"]);
    assert!(unknown.code == 1 && unknown.err.contains("no objective 'nothing'"), "{unknown:?}");
    insta::assert_snapshot!("objectives_show_fr", shown(dir.path(), &["show", "revenue-month", "--at", "2026-10-15"]));
    let english = ["show", "revenue-month", "--at", "2026-10-15", "--lang", "en"];
    insta::assert_snapshot!("objectives_show_en", shown(dir.path(), &english));
    let found = records(dir.path(), &["show", "revenue-month", "--at", "2026-08-15"]);
    assert_eq!((found[0]["closed"].as_array().unwrap().len(), &found[0]["last_outcome"]), (1, &json!("reached")));
    assert_eq!(found[0]["actions"][0]["who"], "paul");
}

#[test]
fn it_says_why_a_target_is_unknown() {
    let dir = shop();
    // Nothing is known of 2023.
    let relative = SHOP.replacen("reach: 360000", "reach: +15 %\n    baseline: 2023-10", 1);
    std::fs::write(dir.path().join("vigie.yaml"), relative).unwrap();
    let told = shown(dir.path(), &["show", "revenue-month", "--at", "2026-10-15", "--lang", "en"]);
    assert!(told.contains("Reason: the objective's baseline (") && told.contains("as a figure"), "{told}");
    let told = shown(dir.path(), &["show", "revenue-month", "--at", "2026-10-15"]);
    assert!(told.contains("Motif : la référence de l'objectif (") && told.contains("en chiffres"), "{told}");
    let found = records(dir.path(), &["show", "revenue-month", "--at", "2026-10-15"]);
    let objective = &found[0]["objective"];
    assert_eq!((&objective["status"], &objective["target"]), (&json!("insufficient_data"), &Value::Null));
    assert!(objective["reason"].as_str().unwrap().contains("baseline"), "{objective}");
    let assess = ["assess", "--config", "vigie.yaml", "--kpi", "revenue", "--at", "2026-10-15"];
    let told = vigie(dir.path(), &assess);
    assert!(told.code == 0 && told.out.contains("revenue-month: the objective's baseline ("), "{told:?}");
    let told = vigie(dir.path(), &[&assess[..], &["--format", "json"]].concat());
    let lines = told.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found = lines.map(|line| line["objective"].clone()).find(|line| line["id"] == "revenue-month").unwrap();
    assert_eq!(&found, objective, "both say the same");
    // What is known has no reason.
    let found = records(dir.path(), &["show", "revenue-2026", "--at", "2026-10-15"]);
    assert_eq!(found[0]["objective"]["reason"], Value::Null);
}

#[test]
fn the_next_year_passes_check_beside_this_one() {
    let dir = shop();
    let yaml = shown(dir.path(), &["roll", "--by", "+5 %"]);
    insta::assert_snapshot!("objectives_roll", yaml);
    std::fs::create_dir(dir.path().join("next")).unwrap();
    assert_eq!(
        shown(dir.path(), &["roll", "--by", "+5 %", "--write", "next/2027.yaml"]),
        "wrote 2 objectives to next/2027.yaml\n"
    );
    let written = std::fs::read_to_string(dir.path().join("next/2027.yaml")).unwrap();
    assert_eq!(written, yaml);
    let again = ran(dir.path(), &["roll", "--write", "next/2027.yaml"]);
    assert!(again.code == 1 && again.err.contains("not there yet"), "{again:?}");
    let checked = vigie(dir.path(), &["check", "--config", "vigie.yaml", "--config", "next/2027.yaml"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    // They are there now; what goes on from them is the year after.
    let both = ["--config", "vigie.yaml", "--config", "next/2027.yaml"];
    let later = vigie(dir.path(), &[&["objectives", "roll"][..], &both].concat());
    assert!(
        later.code == 0 && later.out.contains("revenue-2028:") && !later.out.contains("revenue-2027:"),
        "{later:?}"
    );
    let twice = vigie(dir.path(), &[&["objectives", "roll", "revenue-2026"][..], &both].concat());
    assert!(twice.code == 1 && twice.err.contains("there is `revenue-2027` already"), "{twice:?}");
    let recurring = ran(dir.path(), &["roll", "revenue-month"]);
    assert!(recurring.code == 1 && recurring.err.contains("recurs every month"), "{recurring:?}");
    let far = records(dir.path(), &["roll", "revenue-2026", "--to", "2030"]);
    assert_eq!((&far[0]["objective"], &far[0]["becomes"]), (&json!("revenue-2026"), &json!("revenue-2030")));
}

/// Takes a patch to the letter: every line that it does not add must stand where it says.
pub(super) fn applied(text: &str, patch: &str) -> String {
    let old: Vec<&str> = text.lines().collect();
    let (mut new, mut at): (Vec<&str>, usize) = (Vec::new(), 0);
    for line in patch.lines().skip_while(|line| !line.starts_with("@@")) {
        if let Some(hunk) = line.strip_prefix("@@ -") {
            let from: usize = hunk.split(',').next().unwrap().parse().unwrap();
            new.extend(&old[at..from - 1]);
            at = from - 1;
            let plus = hunk.split('+').nth(1).unwrap().split(',').next().unwrap();
            assert_eq!(plus.parse::<usize>().unwrap(), new.len() + 1, "{line}");
            continue;
        }
        let (sign, body) = line.split_at(1);
        if sign != "+" {
            assert_eq!(old[at], body);
            at += 1;
        }
        if sign != "-" {
            new.push(body);
        }
    }
    new.extend(&old[at..]);
    new.join("\n") + "\n"
}

#[test]
fn a_target_out_of_reach_is_reviewed_with_its_evidence() {
    let dir = shop();
    ended(dir.path());
    let at = ["review", "--at", "2026-10-15"];
    let patch = shown(dir.path(), &at);
    insta::assert_snapshot!("objectives_review", patch);
    let path = dir.path().join("vigie.yaml");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), SHOP, "nothing is written by itself");
    let found = records(dir.path(), &at);
    assert_eq!((found.len(), &found[0]["objective"]), (1, &json!("revenue-2026")));
    let figure = |name: &str| found[0][name].as_f64().unwrap();
    assert!(figure("proposed_80") <= figure("proposed") && figure("proposed") <= figure("high"), "{found:?}");
    assert!(figure("probability") < 0.10);
    assert_eq!(found[0]["patch"], patch);

    std::fs::write(dir.path().join("x.patch"), &patch).unwrap();
    // Where git is there, it says the same.
    if let Ok(git) =
        std::process::Command::new("git").args(["apply", "--check", "x.patch"]).current_dir(dir.path()).output()
    {
        assert!(git.status.success(), "{git:?}");
    }
    std::fs::write(&path, applied(SHOP, &patch)).unwrap();
    let checked = vigie(dir.path(), &["check", "--config", "vigie.yaml"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    let none = shown(dir.path(), &at);
    assert!(none.starts_with("# nothing to review"), "{none}");
}
