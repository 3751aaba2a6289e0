//! Sending: bounds, a full disk, deliveries that are dead.

use super::*;
use crate::engine::{DeliveryReport, Event};
use crate::model::alert::{About, Phase, Subject};
use crate::model::commit::NotifyCommit;
use crate::model::notification::{AttemptOutcome, DeliveryState, NewDelivery};
use crate::store::NextStep;

const NOW: &str = "2026-09-03T09:00:00Z";

/// Puts messages into the outbox, each in a thread of its own.
async fn queue(place: &Place, receivers: &[&str], about: About) {
    let built = place.built(COMPANY);
    let (_, drill) = drill::drills(&built, &"ops".into(), None, at(NOW)).unwrap().remove(0);
    let deliveries = receivers.iter().enumerate().map(|(number, receiver)| {
        let mut new = NewDelivery { receiver: (*receiver).into(), key: format!("{number}{about:?}"), ..drill.clone() };
        new.thread.root.clone_from(&new.key);
        new.message.about = about;
        new
    });
    let store = place.store().await;
    let commit = NotifyCommit { deliveries: deliveries.collect(), ..NotifyCommit::default() };
    store.commit_notify(&commit, store.epoch()).await.unwrap();
    store.close().await;
}

/// A cycle with messages that are due.
pub(in crate::daemon) async fn queued(count: usize) -> (Place, Cycle, Clock) {
    let place = Place::new(&[]);
    queue(&place, &vec!["ops"; count], About::Objective).await;
    let script = place.start(COMPANY, NOW).await;
    let clock = place.clock.clone();
    (place, script.cycle, clock)
}

async fn die(place: &Place, delivery: i64) {
    let store = place.store().await;
    let attempt = store.begin_attempt(delivery, at(NOW)).await.unwrap();
    let refused = AttemptOutcome::Permanent { cause: "550 no such user".to_owned() };
    store.finish_attempt(attempt, &refused, at(NOW), NextStep::Dead("550 no such user".to_owned())).await.unwrap();
    store.close().await;
}

/// Whether an alert about the receiver fires, and its cause.
async fn cut_off(script: &Script) -> Option<String> {
    let subject = Subject::Receiver("ops".into());
    let cause = move |state: &mut crate::engine::State, _: &crate::engine::Setup| {
        let alerts = state.book.of(&subject);
        let firing = alerts.iter().find(|alert| alert.phase == Phase::Firing)?;
        firing.facts.as_ref()?.cause.clone()
    };
    script.cycle.engine().with(cause).await
}

