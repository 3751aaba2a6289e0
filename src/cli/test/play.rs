//! A test is lived: slots, what happens beside them, and what is expected, in the order of their instants.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::case::{Case, START};
use super::expect::{Failure, Messages, check};
use super::form::{ExpectForm, FileForm, TestForm};
use super::moments::{Calendar, Moment};
use super::source::Source;
use crate::daemon::{known_series, report_of, retry_at, span};
use crate::engine::{Effects, Past, PullReport, PullTrouble, SlotEvent, State, computed, oldest_change};
use crate::model::action::{Action, ActionKind};
use crate::model::alert::{Alert, AlertKey, Phase};
use crate::model::grain::BucketIndex;
use crate::model::ids::SeriesKey;
use crate::model::kpi::Kpi;
use crate::model::notification::Matcher;
use crate::validate::{Context, KnownAt, Span, validate};

/// Lives a test. Must be called on a thread with a large stack.
///
/// # Errors
/// What in the test makes no sense.
pub(super) fn play(case: &Case, file: &FileForm, test: &TestForm, folder: &Path) -> Result<Vec<Failure>, String> {
    let main = case.setup.catalog.kpi(&case.main).cloned().ok_or("there is no KPI")?;
    let start = test.start.as_ref().or(file.start.as_ref()).map_or(START, String::as_str);
    let calendar = Calendar::new(&main, start)?;
    let mut source = Source::of(case, &calendar, test, folder)?;
    let mut items: Vec<Item> = Vec::new();
    for happens in &test.happens {
        source.note(case, (&calendar, start), happens, &mut items)?;
    }
    for expected in &test.expect {
        let moment = calendar.moment(&expected.at)?;
        items.push((calendar.settled(moment), Order::Expected, What::Expect(moment, expected)));
    }
    let ends = items.iter().map(|(at, ..)| *at).max().unwrap_or(Timestamp::MIN);
    let ends = ends.max(calendar.slot_of(calendar.first + source.longest.max(1) as i64 - 1));
    source.slots(case, &calendar, start, ends, &mut items)?;
    // What comes first at one instant: slots, those of computed KPIs last, then people, then what is expected.
    items.sort_by_key(|(at, order, _)| (*at, *order));
    Stage { case, calendar, source, past: Past::new(&case.setup), seen: Seen::default() }.live(items)
}

pub(super) type Item<'a> = (Timestamp, Order, What<'a>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    Slot,
    Computed,
    Happens,
    Expected,
}

pub(super) enum What<'a> {
    Slot(Arc<Kpi>),
    /// Who does what, to the alerts of which series; none: of all.
    Act(&'a str, Done, Option<SeriesKey>),
    Restart,
    Expect(Moment, &'a ExpectForm),
}

/// What a person does.
#[derive(Clone, Copy)]
pub(super) enum Done {
    Acknowledges,
    Snoozes(SignedDuration),
    Silences(SignedDuration),
}

/// What was seen as the test went.
#[derive(Default)]
pub(super) struct Seen {
    pub messages: Messages,
    /// The newest phase of alerts.
    pub phases: BTreeMap<AlertKey, Phase>,
    /// Values that were not taken since the last expectation.
    pub refused: Vec<String>,
}

impl Seen {
    fn saw(&mut self, effects: &Effects, at: Timestamp) {
        for transition in &effects.evaluate.transitions {
            self.phases.insert(transition.key.clone(), transition.to);
        }
        let deliveries = effects.notify.deliveries.iter();
        self.messages.all.extend(deliveries.map(|delivery| (at, delivery.clone())));
    }
}

struct Stage<'a> {
    case: &'a Case,
    calendar: Calendar<'a>,
    source: Source,
    past: Past<'a>,
    seen: Seen,
}

