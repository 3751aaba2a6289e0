//! Events by command: what is refused, what they do from then on, and what they leave as it was.

use jiff::civil::{Date, date};

use super::{Bench, changes, slot};
use crate::engine::event::{Answer, Effects, Event};
use crate::engine::events::known;
use crate::model::action::{Action, ActionKind};
use crate::model::alert::{Aspect, Freeze};
use crate::model::assessment::Unmeasurable;
use crate::model::event::EventDays;
use crate::model::ids::{EventId, Labels};

const FELL: &str = "fn evaluate(kpi, p) { below(kpi.change(1), -0.5) }";

fn november(day: i8) -> Date {
    date(2026, 11, day)
}

fn days(name: &str, from: Date, to: Date) -> EventDays {
    EventDays { name: name.into(), from, to, kpis: Vec::new(), labels: Labels::total(), exclude: true }
}

fn act(bench: &mut Bench, what: ActionKind) -> Effects {
    bench.step(Event::Act(Action { by: "ada".into(), what }))
}

fn add(bench: &mut Bench, what: EventDays) -> EventId {
    let effects = act(bench, ActionKind::AddEvent(what));
    let Some(Ok(Answer::Event(id))) = effects.answer else { panic!("{:?}", effects.answer) };
    assert_eq!(effects.evaluate.events.iter().map(|event| &event.id).collect::<Vec<_>>(), [&id]);
    id
}

#[track_caller]
fn refused(bench: &mut Bench, what: ActionKind, part: &str) {
    let effects = act(bench, what);
    let Some(Err(why)) = effects.answer else { panic!("{:?}", effects.answer) };
    assert!(why.contains(part) && effects.evaluate.is_empty(), "{why}");
}

#[test]
fn a_change_against_excluded_days_only_freezes() {
    let mut bench = Bench::simple(FELL);
    bench.feed("9");
    assert_eq!(changes(2, &bench.feed("3")), ["2 breach fired"]);
    add(&mut bench, days("Strike", november(2), november(2)));
    // The bucket of 3 November would be compared with that of the 2nd.
    assert_eq!(changes(3, &bench.feed("1")), ["3 breach frozen"]);
    let missing = Unmeasurable::Excluded { event: "Strike".into() };
    assert_eq!(bench.alert(Aspect::Breach).and_then(|alert| alert.frozen), Some(Freeze::NoData { missing }));
    assert_eq!(bench.alert(Aspect::NoData), None, "the data is there");
    assert_eq!(changes(4, &bench.feed("1")), ["4 breach unfrozen", "4 breach recovered"]);
}

#[test]
fn an_event_counts_from_when_it_was_told_to_when_it_was_removed() {
    let mut bench = Bench::simple(FELL);
    bench.feed("9");
    bench.feed("3");
    let id = add(&mut bench, days("Strike", november(1), november(2)));
    bench.day = 5;
    let removed = act(&mut bench, ActionKind::RemoveEvent { event: id.clone() });
    assert_eq!(removed.answer, Some(Ok(Answer::Event(id.clone()))));
    assert_eq!(removed.evaluate.events[0].removed_at, Some(slot(5)));
    refused(&mut bench, ActionKind::RemoveEvent { event: id }, "`vigie event list`");
    bench.restart();
    let at = |day| known(&bench.state, &bench.setup, &"k".into(), slot(day)).is_some();
    assert_eq!((2..=6).map(at).collect::<Vec<_>>(), [false, true, true, false, false]);
}

#[test]
fn a_message_says_what_happened_meanwhile() {
    let mut bench = Bench::simple(FELL);
    bench.feed("9");
    add(&mut bench, EventDays { exclude: false, ..days("Sale", november(2), november(9)) });
    add(&mut bench, days("Strike", november(3), november(4)));
    bench.feed("3");
    let facts = bench.alert(Aspect::Breach).and_then(|alert| alert.facts).unwrap();
    assert_eq!(facts.events.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(), ["Sale"]);
}

#[test]
fn rules_read_the_events_of_the_bucket() {
    let mut bench = Bench::simple(
        "fn evaluate(kpi, p) { if \"Sale\" in kpi.events { return hold(\"sale\"); } above(kpi.value, 5) }",
    );
    assert_eq!(changes(1, &bench.feed("9")), ["1 breach fired"]);
    add(&mut bench, days("Sale", november(2), november(2)));
    assert_eq!(changes(2, &bench.feed("1")), ["2 breach frozen"]);
    assert_eq!(changes(3, &bench.feed("1")), ["3 breach unfrozen", "3 breach recovered"]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut bench = Bench::simple(FELL);
    let whole = days("x", november(1), november(2));
    let mut check = |what: EventDays, part: &str| refused(&mut bench, ActionKind::AddEvent(what), part);
    check(EventDays { name: " ".into(), ..whole.clone() }, "needs a name");
    check(EventDays { name: "x".repeat(101), ..whole.clone() }, "at most 100 characters");
    check(EventDays { name: "a\nb".into(), ..whole.clone() }, "on one line");
    check(days("x", november(2), november(1)), "lies before the first");
    check(days("x", november(1), date(2126, 11, 1)), "at most 3660 days");
    check(EventDays { kpis: vec!["nope".into()], ..whole.clone() }, "no KPI 'nope'");
    check(EventDays { labels: Labels::from_iter([("channel", "web")]), ..whole }, "'channel' is a dimension of none");
}
