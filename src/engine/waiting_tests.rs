//! A rule that reads two KPIs runs after the later pull.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};

use super::{came, catalog, kpi, rule, slot};
use crate::engine::waiting::WAITING_MAX;
use crate::engine::{Event, PullReport, Setup, SlotEvent, State, is_held, step};
use crate::model::alert::{AlertKey, Aspect, Change, Phase, Subject};
use crate::model::commit::StoredState;
use crate::model::grain::Grain;
use crate::model::ids::{KpiId, Labels, SeriesKey};
use crate::model::kpi::Kpi;
use crate::model::observation::Observation;
use crate::model::rule::{ParamValue, Patience};
use crate::model::schedule::Schedule;
use crate::rule::{RuleSet, ScriptFiles, on_large_stack};

/// More orders than there is stock.
const SCRIPT: &str = "fn evaluate(kpi, p) { above(kpi.value, p.stock.value) }";
const SIDECAR: &str = "parameters:\n  stock: {type: kpi, help: what is there}\n";

fn setup(stock_schedule: &str, stock_grain: Grain) -> Setup {
    patient(stock_schedule, stock_grain, 1)
}

fn patient(stock_schedule: &str, stock_grain: Grain, buckets: u32) -> Setup {
    let orders = Kpi { id: "orders".into(), ..kpi() };
    let schedule = Schedule::parse(stock_schedule).expect("a schedule");
    let stock = Kpi { id: "stock".into(), schedule, grain: stock_grain, ..kpi() };
    let mut rule = rule(SCRIPT);
    rule.for_ = Some(Patience::Buckets(buckets));
    rule.on = vec!["orders".into()];
    rule.with = BTreeMap::from([("stock".to_owned(), ParamValue::Text("stock".to_owned()))]);
    let mut catalog = catalog(kpi(), vec![rule], Vec::new());
    catalog.kpis = IndexMap::from([(KpiId::from("orders"), Arc::new(orders)), (KpiId::from("stock"), Arc::new(stock))]);
    let load = |text: &str| {
        let (path, sidecar_path) = ("r.rhai".to_owned(), "r.yaml".to_owned());
        Ok(ScriptFiles { path, text: text.to_owned(), sidecar_path, sidecar: Some(SIDECAR.to_owned()) })
    };
    let (rules, problems) = RuleSet::compile(&catalog, &load);
    assert_eq!(problems, []);
    Setup::new(Arc::new(catalog), Arc::new(rules))
}

/// One KPI's slot with one value, some hours after six; gives the rule's runs and what they changed.
fn arrives(state: &mut State, setup: &Setup, kpi: &str, at: (i64, i64), value: f64) -> (u64, Vec<Change>) {
    brings(state, setup, kpi, at, &[value])
}

/// The same with the values of the last buckets, oldest first.
fn brings(state: &mut State, setup: &Setup, kpi: &str, (day, hours): (i64, i64), values: &[f64]) -> (u64, Vec<Change>) {
    let at = later(day, hours);
    let definition = &setup.catalog.kpis[&KpiId::from(kpi)];
    let newest = definition.grain.last_ended(at, &definition.zone);
    let observation = |(back, value): (usize, &f64)| Observation {
        series: SeriesKey { kpi: kpi.into(), labels: Labels::total() },
        bucket: newest - back as i64,
        value: *value,
        parts: None,
        provisional: false,
        known_at: at,
        assumed: false,
    };
    let observations = values.iter().rev().enumerate().map(observation).collect();
    let pull = PullReport { observations, at: Some(at), ..PullReport::default() };
    let effects = on_large_stack(|| step(state, setup, came(kpi, at, pull), at));
    (effects.tally.verdicts, effects.evaluate.transitions.into_iter().map(|transition| transition.change).collect())
}

fn later(day: i64, hours: i64) -> Timestamp {
    slot(day) + SignedDuration::from_hours(hours)
}

#[test]
fn the_rule_runs_after_the_last_pull_on_the_same_day_s_figures() {
    let (setup, mut state) = (setup("daily 08:00", Grain::Day), State::default());
    assert_eq!(arrives(&mut state, &setup, "orders", (2, 0), 5.0), (0, vec![]));
    assert_eq!(arrives(&mut state, &setup, "stock", (2, 2), 9.0), (1, vec![]));
    // Seven orders against yesterday's nine would be fine; against today's six they are not.
    assert_eq!(arrives(&mut state, &setup, "orders", (3, 0), 7.0), (0, vec![]));
    assert_eq!(arrives(&mut state, &setup, "stock", (3, 2), 6.0), (1, vec![Change::Fired]));
    let alert = state.book.sorted().into_values().next().expect("it fires").clone();
    assert_eq!((alert.phase, alert.slot, alert.since), (Phase::Firing, later(3, 0), later(3, 2)));
}

#[test]
fn the_order_of_pulls_in_one_slot_does_not_matter() {
    let (setup, mut state) = (setup("daily 06:00", Grain::Day), State::default());
    assert_eq!(arrives(&mut state, &setup, "stock", (2, 0), 9.0).0, 0);
    assert_eq!(arrives(&mut state, &setup, "orders", (2, 0), 10.0), (1, vec![Change::Fired]));
}

