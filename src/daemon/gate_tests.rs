//! Pulls through a gate: who is sent, who waits, who is refused, and when a refused KPI asks again.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::super::{Cycle, Script};
use super::{Common, Gate, PULLS_MAX};
use crate::clock::Clock;
use crate::daemon::build::Built;
use crate::daemon::tests::{Place, at, changes, kill};
use crate::model::commit::KpiClock;
use crate::model::ids::KpiId;
use crate::net::ErrorClass;
use crate::secret::Secret;
use crate::source::{BuildContext, Source, SourceConfig, SourceError};

fn source() -> Arc<Source> {
    let config: SourceConfig = serde_json::from_str(r#"{"prometheus":{"url":"http://127.0.0.1:1"}}"#).unwrap();
    let context = BuildContext { base_dir: Path::new("."), resolve: &|_| Ok(Secret::new(String::new())) };
    Arc::new(config.build(&context).unwrap())
}

fn gate(common: &Arc<Common>) -> Gate {
    Gate::new("shop".into(), source(), (20, common.clone()))
}

fn down() -> SourceError {
    SourceError::new(ErrorClass::Transient, "can't connect to http://shop; check the address")
}

fn second(of: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + of).unwrap()
}

async fn fail(gate: &Gate, clock: &Clock, kpis: &[&str]) {
    for kpi in kpis {
        gate.enter(clock.now(), clock).await.unwrap().ended(&KpiId::from(*kpi), Some(&down()), clock.now());
    }
}

#[tokio::test]
async fn a_refusal_names_the_cause_and_the_next_try() {
    let (gate, clock) = (gate(&Arc::new(Common::new())), Clock::script(second(0)));
    fail(&gate, &clock, &["a", "b", "c"]).await;
    // Due before the last failure: that stands for it, and its usual distances hold.
    let stands = gate.enter(second(-1), &clock).await.err().unwrap();
    assert_eq!(stands.retry_at, None);
    clock.set(second(5));
    let refused = gate.enter(second(5), &clock).await.err().unwrap();
    let until = refused.retry_at.unwrap();
    let error = refused.error(&"shop".into());
    assert_eq!(error.class, ErrorClass::Transient);
    let next = format!("source 'shop' was not asked, the next try is at {}", until.strftime("%H:%M:%S UTC"));
    assert!(error.message.starts_with(&next) && error.message.ends_with(&down().message), "{error}");
    let state = gate.state();
    assert_eq!((state.pulls, state.refused, state.requests), (3, 2, Some(0)));
    assert_eq!(state.paused.map(|paused| (paused.until, paused.cause)), Some((until, down().message)));
    clock.set(until);
    gate.enter(until, &clock).await.unwrap().ended(&"d".into(), None, until);
    assert_eq!(gate.state().paused, None);
}

#[tokio::test]
async fn others_wait_for_the_one_that_tries() {
    let (gate, clock) = (gate(&Arc::new(Common::new())), Clock::script(second(0)));
    fail(&gate, &clock, &["a", "b", "c"]).await;
    for (fails, sent) in [(true, false), (false, true)] {
        clock.set(clock.now() + SignedDuration::from_mins(3));
        let entry = gate.enter(clock.now(), &clock).await.unwrap();
        assert!(entry.tries);
        let due = clock.now();
        let (waited, ()) = tokio::join!(gate.enter(due, &clock), async {
            tokio::task::yield_now().await;
            let error = down();
            entry.ended(&"a".into(), fails.then_some(&error), clock.now());
        });
        // One failed try is not enough while another KPI has come: it tries too.
        let entry = waited.unwrap();
        assert_eq!(entry.tries, !sent);
        if fails {
            entry.ended(&"b".into(), Some(&down()), clock.now());
            assert!(gate.enter(due, &clock).await.is_err());
        }
    }
}

#[tokio::test]
async fn a_try_that_is_broken_off_is_given_up() {
    let (gate, clock) = (gate(&Arc::new(Common::new())), Clock::script(second(0)));
    fail(&gate, &clock, &["a", "b", "c"]).await;
    clock.set(second(120));
    drop(gate.enter(second(120), &clock).await.unwrap());
    assert!(gate.enter(second(120), &clock).await.unwrap().tries);
}

