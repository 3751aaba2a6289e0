//! A test is lived: slots, what happens beside them, and what is expected, in the order of their instants.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::case::{Case, START};
use super::expect::{Failure, Messages, check};
use super::form::{ExpectForm, FileForm, HappensForm, SeriesForms, TestForm};
use super::moments::{Calendar, Moment};
use super::values::{Cell, SeriesForm, cell};
use crate::daemon::{known_series, retry_at};
use crate::engine::{Effects, Past, PullReport, PullTrouble, SlotEvent, State, computed, oldest_change};
use crate::model::action::{Action, ActionKind};
use crate::model::alert::{AlertKey, Phase};
use crate::model::grain::BucketIndex;
use crate::model::ids::{KpiId, Labels};
use crate::model::kpi::Kpi;
use crate::model::notification::Matcher;
use crate::model::observation::{Pull, Reading, ReadingTime, ReadingValue};
use crate::model::rule::Patience;
use crate::validate::{Context, KnownAt, Span, validate};

/// Slots that one test steps at most.
const SLOTS_MAX: usize = 500_000;

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
        source.note(case, &calendar, happens, &mut items)?;
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

type Item<'a> = (Timestamp, Order, What<'a>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    Slot,
    Computed,
    Happens,
    Expected,
}

enum What<'a> {
    Slot(Arc<Kpi>),
    Act(&'a str, Done),
    Restart,
    Expect(Moment, &'a ExpectForm),
}

/// What a person does.
#[derive(Clone, Copy)]
enum Done {
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

/// What the source says, and since when.
struct Source {
    /// By KPI and series, from the first bucket on.
    values: BTreeMap<KpiId, BTreeMap<Labels, Vec<Cell>>>,
    /// Buckets that are known late, or are other ones from then on, in the order of their instants.
    later: Vec<Later>,
    outages: Vec<(Timestamp, Timestamp, String)>,
    longest: usize,
    firsts: BTreeMap<KpiId, BucketIndex>,
}

struct Later {
    from: Timestamp,
    kpi: KpiId,
    labels: Labels,
    bucket: BucketIndex,
    value: Cell,
    /// Before it there is nothing, rather than what stands in the series.
    hides: bool,
}

impl Source {
    fn of(case: &Case, calendar: &Calendar<'_>, test: &TestForm, folder: &Path) -> Result<Source, String> {
        let all: Vec<(String, &SeriesForm)> = match &test.series {
            SeriesForms::One(series) => vec![(String::new(), series)],
            SeriesForms::Many(series) => series.iter().map(|(name, series)| (name.clone(), series)).collect(),
        };
        let mut values: BTreeMap<KpiId, BTreeMap<Labels, Vec<Cell>>> = BTreeMap::new();
        let mut longest = 0;
        for (name, series) in all {
            let (kpi, labels) = series_named(case, &name)?;
            let own = series.values(folder).map_err(|why| format!("series{}: {why}", spaced(&name)))?;
            if kpi == calendar.kpi.id {
                longest = longest.max(own.len());
            }
            values.entry(kpi).or_default().insert(labels, own);
        }
        Ok(Source { values, later: Vec::new(), outages: Vec::new(), longest, firsts: BTreeMap::new() })
    }

    fn note<'a>(
        &mut self,
        case: &Case,
        calendar: &Calendar<'_>,
        happens: &'a HappensForm,
        items: &mut Vec<Item<'a>>,
    ) -> Result<(), String> {
        let at = calendar.after(calendar.moment(&happens.at)?);
        let lasting = |text: &str| match Patience::parse(text) {
            Ok(Patience::Elapsed(lasting)) if lasting.is_positive() => Ok(lasting),
            _ => Err(format!("`{text}` is no duration; write `2d` or `4h`")),
        };
        let mut what = 0;
        if let Some(message) = &happens.outage {
            let until = happens.until.as_ref().ok_or("an outage needs `until`")?;
            let until = calendar.after(calendar.moment(until)?);
            // Of buckets: from the slot of the first up to before that of the second one's successor.
            let from = match calendar.moment(&happens.at)? {
                Moment::Bucket(bucket) => calendar.slot_of(bucket),
                Moment::Instant(at) => at,
            };
            self.outages.push((from, until, message.clone()));
            what += 1;
        }
        for (bucket, hides) in
            happens.late.iter().map(|at| (at, true)).chain(happens.revise.iter().map(|at| (at, false)))
        {
            let Moment::Bucket(bucket) = calendar.moment(bucket)? else {
                return Err("`late` and `revise` take a bucket, by its number or name".to_owned());
            };
            let (kpi, labels) = series_named(case, happens.series.as_deref().unwrap_or_default())?;
            let value = if hides {
                self.value(&kpi, &labels, bucket - calendar.first)
            } else {
                let value = happens.value.as_ref().ok_or("a revision needs `value`; `_` takes the old one away")?;
                cell(value)?.into_iter().next().flatten()
            };
            self.later.push(Later { from: at, kpi, labels, bucket, value, hides });
            what += 1;
        }
        if let Some(by) = &happens.ack {
            items.push((at, Order::Happens, What::Act(by, Done::Acknowledges)));
            what += 1;
        }
        if let Some(text) = &happens.snooze {
            items.push((at, Order::Happens, What::Act("you", Done::Snoozes(lasting(text)?))));
            what += 1;
        }
        if let Some(text) = &happens.silence {
            items.push((at, Order::Happens, What::Act("you", Done::Silences(lasting(text)?))));
            what += 1;
        }
        if happens.restart {
            items.push((at, Order::Happens, What::Restart));
            what += 1;
        }
        if what != 1 {
            return Err(
                "each entry of `happens` names one thing: outage, late, revise, ack, snooze, silence or restart"
                    .to_owned(),
            );
        }
        self.later.sort_by_key(|later| later.from);
        Ok(())
    }

    fn value(&self, kpi: &KpiId, labels: &Labels, place: i64) -> Cell {
        let series = self.values.get(kpi)?.get(labels)?;
        usize::try_from(place).ok().and_then(|place| series.get(place).cloned()).flatten()
    }

    /// Every slot from that of the first bucket on.
    fn slots(
        &mut self,
        case: &Case,
        calendar: &Calendar<'_>,
        start: &str,
        ends: Timestamp,
        items: &mut Vec<Item<'_>>,
    ) -> Result<(), String> {
        for kpi in case.setup.catalog.kpis.values() {
            let own = Calendar::new(kpi, start)?;
            self.firsts.insert(kpi.id.clone(), own.first);
            let order = if kpi.formula().is_some() { Order::Computed } else { Order::Slot };
            let mut slot = own.slot_of(own.first);
            while slot <= ends {
                items.push((slot, order, What::Slot(kpi.clone())));
                if items.len() > SLOTS_MAX {
                    return Err(format!("more than {SLOTS_MAX} slots up to {}", calendar.kpi.zone.to_datetime(ends)));
                }
                let Some(next) = kpi.schedule.next_after(slot, &kpi.zone, &kpi.calendar) else { break };
                slot = next;
            }
        }
        Ok(())
    }

    fn outage(&self, at: Timestamp) -> Option<&str> {
        self.outages.iter().find(|(from, until, _)| *from <= at && at < *until).map(|(.., message)| message.as_str())
    }

    /// What it says of a span at an instant.
    fn pull(&self, kpi: &Kpi, (from, to): (BucketIndex, BucketIndex), at: Timestamp) -> Pull {
        let first = self.firsts.get(&kpi.id).copied().unwrap_or(from);
        let mut pull = Pull { complete: true, ..Pull::default() };
        let Some(all) = self.values.get(&kpi.id) else { return pull };
        for (labels, values) in all {
            let own: Vec<&Later> =
                self.later.iter().filter(|later| later.kpi == kpi.id && later.labels == *labels).collect();
            for bucket in from..=to {
                let place = usize::try_from(bucket - first).ok();
                let mut value = place.and_then(|place| values.get(place).cloned()).flatten();
                for later in own.iter().filter(|later| later.bucket == bucket) {
                    match later.from <= at {
                        true => value.clone_from(&later.value),
                        false if later.hides => value = None,
                        false => {}
                    }
                }
                let Some(value) = value else { continue };
                pull.readings.push(reading(kpi, bucket, labels, value));
            }
        }
        pull
    }

    /// The oldest bucket of which something else is known since then.
    fn changed_since(&self, kpi: &KpiId, since: Timestamp, at: Timestamp) -> Option<BucketIndex> {
        let new = self.later.iter().filter(|later| later.kpi == *kpi && since < later.from && later.from <= at);
        new.map(|later| later.bucket).min()
    }
}

fn reading(kpi: &Kpi, bucket: BucketIndex, labels: &Labels, value: ReadingValue) -> Reading {
    let time = ReadingTime::Instant(kpi.grain.start_of(bucket, &kpi.zone));
    Reading { time, labels: labels.clone(), value, origin: format!("the test, {}", kpi.bucket_name(bucket)) }
}

fn spaced(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" {name}") }
}

