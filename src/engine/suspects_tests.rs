//! Values that jump: seen, asked for again, told, settled by a person, by what follows, or by the source.

use super::*;
use crate::model::assessment::Unmeasurable;
use crate::model::suspect::{Decision, Settled, SuspectState};

/// A KPI whose values may lie 300 % beyond those before, after a week of tens; the rule fires above five.
fn bench() -> Bench {
    let mut kpi = kpi();
    kpi.quality.max_jump = Some(3.0);
    let mut bench = Bench::new(catalog(kpi, vec![rule("fn evaluate(kpi, p) { above(kpi.value, 50) }")], Vec::new()));
    // A first history is taken as it is.
    let history = (1..=8).map(|day| observed(day, 10.0, false)).collect();
    bench.day = 7;
    let at = slot(8);
    bench.day = 8;
    let pull = PullReport {
        observations: history,
        pulled_to: Some(Grain::Day.last_ended(at, &TimeZone::UTC)),
        at: Some(at),
        ..PullReport::default()
    };
    bench.step(came("k", at, pull));
    bench
}

fn value(bench: &mut Bench, value: f64) -> Effects {
    bench.slot(vec![observed(bench.day + 1, value, false)], None)
}

/// The same slot's pull, made again so many minutes after it.
fn again(bench: &mut Bench, minutes: i64, value: f64) -> Effects {
    let at = slot(bench.day) + SignedDuration::from_mins(minutes);
    let observations = vec![observed(bench.day, value, false)];
    let pull = PullReport { observations, at: Some(at), ..PullReport::default() };
    let event = came("k", slot(bench.day), pull);
    let (state, setup) = (&mut bench.state, &bench.setup);
    on_large_stack(|| step(state, setup, event, at))
}

fn decide(bench: &mut Bench, day: i64, decision: Decision) -> Result<Effects, String> {
    let bucket = observed(day, 0.0, false).bucket;
    let what = ActionKind::Settle { kpi: "k".into(), bucket, labels: None, decision, note: Some("seen".to_owned()) };
    let effects = bench.step(Event::Act(Action { by: "ada".to_owned(), what }));
    match effects.answer.clone().expect("an answer") {
        Ok(_) => Ok(effects),
        Err(why) => Err(why),
    }
}

fn shown(effects: &Effects) -> String {
    changes(0, effects).join(", ")
}

#[test]
fn a_jump_is_asked_for_again_before_anybody_hears_of_it() {
    let mut bench = bench();
    let seen = value(&mut bench, 41.0);
    assert_eq!(shown(&seen), "");
    assert_eq!(seen.evaluate.suspects.len(), 1);
    assert_eq!(seen.evaluate.clocks[0].again_at, Some(slot(9) + SignedDuration::from_mins(10)));
    // The source took it back in the meantime: nothing was ever told.
    let back = again(&mut bench, 10, 11.0);
    assert_eq!(shown(&back), "");
    assert!(matches!(&back.evaluate.suspects[0].state, SuspectState::Settled(how) if how.how == Settled::Withdrawn));
    assert_eq!(back.evaluate.clocks[0].again_at, None);
    // The limit itself is no jump, beyond it is.
    assert_eq!(value(&mut bench, 44.0).evaluate.suspects, []);
    assert_eq!(value(&mut bench, 176.1).evaluate.suspects.len(), 1);
}

#[test]
fn a_real_value_is_frozen_accepted_and_judged() {
    let mut bench = bench();
    value(&mut bench, 1_000.0);
    let asked = again(&mut bench, 10, 1_000.0);
    assert_eq!(shown(&asked), "0 suspect fired");
    let alert = bench.alert(Aspect::Suspect).expect("an alert");
    assert_eq!((alert.slot, alert.about), (slot(9), About::Data));
    // Nothing is judged meanwhile, though the next values are as ever; a restart changes nothing in that.
    bench.restart();
    assert_eq!(shown(&value(&mut bench, 12.0)), "");
    assert!(bench.alert(Aspect::Breach).is_none() && bench.alert(Aspect::NoData).is_none());
    assert_eq!(
        decide(&mut bench, 8, Decision::Accept).unwrap_err().split(';').next(),
        Some("no value of 'k' is suspect there")
    );
    let accepted = decide(&mut bench, 9, Decision::Accept).unwrap();
    assert_eq!(shown(&accepted), "0 suspect resolved");
    let facts = bench.alert(Aspect::Suspect).and_then(|alert| alert.facts).expect("figures");
    let settlement = facts.suspect.as_ref().and_then(|suspect| suspect.settlement.clone()).expect("settled");
    assert_eq!((settlement.by.as_deref(), settlement.note.as_deref()), (Some("ada"), Some("seen")));
    // What it is now part of counts: the next one of its size is none.
    assert_eq!(value(&mut bench, 3_000.0).evaluate.suspects, []);
    assert!(bench.alert(Aspect::Breach).is_some_and(|alert| alert.phase == Phase::Firing));
    assert!(decide(&mut bench, 9, Decision::Accept).is_err());
}