#[tokio::test]
async fn the_first_part_of_a_long_try_decides() {
    let (gate, clock) = (gate(&Arc::new(Common::new())), Clock::script(second(0)));
    fail(&gate, &clock, &["a", "b", "c"]).await;
    clock.set(second(120));
    let mut entry = gate.enter(second(120), &clock).await.unwrap();
    entry.answered(&"a".into(), second(121));
    assert!(!gate.enter(second(121), &clock).await.unwrap().tries, "all is open while the rest still comes");
    entry.ended(&"a".into(), Some(&down()), second(122));
    assert_eq!(gate.state().paused, None, "one failure is none");
}

#[tokio::test]
async fn a_source_that_hangs_leaves_places_to_others() {
    let common = Arc::new(Common::new());
    let (hanging, other) = (gate(&common), gate(&common));
    let clock = Clock::script(second(0));
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(hanging.enter(second(0), &clock).await.unwrap());
    }
    let soon = std::time::Duration::from_millis(10);
    assert!(tokio::time::timeout(soon, hanging.enter(second(0), &clock)).await.is_err(), "the fifth waits");
    assert_eq!(common.places.available_permits(), PULLS_MAX - 4);
    assert!(other.enter(second(0), &clock).await.is_ok());
}

/// Twenty KPIs of one API, all due at the same minute.
fn company(url: &str) -> String {
    use std::fmt::Write as _;
    let mut text = format!(
        "timezone: UTC\nstate: sqlite:state.db\npeople:\n  ada: {{mail: ada@example.test}}\n\
         sources:\n  api: {{http_json: {{url: \"{url}\"}}}}\nreceivers:\n  ops: {{maildir: {{path: boxes, to: [ada]}}}}\n\
         route: {{to: ops, group: {{wait: 0s}}}}\nkpis:\n"
    );
    for number in 0..20 {
        write!(
            text,
            "  k{number:02}:\n    title: K{number}\n    category: operational\n    better: higher\n    source: api\n    \
             query: {{path: k{number}, rows: $, value: $.v}}\n    schedule: daily 06:00\n    history: 2d\n"
        )
        .unwrap();
    }
    text
}

async fn clock_of(script: &Script, kpi: &str) -> KpiClock {
    let id = KpiId::from(kpi);
    script.cycle.engine().with(move |state, _| state.clocks.get(&id).cloned()).await.unwrap()
}

async fn answer(server: &MockServer, template: ResponseTemplate) {
    server.reset().await;
    Mock::given(wiremock::matchers::any()).respond_with(template).mount(server).await;
}

