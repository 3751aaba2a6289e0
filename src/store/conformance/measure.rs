//! Prints how long large commits and loads take (`--nocapture`); asserts no time, which is the machine's business.

use std::fmt::Write as _;
use std::io::Write as _;

use super::fixtures::{Place, alert, at, delivery, key, kpi, observation, queued, transition};
use crate::clock::monotonic;
use crate::model::alert::Phase;
use crate::model::commit::EvaluateCommit;
use crate::model::ids::{Labels, SeriesKey};
use crate::model::observation::Observation;

fn series(number: usize) -> SeriesKey {
    SeriesKey { kpi: kpi(), labels: Labels::from_iter([("customer", format!("c{number}"))]) }
}

#[tokio::test]
async fn large_commits_and_loads() {
    let place = Place::new();
    let store = place.open().await;
    let mut report = String::new();
    let rules: Vec<String> = (0..10_000).map(|i| format!("rule-{i}")).collect();
    let commit = EvaluateCommit {
        observations: (0..10_000).map(|i| observation(series(i), 0, i as f64 / 7.0)).collect(),
        alerts: rules.iter().map(|rule| alert(rule, Phase::Firing)).collect(),
        transitions: (1..).zip(&rules).map(|(seq, rule)| transition(seq, rule)).collect(),
        ..EvaluateCommit::default()
    };
    let parts = [
        ("alerts", EvaluateCommit { alerts: commit.alerts.clone(), ..EvaluateCommit::default() }),
        ("observations", EvaluateCommit { observations: commit.observations.clone(), ..EvaluateCommit::default() }),
    ];
    for (what, part) in &parts {
        let start = monotonic();
        store.commit_evaluate(part, store.epoch()).await.unwrap();
        writeln!(report, "commit of 10,000 {what} alone: {:?}", start.elapsed()).unwrap();
    }
    for round in ["first", "repeated"] {
        let start = monotonic();
        store.commit_evaluate(&commit, store.epoch()).await.unwrap();
        writeln!(report, "commit of 10,000 alerts, observations and transitions, {round}: {:?}", start.elapsed())
            .unwrap();
    }
    let start = monotonic();
    let state = store.load().await.unwrap();
    writeln!(report, "load of {} alerts: {:?}", state.alerts.len(), start.elapsed()).unwrap();
    assert_eq!((state.alerts.len(), state.last_seq), (10_000, 10_000));
    assert!(state.alerts.iter().any(|alert| alert.key == key("rule-77")));

    let start = monotonic();
    for bucket in 1..20 {
        let value = |i: usize| Observation { known_at: at(bucket), ..observation(series(i), bucket, i as f64 / 7.0) };
        let observations = (0..10_000).map(value).collect();
        let commit = EvaluateCommit { observations, ..EvaluateCommit::default() };
        store.commit_evaluate(&commit, store.epoch()).await.unwrap();
    }
    writeln!(report, "19 commits of 10,000 observations: {:?}", start.elapsed()).unwrap();
    let start = monotonic();
    let mut count = 0;
    store.load_series(&kpi(), |_, _| count += 1).await.unwrap();
    writeln!(report, "stream of {count} observations: {:?}", start.elapsed()).unwrap();
    assert_eq!(count, 200_000);

    let rows = (0..10_000).map(|i| delivery(&format!("d{i}"), "ops", &format!("t{i}"))).collect();
    let start = monotonic();
    store.commit_notify(&queued(rows), store.epoch()).await.unwrap();
    writeln!(report, "commit of 10,000 deliveries: {:?}", start.elapsed()).unwrap();
    let start = monotonic();
    store.due(at(300), 100).await.unwrap();
    writeln!(report, "due among 10,000: {:?}", start.elapsed()).unwrap();
    let start = monotonic();
    for id in 1..=100 {
        store.begin_attempt(id, at(300)).await.unwrap();
    }
    writeln!(report, "100 attempts begun: {:?}", start.elapsed()).unwrap();
    store.close().await;
    writeln!(report, "file: {} MiB", std::fs::metadata(place.path()).unwrap().len() >> 20).unwrap();
    let start = monotonic();
    place.open().await.load().await.unwrap();
    writeln!(report, "open and load: {:?}", start.elapsed()).unwrap();
    std::io::stderr().write_all(report.as_bytes()).unwrap();
}