#[test]
fn a_coarser_kpi_is_not_waited_for_beyond_the_next_slot() {
    let (setup, mut state) = (setup("monthly 20 08:00", Grain::Month), State::default());
    arrives(&mut state, &setup, "stock", (1, 0), 9.0);
    assert_eq!(arrives(&mut state, &setup, "orders", (2, 0), 10.0), (1, vec![Change::Fired]));
}

#[test]
fn a_restart_between_the_pulls_waits_on() {
    let (setup, mut state) = (setup("daily 08:00", Grain::Day), State::default());
    arrives(&mut state, &setup, "orders", (2, 0), 10.0);
    let clocks: Vec<_> = state.clocks.values().cloned().collect();
    let text = serde_json::to_string(&clocks).expect("clocks can be written");
    let clocks = serde_json::from_str(&text).expect("and read");
    let history = std::mem::take(&mut state.history);
    let mut state = State { history, ..State::from_stored(StoredState { clocks, ..StoredState::default() }) };
    assert_eq!(arrives(&mut state, &setup, "stock", (2, 2), 9.0), (1, vec![Change::Fired]));
}

#[test]
fn a_kpi_whose_buckets_changed_waits_for_its_new_history() {
    let (setup, mut state) = (setup("daily 08:00", Grain::Day), State::default());
    assert_eq!(arrives(&mut state, &setup, "orders", (2, 0), 10.0).0, 0);
    // As if orders had been weeks until now.
    state.clocks.get_mut(&KpiId::from("orders")).expect("it has run").shape = "weeks".to_owned();
    assert_eq!(arrives(&mut state, &setup, "stock", (2, 2), 9.0).0, 0, "weeks are not judged against days");
    assert_eq!(arrives(&mut state, &setup, "orders", (3, 0), 10.0).0, 1, "yesterday's slot, with the new history");
    assert_eq!(arrives(&mut state, &setup, "stock", (3, 2), 9.0).0, 1);
}

#[test]
fn what_came_late_is_judged_again() {
    let (setup, mut state) = (setup("daily 06:00", Grain::Day), State::default());
    arrives(&mut state, &setup, "stock", (2, 0), 9.0);
    assert_eq!(arrives(&mut state, &setup, "orders", (2, 0), 7.0), (1, vec![]));
    // The stock's slot is tried again and brings another figure.
    assert_eq!(arrives(&mut state, &setup, "stock", (2, 0), 5.0).0, 1);
}

#[test]
fn a_figure_of_an_older_bucket_is_not_compared() {
    let (setup, mut state) = (setup("daily 08:00", Grain::Day), State::default());
    arrives(&mut state, &setup, "orders", (2, 0), 5.0);
    arrives(&mut state, &setup, "stock", (2, 2), 9.0);
    arrives(&mut state, &setup, "orders", (3, 0), 10.0);
    // Today's stock did not come: ten orders are not held against yesterday's nine.
    assert_eq!(brings(&mut state, &setup, "stock", (3, 2), &[]), (1, vec![Change::Pended]));
    let waits = state.book.sorted().into_values().next().expect("it waits").clone();
    assert_eq!(waits.key.aspect, Aspect::NoData);
}

#[test]
fn each_slot_that_waited_is_judged_on_its_own_figures() {
    let (setup, mut state) = (patient("daily 08:00", Grain::Day, 2), State::default());
    arrives(&mut state, &setup, "orders", (2, 0), 10.0);
    arrives(&mut state, &setup, "orders", (3, 0), 10.0);
    // The stock's source was slow for two days.
    let (verdicts, changes) = brings(&mut state, &setup, "stock", (3, 2), &[9.0, 9.0]);
    assert_eq!((verdicts, changes), (2, vec![Change::Pended, Change::Fired]));
}

#[test]
fn what_waits_is_bounded_and_counted() {
    let (setup, mut state) = (setup("daily 08:00", Grain::Day), State::default());
    let (mut crowded, mut verdicts) = (0, 0);
    for day in 2..2 + WAITING_MAX as i64 + 3 {
        let at = later(day, 0);
        let event =
            SlotEvent { kpi: "orders".into(), slot: at, pull: None, only: None, retry_at: None, completes: true };
        let effects = on_large_stack(|| step(&mut state, &setup, Event::Slot(event), at));
        crowded += effects.tally.crowded_out;
        verdicts += effects.tally.verdicts;
    }
    assert_eq!((crowded, verdicts), (3, 3), "the oldest run with what is there");
    assert_eq!(state.clocks[&KpiId::from("orders")].waiting.len(), WAITING_MAX);
    // All that waited is stepped in order once the other has come.
    let at = (2 + WAITING_MAX as i64 + 2, 2);
    assert_eq!(arrives(&mut state, &setup, "stock", at, 9.0).0, WAITING_MAX as u64);
}

#[test]
fn nothing_is_told_while_the_other_kpi_is_stepped_through_its_past() {
    let setup = setup("daily 08:00", Grain::Day);
    let key = |kpi: &str| {
        let series = SeriesKey { kpi: kpi.into(), labels: Labels::total() };
        let subject = Subject::Rule { rule: "r".into(), series, objective: None };
        AlertKey { subject, period: None, aspect: Aspect::Breach }
    };
    let amid = |kpi: &str| BTreeSet::from([KpiId::from(kpi)]);
    assert!(is_held(&amid("orders"), &setup, &key("orders")) && is_held(&amid("stock"), &setup, &key("orders")));
    assert!(!is_held(&amid("others"), &setup, &key("orders")) && !is_held(&BTreeSet::new(), &setup, &key("orders")));
}
