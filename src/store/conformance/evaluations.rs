//! The log of evaluations and what people said of alerts.

use jiff::{SignedDuration, Timestamp};

use super::fixtures::{Place, at, kpi, labelled};
use crate::model::commit::EvaluateCommit;
use crate::model::evaluation::{EvaluationRecord, Feedback, Habit, Judgement, SeriesVerdict, VerdictCounts};

pub(super) fn record(slot: Timestamp, counts: VerdictCounts, why: Option<&str>) -> EvaluationRecord {
    let series = SeriesVerdict {
        labels: labelled("web").labels,
        objective: Some("o".into()),
        bucket: Some(7),
        verdict: if why.is_some() { "failed" } else { "warning" }.to_owned(),
        value: Some(0.41),
        why: why.map(str::to_owned),
    };
    EvaluationRecord {
        rule: "r".into(),
        kpi: kpi(),
        slot,
        at: slot,
        script: "5c21".to_owned(),
        config: "c0f6".to_owned(),
        counts,
        series: vec![series],
    }
}

fn logged(evaluations: Vec<EvaluationRecord>) -> EvaluateCommit {
    EvaluateCommit { evaluations, ..EvaluateCommit::default() }
}

#[tokio::test]
async fn evaluations_are_kept_for_a_while() {
    let place = Place::new();
    let store = place.open().await;
    let breach = VerdictCounts { breach: 1, ..VerdictCounts::default() };
    let hours = |count: i64| at(1_000) + SignedDuration::from_hours(count);
    for hour in 0..100 {
        let commit = logged(vec![record(hours(24 * hour), breach, None)]);
        store.commit_evaluate(&commit, store.epoch()).await.unwrap();
        store.commit_evaluate(&commit, store.epoch()).await.unwrap();
    }
    let all = store.evaluations(&"r".into(), &kpi(), (Timestamp::MAX, 200)).await.unwrap();
    assert_eq!(all.len(), 93, "a quarter of a year, each of them once");
    assert_eq!(all[0], record(hours(24 * 99), breach, None));
    let some = store.evaluations(&"r".into(), &kpi(), (hours(24 * 30), 2)).await.unwrap();
    assert_eq!(some.iter().map(|record| record.slot).collect::<Vec<_>>(), [hours(24 * 30), hours(24 * 29)]);
    let judged = store.judged_at(&kpi()).await.unwrap();
    assert_eq!((judged.len(), judged[0]), (93, (hours(24 * 7), hours(24 * 7))));
    let [habit] = store.habits().await.unwrap().try_into().unwrap();
    assert_eq!((habit.slots, habit.counts.breach, habit.since), (93, 93, hours(24 * 7)));
    assert_eq!((habit.newest, habit.habit()), (breach, Some(Habit::AlwaysInBreach)));

    let failed = VerdictCounts { failed: 1, ..VerdictCounts::default() };
    let commit = logged(vec![record(hours(24 * 100), failed, Some("r.rhai:2:1: no function f"))]);
    store.commit_evaluate(&commit, store.epoch()).await.unwrap();
    let [habit] = store.habits().await.unwrap().try_into().unwrap();
    assert_eq!(habit.habit(), Some(Habit::Fails));
    assert_eq!(habit.failure.as_deref(), Some("r.rhai:2:1: no function f"));
}

#[tokio::test]
async fn many_slots_in_a_month_are_cut_to_the_newest() {
    let place = Place::new();
    let store = place.open().await;
    let quiet = VerdictCounts { quiet: 3, ..VerdictCounts::default() };
    let minutes = |count: i64| at(1_000) + SignedDuration::from_mins(5 * count);
    let all = (0..1_100).map(|slot| record(minutes(slot), quiet, None)).collect();
    store.commit_evaluate(&logged(all), store.epoch()).await.unwrap();
    let [habit] = store.habits().await.unwrap().try_into().unwrap();
    assert_eq!((habit.slots, habit.counts.quiet, habit.since), (1_000, 3_000, minutes(100)));
}

#[tokio::test]
async fn the_newest_word_on_a_firing_counts() {
    let place = Place::new();
    let store = place.open().await;
    let said = |episode, judgement, given| Feedback {
        alert: "a1".into(),
        identity: "rule:r/k#breach".to_owned(),
        rule: "r".into(),
        episode,
        fired_at: at(1),
        ended_at: None,
        judgement,
        why: Some("jour férié".to_owned()),
        by: "claire".to_owned(),
        at: at(given),
    };
    for word in [
        said(1, Judgement::Useful, 5),
        said(2, Judgement::Useful, 6),
        said(1, Judgement::FalsePositive, 7),
        said(1, Judgement::FalsePositive, 7),
    ] {
        store.give_feedback(&word).await.unwrap();
    }
    let all = [said(2, Judgement::Useful, 6), said(1, Judgement::FalsePositive, 7)];
    assert_eq!(store.feedback().await.unwrap(), all);
}