async fn requests(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

async fn start(place: &Place, built: &Arc<Built>, from: &str) -> Script {
    place.clock.set(at(from));
    let cycle = Cycle::start(place.store().await, built.clone(), place.clock.now()).await.unwrap();
    Script::new(cycle, place.clock.clone())
}

/// The twenty fail at 06:00 of one day, then all is well from `heals` on; restarts where they are named. Requests while
/// it was down, and all changes of alerts.
async fn outage(heals: &str, restarts: &[&str]) -> (usize, Vec<String>) {
    let (server, place) = (MockServer::start().await, Place::new(&[]));
    let fine = ResponseTemplate::new(200).set_body_raw(r#"{"v": 1}"#, "application/json");
    answer(&server, fine.clone()).await;
    let built = place.built(&company(&server.uri()));
    let mut script = start(&place, &built, "2026-09-03T05:00:00Z").await;
    script.advance_to(at("2026-09-03T05:30:00Z")).await.unwrap();
    assert_eq!(requests(&server).await, 20);
    // 401 is not tried again within a pull, and what differs in the class is tested beside the breaker.
    answer(&server, ResponseTemplate::new(401)).await;
    let mut moments: HashMap<Timestamp, bool> = HashMap::from([(at(heals), true)]);
    moments.extend(restarts.iter().map(|text| (at(text), false)));
    let mut moments: Vec<_> = moments.into_iter().collect();
    moments.sort();
    let mut sent = 0;
    for (moment, well) in moments {
        script.advance_to(moment).await.unwrap();
        if well {
            sent = requests(&server).await;
            answer(&server, fine.clone()).await;
        } else {
            kill(script).await;
            script = start(&place, &built, &moment.to_string()).await;
        }
    }
    script.advance_to(at("2026-09-03T23:00:00Z")).await.unwrap();
    for kpi in ["k00", "k07", "k19"] {
        assert_eq!(clock_of(&script, kpi).await.open, None, "{kpi} is up to date again");
    }
    assert_eq!(script.cycle.gates()[0].paused, None);
    let told = changes(&script.cycle).await;
    kill(script).await;
    (sent, told)
}

#[tokio::test]
async fn a_dead_source_is_asked_a_few_times_and_told_once() {
    let (sent, told) = outage("2026-09-03T06:45:00Z", &[]).await;
    // Slot and three distances are eighty pulls; each finds the credentials refused.
    assert!((2..=20).contains(&sent), "{sent} requests");
    assert_eq!(told.len(), 3, "pending, fired, resolved: {told:?}");
    assert!(told.iter().all(|line| line.contains("source:api")), "{told:?}");
    // What the breaker forgets at a start changes no history.
    let (more, same) = outage("2026-09-03T06:45:00Z", &["2026-09-03T06:01:00Z", "2026-09-03T06:20:00Z"]).await;
    assert!(more >= sent && more <= 3 * sent.max(2), "{more} requests");
    assert_eq!(same, told);
}

#[tokio::test]
async fn the_outage_keeps_its_cause_and_each_kpi_says_what_it_waits_for() {
    let (server, place) = (MockServer::start().await, Place::new(&[]));
    answer(&server, ResponseTemplate::new(401)).await;
    let built = place.built(&company(&server.uri()));
    let mut script = start(&place, &built, "2026-09-03T06:00:00Z").await;
    script.advance_to(at("2026-09-03T06:00:00Z")).await.unwrap();
    assert_eq!(requests(&server).await, 2);
    let (source, cause) = script
        .cycle
        .engine()
        .with(|state, _| {
            let alert = state.book.sorted().into_values().next().cloned().unwrap();
            (state.sources["api"].clone(), alert.facts.unwrap().cause.clone().unwrap())
        })
        .await;
    assert!(cause.contains("answered 401") && !cause.contains("was not asked"), "{cause}");
    assert_eq!((source.failures, source.last_error), (20, Some(cause.clone())));
    let last = clock_of(&script, "k19").await;
    let said = last.last_error.unwrap();
    assert!(said.contains("source 'api' was not asked") && said.ends_with(&cause), "{said}");
    kill(script).await;
}

#[tokio::test]
async fn kpis_of_one_request_ask_once() {
    let (server, place) = (MockServer::start().await, Place::new(&[]));
    let body = r#"{"a": 1, "b": 2, "c": 3}"#;
    let fine = ResponseTemplate::new(200).set_body_raw(body, "application/json");
    Mock::given(path("/all")).respond_with(fine).expect(1).mount(&server).await;
    let kpi = |name: &str| {
        format!(
            "  {name}: {{title: {name}, category: operational, better: higher, source: api, schedule: daily 06:00, \
             history: 2d, query: {{path: all, rows: $, value: $.{name}}}}}\n"
        )
    };
    let whole = company(&server.uri());
    let head = whole.split("kpis:\n").next().unwrap();
    let built = place.built(&format!("{head}kpis:\n{}{}{}", kpi("a"), kpi("b"), kpi("c")));
    let mut script = start(&place, &built, "2026-09-03T06:00:00Z").await;
    script.advance_to(at("2026-09-03T06:00:00Z")).await.unwrap();
    for (name, value) in [("a", 1.0), ("b", 2.0), ("c", 3.0)] {
        let found = script.cycle.store().observations(&name.into(), i64::MIN, i64::MAX).await.unwrap();
        assert_eq!(found.last().map(|each| each.value), Some(value), "{name}");
    }
    server.verify().await;
    kill(script).await;
}
