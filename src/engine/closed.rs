//! Periods of objectives that are over: each is decided once, as soon as its last bucket is final, and anew when one of its
//! values is revised. Of an objective that is new here the stored history is gone through once; what could not be decided
//! then is looked at again when something comes that it rests on.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use super::event::Event;
use super::setup::Setup;
use super::state::State;
use crate::assess::{Assessment, Closing, Passages};
use crate::model::action::{Action, ActionKind};
use crate::model::alert::{AlertKey, Aspect, Subject};
use crate::model::commit::EvaluateCommit;
use crate::model::grain::{BucketIndex, Grain, day_of, start_of_day};
use crate::model::ids::{KpiId, Labels, SeriesKey};
use crate::model::kpi::Kpi;
use crate::model::objective::{Measure, Objective};
use crate::model::outcome::{ClosedPeriod, Replaced};
use crate::model::period::Period;
use crate::model::series::SeriesData;
use crate::model::suspect::SuspectState;

/// Periods of one objective that one step looks at, newest first: ten years of months.
const PERIODS_MAX: usize = 120;

/// The KPI that an event is about, with the slot that it had stepped before.
pub(super) fn about(state: &State, event: &Event) -> Option<(KpiId, Option<Timestamp>)> {
    let kpi = match event {
        // New rules are stepped through a past that knows all that came since.
        Event::Slot(slot) if slot.pull.is_none() && slot.only.is_some() => return None,
        Event::Slot(slot) => &slot.kpi,
        Event::Entered(entered) => &entered.entry.kpi,
        Event::Act(Action { what: ActionKind::Settle { kpi, .. }, .. }) => kpi,
        Event::Wake | Event::Act(_) | Event::DeliveryEnded(_) | Event::Service { .. } | Event::Reconfigured => {
            return None;
        }
    };
    Some((kpi.clone(), state.clocks.get(kpi).and_then(|clock| clock.last_slot)))
}

/// Decides what can be decided of the KPI's objectives now that its step is done.
pub(super) fn close(
    state: &mut State,
    setup: &Setup,
    (id, before): (&KpiId, Option<Timestamp>),
    now: Timestamp,
    commit: &mut EvaluateCommit,
) {
    let objectives = setup.objectives(id);
    let Some(kpi) = setup.catalog.kpi(id).filter(|_| !objectives.is_empty()) else { return };
    let passages = Arc::<Passages>::default();
    let news = News::of(kpi, commit);
    let mut decided = Vec::new();
    for objective in objectives {
        let Some(data) = state.history.series(id, &objective.labels) else { continue };
        let desk = Desk { state: &*state, setup, kpi, objective, data, before, now, passages: &passages };
        decided.extend(desk.decide(&news));
    }
    for objective in objectives.iter().filter(|objective| state.history.series(id, &objective.labels).is_some()) {
        state.looked_back.insert(objective.id.clone(), (kpi.clone(), objective.clone()));
    }
    for closed in &decided {
        state.keep_closed(closed.clone());
    }
    commit.closed.extend(decided);
}

/// Periods of an objective from the one that holds a day on, as far as they were over on another.
pub(super) fn over_by(objective: &Objective, from: Date, today: Date) -> impl Iterator<Item = Period> {
    let mut day = objective.period.single().map_or(from, |single| from.max(single.first));
    std::iter::from_fn(move || {
        let period = objective.period.holding(day).filter(|period| period.last < today)?;
        day = period.last.saturating_add(1.day());
        Some(period)
    })
    .filter(|period| objective.period_holding(period.first).is_some())
}

/// What a step brought of a KPI's series.
struct News<'a> {
    /// The first days of the buckets that changed.
    touched: HashMap<&'a Labels, BTreeSet<Date>>,
    /// Those of which a suspect value changed its state.
    doubted: HashSet<&'a Labels>,
}

