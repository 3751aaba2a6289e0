//! Pulls: retries, slots that were missed, replays that are cut off, a clock that was wrong.

use std::io::Write;
use std::sync::Mutex;

use super::*;
use crate::daemon::plan::plan;
use crate::engine::{State, missed};
use crate::model::commit::KpiClock;
use crate::model::ids::KpiId;

async fn clock_of(script: &Script) -> KpiClock {
    script.cycle.engine().with(|state, _| state.clocks.get(&KpiId::from("sales")).cloned()).await.unwrap()
}

#[test]
fn a_failed_pull_is_tried_until_the_next_slot() {
    let kpi = Place::new(&[]).kpi("monthly 1 06:00");
    let slot = at("2026-09-01T06:00:00Z");
    let mut now = slot;
    let mut tries = Vec::new();
    while let Some(next) = jobs::retry_at(&kpi, slot, now).filter(|next| *next < at("2026-10-01T06:00:00Z")) {
        tries.push(next.duration_since(slot).as_mins());
        now = next;
    }
    assert_eq!(tries[..8], [2, 10, 30, 120, 360, 720, 1440, 2160], "the last distance goes on");
    assert_eq!(tries.len(), 5 + 59);
    assert_eq!(jobs::retry_at(&kpi, slot, now), Some(at("2026-10-01T06:00:00Z")));
}

#[tokio::test]
async fn a_catch_up_that_fails_leaves_the_slots_to_be_stepped() {
    let high = ["2026-09-07", "2026-09-08"];
    let (place, calm) = (Place::new(&high), Place::new(&high));
    for place in [&place, &calm] {
        let mut script = place.start(COMPANY, "2026-09-03T09:00:00Z").await;
        script.advance_to(at("2026-09-05T09:00:00Z")).await.unwrap();
        kill(script).await;
    }
    let mut whole = calm.start(COMPANY, "2026-09-12T09:00:00Z").await;
    whole.advance_to(at("2026-09-13T09:00:00Z")).await.unwrap();

    fs::rename(place.path("sales.csv"), place.path("away.csv")).unwrap();
    let mut script = place.start(COMPANY, "2026-09-12T09:00:00Z").await;
    script.advance_to(at("2026-09-12T09:30:00Z")).await.unwrap();
    let clock = clock_of(&script).await;
    assert_eq!(clock.last_slot, Some(at("2026-09-05T06:00:00Z")), "nothing was stepped");
    let open = clock.open.unwrap();
    assert_eq!((open.failures, open.retry_at), (1, Some(at("2026-09-12T12:00:00Z"))));
    // A restart changes nothing of that.
    kill(script).await;
    let mut script = place.start(COMPANY, "2026-09-12T09:40:00Z").await;
    script.advance_to(at("2026-09-12T12:30:00Z")).await.unwrap();
    assert_eq!(clock_of(&script).await.open.map(|open| open.failures), Some(2));
    let told = changes(&script.cycle).await;
    assert!(told.iter().any(|line| line.contains("source:shop") && line.ends_with("Fired")), "{told:?}");
    assert!(!told.iter().any(|line| line.contains("rule:high")), "{told:?}");
    fs::rename(place.path("away.csv"), place.path("sales.csv")).unwrap();
    script.advance_to(at("2026-09-13T09:00:00Z")).await.unwrap();
    let of_rule = |all: Vec<String>| all.into_iter().filter(|line| line.contains("rule:high")).collect::<Vec<_>>();
    let expected = of_rule(changes(&whole.cycle).await);
    assert!(expected.len() >= 2, "{expected:?}");
    assert_eq!(of_rule(changes(&script.cycle).await), expected);
}

#[tokio::test]
async fn of_half_a_catch_up_nothing_is_told() {
    let place = Place::new(&["2026-09-07", "2026-09-08", "2026-09-09"]);
    let mut script = place.start(COMPANY, "2026-09-03T09:00:00Z").await;
    script.advance_to(at("2026-09-05T09:00:00Z")).await.unwrap();
    kill(script).await;
    // Three slots fit: the third sees the high day.
    let mut script = place.start(COMPANY, "2026-09-12T09:00:00Z").await;
    place.fill_disk_after(3);
    let now = script.now();
    let (job, source) = script.cycle.due_pulls(now).await.unwrap().remove(0);
    script.cycle.pulled(job.pull(source, &place.clock).await).await.unwrap();
    let done = changes(&script.cycle).await;
    assert!(done.iter().any(|line| line.contains("#breach") && line.contains("Fired")), "{done:?}");
    place.free_disk();
    script.cycle.tend_space(now + seconds(2)).await.unwrap();
    assert!(script.cycle.has_space());
    assert_eq!(script.cycle.store().notification_items().await.unwrap().len(), 0, "the rest is not stepped");
    script.advance_to(now + seconds(60)).await.unwrap();
    assert_eq!(clock_of(&script).await.last_slot, Some(at("2026-09-12T06:00:00Z")));
    let ended = changes(&script.cycle).await;
    assert!(ended.iter().any(|line| line.contains("#breach") && line.contains("Resolved")), "{ended:?}");
    assert_eq!(script.cycle.engine().with(|state, _| state.catching_up.len()).await, 0);
}

