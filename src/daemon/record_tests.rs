//! Figures that people enter: rules run at once, nothing counts twice, corrections are kept, and what is due is asked for.

use super::*;
use crate::engine::Answer;
use crate::model::action::{Action, ActionKind, Record};
use crate::model::grain::Grain;
use crate::model::ids::{KpiId, Labels};

const SURVEY: &str = r"timezone: UTC
language: fr
state: sqlite:state.db
people:
  ada: {mail: ada@example.test}
sources:
  hand: {manual: {}}
  shop: {csv: {path: sales.csv}}
kpis:
  nps: {title: Satisfaits, category: customer, unit: ratio, kind: ratio, grain: month, source: hand, expected: 5d, owner: ada}
  heads:
    {title: Effectif, category: operational, kind: {level: {additive: true}}, grain: week, source: hand,
     dimensions: [site], quality: {min: 0, max: 500}}
  sales: {title: Sales, category: financial, source: shop, query: {time: day, value: amount}}
rules:
  low: {script: signal/threshold, on: [nps], with: {below: 0.7}, for: 2 buckets}
  many: {script: signal/threshold, on: [heads], with: {above: 100}}
  asks: {script: data/stale, on: [nps]}
receivers:
  ops: {maildir: {path: boxes, to: [ada]}}
route: {to: ops, group: {wait: 0s}}
";

async fn enter(
    script: &mut Script,
    kpi: &str,
    period: &str,
    value: &str,
    labels: &[(&str, &str)],
) -> Result<Answer, String> {
    let record = Record {
        kpi: kpi.into(),
        period: period.to_owned(),
        value: value.to_owned(),
        labels: labels.iter().copied().collect(),
        note: Some(" by mail ".to_owned()),
    };
    let action = Action { by: "claire".to_owned(), what: ActionKind::Record(record) };
    let now = script.now();
    script.cycle.act(action, now).await.unwrap()
}

/// An entry that is taken: what stood there before.
async fn taken(script: &mut Script, kpi: &str, period: &str, value: &str, labels: &[(&str, &str)]) -> Option<f64> {
    match enter(script, kpi, period, value, labels).await {
        Ok(Answer::Entered { period: name, before, .. }) if name == period => before,
        other => panic!("{other:?}"),
    }
}

/// What became of a rule's breaches.
async fn of_rule(script: &Script, rule: &str) -> Vec<String> {
    let all = changes(&script.cycle).await;
    let own = all.iter().filter(|line| line.contains(&format!("rule:{rule}/")) && line.contains("#breach"));
    own.map(|line| line.rsplit_once(' ').map_or("", |(_, change)| change).to_owned()).collect()
}

async fn value_of(script: &Script, kpi: &str, labels: Labels, grain: Grain, period: &str) -> Option<f64> {
    let index = grain.read_name(period, &jiff::tz::TimeZone::UTC).unwrap();
    let kpi = KpiId::from(kpi);
    let engine = script.cycle.engine();
    engine.with(move |state, _| Some(state.history.series(&kpi, &labels)?.get(index)?.value)).await
}

#[tokio::test]
async fn entering_runs_the_rules_at_once_and_counts_a_bucket_once() {
    let place = Place::new(&[]);
    let mut script = place.start(SURVEY, "2026-09-01T09:00:00Z").await;
    script.advance_to(at("2026-09-01T10:00:00Z")).await.unwrap();
    assert_eq!(taken(&mut script, "nps", "2026-07", "6/10", &[]).await, None);
    assert_eq!(of_rule(&script, "low").await, ["Pended"]);
    // The same bucket again, and slots without anything new, are no second bucket.
    assert_eq!(taken(&mut script, "nps", "2026-07", "65/100", &[]).await, Some(0.6));
    script.advance_to(at("2026-09-03T10:00:00Z")).await.unwrap();
    assert_eq!(of_rule(&script, "low").await, ["Pended"]);
    taken(&mut script, "nps", "2026-08", "5/10", &[]).await;
    assert_eq!(of_rule(&script, "low").await, ["Pended", "Fired"]);
    // A revised figure for which the verdict no longer holds is a correction, and all of it outlives a restart.
    kill(script).await;
    let mut script = place.start(SURVEY, "2026-09-03T11:00:00Z").await;
    script.advance_to(at("2026-09-03T12:00:00Z")).await.unwrap();
    assert_eq!(taken(&mut script, "nps", "2026-08", "9/10", &[]).await, Some(0.5));
    let told = changes(&script.cycle).await;
    assert!(told.iter().any(|line| line.contains("rule:low/") && line.contains("Corrected")), "{told:?}");
    let entries = script.cycle.store().entries(&"nps".into(), 10).await.unwrap();
    let kept: Vec<_> = entries.iter().map(|entry| (entry.period.as_str(), entry.value)).collect();
    assert_eq!(kept, [("2026-08", Some(0.9)), ("2026-08", Some(0.5)), ("2026-07", Some(0.65)), ("2026-07", Some(0.6))]);
    assert_eq!((entries[0].by.as_str(), entries[0].note.as_deref()), ("claire", Some("by mail")));
    assert_eq!(entries[0].parts.map(|parts| (parts.numerator, parts.denominator)), Some((9.0, 10.0)));
}