#[test]
fn an_accepted_newest_value_is_judged_at_once() {
    let mut bench = bench();
    value(&mut bench, 1_000.0);
    again(&mut bench, 11, 1_000.0);
    assert_eq!(shown(&decide(&mut bench, 9, Decision::Accept).unwrap()), "0 suspect resolved, 0 breach fired");
}

#[test]
fn what_was_firing_is_frozen_with_the_reason() {
    let mut bench = bench();
    value(&mut bench, 40.0);
    for high in [60.0, 61.0] {
        value(&mut bench, high);
    }
    assert!(bench.alert(Aspect::Breach).is_some());
    value(&mut bench, 1.0);
    let frozen = bench.alert(Aspect::Breach).and_then(|alert| alert.frozen).expect("frozen");
    let Freeze::NoData { missing: Unmeasurable::Suspect { day, value } } = frozen else { panic!("{frozen:?}") };
    assert_eq!((day, value), (date(2026, 11, 11), 1.0));
    assert!(bench.alert(Aspect::NoData).is_none());
}

#[test]
fn a_persons_word_stands_as_long_as_the_source_says_the_same() {
    for (decision, held) in [(Decision::Correct { value: 10.5 }, Some(10.5)), (Decision::Reject, None)] {
        let mut bench = bench();
        value(&mut bench, 1_000.0);
        again(&mut bench, 10, 1_000.0);
        decide(&mut bench, 9, decision).unwrap();
        let now = |bench: &Bench| {
            let data = bench.state.history.series(&"k".into(), &Labels::total()).expect("a series");
            data.get(observed(9, 0.0, false).bucket).map(|point| point.value)
        };
        assert_eq!(now(&bench), held);
        bench.restart();
        assert_eq!(again(&mut bench, 30, 1_000.0).evaluate.observations, []);
        assert_eq!(now(&bench), held, "{decision:?}");
        // Something else is news.
        again(&mut bench, 40, 12.0);
        assert_eq!(now(&bench), Some(12.0));
        again(&mut bench, 50, 1_000.0);
        assert_eq!(bench.state.suspects.oldest_open(&"k".into(), 0), Some(observed(9, 0.0, false).bucket));
    }
}

#[test]
fn two_further_values_of_its_size_confirm_it() {
    let mut bench = bench();
    for high in [1_000.0, 1_100.0] {
        value(&mut bench, high);
        again(&mut bench, 10, high);
    }
    assert!(bench.alert(Aspect::Breach).is_none());
    let confirmed = value(&mut bench, 900.0);
    assert_eq!(shown(&confirmed), "0 suspect resolved, 0 suspect resolved, 0 breach fired");
    assert_eq!(bench.state.suspects.of(&"k".into()), []);
    // One that goes its own way confirms nothing.
    let mut bench = self::bench();
    for high in [1_000.0, 12.0, 1_000.0, 1_050.0] {
        value(&mut bench, high);
    }
    assert_eq!(bench.state.suspects.of(&"k".into()).len(), 3);
}

#[test]
fn a_catch_up_tells_of_it_at_the_slot_that_saw_it() {
    let mut bench = bench();
    bench.day = 9;
    let bucket = observed(9, 1_000.0, false);
    let pull = PullReport { observations: vec![bucket], at: Some(slot(12)), ..PullReport::default() };
    let event = came("k", slot(9), PullReport { nothing_asked: true, ..pull });
    assert_eq!(shown(&bench.step(event)), "0 suspect fired");
    assert_eq!(bench.alert(Aspect::Suspect).map(|alert| alert.slot), Some(slot(9)));
}

