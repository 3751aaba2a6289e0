//! The outbox: order, fairness, attempts, and what people do to deliveries.

use super::fixtures::{Place, at, delivery, queued};
use crate::model::notification::{AttemptOutcome, DeliveryState, NewDelivery};
use crate::store::{DUE_PER_RECIPIENT_MAX, DeliveryFilter, NextStep, Store, StoreError};

async fn with(place: &Place, deliveries: Vec<NewDelivery>) -> Store {
    let store = place.open().await;
    store.commit_notify(&queued(deliveries), store.epoch()).await.unwrap();
    store
}

async fn due(store: &Store, second: i64) -> Vec<String> {
    store.due(at(second), 1000).await.unwrap().into_iter().map(|row| row.new.key).collect()
}

fn sent() -> AttemptOutcome {
    AttemptOutcome::Sent { detail: "250 ok".into() }
}

fn retry() -> AttemptOutcome {
    AttemptOutcome::Retry { cause: "451 greylisted".into(), after: None }
}

async fn try_once(store: &Store, id: i64, outcome: &AttemptOutcome, next: NextStep) {
    let attempt = store.begin_attempt(id, at(400)).await.unwrap();
    store.finish_attempt(attempt, outcome, at(401), next).await.unwrap();
}

#[tokio::test]
async fn a_thread_goes_out_in_order() {
    let place = Place::new();
    let rows = [("1", "t"), ("2", "t"), ("3", "u"), ("4", "t")];
    let store = with(&place, rows.iter().map(|(name, thread)| delivery(name, "ops", thread)).collect()).await;
    assert!(due(&store, 299).await.is_empty());
    assert_eq!(due(&store, 300).await, ["1", "3"]);
    try_once(&store, 1, &retry(), NextStep::RetryAt(at(900))).await;
    assert_eq!(due(&store, 800).await, ["3"], "a waiting head holds its thread back");
    assert_eq!(store.next_due(&[]).await.unwrap(), Some(at(300)));
    try_once(&store, 3, &sent(), NextStep::Sent).await;
    assert_eq!(store.next_due(&[]).await.unwrap(), Some(at(900)));
    try_once(&store, 1, &sent(), NextStep::Sent).await;
    assert_eq!(due(&store, 300).await, ["2"]);
    store.cancel(2, "superseded").await.unwrap();
    assert_eq!(due(&store, 300).await, ["4"]);
    let attempt = store.begin_attempt(4, at(400)).await.unwrap();
    assert!(due(&store, 999).await.is_empty(), "under way");
    assert_eq!(store.next_due(&[]).await.unwrap(), None);
    store.finish_attempt(attempt, &sent(), at(401), NextStep::Sent).await.unwrap();
    assert_eq!(store.queue_depth().await.unwrap(), []);
}

#[tokio::test]
async fn recipients_and_threads_do_not_wait_for_each_other() {
    let place = Place::new();
    let other = NewDelivery { recipient: "paul@example.test".into(), ..delivery("2", "mail", "t") };
    let store = with(&place, vec![delivery("1", "mail", "t"), other, delivery("3", "slack", "t")]).await;
    let mut names = due(&store, 300).await;
    names.sort();
    assert_eq!(names, ["1", "2", "3"]);
}

#[tokio::test]
async fn a_flood_hides_nobody() {
    let place = Place::new();
    let mut rows: Vec<_> = (0..10_000).map(|i| delivery(&format!("f{i}"), "dead", &format!("t{i}"))).collect();
    rows.push(delivery("mine", "direction", "t"));
    let store = with(&place, rows).await;
    let first = store.due(at(300), 2).await.unwrap();
    assert_eq!(first.iter().map(|row| row.new.key.as_str()).collect::<Vec<_>>(), ["f0", "mine"]);
    assert_eq!(due(&store, 300).await.len(), DUE_PER_RECIPIENT_MAX as usize + 1);
    let depth = store.queue_depth().await.unwrap();
    assert_eq!(depth, [("dead".into(), 10_000), ("direction".into(), 1)]);
}

#[tokio::test]
async fn a_kill_between_begin_and_finish_keeps_it_queued() {
    let place = Place::new();
    let store = with(&place, vec![delivery("1", "mail", "t")]).await;
    store.begin_attempt(1, at(400)).await.unwrap();
    drop(store);
    let store = place.open().await;
    assert_eq!(store.abandoned().await.unwrap(), 1);
    assert_eq!(store.abandoned().await.unwrap(), 0);
    assert_eq!(due(&store, 300).await, ["1"]);
    try_once(&store, 1, &sent(), NextStep::Sent).await;
    let (row, attempts) = store.delivery(1).await.unwrap().unwrap();
    assert_eq!((row.state, row.attempts, row.note.as_deref()), (DeliveryState::Sent, 2, Some("250 ok")));
    let outcomes: Vec<_> = attempts.iter().map(|attempt| attempt.outcome.as_deref()).collect();
    assert_eq!(outcomes, [Some("unknown"), Some("sent")]);
    assert_eq!((attempts[0].finished_at, attempts[1].finished_at), (None, Some(at(401))));
}

