//! More alerts at once than are given new figures in a slot: what goes on is written as pulses.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::{Bench, catalog, kpi, labelled, rule};
use crate::engine::evaluate::RENEWALS_PER_SLOT_MAX;
use crate::engine::{Effects, Event, State};
use crate::model::alert::{Alert, AlertKey, Phase};
use crate::model::commit::{EvaluateCommit, RulePulse, StoredState};
use crate::model::ids::{KpiId, Labels, RuleId};
use crate::model::notification::NotifyReason;
use crate::model::rule::SeriesChoice;

const WHOLE: usize = RENEWALS_PER_SLOT_MAX as usize;
const SERIES: usize = WHOLE + 20;

fn bench() -> Bench {
    let mut kpi = kpi();
    kpi.dimensions = vec!["shop".to_owned()];
    let mut rule = rule("fn evaluate(kpi, p) { above(kpi.value, 5) }");
    rule.series = SeriesChoice::Each(vec!["shop".to_owned()]);
    let mut catalog = catalog(kpi, vec![rule], Vec::new());
    catalog.route.group_by = Vec::new();
    catalog.route.remind = Some(SignedDuration::from_hours(48));
    Bench::new(catalog)
}

fn shop(number: usize) -> Labels {
    [("shop", format!("{number:03}"))].into_iter().collect()
}

/// What a store holds after some commits.
#[derive(Default)]
struct Kept {
    alerts: BTreeMap<AlertKey, Alert>,
    pulses: BTreeMap<(KpiId, RuleId), RulePulse>,
}

impl Kept {
    fn take(&mut self, commit: &EvaluateCommit) {
        self.alerts.extend(commit.alerts.iter().map(|alert| (alert.key.clone(), alert.clone())));
        for pulse in &commit.pulses {
            self.pulses.insert((pulse.kpi.clone(), pulse.rule.clone()), pulse.clone());
        }
    }

    fn loaded(&self) -> Vec<Alert> {
        let mut alerts: Vec<Alert> = self.alerts.values().cloned().collect();
        let pulses: Vec<RulePulse> = self.pulses.values().cloned().collect();
        RulePulse::apply(&pulses, &mut alerts);
        alerts
    }
}

fn without_figures(alerts: impl IntoIterator<Item = Alert>) -> Vec<Alert> {
    alerts.into_iter().map(|alert| Alert { facts: None, ..alert }).collect()
}

/// All shops at one value, the last one at another.
fn day(bench: &mut Bench, value: f64, last: f64) -> Effects {
    let morning = bench.day + 1;
    let value_of = |number| if number == SERIES - 1 { last } else { value };
    bench.slot((0..SERIES).map(|number| labelled(&shop(number), morning, value_of(number), false)).collect(), None)
}

#[test]
fn what_goes_on_is_written_small_and_read_back_whole() {
    let (mut bench, mut kept) = (bench(), Kept::default());
    for (value, last) in [(6.0, 6.0), (7.0, 7.0), (8.0, 8.0), (9.0, 1.0), (9.5, 6.5)] {
        let effects = day(&mut bench, value, last);
        kept.take(&effects.evaluate);
        let in_memory = bench.state.book.sorted().into_values().cloned();
        assert_eq!(without_figures(kept.loaded()), without_figures(in_memory), "value {value}");
    }
    let effects = day(&mut bench, 10.0, 10.0);
    let (whole, small) = (effects.evaluate.alerts.len(), effects.evaluate.pulses[0].alerts.len());
    assert_eq!((whole, small), (WHOLE, SERIES - WHOLE));
    // Nobody is left firing: what was stored of it goes.
    assert_eq!(day(&mut bench, 1.0, 1.0).evaluate.pulses.iter().map(|rule| rule.alerts.len()).sum::<usize>(), 0);
}

#[test]
fn a_restart_goes_on_where_the_pulse_left_it() {
    let (mut bench, mut kept) = (bench(), Kept::default());
    for value in [6.0, 7.0, 8.0] {
        kept.take(&day(&mut bench, value, value).evaluate);
    }
    // A slot that brings nothing new must not lose what stands in the pulse.
    bench.day -= 1;
    kept.take(&bench.slot(Vec::new(), None).evaluate);
    let stored = StoredState {
        alerts: kept.loaded(),
        pulses: kept.pulses.into_values().collect(),
        clocks: bench.state.clocks.values().cloned().collect(),
        last_seq: bench.state.last_seq,
        ..StoredState::default()
    };
    let history = std::mem::take(&mut bench.state.history);
    bench.state = State { history, ..State::from_stored(stored) };
    // The same bucket again, now calm: it has been counted as a breach.
    let morning = bench.day;
    let calm = (0..SERIES).map(|number| labelled(&shop(number), morning, 1.0, false)).collect();
    bench.day -= 1;
    let effects = bench.slot(calm, None);
    assert!(effects.evaluate.alerts.iter().all(|alert| alert.phase == Phase::Firing), "ended by a bucket seen twice");
}

#[test]
fn reminders_tell_the_newest_figures() {
    let mut bench = bench();
    day(&mut bench, 6.0, 6.0);
    let first = bench.step(Event::Wake);
    assert_eq!(first.notify.notifications[0].reason, NotifyReason::First);
    day(&mut bench, 7.0, 7.0);
    day(&mut bench, 8.0, 8.0);
    let reminder = bench.step(Event::Wake);
    assert_eq!(reminder.notify.notifications[0].reason, NotifyReason::Reminder);
    let sections = &reminder.notify.deliveries[0].message.sections;
    assert!(
        sections.len() == 20 && sections.iter().all(|section| section.payload.value == Some(8.0)),
        "old figures in a reminder"
    );
}

#[test]
fn an_alert_that_comes_back_counts_on() {
    let mut bench = Bench::simple("fn evaluate(kpi, p) { above(kpi.value, 5) }");
    for word in ["9", "1"] {
        bench.feed(word);
        bench.step(Event::Wake);
    }
    assert!(bench.state.book.is_empty(), "its end was told, so it has left the book");
    bench.feed("9");
    assert_eq!(bench.state.book.sorted().into_values().map(|alert| alert.episode).collect::<Vec<_>>(), [2]);
}
