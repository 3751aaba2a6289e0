//! What is noted of each evaluation, rules in shadow, and what people say of alerts.

use super::*;
use crate::model::evaluation::{Habit, Judgement, VerdictCounts};
use crate::store::DeliveryFilter;

const HIGH: [&str; 2] = ["2026-09-05", "2026-09-06"];

async fn sent(script: &Script) -> usize {
    script.cycle.store().deliveries(&DeliveryFilter::default()).await.unwrap().len()
}

#[tokio::test]
async fn each_slot_leaves_a_record_of_what_rules_found() {
    let place = Place::new(&HIGH);
    let mut script = place.start(COMPANY, "2026-09-02T09:00:00Z").await;
    script.advance_to(at("2026-09-07T09:00:00Z")).await.unwrap();
    let store = script.cycle.store();
    let found = store.evaluations(&"high".into(), &"sales".into(), (at("2026-09-07T09:00:00Z"), 2)).await.unwrap();
    assert_eq!(
        found.iter().map(|record| record.slot).collect::<Vec<_>>(),
        [at("2026-09-07T06:00:00Z"), at("2026-09-06T06:00:00Z")]
    );
    let newest = &found[0];
    assert_eq!(newest.counts, VerdictCounts { breach: 1, ..VerdictCounts::default() });
    assert_eq!((newest.series[0].verdict.as_str(), newest.series[0].value), ("warning", Some(200.0)));
    let built = place.built(COMPANY);
    assert_eq!(newest.script, built.setup.rules.get(&"high".into()).unwrap().digest);
    assert!(built.setup.catalog.checksum.starts_with(&newest.config) && newest.config.len() == 16);
    // Thirty buckets were stepped at first, then five slots.
    let [habit] = store.habits().await.unwrap().try_into().unwrap();
    assert_eq!((habit.slots, habit.counts.breach, habit.habit()), (35, 2, None));
}

#[tokio::test]
async fn a_rule_that_never_fires_is_noticed() {
    let place = Place::new(&[]);
    let mut script = place.start(COMPANY, "2026-09-02T09:00:00Z").await;
    script.advance_to(at("2026-09-03T09:00:00Z")).await.unwrap();
    let [habit] = script.cycle.store().habits().await.unwrap().try_into().unwrap();
    assert_eq!(habit.habit(), Some(Habit::NeverInBreach));
}

#[tokio::test]
async fn a_rule_in_shadow_is_judged_and_tells_nobody() {
    let shadow = COMPANY.replace("with: {above: 100}", "with: {above: 100}, shadow: true");
    let place = Place::new(&HIGH);
    let mut script = place.start(&shadow, "2026-09-02T09:00:00Z").await;
    script.advance_to(at("2026-09-06T09:00:00Z")).await.unwrap();
    let fired = ["2026-09-06T06:00:00Z rule:high/sales#breach Fired"];
    assert_eq!(changes(&script.cycle).await, fired);
    assert_eq!(sent(&script).await, 0);
    // Taken out of shadow while it fires, it is told; put back, its end is told all the same.
    kill(script).await;
    let mut script = place.start(COMPANY, "2026-09-06T10:00:00Z").await;
    script.advance_to(at("2026-09-06T11:00:00Z")).await.unwrap();
    assert_eq!(changes(&script.cycle).await, fired);
    assert_eq!(sent(&script).await, 1);
    kill(script).await;
    let mut script = place.start(&shadow, "2026-09-06T12:00:00Z").await;
    script.advance_to(at("2026-09-10T12:00:00Z")).await.unwrap();
    assert_eq!(changes(&script.cycle).await.len(), 2, "it ended");
    assert_eq!(sent(&script).await, 2);
}

#[tokio::test]
async fn what_people_say_of_a_firing_is_kept_with_it() {
    let place = Place::new(&HIGH);
    let mut script = place.start(COMPANY, "2026-09-02T09:00:00Z").await;
    script.advance_to(at("2026-09-09T09:00:00Z")).await.unwrap();
    let fired = script.cycle.store().transitions(&TransitionFilter::default()).await.unwrap();
    let alert = fired[0].key.id();
    let mut ask = async |alert: &str, judgement| {
        let request = Request::Feedback { alert: alert.into(), judgement, why: Some("férié".to_owned()) };
        let (reply, answer) = tokio::sync::oneshot::channel();
        let incoming = Incoming { by: "ada".to_owned(), request, reply };
        requests::answer(&mut script.cycle, incoming, (at("2026-09-09T10:00:00Z"), &place.clock)).await.unwrap();
        answer.await.unwrap()
    };
    let Reply::Error(why) = ask("a000", Judgement::Useful).await else { panic!("there is no such alert") };
    assert!(why.contains("no alert 'a000' has fired"), "{why}");
    for judgement in [Judgement::Useful, Judgement::FalsePositive] {
        let Reply::Ok(Value::Text(text)) = ask(alert.as_str(), judgement).await else { panic!("it has fired") };
        assert!(text.contains(judgement.as_str()), "{text}");
    }
    let [said] = script.cycle.store().feedback().await.unwrap().try_into().unwrap();
    assert_eq!((said.judgement, said.by.as_str(), said.rule.as_str()), (Judgement::FalsePositive, "ada", "high"));
    assert_eq!((said.fired_at, said.ended_at), (at("2026-09-06T06:00:00Z"), Some(at("2026-09-08T06:00:00Z"))));
}
