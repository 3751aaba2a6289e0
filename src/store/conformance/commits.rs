//! The two halves of a step: atomic, repeatable, fenced.

use super::audit::entry_of;
use super::evaluations::record;
use super::fixtures::{
    Place, alert, at, clock, closed, delivery, group, key, kpi, labelled, notification, observation, total, transition,
};
use crate::model::alert::{Alert, Phase};
use crate::model::commit::{EvaluateCommit, KpiClock, NotifyCommit, Pulse, Retired, RulePulse, SourceState};
use crate::model::entry::Entry;
use crate::model::evaluation::VerdictCounts;
use crate::model::event::{BusinessEvent, EventDays};
use crate::model::ids::{KpiId, Labels, SeriesKey, SilenceId};
use crate::model::notification::{Matcher, NotifyReason, Silence};
use crate::model::observation::{Observation, Parts, Rejection};
use crate::model::suspect::{Settled, Settlement, Suspect, SuspectState};
use crate::store::{DeliveryFilter, REJECTIONS_PER_KPI_MAX, Store, StoreError, TransitionFilter};

fn observed(observations: Vec<Observation>) -> EvaluateCommit {
    EvaluateCommit { observations, ..EvaluateCommit::default() }
}

fn silence(id: &str) -> Silence {
    let matcher = Matcher { kpi: vec![kpi()], ..Matcher::default() };
    Silence { id: id.into(), matcher, from: at(1), until: at(2), by: "claire".into(), why: "inventaire".into() }
}

fn event(id: &str, removed_at: Option<jiff::Timestamp>) -> BusinessEvent {
    let day = jiff::civil::date(2026, 11, 24);
    let labels = Labels::from_iter([("channel", "web")]);
    let what = EventDays { name: "Grève".into(), from: day, to: day, kpis: vec![kpi()], labels, exclude: true };
    BusinessEvent { id: id.into(), what, by: Some("claire".into()), known_at: Some(at(3)), removed_at }
}

fn pulse(alerts: &[(Alert, i64, f64)]) -> RulePulse {
    let pulses = alerts
        .iter()
        .map(|(alert, bucket, value)| Pulse(alert.key.digest(), Some(*bucket), Some(*value), alert.revision));
    RulePulse { kpi: kpi(), rule: "r".into(), alerts: pulses.collect() }
}

fn entry(period: &str, value: Option<f64>) -> Entry {
    let parts = Some(Parts { numerator: 5.0, denominator: 2.0, n: None });
    let note = Some("courrier".to_owned());
    let period = period.to_owned();
    Entry { kpi: kpi(), labels: labelled("web").labels, period, value, parts, by: "claire".into(), note, at: at(3) }
}

fn full_evaluate() -> EvaluateCommit {
    let rejection = Rejection { origin: "row 3".into(), raw: "abc".into(), cause: "not a number".into() };
    EvaluateCommit {
        retired: vec![],
        observations: vec![total(1, 10.0), observation(labelled("web"), 1, 4.5)],
        rejections: vec![(kpi(), rejection)],
        suspects: vec![suspect(1, SuspectState::Asked), suspect(2, settled(Settled::Accepted))],
        alerts: vec![alert("r", Phase::Firing), alert("s", Phase::Pending)],
        pulses: vec![pulse(&[(alert("r", Phase::Firing), 7, 2.5), (alert("s", Phase::Pending), 8, 3.5)])],
        gone: vec![],
        transitions: vec![transition(1, "r"), transition(2, "s")],
        silences: vec![silence("s1"), silence("s2")],
        silences_gone: vec![],
        clocks: vec![clock(200)],
        sources: vec![SourceState { source: "shop".into(), failures: 2, last_ok: Some(at(5)), last_error: None }],
        entries: vec![entry("2026-10", Some(2.5)), entry("2026-11", None)],
        events: vec![event("e1", None), event("e2", Some(at(9)))],
        evaluations: vec![record(at(200), VerdictCounts { breach: 1, ..VerdictCounts::default() }, None)],
        audit: vec![entry_of("silence", 3)],
        closed: vec![closed("month", 10), closed("year", 10)],
    }
}

fn settled(how: Settled) -> SuspectState {
    SuspectState::Settled(Settlement {
        how,
        by: Some("claire".to_owned()),
        at: at(300),
        note: None,
        superseded_at: None,
    })
}

fn suspect(bucket: i64, state: SuspectState) -> Suspect {
    let series = labelled("web");
    Suspect { series, bucket, value: 1e9, low: -1.5, high: 10.0, beside: None, slot: at(200), since: at(210), state }
}

