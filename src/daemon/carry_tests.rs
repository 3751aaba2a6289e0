//! What goes on over a rename and after a restoring.

use super::*;
use crate::model::audit::AuditEntry;
use crate::model::notification::DeliveryState;
use crate::store::DeliveryFilter;

/// The company whose KPI and rule are called otherwise.
fn renamed() -> String {
    let kpi =
        COMPANY.replacen("  sales:\n", "  revenue:\n    was: sales\n", 1).replacen("on: [sales]", "on: [revenue]", 1);
    kpi.replacen("  high: {", "  too-high: {was: high, ", 1)
}

async fn told(cycle: &Cycle) -> Vec<(DeliveryState, String, String)> {
    let mut found = cycle.store().deliveries(&DeliveryFilter::default()).await.unwrap();
    found.reverse();
    found
        .into_iter()
        .map(|delivery| (delivery.state, delivery.new.message.reason.as_str().to_owned(), delivery.new.thread.root))
        .collect()
}

/// The alert that fires on the 3rd is told once, and its end in the same thread, whatever it is called by then.
async fn goes_on(reloads: bool) {
    let place = Place::new(&["2026-09-02", "2026-09-03"]);
    let mut script = place.start(COMPANY, "2026-09-01T09:00:00Z").await;
    script.advance_to(at("2026-09-03T12:00:00Z")).await.unwrap();
    let first = told(&script.cycle).await;
    assert_eq!(first.len(), 1);
    let mut script = if reloads {
        script.cycle.reload(place.built(&renamed()), place.clock.now()).await.unwrap().unwrap();
        script
    } else {
        kill(script).await;
        place.start(&renamed(), "2026-09-03T12:00:01Z").await
    };
    script.advance_to(at("2026-09-06T12:00:00Z")).await.unwrap();
    let all = told(&script.cycle).await;
    let reasons: Vec<&str> = all.iter().map(|(_, reason, _)| reason.as_str()).collect();
    assert_eq!(reasons, ["first", "resolved"], "no end by removal, no second beginning");
    assert_eq!(all[0].2, all[1].2, "one thread");
    let changes = changes(&script.cycle).await;
    assert!(changes.iter().all(|change| change.contains("rule:too-high/revenue#breach")), "{changes:?}");
}

#[tokio::test]
async fn a_renamed_rule_and_kpi_keep_their_alert_over_a_restart() {
    goes_on(false).await;
}

#[tokio::test]
async fn a_renamed_rule_and_kpi_keep_their_alert_over_a_reload() {
    goes_on(true).await;
}

/// Puts the backup in place of the state, for a service that was killed.
async fn restore(place: &Place) {
    let detail = "{}".to_owned();
    let entry = AuditEntry { at: place.clock.now(), by: Some("ada".to_owned()), what: "restore".to_owned(), detail };
    crate::store::Store::restore(&place.path("backup.db"), &place.path("state.db"), &entry).await.unwrap();
}

#[tokio::test]
async fn a_restored_service_catches_up_silently_and_tells_once_released() {
    let place = Place::new(&["2026-09-02", "2026-09-05"]);
    let mut script = place.start(COMPANY, "2026-09-01T09:00:00Z").await;
    script.cycle.store().backup(&place.path("backup.db")).await.unwrap();
    script.advance_to(at("2026-09-05T12:00:00Z")).await.unwrap();
    assert_eq!(told(&script.cycle).await.len(), 2, "it fired and ended");
    kill(script).await;
    restore(&place).await;

    let mut script = place.start(COMPANY, "2026-09-05T13:00:00Z").await;
    assert!(script.cycle.withheld);
    script.advance_to(at("2026-09-06T12:00:00Z")).await.unwrap();
    assert_eq!(told(&script.cycle).await, [], "nothing is decided to be told");
    let before = changes(&script.cycle).await;
    assert_eq!(before.len(), 3, "the gap was pulled again and stepped: {before:?}");
    let released = script.cycle.release(None, place.clock.now()).await.unwrap();
    assert_eq!(released.unwrap(), "messages go out again");
    script.advance_to(at("2026-09-06T12:00:01Z")).await.unwrap();
    let all = told(&script.cycle).await;
    assert_eq!(all.len(), 1, "what fires now, in one message: {all:?}");
    assert_eq!((all[0].0, all[0].1.as_str()), (DeliveryState::Sent, "first"));
    let again = script.cycle.release(None, place.clock.now()).await.unwrap();
    assert!(again.unwrap_err().contains("nothing is withheld"));
}