/// `revenue`, `revenue{channel="web"}`, `{channel="web"}`, or nothing for the total of the first KPI.
pub(super) fn series_named(case: &Case, name: &str) -> Result<(KpiId, Labels), String> {
    let (kpi, labels) = match name.split_once('{') {
        None => (name.trim(), ""),
        Some((kpi, rest)) => {
            let inner = rest.trim_end().strip_suffix('}');
            (
                kpi.trim(),
                inner.ok_or_else(|| format!("`{name}`: the labels are not closed; write `{{channel=\"web\"}}`"))?,
            )
        }
    };
    let kpi = if kpi.is_empty() { case.main.clone() } else { KpiId::from(kpi) };
    let Some(def) = case.setup.catalog.kpi(&kpi) else {
        let known: Vec<&str> = case.setup.catalog.kpis.keys().map(KpiId::as_str).collect();
        return Err(format!("`{name}`: there is no KPI `{kpi}`; there are {}", known.join(", ")));
    };
    let mut pairs = Vec::new();
    for pair in labels.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (label, value) =
            pair.split_once('=').ok_or_else(|| format!("`{pair}` is no label; write `channel=\"web\"`"))?;
        if !def.dimensions.iter().any(|dimension| dimension == label.trim()) {
            return Err(format!(
                "`{}` is no dimension of KPI `{kpi}`; it has: {}",
                label.trim(),
                def.dimensions.join(", ")
            ));
        }
        pairs.push((label.trim().to_owned(), value.trim().trim_matches('"').to_owned()));
    }
    Ok((kpi, pairs.into_iter().collect()))
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
                What::Act(by, done) => self.act(by, done, at)?,
                What::Expect(moment, expected) => {
                    let seen = &mut self.seen;
                    self.past.tell_before(at, &mut |_, effects, at| seen.saw(effects, at));
                    failures.extend(check(self.case, &self.calendar, self.past.state(), seen, (moment, at), expected)?);
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
        let pull = match self.source.outage(at).filter(|_| kpi.formula().is_none()) {
            Some(message) => {
                if let Some(again) = retry_at(kpi, slot, at) {
                    retries.entry(again).or_default().push((kpi.clone(), slot));
                }
                let trouble = PullTrouble { message: message.to_owned(), not_asked: None, whole_source: true };
                PullReport { trouble: Some(trouble), at: Some(at), ..PullReport::default() }
            }
            None => self.pulled(kpi, (slot, at)),
        };
        let event =
            SlotEvent { kpi: kpi.id.clone(), slot, pull: Some(pull), only: None, retry_at: None, completes: true };
        let seen = &mut self.seen;
        self.past.slot(event, at, &mut |_, effects, at| seen.saw(effects, at));
    }

    /// What a pull brings: what ended since the last one, what may still change, and what has changed.
    fn pulled(&self, kpi: &Arc<Kpi>, (slot, at): (Timestamp, Timestamp)) -> PullReport {
        let state: &State = self.past.state();
        let to = kpi.grain.last_ended(slot, &kpi.zone);
        let first = self.source.firsts.get(&kpi.id).copied().unwrap_or(to);
        let clock = state.clocks.get(&kpi.id);
        let from = match clock.and_then(|clock| clock.pulled_to.zip(clock.last_pull_at)) {
            None => first,
            Some((pulled_to, pulled_at)) => {
                let settled = kpi.grain.index_at(pulled_at.checked_sub(kpi.settle).unwrap_or(pulled_at), &kpi.zone);
                let settling = if kpi.settle.is_zero() { pulled_to + 1 } else { settled };
                let changed = match kpi.formula() {
                    Some(formula) => oldest_change(state, kpi, formula, (pulled_to, at)),
                    None => self.source.changed_since(&kpi.id, pulled_at, at),
                };
                // A series is not asked for before it begins.
                (pulled_to + 1).min(settling).min(changed.unwrap_or(to)).max(first)
            }
        };
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
        let found = validate(&context, pull);
        PullReport {
            observations: found.observations,
            rejections: found.rejections,
            pulled_to: Some(to),
            trouble: None,
            warnings: found.warnings,
            at: Some(at),
            oldest: found.oldest,
            nothing_asked: false,
        }
    }

    /// What the rule tells.
    fn everything(&self) -> Matcher {
        Matcher { rule: vec![self.case.rule.clone()], ..Matcher::default() }
    }

    fn act(&mut self, by: &str, done: Done, at: Timestamp) -> Result<(), String> {
        let until = |lasting: SignedDuration| at.checked_add(lasting).unwrap_or(Timestamp::MAX);
        let firing: Vec<_> =
            self.past.state().book.sorted().into_values().filter(|alert| alert.phase == Phase::Firing).collect();
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