#[tokio::test]
async fn suspect_values_are_kept_with_what_became_of_them() {
    let place = Place::new();
    let store = place.open().await;
    let all = [
        suspect(1, SuspectState::Seen { again_at: at(220) }),
        suspect(2, settled(Settled::Corrected { value: 4.5 })),
        suspect(3, settled(Settled::Accepted)),
    ];
    let commit = EvaluateCommit { suspects: all.to_vec(), ..EvaluateCommit::default() };
    store.commit_evaluate(&commit, store.epoch()).await.unwrap();
    // What is settled in the source's favour needs no memory.
    assert_eq!(store.load().await.unwrap().suspects, all[..2]);
    assert_eq!(store.suspects(true, 10).await.unwrap(), all[..1]);
    assert_eq!(store.suspects(false, 2).await.unwrap(), all[..2]);
    let commit = EvaluateCommit { suspects: vec![suspect(1, settled(Settled::Rejected))], ..EvaluateCommit::default() };
    store.commit_evaluate(&commit, store.epoch()).await.unwrap();
    assert_eq!(store.suspects(true, 10).await.unwrap(), []);
    // Another shape of the KPI's buckets: theirs are set aside with them.
    let commit = EvaluateCommit {
        retired: vec![Retired { kpi: kpi(), until: at(400), shape: "week".to_owned() }],
        ..EvaluateCommit::default()
    };
    store.commit_evaluate(&commit, store.epoch()).await.unwrap();
    assert_eq!(store.load().await.unwrap().suspects, []);
    assert_eq!(store.suspects(false, 10).await.unwrap(), []);
}

fn full_notify() -> NotifyCommit {
    NotifyCommit {
        groups: vec![group("direction")],
        groups_gone: vec![],
        alerts_gone: vec![],
        notifications: vec![notification("n1", "direction")],
        deliveries: vec![delivery("n1/claire", "direction", "t"), delivery("n1/paul", "direction", "t")],
    }
}

/// All that can be read, as text.
async fn everything(store: &Store) -> String {
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        store.load().await.unwrap(),
        store.series_of(&kpi()).await.unwrap(),
        store.versions_of(&kpi(), &Labels::total(), 1).await.unwrap(),
        store.transitions(&TransitionFilter::default()).await.unwrap(),
        store.deliveries(&DeliveryFilter::default()).await.unwrap(),
        store.notification_items().await.unwrap(),
        store.rejections(&kpi()).await.unwrap(),
        store.entries(&kpi(), 10).await.unwrap(),
    )
}

#[tokio::test]
async fn what_is_committed_is_read_back() {
    let place = Place::new();
    let store = place.open().await;
    let (evaluate, notify) = (full_evaluate(), full_notify());
    store.commit_evaluate(&evaluate, store.epoch()).await.unwrap();
    store.commit_notify(&notify, store.epoch()).await.unwrap();
    let state = store.load().await.unwrap();
    // The one that fires has gone on; a pulse of one that does not is nothing to it.
    let mut alerts = evaluate.alerts.clone();
    (alerts[0].counters.last_bucket, alerts[0].value) = (Some(7), Some(2.5));
    assert_eq!(state.alerts, alerts);
    assert_eq!(store.alerts().await.unwrap(), alerts);
    assert_eq!(state.pulses, evaluate.pulses);
    assert_eq!(state.silences, evaluate.silences);
    assert_eq!(state.events, evaluate.events);
    assert_eq!(store.events().await.unwrap(), evaluate.events);
    let logged = store.evaluations(&"r".into(), &kpi(), (at(300), 10)).await.unwrap();
    assert_eq!(logged, evaluate.evaluations);
    assert_eq!(state.clocks, evaluate.clocks);
    assert_eq!(state.sources, evaluate.sources);
    assert_eq!(state.groups, notify.groups);
    assert_eq!((state.last_seq, state.notifications), (2, 1));
    assert_eq!(store.rejections(&kpi()).await.unwrap(), [evaluate.rejections[0].1.clone()]);
    let entries = store.entries(&kpi(), 10).await.unwrap();
    assert_eq!(entries.into_iter().rev().collect::<Vec<_>>(), evaluate.entries);
    assert_eq!(store.transitions(&TransitionFilter::default()).await.unwrap(), evaluate.transitions);
    let sent: Vec<_> = store.deliveries(&DeliveryFilter::default()).await.unwrap();
    assert_eq!(sent.iter().rev().map(|row| row.new.clone()).collect::<Vec<_>>(), notify.deliveries);
    let items = store.notification_items().await.unwrap();
    assert_eq!((items[0].alert.as_str(), items[0].reason.as_str()), (key("r").canonical().as_str(), "first"));
    assert_eq!((items[0].receiver.as_str(), items[0].slot), ("direction", at(200)));
}