#[tokio::test]
async fn a_new_rule_that_is_cut_off_catches_up_again() {
    let more = COMPANY
        .replace("receivers:", "  late: {script: signal/threshold, on: [sales], with: {above: 150}}\nreceivers:");
    let (place, whole) = (Place::new(&["2026-08-28"]), Place::new(&["2026-08-28"]));
    for place in [&place, &whole] {
        let mut script = place.start(COMPANY, "2026-09-03T09:00:00Z").await;
        script.advance_to(at("2026-09-05T09:00:00Z")).await.unwrap();
        kill(script).await;
    }
    let of_rule = |all: Vec<String>| all.into_iter().filter(|line| line.contains("rule:late")).collect::<Vec<_>>();
    let mut script = whole.start(&more, "2026-09-05T10:00:00Z").await;
    script.advance_to(at("2026-09-05T11:00:00Z")).await.unwrap();
    let expected = of_rule(changes(&script.cycle).await);
    assert!(expected.len() >= 2, "{expected:?}");

    let mut script = place.start(&more, "2026-09-05T10:00:00Z").await;
    place.fill_disk_after(2);
    let now = script.now();
    let (job, source) = script.cycle.due_pulls(now).await.unwrap().remove(0);
    assert!(matches!(job.kind, JobKind::NewRules { .. }), "{:?}", job.kind);
    script.cycle.pulled(job.pull(source, &place.clock).await).await.unwrap();
    kill(script).await;
    place.free_disk();
    let mut script = place.start(&more, "2026-09-05T10:30:00Z").await;
    assert_eq!(clock_of(&script).await.rules, ["high".into()]);
    script.advance_to(at("2026-09-05T11:00:00Z")).await.unwrap();
    assert_eq!(of_rule(changes(&script.cycle).await), expected);
    assert_eq!(clock_of(&script).await.rules.len(), 2);
}

#[tokio::test]
async fn a_clock_that_was_far_ahead_stalls_nothing() {
    let place = Place::new(&[]);
    let mut script = place.start(COMPANY, "2026-09-03T09:00:00Z").await;
    script.advance_to(at("2026-09-05T09:00:00Z")).await.unwrap();
    place.clock.set(at("2027-02-01T09:00:00Z"));
    script.advance_to(at("2027-02-01T10:00:00Z")).await.unwrap();
    assert_eq!(clock_of(&script).await.last_slot, Some(at("2027-02-01T06:00:00Z")));
    place.clock.set(at("2026-09-06T05:00:00Z"));
    script.advance_to(at("2026-09-08T09:00:00Z")).await.unwrap();
    let clock = clock_of(&script).await;
    assert_eq!(clock.last_slot, Some(at("2026-09-08T06:00:00Z")));
    assert!(clock.last_pull_at >= Some(at("2026-09-08T06:00:00Z")));
    let day = crate::model::grain::Grain::Day;
    assert_eq!(clock.pulled_to.map(|bucket| day.date_of(bucket)), Some(jiff::civil::date(2026, 9, 7)));
    // Nor does it where the service stopped in between.
    kill(script).await;
    let mut script = place.start(COMPANY, "2027-02-01T09:00:00Z").await;
    script.advance_to(at("2027-02-01T10:00:00Z")).await.unwrap();
    kill(script).await;
    let mut script = place.start(COMPANY, "2026-09-09T05:00:00Z").await;
    script.advance_to(at("2026-09-10T09:00:00Z")).await.unwrap();
    assert_eq!(clock_of(&script).await.last_slot, Some(at("2026-09-10T06:00:00Z")));
}

/// What is logged, as text.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn slots_too_old_to_be_stepped_are_counted_aloud() {
    let place = Place::new(&[]);
    let mut script = place.start(COMPANY, "2026-09-03T09:00:00Z").await;
    script.advance_to(at("2026-09-05T09:00:00Z")).await.unwrap();
    let clock = clock_of(&script).await;
    let built = place.built(COMPANY);
    let kpi = built.setup.catalog.kpi(&"sales".into()).unwrap();
    let mut state = State::default();
    state.clocks.insert(kpi.id.clone(), KpiClock { last_slot: Some(at("2006-09-05T06:00:00Z")), ..clock });
    let now = at("2026-09-05T09:00:00Z");
    let found = missed(kpi, at("2006-09-05T06:00:00Z"), now);
    assert_eq!((found.slots.len(), found.passed_over), (5_000, 2_305));
    let said = Said::default();
    let writer = said.clone();
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(log, || plan(&mut state, &built.setup, kpi, now));
    let said = String::from_utf8(said.0.lock().unwrap().clone()).unwrap();
    assert!(said.contains("kpi=sales") && said.contains("passed_over=2305"), "{said}");
}