impl<'a> News<'a> {
    fn of(kpi: &Kpi, commit: &'a EvaluateCommit) -> News<'a> {
        let mut touched: HashMap<&Labels, BTreeSet<Date>> = HashMap::new();
        for seen in commit.observations.iter().filter(|seen| seen.series.kpi == kpi.id) {
            touched.entry(&seen.series.labels).or_default().insert(first_day(kpi, seen.bucket));
        }
        let suspects = || commit.suspects.iter().filter(|suspect| suspect.series.kpi == kpi.id);
        // A value that was doubted counts from when it is settled.
        for settled in suspects().filter(|suspect| matches!(suspect.state, SuspectState::Settled(_))) {
            touched.entry(&settled.series.labels).or_default().insert(first_day(kpi, settled.bucket));
        }
        News { touched, doubted: suspects().map(|suspect| &suspect.series.labels).collect() }
    }
}

fn first_day(kpi: &Kpi, bucket: BucketIndex) -> Date {
    day_of(kpi.grain.start_of(bucket, &kpi.zone), &kpi.zone)
}

/// What one objective is judged by.
struct Desk<'a> {
    state: &'a State,
    setup: &'a Setup,
    kpi: &'a Arc<Kpi>,
    objective: &'a Arc<Objective>,
    data: &'a Arc<SeriesData>,
    /// The slot that was stepped before.
    before: Option<Timestamp>,
    now: Timestamp,
    passages: &'a Arc<Passages>,
}