#[tokio::test]
async fn repeating_a_commit_changes_nothing() {
    let place = Place::new();
    let store = place.open().await;
    let mut evaluate = full_evaluate();
    // Two versions of one bucket in one commit must not multiply either.
    evaluate.observations.push(total(1, 11.0));
    for _ in 0..2 {
        store.commit_evaluate(&evaluate, store.epoch()).await.unwrap();
        store.commit_notify(&full_notify(), store.epoch()).await.unwrap();
    }
    let before = everything(&store).await;
    store.commit_evaluate(&evaluate, store.epoch()).await.unwrap();
    store.commit_notify(&full_notify(), store.epoch()).await.unwrap();
    assert_eq!(everything(&store).await, before);
    assert_eq!(store.versions_of(&kpi(), &Labels::total(), 1).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_pulse_replaces_the_one_before() {
    let place = Place::new();
    let store = place.open().await;
    store.commit_evaluate(&full_evaluate(), store.epoch()).await.unwrap();
    let pulses = |alerts| EvaluateCommit { pulses: vec![pulse(alerts)], ..EvaluateCommit::default() };
    let newer = [(alert("r", Phase::Firing), 9, 4.0)];
    store.commit_evaluate(&pulses(&newer), store.epoch()).await.unwrap();
    assert_eq!(store.load().await.unwrap().pulses, [pulse(&newer)]);
    store.commit_evaluate(&pulses(&[]), store.epoch()).await.unwrap();
    let state = store.load().await.unwrap();
    assert_eq!((state.pulses, state.alerts[0].value), (vec![], None));
}

#[tokio::test]
async fn a_commit_that_fails_leaves_nothing() {
    let place = Place::new();
    let store = place.open().await;
    store.commit_evaluate(&full_evaluate(), store.epoch()).await.unwrap();
    let before = everything(&store).await;
    // The number 2 belongs to another alert: the last table written refuses.
    let mut clash = full_evaluate();
    clash.observations = vec![total(9, 9.0)];
    clash.transitions = vec![transition(2, "other"), transition(3, "other")];
    let error = store.commit_evaluate(&clash, store.epoch()).await.unwrap_err();
    assert!(matches!(error, StoreError::Sql { .. }), "{error:?}");
    assert_eq!(everything(&store).await, before);
}

#[tokio::test]
async fn a_stale_epoch_is_fenced() {
    let place = Place::new();
    let store = place.open().await;
    let held = store.epoch();
    assert_eq!(store.raise_epoch().await.unwrap(), held + 1);
    for error in [
        store.commit_evaluate(&full_evaluate(), held).await.unwrap_err(),
        store.commit_notify(&full_notify(), held).await.unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Fenced { .. }) && error.is_fatal(), "{error:?}");
    }
    assert!(store.load().await.unwrap().alerts.is_empty());
    store.commit_evaluate(&full_evaluate(), store.epoch()).await.unwrap();
}

#[tokio::test]
async fn versions_are_kept_when_something_differs() {
    let place = Place::new();
    let store = place.open().await;
    let parts = |n| Some(Parts { numerator: 1.0, denominator: 3.0, n });
    let first = Observation { provisional: true, ..total(1, 10.0) };
    let again = Observation { known_at: at(50), assumed: true, ..first.clone() };
    let settled = Observation { provisional: false, known_at: at(60), ..first.clone() };
    let undefined = Observation { value: f64::NAN, known_at: at(70), ..settled.clone() };
    let ratio = Observation { value: 1.0 / 3.0, parts: parts(Some(7.0)), known_at: at(80), ..settled.clone() };
    let no_size = Observation { parts: parts(None), ..ratio.clone() };
    for version in [&first, &again, &settled, &settled, &undefined, &undefined, &ratio, &no_size] {
        store.commit_evaluate(&observed(vec![version.clone()]), store.epoch()).await.unwrap();
    }
    let kept = store.versions_of(&kpi(), &Labels::total(), 1).await.unwrap();
    // NaN equals nothing, so texts are compared.
    assert_eq!(format!("{kept:?}"), format!("{:?}", [first, settled, undefined, ratio, no_size.clone()]));
    assert_eq!(store.series_of(&kpi()).await.unwrap(), [(Labels::total(), vec![no_size])]);
}