impl Stage<'_> {
    fn live(mut self, items: Vec<Item<'_>>) -> Result<Vec<Failure>, String> {
        let mut failures = Vec::new();
        // Slots whose pull failed, by the instant at which it is tried again.
        let mut retries: BTreeMap<Timestamp, Vec<(Arc<Kpi>, Timestamp)>> = BTreeMap::new();
        for (at, _, what) in items {
            while let Some(entry) = retries.first_entry().filter(|entry| *entry.key() < at) {
                let (again, due) = entry.remove_entry();
                for (kpi, slot) in due {
                    self.slot(&kpi, (slot, again), &mut retries);
                }
            }
            match what {
                What::Slot(kpi) => self.slot(&kpi, (at, at), &mut retries),
                What::Restart => {
                    let seen = &mut self.seen;
                    self.past.restart(at, &mut |_, effects, at| seen.saw(effects, at));
                }
                What::Act(by, done, series) => self.act((by, done, series.as_ref()), at)?,
                What::Expect(moment, expected) => {
                    let seen = &mut self.seen;
                    self.past.tell_before(at, &mut |_, effects, at| seen.saw(effects, at));
                    if self.case.is_covered {
                        continue;
                    }
                    let failure = check(self.case, &self.calendar, self.past.state(), seen, (moment, at), expected)?;
                    let refused = std::mem::take(&mut seen.refused);
                    failures.extend(failure.map(|failure| Failure { refused, ..failure }));
                }
            }
        }
        Ok(failures)
    }

    fn slot(
        &mut self,
        kpi: &Arc<Kpi>,
        (slot, at): (Timestamp, Timestamp),
        retries: &mut BTreeMap<Timestamp, Vec<(Arc<Kpi>, Timestamp)>>,
    ) {
        let clock = self.past.state().clocks.get(&kpi.id).cloned();
        // A retry whose next slot has passed is no more.
        if slot != at && clock.as_ref().is_none_or(|clock| clock.last_slot != Some(slot)) {
            return;
        }
        let asked = self.asked(kpi, (slot, at));
        let pull = match (asked, self.source.outage(at).filter(|_| kpi.formula().is_none())) {
            // Nothing has ended since: the source is not asked.
            (None, _) => PullReport { at: Some(at), nothing_asked: true, ..PullReport::default() },
            (Some(_), Some(message)) => {
                if let Some(again) = retry_at(kpi, slot, at) {
                    retries.entry(again).or_default().push((kpi.clone(), slot));
                }
                let trouble = PullTrouble { message: message.to_owned(), not_asked: None, whole_source: true };
                PullReport { trouble: Some(trouble), at: Some(at), ..PullReport::default() }
            }
            (Some(span), None) => self.pulled(kpi, span, at),
        };
        let refused = pull.rejections.iter().map(|one| format!("{}, `{}`: {}", one.origin, one.raw, one.cause));
        self.seen.refused.extend(refused);
        let event =
            SlotEvent { kpi: kpi.id.clone(), slot, pull: Some(pull), only: None, retry_at: None, completes: true };
        let seen = &mut self.seen;
        self.past.slot(event, at, &mut |_, effects, at| seen.saw(effects, at));
    }

    /// The buckets that live would be asked for.
    fn asked(&self, kpi: &Arc<Kpi>, (slot, at): (Timestamp, Timestamp)) -> Option<(BucketIndex, BucketIndex)> {
        let state: &State = self.past.state();
        let first = self.source.firsts.get(&kpi.id).copied().unwrap_or(BucketIndex::MIN);
        let clock = state.clocks.get(&kpi.id);
        let pulled_to = clock.and_then(|clock| clock.pulled_to);
        // A series is not asked for before it begins, however short its history.
        let (from, to) = match pulled_to {
            None => (first, kpi.grain.last_ended(slot, &kpi.zone)),
            Some(_) => span(kpi, clock, (&state.history, &state.suspects), (slot, at))?,
        };
        let changed = kpi.formula().zip(pulled_to);
        let changed = changed.and_then(|(formula, to)| oldest_change(state, kpi, formula, (to, at)));
        Some((from.min(changed.unwrap_or(from)).max(first), to))
    }

    /// What a pull of that span brings.
    fn pulled(&self, kpi: &Arc<Kpi>, (from, to): (BucketIndex, BucketIndex), at: Timestamp) -> PullReport {
        let state: &State = self.past.state();
        let pull = match kpi.formula() {
            Some(formula) => computed(state, kpi, formula, (from, to)),
            None => self.source.pull(kpi, (from, to), at),
        };
        let known = known_series(&state.history, &kpi.id);
        let roll_ups = self.case.setup.roll_ups(&kpi.id);
        let context = Context {
            kpi,
            span: Span { from, to },
            known_at: KnownAt::Own(at),
            now: at,
            roll_ups: &roll_ups,
            known: &known,
            zero_from: None,
            held_from: None,
        };
        report_of(validate(&context, pull), to, at)
    }

    /// What the rule tells.
    fn everything(&self) -> Matcher {
        Matcher { rule: vec![self.case.rule.clone()], ..Matcher::default() }
    }

    fn act(&mut self, (by, done, series): (&str, Done, Option<&SeriesKey>), at: Timestamp) -> Result<(), String> {
        let until = |lasting: SignedDuration| at.checked_add(lasting).unwrap_or(Timestamp::MAX);
        let is_meant = |alert: &&Alert| {
            let key = &alert.key;
            alert.phase == Phase::Firing
                && key.rule() == Some(&self.case.rule)
                && series.is_none_or(|series| key.series() == Some(series))
        };
        let firing: Vec<_> = self.past.state().book.sorted().into_values().filter(is_meant).collect();
        let all: Vec<ActionKind> = match done {
            Done::Silences(lasting) => {
                vec![ActionKind::Silence { matcher: self.everything(), until: until(lasting), why: "test".to_owned() }]
            }
            _ if firing.is_empty() => return Err("nothing fires that could be acknowledged or snoozed".to_owned()),
            Done::Acknowledges => {
                firing.iter().map(|alert| ActionKind::Acknowledge { alert: alert.key.id(), note: None }).collect()
            }
            Done::Snoozes(lasting) => {
                firing.iter().map(|alert| ActionKind::Snooze { alert: alert.key.id(), until: until(lasting) }).collect()
            }
        };
        for what in all {
            let seen = &mut self.seen;
            self.past.act(Action { by: by.to_owned(), what }, at, &mut |_, effects, at| seen.saw(effects, at))?;
        }
        Ok(())
    }
}