#[tokio::test]
async fn what_is_due_is_asked_for_with_the_command() {
    let place = Place::new(&[]);
    let mut script = place.start(SURVEY, "2026-08-10T09:00:00Z").await;
    script.advance_to(at("2026-08-10T10:00:00Z")).await.unwrap();
    taken(&mut script, "nps", "2026-07", "9/10", &[]).await;
    script.advance_to(at("2026-09-05T12:00:00Z")).await.unwrap();
    assert_eq!(of_rule(&script, "asks").await, Vec::<String>::new());
    script.advance_to(at("2026-09-06T12:00:00Z")).await.unwrap();
    assert_eq!(of_rule(&script, "asks").await, ["Fired"]);
    let mails = fs::read_dir(place.path("boxes/new")).unwrap();
    let mails: Vec<String> = mails.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let text = mails.concat().replace("=\r\n", "").replace("=\n", "");
    // Nothing was ever entered at first, which is missing data; then one month is late.
    for command in ["vigie record nps 2026-07 VALEUR", "vigie record nps 2026-08 VALEUR"] {
        assert!(text.contains(command), "{command} is not in {text}");
    }
    taken(&mut script, "nps", "2026-08", "9/10", &[]).await;
    assert_eq!(of_rule(&script, "asks").await, ["Fired", "Resolved(Recovered)"], "entering it ends the alert at once");
    let all = changes(&script.cycle).await;
    let back = all.iter().filter(|line| line.contains("no_data") && line.ends_with("Resolved(Recovered)")).count();
    assert_eq!(back, 2, "what came at first ended the missing data of both rules: {all:?}");
}

#[tokio::test]
async fn a_total_waits_for_all_of_its_parts() {
    let place = Place::new(&[]);
    let mut script = place.start(SURVEY, "2026-09-14T09:00:00Z").await;
    script.advance_to(at("2026-09-14T10:00:00Z")).await.unwrap();
    let total = async |script: &Script, week: &str| value_of(script, "heads", Labels::total(), Grain::Week, week).await;
    taken(&mut script, "heads", "2026-W36", "40", &[("site", "Lyon")]).await;
    taken(&mut script, "heads", "2026-W36", "50", &[("site", "Paris")]).await;
    assert_eq!(total(&script, "2026-W36").await, Some(90.0));
    taken(&mut script, "heads", "2026-W37", "60", &[("site", "Lyon")]).await;
    assert_eq!(total(&script, "2026-W37").await, None, "Paris is still to come");
    taken(&mut script, "heads", "2026-W37", "55", &[("site", "Paris")]).await;
    assert_eq!(total(&script, "2026-W37").await, Some(115.0));
    assert_eq!(of_rule(&script, "many").await, ["Fired"]);
    taken(&mut script, "heads", "2026-W37", "41", &[("site", "Lyon")]).await;
    assert_eq!(total(&script, "2026-W37").await, Some(96.0));
}

#[tokio::test]
async fn what_can_not_be_taken_says_why() {
    let place = Place::new(&[]);
    let mut script = place.start(SURVEY, "2026-09-14T09:00:00Z").await;
    let early = enter(&mut script, "nps", "2026-08", "9/10", &[]).await.unwrap_err();
    assert!(early.contains("still being taken up"), "{early}");
    script.advance_to(at("2026-09-14T10:00:00Z")).await.unwrap();
    let before = changes(&script.cycle).await;
    for (kpi, period, value, labels, part) in [
        ("npss", "2026-08", "9/10", &[][..], "figures are entered for: nps, heads"),
        ("sales", "2026-08-01", "9", &[], "is pulled from the source 'shop'"),
        ("nps", "2026-W30", "9/10", &[], "no month such as 2026-11"),
        ("nps", "2026-09", "9/10", &[], "2026-09 has not ended; enter it from 2026-10-01 00:00 on"),
        ("nps", "2025-01", "9/10", &[], "older than the 400 days"),
        ("nps", "2026-08", "0,9", &[], "lacks its other half"),
        ("nps", "2026-08", "9/10", &[("site", "Lyon")], "`site` is no dimension"),
        ("heads", "2026-W36", "9", &[], "--label site=VALUE"),
        ("heads", "2026-W36", "501", &[("site", "Lyon")], "value 501 is above quality.max 500"),
        ("heads", "2026-W36", "x", &[("site", "Lyon")], "no figure"),
    ] {
        let why = enter(&mut script, kpi, period, value, labels).await.unwrap_err();
        assert!(why.contains(part), "{why} lacks {part}");
    }
    assert_eq!(script.cycle.store().entries(&"nps".into(), 10).await.unwrap(), []);
    assert_eq!(changes(&script.cycle).await, before);
}