/// Two series of a KPI, then the same KPI with buckets of another shape.
#[tokio::test]
async fn retired_series_are_kept_apart_and_whole() {
    let place = Place::new();
    let store = place.open().await;
    let other = Observation { series: SeriesKey::total(&"other".into()), ..total(1, 7.0) };
    let mut before = observed(vec![total(1, 10.0), observation(labelled("web"), 1, 4.0), other]);
    before.clocks = vec![clock(200)];
    store.commit_evaluate(&before, store.epoch()).await.unwrap();
    store.commit_evaluate(&observed(vec![total(1, 11.0)]), store.epoch()).await.unwrap();
    let shape = "week".to_owned();
    let mut after = observed(vec![total(1, 20.0)]);
    after.retired = vec![Retired { kpi: kpi(), until: at(300), shape: shape.clone() }];
    after.clocks = vec![KpiClock { shape, ..clock(300) }];
    // The acknowledgement of the first may have been lost: what comes again must not set the new series aside.
    for _ in 0..2 {
        store.commit_evaluate(&after, store.epoch()).await.unwrap();
        assert_eq!(store.series_of(&kpi()).await.unwrap(), [(Labels::total(), vec![total(1, 20.0)])]);
    }
    let kept = KpiId::from(format!("{} until {}", kpi(), at(300)));
    let values = |series: Vec<(Labels, Vec<Observation>)>| -> Vec<f64> {
        series.iter().flat_map(|(_, points)| points.iter().map(|point| point.value)).collect()
    };
    assert_eq!(values(store.series_of(&kept).await.unwrap()), [4.0, 11.0]);
    let versions = store.versions_of(&kept, &Labels::total(), 1).await.unwrap();
    assert_eq!(versions.iter().map(|version| version.value).collect::<Vec<_>>(), [10.0, 11.0]);
    assert_eq!(values(store.series_of(&"other".into()).await.unwrap()), [7.0]);
    // The way back is another change: nothing of what was set aside comes back.
    let mut back = observed(vec![total(2, 12.0)]);
    back.retired = vec![Retired { kpi: kpi(), until: at(400), shape: "day".into() }];
    back.clocks = vec![clock(400)];
    store.commit_evaluate(&back, store.epoch()).await.unwrap();
    assert_eq!(values(store.series_of(&kpi()).await.unwrap()), [12.0]);
}

#[tokio::test]
async fn series_come_apart_and_in_order() {
    let place = Place::new();
    let store = place.open().await;
    let scattered = [(3, 1.0), (-2, 2.0), (1, 3.0)];
    let mut observations: Vec<_> = scattered.iter().map(|&(bucket, value)| total(bucket, value)).collect();
    observations.extend(scattered.iter().map(|&(bucket, value)| observation(labelled("web"), bucket, value)));
    store.commit_evaluate(&observed(observations), store.epoch()).await.unwrap();
    let series = store.series_of(&kpi()).await.unwrap();
    assert_eq!(series.len(), 2);
    for (_, points) in &series {
        assert_eq!(points.iter().map(|point| point.bucket).collect::<Vec<_>>(), [-2, 1, 3]);
    }
    assert_eq!(store.observations(&kpi(), -2, 1).await.unwrap().len(), 4);
    assert!(store.series_of(&"other".into()).await.unwrap().is_empty());
}

/// A restart must find the very same numbers, or it could decide otherwise.
#[tokio::test]
async fn figures_come_back_bit_by_bit() {
    let place = Place::new();
    let store = place.open().await;
    let mut rng = fastrand::Rng::with_seed(7);
    let figures: Vec<f64> = (0..30_000_i32)
        .map(|i| match i % 3 {
            0 => (rng.f64() - 0.5) * 10_f64.powi(rng.i32(-12..15)),
            1 => (rng.i64(0..1_000_000_000) as f64) / 100.0,
            _ => rng.f64(),
        })
        .collect();
    let observations = (0_i64..).zip(&figures).map(|(bucket, value)| total(bucket, *value)).collect();
    store.commit_evaluate(&observed(observations), store.epoch()).await.unwrap();
    let read = store.series_of(&kpi()).await.unwrap().remove(0).1;
    let off = read.iter().zip(&figures).filter(|(read, put)| read.value.to_bits() != put.to_bits()).count();
    assert_eq!(off, 0);
}

