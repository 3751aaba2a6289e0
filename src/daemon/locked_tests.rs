//! Another process works on the database for longer than a write waits: nothing is lost, and nobody ends.

use super::*;
use crate::daemon::deliver::SendOutcome;
use crate::engine::Event;
use crate::model::action::{Action, ActionKind};
use crate::model::notification::{AttemptOutcome, DeliveryState};
use crate::store::DeliveryFilter;

const NOW: &str = "2026-09-05T09:00:00Z";
const HIGH: [&str; 2] = ["2026-09-03", "2026-09-04"];

/// What was decided and what was told, once everything has settled.
async fn outcome(script: &mut Script) -> (Vec<String>, Vec<(i64, DeliveryState)>) {
    script.advance_to(at("2026-09-09T09:00:00Z")).await.unwrap();
    let all = script.cycle.store().deliveries(&DeliveryFilter::default()).await.unwrap();
    (changes(&script.cycle).await, all.iter().map(|delivery| (delivery.id, delivery.state)).collect())
}

async fn acknowledged(script: &mut Script) -> Result<(), String> {
    let now = script.now();
    let what = ActionKind::Acknowledge { alert: "a0123456789".into(), note: None };
    script.cycle.act(Action { by: "ada".to_owned(), what }, now).await.unwrap().map(drop)
}

#[tokio::test]
async fn whatever_a_lock_holds_up_is_made_up_for() {
    let whole = Place::new(&HIGH);
    let expected = outcome(&mut whole.start(COMPANY, NOW).await).await;
    assert!(expected.0.len() >= 2 && expected.1.len() >= 2, "{expected:?}");
    // Of the start, of steps, of the start of an attempt, of its outcome: wherever the lock comes.
    for writes in 0..24 {
        let place = Place::new(&HIGH);
        let mut script = place.start(COMPANY, NOW).await;
        place.lock_after(writes);
        let until = script.now() + seconds(90);
        script.advance_to(until).await.unwrap();
        let (is_locked, waits) = (script.cycle.is_locked(), !script.cycle.writes_all());
        assert_eq!(is_locked, waits, "after {writes} writes");
        assert!(script.cycle.has_space(), "the disk has space");
        let trouble = script.cycle.readiness().trouble();
        assert_eq!(trouble.is_some_and(|text| text.contains("another process keeps ")), is_locked);
        if is_locked {
            let why = acknowledged(&mut script).await.unwrap_err();
            assert!(why.contains("another process keeps ") || why.contains("no live alert"), "{why}");
        }
        place.unlock();
        let now = script.now() + seconds(1);
        script.cycle.tend_space(now).await.unwrap();
        assert!(script.cycle.writes_all() && !script.cycle.is_locked(), "after {writes} writes");
        assert_eq!(script.cycle.readiness().trouble(), None);
        assert_eq!(outcome(&mut script).await, expected, "after {writes} writes");
    }
}

#[tokio::test]
async fn a_lock_is_over_once_something_could_be_written() {
    let place = Place::new(&[]);
    let mut script = place.start(COMPANY, NOW).await;
    let now = script.now();
    place.lock_after(0);
    assert!(script.cycle.event(Event::Service { trouble: None }, now).await.unwrap().is_some(), "nothing to write");
    assert!(script.cycle.event(Event::Service { trouble: Some("x".to_owned()) }, now).await.unwrap().is_none());
    for look in 0..5 {
        script.cycle.tend_space(now + seconds(look)).await.unwrap();
        assert!(script.cycle.is_locked(), "after {look} s");
        assert_eq!(script.cycle.looks_for_space_at(now + seconds(look)), Some(now + seconds(look + 1)));
    }
    place.unlock();
    script.cycle.tend_space(now + seconds(5)).await.unwrap();
    assert!(!script.cycle.is_locked() && script.cycle.writes_all());
}

#[tokio::test]
async fn an_attempt_that_ended_amid_a_lock_is_recorded_once() {
    let place = Place::new(&HIGH);
    let mut script = place.start(COMPANY, NOW).await;
    let now = script.now();
    for (job, source) in script.cycle.due_pulls(now).await.unwrap() {
        let pulled = job.pull(source, &place.clock).await;
        script.cycle.pulled(pulled).await.unwrap();
    }
    let send = script.cycle.due_sends(now).await.unwrap().remove(0);
    let id = send.delivery.id;
    place.lock_after(0);
    let sent = AttemptOutcome::Sent { detail: "250 ok".to_owned() };
    script.cycle.sent(SendOutcome { send, outcome: sent, at: now }).await.unwrap();
    assert!(script.cycle.is_locked() && script.cycle.sends_under_way() == 1);
    assert!(script.cycle.due_sends(now).await.unwrap().is_empty(), "it is under way");
    place.unlock();
    script.cycle.tend_space(now + seconds(1)).await.unwrap();
    let (row, attempts) = script.cycle.store().delivery(id).await.unwrap().unwrap();
    assert_eq!((row.state, attempts.len(), attempts[0].outcome.as_deref()), (DeliveryState::Sent, 1, Some("sent")));
}

#[tokio::test]
async fn a_reload_that_can_write_nothing_is_refused_and_works_later() {
    let renamed =
        COMPANY.replace("  sales:\n", "  turnover:\n    was: sales\n").replace("on: [sales]", "on: [turnover]");
    for is_locked in [false, true] {
        let place = Place::new(&[]);
        let mut script = place.start(COMPANY, NOW).await;
        script.advance_to(at("2026-09-06T09:00:00Z")).await.unwrap();
        let now = script.now();
        // Nobody has noticed yet when the first reload is asked for, and everybody has at the second.
        let stop = || if is_locked { place.lock_after(0) } else { place.fill_disk_after(0) };
        stop();
        let cause = if is_locked { "another process" } else { "free" };
        let why = script.cycle.reload(place.built(&renamed), now).await.unwrap().unwrap_err();
        assert!(why.contains("state.db") && why.contains(cause), "{why}");
        assert!(script.cycle.event(Event::Service { trouble: Some("x".to_owned()) }, now).await.unwrap().is_none());
        let why = script.cycle.reload(place.built(&renamed), now).await.unwrap().unwrap_err();
        assert!(why.ends_with("then reload again") && why.contains(cause), "{why}");
        assert!(script.cycle.setup().catalog.kpi(&"sales".into()).is_some(), "the one before is in force");
        if is_locked {
            place.unlock();
        } else {
            place.free_disk();
        }
        script.cycle.tend_space(now + seconds(1)).await.unwrap();
        script.cycle.reload(place.built(&renamed), now + seconds(1)).await.unwrap().unwrap();
        assert!(script.cycle.setup().catalog.kpi(&"turnover".into()).is_some());
    }
}

#[tokio::test]
async fn sending_goes_on_once_something_could_be_written() {
    let (place, mut cycle, clock) = sends::queued(2).await;
    let now = clock.now();
    place.lock_after(0);
    assert!(cycle.due_sends(now).await.unwrap().is_empty());
    for look in 1..4 {
        cycle.tend_space(now + seconds(look)).await.unwrap();
        assert!(cycle.is_locked() && !cycle.writes_all(), "after {look} s");
        assert_eq!(cycle.next_delivery().await.unwrap(), None, "after {look} s");
    }
    place.unlock();
    cycle.tend_space(now + seconds(4)).await.unwrap();
    assert_eq!(cycle.due_sends(now + seconds(4)).await.unwrap().len(), 2);
}