#[tokio::test]
async fn what_a_backup_had_not_sent_is_asked_about() {
    for (choice, end) in [(Queued::Send, DeliveryState::Sent), (Queued::Cancel, DeliveryState::Cancelled)] {
        let place = Place::new(&["2026-09-02"]);
        let mut script = place.start(COMPANY, "2026-09-01T09:00:00Z").await;
        script.advance_to(at("2026-09-03T05:59:59Z")).await.unwrap();
        // Decided, and the backup is made before it is sent.
        place.clock.set(at("2026-09-03T06:00:00Z"));
        for (job, visit) in script.cycle.due_pulls(at("2026-09-03T06:00:00Z")).await.unwrap() {
            let outcome = job.pull(visit, &place.clock).await;
            script.cycle.pulled(outcome).await.unwrap();
        }
        script.cycle.wake(at("2026-09-03T06:00:00Z")).await.unwrap();
        assert_eq!(told(&script.cycle).await[0].0, DeliveryState::Queued);
        script.cycle.store().backup(&place.path("backup.db")).await.unwrap();
        kill(script).await;
        restore(&place).await;
        let mut script = place.start(COMPANY, "2026-09-03T09:00:00Z").await;
        script.advance_to(at("2026-09-03T10:00:00Z")).await.unwrap();
        assert_eq!(told(&script.cycle).await[0].0, DeliveryState::Queued, "it waits");
        let asked = script.cycle.release(None, place.clock.now()).await.unwrap().unwrap_err();
        assert!(asked.contains("1 unsent deliveries") && asked.contains("--cancel"), "{asked}");
        script.cycle.release(Some(choice), place.clock.now()).await.unwrap().unwrap();
        script.advance_to(at("2026-09-03T10:00:01Z")).await.unwrap();
        assert_eq!(told(&script.cycle).await[0].0, end);
    }
}

#[tokio::test]
async fn of_what_fires_a_restored_state_reminds_once() {
    let place = Place::new(&["2026-09-02", "2026-09-03", "2026-09-04", "2026-09-05"]);
    let mut script = place.start(COMPANY, "2026-09-01T09:00:00Z").await;
    script.advance_to(at("2026-09-03T09:00:00Z")).await.unwrap();
    assert_eq!(told(&script.cycle).await.len(), 1, "it fires, and was told");
    script.cycle.store().backup(&place.path("backup.db")).await.unwrap();
    kill(script).await;
    restore(&place).await;
    let mut script = place.start(COMPANY, "2026-09-04T09:00:00Z").await;
    script.advance_to(at("2026-09-04T10:00:00Z")).await.unwrap();
    assert_eq!(told(&script.cycle).await.len(), 1);
    script.cycle.release(None, place.clock.now()).await.unwrap().unwrap();
    script.advance_to(at("2026-09-05T09:00:00Z")).await.unwrap();
    let all = told(&script.cycle).await;
    let reasons: std::collections::BTreeSet<&str> = all.iter().map(|(_, reason, _)| reason.as_str()).collect();
    assert_eq!((all.len(), reasons), (2, ["first", "reminder"].into()), "once, and not a second time: {all:?}");
}

#[tokio::test]
async fn what_is_older_than_is_kept_goes_from_store_and_memory_alike() {
    let place = Place::new(&["2026-09-02"]);
    let kept = COMPANY.replace("history: 60d", "history: 60d\n    keep: 61d") + "retention: {messages: 30d}\n";
    let mut script = place.start(&kept, "2026-09-01T09:00:00Z").await;
    script.advance_to(at("2026-10-10T09:00:00Z")).await.unwrap();
    let first = |script: &Script| {
        let oldest = |state: &mut crate::engine::State, _: &crate::engine::Setup| {
            let total = crate::model::ids::Labels::total();
            state.history.series(&"sales".into(), &total).and_then(|data| data.span()).map(|(first, _)| first)
        };
        let engine = script.cycle.engine().clone();
        async move { engine.with(oldest).await.unwrap() }
    };
    let in_memory = first(&script).await;
    let stored = script.cycle.store().observations(&"sales".into(), 0, i64::MAX).await.unwrap();
    assert_eq!(stored[0].bucket, in_memory);
    let oldest = crate::model::grain::Grain::Day.date_of(in_memory);
    assert_eq!(oldest.to_string(), "2026-08-10", "sixty-one days back");
    assert_eq!(told(&script.cycle).await, [], "messages of more than thirty days ago are gone");
    kill(script).await;
    let mut script = place.start(&kept, "2026-10-10T09:00:01Z").await;
    script.advance_to(at("2026-10-10T09:00:02Z")).await.unwrap();
    assert_eq!(first(&script).await, in_memory, "a restart finds the same");
}