#[tokio::test]
async fn finishing_twice_changes_nothing() {
    let place = Place::new();
    let store = with(&place, vec![delivery("1", "mail", "t")]).await;
    let attempt = store.begin_attempt(1, at(400)).await.unwrap();
    store.finish_attempt(attempt, &sent(), at(401), NextStep::Sent).await.unwrap();
    store.finish_attempt(attempt, &retry(), at(500), NextStep::RetryAt(at(501))).await.unwrap();
    let (row, attempts) = store.delivery(1).await.unwrap().unwrap();
    assert_eq!((row.state, attempts.len()), (DeliveryState::Sent, 1));
}

#[tokio::test]
async fn the_dead_can_be_queued_again() {
    let place = Place::new();
    let store = with(&place, vec![delivery("1", "mail", "t"), delivery("2", "mail", "t")]).await;
    let permanent = AttemptOutcome::Permanent { cause: "550 no such user".into() };
    try_once(&store, 1, &permanent, NextStep::Dead("550 no such user".into())).await;
    assert_eq!(due(&store, 300).await, ["2"], "the thread goes on behind a dead one");
    let filter = DeliveryFilter { state: Some(DeliveryState::Dead), ..DeliveryFilter::default() };
    let dead = store.deliveries(&filter).await.unwrap();
    assert_eq!((dead.len(), dead[0].note.as_deref()), (1, Some("550 no such user")));
    store.requeue(1, at(900)).await.unwrap();
    assert_eq!(due(&store, 300).await, ["1"]);
    let queued = store.delivery(1).await.unwrap().unwrap().0;
    assert_eq!((queued.attempts, queued.tries, queued.requeued_at), (1, 0, Some(at(900))), "patient from now on");
    store.begin_attempt(1, at(901)).await.unwrap();
    let tried = store.delivery(1).await.unwrap().unwrap().0;
    assert_eq!((tried.attempts, tried.tries), (2, 1));
}

#[tokio::test]
async fn a_cancelled_delivery_that_went_out_counts_as_sent() {
    let place = Place::new();
    for (next, expected) in [
        (NextStep::Sent, DeliveryState::Sent),
        (NextStep::RetryAt(at(500)), DeliveryState::Cancelled),
        (NextStep::Dead("no".into()), DeliveryState::Cancelled),
    ] {
        let name = format!("{expected:?}{next:?}");
        let store = with(&place, vec![delivery(&name, "mail", &name)]).await;
        let id = store.deliveries(&DeliveryFilter::default()).await.unwrap()[0].id;
        let attempt = store.begin_attempt(id, at(400)).await.unwrap();
        store.cancel(id, "superseded").await.unwrap();
        store.finish_attempt(attempt, &sent(), at(401), next).await.unwrap();
        assert_eq!(store.delivery(id).await.unwrap().unwrap().0.state, expected);
        store.close().await;
    }
}

#[tokio::test]
async fn impossible_actions_are_refused_with_the_reason() {
    let place = Place::new();
    let store = with(&place, vec![delivery("1", "mail", "t")]).await;
    let check = |done: Result<(), StoreError>, says: &str| {
        let error = done.unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }) && error.to_string().contains(says), "{error}");
    };
    check(store.requeue(1, at(1)).await, "delivery 1 is queued and can't be queued again");
    check(store.begin_attempt(9, at(1)).await.map(drop), "delivery 9 does not exist");
    store.begin_attempt(1, at(1)).await.unwrap();
    check(store.begin_attempt(1, at(1)).await.map(drop), "is queued and being sent and can't be sent");
    store.cancel(1, "x").await.unwrap();
    check(store.cancel(1, "x").await, "can't be cancelled");
}

#[tokio::test]
async fn a_new_thread_of_a_group_waits_for_the_one_before() {
    let place = Place::new();
    let store = place.open().await;
    let threads =
        vec![delivery("end", "ops", "vaa.1.0"), delivery("again", "ops", "vaa.2.0"), delivery("b", "ops", "vbb.1.0")];
    store.commit_notify(&queued(threads), 1).await.unwrap();
    assert_eq!(due(&store, 400).await, ["end", "b"]);
    let attempt = store.begin_attempt(1, at(400)).await.unwrap();
    let refused = AttemptOutcome::Retry { cause: "503".into(), after: None };
    store.finish_attempt(attempt, &refused, at(401), NextStep::RetryAt(at(500))).await.unwrap();
    assert_eq!(due(&store, 402).await, ["b"], "the next firing may not overtake the end");
    assert_eq!(due(&store, 500).await, ["end", "b"]);
}
