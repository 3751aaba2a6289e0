//! The shipped objective rule, compiled and run as a configuration would.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::{RuleSet, Run, on_large_stack, shipped};
use super::{assessment, catalog};
use crate::assess::Assessment;
use crate::locale::said;
use crate::model::catalog::Catalog;
use crate::model::ids::Labels;
use crate::model::objective::{Measure, Objective, Target, Trajectory};
use crate::model::period::PeriodSpec;
use crate::model::unit::Language;
use crate::model::verdict::{Severity, Verdict};

fn monthly(target: Target) -> Objective {
    Objective {
        id: "o".into(),
        kpi: "revenue".into(),
        labels: Labels::total(),
        statement: String::new(),
        target: target.into(),
        measure: Measure::Sum,
        period: PeriodSpec::Month,
        trajectory: Trajectory::Linear,
        baseline: None,
        hold: None,
        axis: None,
        owner: None,
        actions: Vec::new(),
    }
}

/// A run on the 22 days of November before the 23rd, or on what is there of them; and what it says in English.
fn off_trajectory(target: Target, now: &str, values: &[f64]) -> (Run, Option<String>) {
    let objective = Arc::new(monthly(target));
    let mut catalog: Catalog = catalog(&[]);
    catalog.objectives.insert(objective.id.clone(), objective.clone());
    let values: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
    let data = assessment(&values);
    let now = now.parse().expect("an instant");
    let assessment =
        Arc::new(Assessment::new(data.kpi.clone(), data.labels.clone(), data.data.clone(), Some(objective), now));
    on_large_stack(|| {
        let load = |_: &str| shipped("objective/off_trajectory").ok_or_else(String::new);
        let (rules, problems) = RuleSet::compile(&catalog, &load);
        assert_eq!(problems, []);
        let rule = rules.get(&"r".into()).expect("compiled").clone();
        let run = rules.run(&rule, &assessment, BTreeMap::new());
        let words = rule.details(&run).said.and_then(|text| said(&text, Language::En));
        (run, words)
    })
}

#[test]
fn one_accident_is_one_too_many() {
    let mut days = [0.0; 22];
    let (calm, _) = off_trajectory(Target::AtMost(0.0), super::NOW, &days);
    assert!(matches!(calm.verdict, Verdict::Judged(finding) if finding.level.is_none() && finding.recovered));
    days[9] = 1.0;
    let (run, words) = off_trajectory(Target::AtMost(0.0), super::NOW, &days);
    let Verdict::Judged(finding) = run.verdict else { panic!("{run:?}") };
    assert_eq!((finding.level, finding.value), (Some(Severity::Critical), Some(1.0)));
    assert_eq!(
        words.as_deref(),
        Some("Chiffre d'affaires: \u{20ac}1 where its trajectory expects \u{20ac}0, for a target of \u{20ac}0.")
    );
}

#[test]
fn its_hold_has_words_in_both_languages() {
    let (run, _) = off_trajectory(Target::Reach(600.0), "2026-11-03T06:15:00Z", &[0.0; 22]);
    let Verdict::Hold { reason } = run.verdict else { panic!("{run:?}") };
    let words = reason.said.expect("words");
    assert_eq!(reason.key, "too_early");
    assert_eq!(said(&words, Language::Fr).as_deref(), Some("trop tôt pour conclure"));
    assert_eq!(said(&words, Language::En).as_deref(), Some("too early to tell"));
}

#[test]
fn a_shortfall_is_told_as_a_share() {
    let (_, words) = off_trajectory(Target::Reach(600.0), super::NOW, &[10.0; 22]);
    assert!(words.is_some_and(|words| words.contains("-50% against its trajectory")));
}