/// A KPI of two channels; the shop's jumped on the tenth, and so did the total.
fn two_channels() -> (Bench, [Labels; 2]) {
    let mut dimensioned = kpi();
    dimensioned.quality.max_jump = Some(3.0);
    dimensioned.dimensions = vec!["d".to_owned()];
    let mut bench = Bench::new(catalog(dimensioned, vec![rule(ABOVE_FIVE)], Vec::new()));
    let (web, shop) = (Labels::from_iter([("d", "web")]), Labels::from_iter([("d", "shop")]));
    let day = |day: i64, of: f64, other: f64| {
        vec![observed(day, of + other, false), labelled(&web, day, of, false), labelled(&shop, day, other, false)]
    };
    let at = slot(8);
    bench.day = 8;
    let pull = PullReport {
        observations: (1..=8).flat_map(|number| day(number, 1.0, 9.0)).collect(),
        pulled_to: Some(Grain::Day.last_ended(at, &TimeZone::UTC)),
        at: Some(at),
        ..PullReport::default()
    };
    bench.step(came("k", at, pull));
    // A small part may jump without the whole.
    assert_eq!(bench.slot(day(9, 6.0, 9.0), None).evaluate.suspects, []);
    let found = bench.slot(day(10, 6.0, 900.0), None).evaluate.suspects;
    let labels: Vec<String> = found.iter().map(|suspect| suspect.series.labels.to_string()).collect();
    assert_eq!(labels, ["", r#"{d="shop"}"#]);
    (bench, [web, shop])
}

#[test]
fn parts_are_looked_at_where_the_total_jumped() {
    let (mut bench, [web, shop]) = two_channels();
    assert_eq!(bench.state.history.series(&"k".into(), &web).and_then(|data| data.held), None);
    decide(&mut bench, 10, Decision::Accept).unwrap();
    assert_eq!(bench.state.suspects.of(&"k".into()), []);
    assert_eq!(bench.state.history.series(&"k".into(), &shop).and_then(|data| data.held), None);
}

#[test]
fn the_alert_stays_until_the_parts_are_settled_too() {
    let (mut bench, [_, shop]) = two_channels();
    let at = slot(10) + SignedDuration::from_mins(10);
    let pull = PullReport { at: Some(at), ..PullReport::default() };
    let (state, setup) = (&mut bench.state, &bench.setup);
    let asked = on_large_stack(|| step(state, setup, came("k", slot(10), pull), at));
    assert_eq!(shown(&asked), "0 suspect fired");
    assert_eq!(shown(&decide(&mut bench, 10, Decision::Correct { value: 15.0 }).unwrap()), "0 breach unfrozen");
    // What is left is the shop's, and the alert says so.
    let facts = bench.alert(Aspect::Suspect).and_then(|alert| alert.facts).and_then(|facts| facts.suspect.clone());
    assert_eq!(facts.map(|facts| (facts.labels, facts.value)), Some((shop.clone(), 900.0)));
    assert!(bench.state.history.series(&"k".into(), &shop).is_some_and(|data| data.held.is_some()));
    let rest = decide(&mut bench, 10, Decision::Correct { value: 9.0 }).unwrap();
    assert_eq!(shown(&rest), "0 suspect resolved");
    assert_eq!(bench.state.history.series(&"k".into(), &shop).and_then(|data| data.held), None);
}

#[test]
fn without_the_limit_nothing_stays_suspect() {
    let mut bench = bench();
    value(&mut bench, 1_000.0);
    let mut free = kpi();
    free.quality.max_jump = None;
    bench.setup = setup(catalog(free, vec![rule(ABOVE_FIVE)], Vec::new()));
    value(&mut bench, 1_000.0);
    assert_eq!(bench.state.suspects.of(&"k".into()), []);
    assert!(bench.alert(Aspect::Breach).is_some());
}

#[test]
fn a_query_that_is_put_right_frees_the_series() {
    let mut bench = bench();
    value(&mut bench, 1_000.0);
    again(&mut bench, 10, 1_000.0);
    // The history pulled anew is taken as it is, and takes back what was wrong.
    let pull = PullReport { observations: vec![observed(9, 10.0, false)], at: Some(slot(9)), ..PullReport::default() };
    let event = SlotEvent {
        kpi: "k".into(),
        slot: slot(9),
        pull: Some(pull),
        only: Some(vec!["r".into()]),
        retry_at: None,
        completes: true,
    };
    assert_eq!(shown(&bench.step(Event::Slot(event))), "0 suspect resolved");
    assert!(!bench.state.suspects.has_open(&"k".into()));
}

#[test]
fn a_late_correction_of_a_rejected_value_outlives_a_restart() {
    let mut bench = bench();
    value(&mut bench, 1_000.0);
    again(&mut bench, 10, 1_000.0);
    decide(&mut bench, 9, Decision::Reject).unwrap();
    for _ in 0..20 {
        value(&mut bench, 10.0);
    }
    bench.slot(vec![observed(9, 12.0, false), observed(bench.day + 1, 10.0, false)], None);
    assert_eq!(bench.state.suspects.of(&"k".into()), []);
}

#[test]
fn what_is_final_at_last_is_looked_at_however_late() {
    let mut bench = bench();
    for _ in 0..20 {
        bench.slot(vec![observed(bench.day + 1, 1_000.0, true)], None);
    }
    assert!(!bench.state.suspects.has_open(&"k".into()));
    let settled = bench.slot(vec![observed(9, 1_000.0, false)], None);
    assert_eq!(settled.evaluate.suspects.len(), 1);
}

#[test]
fn a_correction_of_cents_makes_nothing_suspect_again() {
    let mut bench = bench();
    for high in [1_000.0, 1_100.0, 900.0] {
        value(&mut bench, high);
    }
    assert!(!bench.state.suspects.has_open(&"k".into()));
    let cents = bench.slot(vec![observed(9, 1_000.01, false)], None);
    assert_eq!(cents.evaluate.suspects, []);
    let far = bench.slot(vec![observed(9, 90_000.0, false)], None);
    assert_eq!(far.evaluate.suspects.len(), 1);
}

#[test]
fn what_is_accepted_frees_its_like() {
    let mut bench = bench();
    for high in [1_000.0, 1_050.0] {
        value(&mut bench, high);
        again(&mut bench, 10, high);
    }
    let accepted = decide(&mut bench, 9, Decision::Accept).unwrap();
    assert_eq!(shown(&accepted), "0 suspect resolved, 0 suspect resolved, 0 breach fired");
}

#[test]
fn a_jump_that_comes_with_a_later_try_is_asked_for_again_too() {
    let mut bench = bench();
    bench.slot(Vec::new(), Some(PullTrouble { message: "down".to_owned(), not_asked: None, whole_source: true }));
    assert_eq!(shown(&again(&mut bench, 30, 1_000.0)), "0 outage withdrawn, 0 no_data withdrawn");
    assert_eq!(shown(&again(&mut bench, 39, 1_000.0)), "");
    assert_eq!(shown(&again(&mut bench, 40, 1_000.0)), "0 suspect fired");
}

#[test]
fn a_decision_is_kept_when_the_source_says_otherwise() {
    let mut bench = bench();
    value(&mut bench, 1_000.0);
    again(&mut bench, 10, 1_000.0);
    decide(&mut bench, 9, Decision::Reject).unwrap();
    let kept = &again(&mut bench, 30, 12.0).evaluate.suspects[0];
    let SuspectState::Settled(settlement) = &kept.state else { panic!("{kept:?}") };
    assert_eq!((settlement.how, settlement.by.as_deref()), (Settled::Rejected, Some("ada")));
    assert_eq!(settlement.superseded_at, Some(slot(9) + SignedDuration::from_mins(30)));
}

#[test]
fn too_many_suspects_are_said() {
    let mut bench = bench();
    let settled = |bench: &Bench| {
        let at = slot(bench.day);
        let state = SuspectState::Seen { again_at: at };
        let series = SeriesKey::total(&"k".into());
        move |bucket| crate::model::suspect::Suspect {
            beside: None,
            series: series.clone(),
            bucket,
            value: 1e9,
            low: 1.0,
            high: 2.0,
            slot: at,
            since: at,
            state: state.clone(),
        }
    };
    let newest = observed(8, 0.0, false).bucket;
    let known = (1..=1_000).map(|back| settled(&bench)(newest - 100 - back));
    bench.state.suspects = known.collect();
    assert_eq!(value(&mut bench, 1_000.0).tally.unsuspected, 1);
}

#[test]
fn a_value_that_takes_the_place_of_another_one_is_settled_for_good() {
    let mut bench = bench();
    value(&mut bench, 1_000.0);
    again(&mut bench, 10, 1_000.0);
    // The source says another one, which is no better: the alert goes on.
    let other = again(&mut bench, 20, 900.0);
    assert_eq!(shown(&other), "");
    let states: Vec<&str> = other.evaluate.suspects.iter().map(|suspect| suspect.state.as_str()).collect();
    assert_eq!(states, ["withdrawn", "seen"], "both are written: each has a row of its own");
    assert_eq!(shown(&again(&mut bench, 30, 900.0)), "");
    let accepted = decide(&mut bench, 9, Decision::Accept).unwrap();
    assert_eq!(shown(&accepted), "0 suspect resolved, 0 breach fired");
}