#[tokio::test]
async fn what_cannot_begin_now_wakes_nobody() {
    let place = Place::new(&[]);
    queue(&place, &["ops"; 6], About::Objective).await;
    let mut script = place.start(COMPANY, NOW).await;
    let now = script.now();
    assert_eq!(script.cycle.next_delivery().await.unwrap(), Some(now));
    let mut sends = script.cycle.due_sends(now).await.unwrap();
    assert_eq!(sends.len(), 4);
    assert_eq!(script.cycle.next_delivery().await.unwrap(), None, "the receiver has no free place");
    let done = sends.remove(0).run(&place.clock).await;
    script.cycle.sent(done).await.unwrap();
    assert_eq!(script.cycle.next_delivery().await.unwrap(), Some(now));
    place.fill_disk_after(0);
    assert_eq!(script.cycle.due_sends(now).await.unwrap().len(), 0);
    assert_eq!(script.cycle.next_delivery().await.unwrap(), None, "sending is stopped");
    // Space is looked at once a second, not with each turn of the loop.
    let look = |later| now + SignedDuration::from_millis(later);
    script.cycle.tend_space(now).await.unwrap();
    script.cycle.due_sends(now).await.unwrap();
    place.free_disk();
    assert_eq!(script.cycle.looks_for_space_at(look(300)), Some(look(1000)));
    script.cycle.tend_space(look(300)).await.unwrap();
    assert!(!script.cycle.has_space());
    script.cycle.tend_space(look(1000)).await.unwrap();
    assert!(script.cycle.has_space());
    assert_eq!(script.cycle.due_sends(look(1000)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_start_on_a_full_disk_loses_nothing() {
    let place = Place::new(&[]);
    queue(&place, &["gone", "ops", "ops"], About::Objective).await;
    let store = place.store().await;
    let attempt = store.begin_attempt(2, at(NOW)).await.unwrap();
    store.close().await;
    place.fill_disk_after(0);
    let mut script = place.start(COMPANY, NOW).await;
    let now = script.now();
    script.cycle.tend_space(now).await.unwrap();
    assert_eq!(script.cycle.due_sends(now).await.unwrap().len(), 0);
    place.free_disk();
    let now = now + seconds(1);
    script.cycle.tend_space(now).await.unwrap();
    // Only the cancelling of what goes nowhere finds no space; that holds up nobody else.
    let mut sends = Vec::new();
    for _ in 0..2 {
        sends.extend(script.cycle.due_sends(now).await.unwrap());
    }
    assert_eq!(sends.len(), 2);
    let (row, attempts) = script.cycle.store().delivery(2).await.unwrap().unwrap();
    assert_eq!(
        (row.state, attempts[0].id, attempts[0].outcome.as_deref()),
        (DeliveryState::Queued, attempt, Some("unknown"))
    );
    let gone = script.cycle.store().delivery(1).await.unwrap().unwrap().0;
    assert_eq!(gone.state, DeliveryState::Cancelled);
}

#[tokio::test]
async fn a_cancelling_that_finds_no_space_ends_nothing() {
    let place = Place::new(&[]);
    queue(&place, &["gone"], About::Objective).await;
    let mut script = place.start(COMPANY, NOW).await;
    place.fill_disk_after(0);
    let now = script.now();
    assert_eq!(script.cycle.due_sends(now).await.unwrap().len(), 0);
    place.free_disk();
    script.cycle.tend_space(now + seconds(2)).await.unwrap();
    script.cycle.due_sends(now + seconds(2)).await.unwrap();
    let gone = script.cycle.store().delivery(1).await.unwrap().unwrap().0;
    assert_eq!(gone.state, DeliveryState::Cancelled);
}

#[tokio::test]
async fn a_death_that_nobody_was_told_of_is_told_at_the_start() {
    let place = Place::new(&[]);
    queue(&place, &["ops", "ops"], About::Objective).await;
    queue(&place, &["ops"], About::System).await;
    die(&place, 3).await;
    let script = place.start(COMPANY, NOW).await;
    assert_eq!(cut_off(&script).await, None, "of a message about the service itself nobody is told");
    kill(script).await;
    die(&place, 1).await;
    let mut script = place.start(COMPANY, NOW).await;
    assert_eq!(cut_off(&script).await.as_deref(), Some("550 no such user"));
    let before = changes(&script.cycle).await.len();
    kill(script).await;
    script = place.start(COMPANY, NOW).await;
    assert_eq!(changes(&script.cycle).await.len(), before, "once");
}

#[tokio::test]
async fn a_dead_message_about_the_service_hides_no_other_death() {
    let place = Place::new(&[]);
    let mut script = place.start(COMPANY, NOW).await;
    let now = script.now();
    place.fill_disk_after(0);
    assert!(script.cycle.event(Event::Service { trouble: Some("full".to_owned()) }, now).await.unwrap().is_none());
    let report = |about, why: &str| DeliveryReport { receiver: "ops".into(), about, dead: Some(why.to_owned()) };
    script.cycle.hold_report(report(About::Objective, "first"));
    script.cycle.hold_report(report(About::System, "second"));
    place.free_disk();
    script.cycle.tend_space(now).await.unwrap();
    assert_eq!(cut_off(&script).await.as_deref(), Some("first"));
}

#[tokio::test]
async fn what_is_queued_again_is_tried_for_as_long_as_what_is_new() {
    let place = Place::new(&[]);
    queue(&place, &["ops"], About::Objective).await;
    die(&place, 1).await;
    let mut script = place.start(COMPANY, "2026-09-13T09:00:00Z").await;
    let now = script.now();
    script.cycle.store().requeue(1, now).await.unwrap();
    let greylisted = || AttemptOutcome::Retry { cause: "451 later".to_owned(), after: None };
    let mut tried = now;
    for expected in [5, 10, 20] {
        let send = script.cycle.due_sends(tried).await.unwrap().remove(0);
        script.cycle.sent(SendOutcome { send, outcome: greylisted(), at: tried }).await.unwrap();
        let row = script.cycle.store().delivery(1).await.unwrap().unwrap().0;
        assert_eq!(row.state, DeliveryState::Queued);
        let waits = row.next_attempt_at.duration_since(tried).as_secs();
        assert!((expected..=expected + expected / 4).contains(&waits), "{waits} s, expected {expected} and a quarter");
        tried = row.next_attempt_at;
    }
    let late = now + SignedDuration::from_hours(73);
    let send = script.cycle.due_sends(late).await.unwrap().remove(0);
    script.cycle.sent(SendOutcome { send, outcome: greylisted(), at: late }).await.unwrap();
    assert_eq!(script.cycle.store().delivery(1).await.unwrap().unwrap().0.state, DeliveryState::Dead);
}