impl Desk<'_> {
    fn decide(&self, news: &News<'_>) -> Vec<ClosedPeriod> {
        let known = self.state.closed_of(&self.objective.id);
        let none = BTreeSet::new();
        let touched = news.touched.get(&self.objective.labels).unwrap_or(&none);
        let today = day_of(self.now, &self.kpi.zone);
        let is_of = |closed: &ClosedPeriod, day: Date| judged(closed.measure, closed.period).contains(day);
        let revised = known.iter().filter(|closed| touched.iter().any(|day| is_of(closed, *day)));
        let mut decided: Vec<ClosedPeriod> = revised.filter_map(|closed| self.revise(closed)).collect();
        let Some((oldest, _)) = self.data.span() else { return decided };
        let begin = first_day(self.kpi, oldest);
        // Days of which something was decided are not decided once more, though the periods were others then.
        let is_open = |period: &Period| {
            let begun = known.partition_point(|closed| closed.period.first <= period.last);
            begun.checked_sub(1).is_none_or(|newest| known[newest].period.last < period.first)
        };
        let mut open: Vec<Period> = over_by(self.objective, begin, today).filter(is_open).collect();
        let is_doubted = news.doubted.contains(&self.objective.labels);
        // What reaches further back than ever may complete any of them.
        let looks_back = is_doubted || touched.contains(&begin) || self.is_new_here();
        for period in open.split_off(open.len().saturating_sub(PERIODS_MAX)) {
            let is_new = is_doubted || self.rests_on(period, touched);
            if is_new || looks_back || self.ended_lately(period) {
                decided.extend(self.close(period, is_new));
            }
        }
        decided
    }

    /// Whether the periods before have not been looked at under these definitions.
    fn is_new_here(&self) -> bool {
        let looked_back = self.state.looked_back.get(&self.objective.id);
        looked_back
            .is_none_or(|(kpi, objective)| !Arc::ptr_eq(kpi, self.kpi) || !Arc::ptr_eq(objective, self.objective))
    }

    /// Whether a period may have come to its end since the step before: its last bucket may end later than it does.
    fn ended_lately(&self, period: Period) -> bool {
        let Some(before) = self.before else { return true };
        let after = match self.kpi.grain {
            Grain::Seconds(_) | Grain::Day => 0,
            Grain::Week => 6,
            Grain::Month => 30,
        };
        day_of(before, &self.kpi.zone) <= period.last.saturating_add(after.days())
    }

    /// Whether the figure of a period, or its target, rests on one of these days.
    fn rests_on(&self, period: Period, touched: &BTreeSet<Date>) -> bool {
        let over = self.objective.target.change().and_then(|_| self.objective.baseline_over(period));
        [Some(period), over].into_iter().flatten().any(|part| {
            let Period { first, last } = judged(self.objective.measure, part);
            // A hole at its end is one once a bucket after it has come, however late.
            let next =
                self.kpi.grain.index_at(start_of_day(last.saturating_add(1.day()), &self.kpi.zone), &self.kpi.zone);
            let after = self.data.range(next, BucketIndex::MAX).next().map(|point| first_day(self.kpi, point.index));
            touched.range(first..=last.saturating_add(1.day())).next().is_some()
                || after.is_some_and(|day| touched.contains(&day))
        })
    }

    fn close(&self, period: Period, is_new: bool) -> Option<ClosedPeriod> {
        let closing = self.closing(self.objective, period)?;
        // A sum over a period that began before the history did is not the period's.
        let is_whole = self.reaches_back(judged(self.objective.measure, period)) || takes_last(self.objective.measure);
        let end = start_of_day(period.last.saturating_add(1.day()), &self.kpi.zone);
        let final_at = end.checked_add(self.kpi.settle).unwrap_or(Timestamp::MAX);
        let filled_in = self.before.is_none_or(|before| !is_new && before >= final_at);
        is_whole.then(|| self.closed(self.objective, period, closing, filled_in))
    }

    /// The same period by the values as they are now, if that makes a difference.
    fn revise(&self, was: &ClosedPeriod) -> Option<ClosedPeriod> {
        let is_its_own = was.kpi == self.kpi.id && was.labels == self.objective.labels;
        if !is_its_own || was.shape != self.setup.shape(self.kpi) {
            return None;
        }
        // What was decided was decided by the target of its time.
        let then = Objective { target: was.target.into(), measure: was.measure, ..(**self.objective).clone() };
        let then = Arc::new(then);
        let closing = self.closing(&then, was.period)?;
        // What has grown too old to be kept is missing now, and was there.
        let is_whole = self.reaches_back(judged(was.measure, was.period))
            || takes_last(was.measure)
            || closing.present >= was.present;
        if !is_whole || (closing.outcome == was.outcome && closing.actual.to_bits() == was.actual.to_bits()) {
            return None;
        }
        let replaced = Replaced { outcome: was.outcome, actual: was.actual, decided_at: was.decided_at };
        let closed = self.closed(&then, was.period, closing, was.filled_in);
        Some(ClosedPeriod { revision: was.revision + 1, replaced: Some(replaced), ..closed })
    }

    fn closing(&self, objective: &Arc<Objective>, period: Period) -> Option<Closing> {
        #[cfg(test)]
        self.state.reckoned.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (labels, data) = (objective.labels.clone(), self.data.clone());
        let assessment = Assessment::new(self.kpi.clone(), labels, data, Some(objective.clone()), self.now);
        let closing = assessment.final_only().sharing(self.passages).closing_of(period)?;
        closing.actual.is_finite().then_some(closing)
    }

    fn reaches_back(&self, period: Period) -> bool {
        let first = self.kpi.grain.index_at(start_of_day(period.first, &self.kpi.zone), &self.kpi.zone);
        // A bucket that the period's start cuts through belongs to the period before.
        self.data.span().is_some_and(|(oldest, _)| oldest <= first || first_day(self.kpi, oldest - 1) < period.first)
    }

    fn closed(&self, objective: &Objective, period: Period, closing: Closing, filled_in: bool) -> ClosedPeriod {
        ClosedPeriod {
            objective: objective.id.clone(),
            kpi: self.kpi.id.clone(),
            labels: objective.labels.clone(),
            period,
            outcome: closing.outcome,
            target: closing.target,
            measure: objective.measure,
            actual: closing.actual,
            present: closing.present,
            due: closing.due,
            alerts: self.alerts(period),
            decided_at: self.now,
            filled_in,
            shape: self.setup.shape(self.kpi).to_owned(),
            revision: 0,
            replaced: None,
        }
    }

    fn alerts(&self, period: Period) -> u32 {
        let rules = self.setup.rules_on(&self.kpi.id).filter(|rule| rule.needs_objective);
        rules
            .map(|rule| {
                let series = SeriesKey { kpi: self.kpi.id.clone(), labels: self.objective.labels.clone() };
                let objective = Some(self.objective.id.clone());
                let subject = Subject::Rule { rule: rule.def.id.clone(), series, objective };
                let key = AlertKey { subject, period: Some(period.first), aspect: Aspect::Breach };
                self.state.book.get(&key).map_or_else(|| self.state.episodes_of(&key), |alert| alert.episode)
            })
            .sum()
    }
}

/// The days that the figure of a period is made of.
fn judged(measure: Measure, period: Period) -> Period {
    match measure {
        Measure::Rolling(stretch) => Period { first: stretch.first_day(period.last), ..period },
        _ => period,
    }
}

fn takes_last(measure: Measure) -> bool {
    match measure {
        Measure::Sum | Measure::Pooled | Measure::Mean | Measure::Rolling(_) => false,
        Measure::Each | Measure::ToDate | Measure::AtEnd => true,
    }
}