#[tokio::test]
async fn rejections_are_bounded() {
    let place = Place::new();
    let store = place.open().await;
    let refused = |row: usize| Rejection { origin: format!("row {row}"), raw: "x".into(), cause: "y".into() };
    for rows in [0..90, 80..150] {
        let rejections = rows.map(|row| (kpi(), refused(row))).chain([("other".into(), refused(0))]).collect();
        let commit = EvaluateCommit { rejections, ..EvaluateCommit::default() };
        store.commit_evaluate(&commit, store.epoch()).await.unwrap();
    }
    let kept = store.rejections(&kpi()).await.unwrap();
    assert_eq!((kept.len(), kept[0].origin.as_str()), (REJECTIONS_PER_KPI_MAX, "row 149"));
    assert_eq!(store.rejections(&"other".into()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_gone_is_gone() {
    let place = Place::new();
    let store = place.open().await;
    store.commit_evaluate(&full_evaluate(), store.epoch()).await.unwrap();
    store.commit_notify(&full_notify(), store.epoch()).await.unwrap();
    let gone = EvaluateCommit {
        gone: vec![key("r")],
        silences_gone: vec![SilenceId::from("s1")],
        ..EvaluateCommit::default()
    };
    store.commit_evaluate(&gone, store.epoch()).await.unwrap();
    let groups_gone = vec![group("direction").key];
    let gone = NotifyCommit { groups_gone, alerts_gone: vec![key("s")], ..NotifyCommit::default() };
    store.commit_notify(&gone, store.epoch()).await.unwrap();
    let state = store.load().await.unwrap();
    assert!(state.alerts.is_empty() && state.groups.is_empty());
    assert_eq!(state.silences, [silence("s2")]);
    assert_eq!(state.last_seq, 2, "history stays");
}

#[tokio::test]
async fn filters_narrow() {
    let place = Place::new();
    let store = place.open().await;
    store.commit_evaluate(&full_evaluate(), store.epoch()).await.unwrap();
    store.commit_notify(&full_notify(), store.epoch()).await.unwrap();
    let count = async |filter: TransitionFilter| store.transitions(&filter).await.unwrap().len();
    let any = TransitionFilter::default;
    assert_eq!(count(TransitionFilter { kpi: Some(kpi()), ..any() }).await, 2);
    assert_eq!(count(TransitionFilter { kpi: Some("other".into()), ..any() }).await, 0);
    assert_eq!(count(TransitionFilter { alert: Some(key("r").id().to_string()), ..any() }).await, 1);
    assert_eq!(count(TransitionFilter { alert: Some(key("r").canonical()), ..any() }).await, 1);
    assert_eq!(count(TransitionFilter { since: Some(at(202)), ..any() }).await, 1);
    let newest = store.transitions(&TransitionFilter { limit: 1, ..any() }).await.unwrap();
    assert_eq!(newest[0].seq, 2);
    let told = DeliveryFilter { alert: Some(key("r").id().to_string()), ..DeliveryFilter::default() };
    assert_eq!(store.deliveries(&told).await.unwrap().len(), 2);
    let untold = DeliveryFilter { alert: Some("a0".into()), ..DeliveryFilter::default() };
    assert!(store.deliveries(&untold).await.unwrap().is_empty());
    assert_eq!(store.notification_items().await.unwrap()[0].reason, NotifyReason::First.as_str());
}

#[tokio::test]
async fn an_abandoned_write_does_not_hold_up_the_next() {
    let place = Place::new();
    let store = place.open().await;
    let large = observed((0..20_000).map(|bucket| total(bucket, 1.0)).collect());
    for patience in 0..12 {
        let write = store.commit_evaluate(&large, store.epoch());
        tokio::pin!(write);
        // Dropped after a few polls, wherever it then stands.
        for _ in 0..patience {
            if futures_util::poll!(&mut write).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    store.commit_evaluate(&full_evaluate(), store.epoch()).await.unwrap();
    assert_eq!(store.load().await.unwrap().last_seq, 2);
}

/// A task may be spawned for every call.
#[allow(dead_code, reason = "compiling it is the test")]
fn futures_are_send(store: &Store) {
    fn check(_: impl Send) {}
    let (evaluate, notify) = (full_evaluate(), full_notify());
    check(store.commit_evaluate(&evaluate, 1));
    check(store.commit_notify(&notify, 1));
    check(store.load());
    check(store.load_series(&kpi(), |_, _| {}));
    check(store.due(at(1), 1));
    check(store.begin_attempt(1, at(1)));
    check(store.transitions(&TransitionFilter::default()));
}

#[tokio::test]
async fn how_often_an_alert_fired_outlives_it() {
    let place = Place::new();
    let store = place.open().await;
    store.commit_evaluate(&full_evaluate(), store.epoch()).await.unwrap();
    let gone = vec![key("r")];
    let fired = alert("r", Phase::Firing).episode;
    store.commit_evaluate(&EvaluateCommit { gone, ..EvaluateCommit::default() }, store.epoch()).await.unwrap();
    let state = store.load().await.unwrap();
    assert_eq!(state.alerts.len(), 1);
    assert_eq!(state.episodes.get(&key("r").digest()), Some(&fired));
}
