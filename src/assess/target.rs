//! What the target is for a period: its figure as it was written, from a table, or from what the baseline came to; and
//! whether it is held.

use super::assessment::{Assessment, not_defined, value_of};
use super::objective::{aggregate_of, figure_over, measured_span};
use super::trajectory::more_is_good;
use super::window::{Aggregate, Span};
use crate::model::assessment::{Measured, Unmeasurable};
use crate::model::grain::{BucketIndex, start_of_day};
use crate::model::kpi::Kpi;
use crate::model::objective::{Hold, Measure, Target, Trajectory};
use crate::model::period::Period;
use crate::model::series::Point;
use crate::model::target::{Baseline, Change, TargetFigure};

/// One part in so many of a baseline may lie before the history begins.
const LACKING_PART: i64 = 30;

/// How a target stands that is to be held until the period's end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Held {
    Kept,
    /// Only a bucket that may still change missed it.
    Doubtful,
    /// A final bucket missed it: it can't be had any more. The figure that was farthest off.
    Lost(f64),
}

impl Assessment {
    /// The target of the period under way: the only way by which any figure comes to it.
    pub fn target_now(&self) -> Measured<Target> {
        self.target.get_or_init(|| self.target_of(self.period()?)).clone()
    }

    /// The target of a period.
    pub(super) fn target_of(&self, period: Period) -> Measured<Target> {
        let objective = self.the_objective()?;
        objective.target.try_map(|figure| match figure {
            TargetFigure::Fixed(figure) => Ok(*figure),
            TargetFigure::Change(change) => self.changed(*change, period),
            TargetFigure::Table(table) => table
                .figure(period, objective.measure == Measure::Sum)
                .map_err(|lacking| Unmeasurable::NoTarget { from: lacking.first, to: lacking.last }),
        })
    }

    fn changed(&self, change: Change, period: Period) -> Measured<f64> {
        let baseline = self.baseline_of(period)?;
        match (change, self.the_objective()?.baseline_over(period)) {
            // Fifteen per cent of nothing is nothing: no target, and least of all one that any figure reaches.
            (Change::Share(_), Some(Period { first: from, last: to })) if baseline == 0.0 => {
                Err(Unmeasurable::NoBaseline { from, to, why: Box::new(Unmeasurable::ZeroReference) })
            }
            _ => Ok(change.from(baseline)),
        }
    }

    /// The baseline that was given, else the value of the newest bucket before the period, at most one period's length
    /// old.
    pub(super) fn start_of(&self, period: Period, whole: Span) -> Measured<f64> {
        if self.the_objective()?.baseline.is_some() {
            return self.baseline_of(period);
        }
        let oldest: BucketIndex = whole.from - i64::from(whole.due());
        let before = self.data.range(oldest, whole.from - 1).next_back();
        value_of(before.ok_or(Unmeasurable::NoHistory)?)
    }

    /// The baseline of the period under way.
    pub fn baseline_now(&self) -> Measured<f64> {
        self.baseline_of(self.period()?)
    }

    /// The baseline of a period; walked once, whoever asks.
    pub(super) fn baseline_of(&self, period: Period) -> Measured<f64> {
        let (of, measured) = self.baseline.get_or_init(|| (period, self.measured_baseline(period)));
        if *of == period { measured.clone() } else { self.measured_baseline(period) }
    }

    fn measured_baseline(&self, period: Period) -> Measured<f64> {
        let objective = self.the_objective()?;
        if let Some(Baseline::Figure(figure)) = objective.baseline {
            return Ok(figure);
        }
        let Some(over) = objective.baseline_over(period) else {
            return not_defined("a target relative to a baseline of an objective that has none");
        };
        let measured = self.measured_over(over, objective.measure);
        let like = measured.map(|value| {
            if objective.measure == Measure::Sum { value * alike(over, period, &self.kpi) } else { value }
        });
        like.map_err(|why| Unmeasurable::NoBaseline { from: over.first, to: over.last, why: Box::new(why) })
    }

    /// The measure over a period that is over; days that events exclude count, or a strike would take the target away.
    fn measured_over(&self, period: Period, measure: Measure) -> Measured<f64> {
        let whole = self.passages().buckets_of(period, &self.kpi);
        let aggregate = match measure {
            // Of figures that count one by one their mean tells the level.
            Measure::Each => Aggregate::Mean,
            _ => aggregate_of(measure, self.kpi.kind),
        };
        let whole = measured_span(measure, whole, &self.kpi);
        // A day or so at its begin may be a holiday without figures.
        let lacking = |first: BucketIndex| (first - whole.from) * LACKING_PART > i64::from(whole.due());
        if aggregate != Aggregate::Last && self.data.span().is_none_or(|(first, _)| lacking(first)) {
            return Err(Unmeasurable::NoHistory);
        }
        // What may still change would move the target under those who work towards it.
        let settled = self.data.range(whole.from, whole.to).filter(|point| !(self.final_only && point.provisional));
        let is_over = self.data.range(whole.to, BucketIndex::MAX).any(|point| !(self.final_only && point.provisional));
        let present = settled.count() as u32;
        if !is_over || present < whole.present(&self.data) {
            return Err(Unmeasurable::Incomplete { present, due: whole.due() });
        }
        aggregate.over(whole, &self.data, &self.kpi)
    }

    /// Whether the newest milestone that has passed was missed; false before the first one.
    pub fn milestone_missed(&self) -> Measured<bool> {
        let (standing, objective) = (self.standing()?, self.the_objective()?);
        let Trajectory::Milestones(milestones) = &objective.trajectory else { return Ok(false) };
        let inside = milestones.iter().rev().filter(|milestone| standing.covered.contains(milestone.by));
        let mut due = inside.map(|milestone| {
            (last_bucket_of(Period { first: milestone.by, last: milestone.by }, &self.kpi), milestone.value)
        });
        let Some((to, value)) = due.find(|(bucket, _)| *bucket <= standing.counted.to) else { return Ok(false) };
        let span = Span { from: standing.whole.from, to };
        let was = figure_over(objective.measure, span, &self.data, &self.kpi)?;
        Ok(if more_is_good(self.target_now()?) { was < value } else { was > value })
    }

    /// Whether a target that is to be held is, as far as a bucket; none while it need not be met yet.
    pub(super) fn held(&self, period: Period, (whole, to): (Span, BucketIndex)) -> Option<Held> {
        let target = self.target_of(period).ok()?;
        let from = self.held_from(target, (whole, to))?;
        // A ratio without cases meets and misses nothing.
        let counts = |point: &Point| !point.value.is_nan();
        let missed = || self.data.range(from, to).filter(counts).filter(|point| !target.is_met_by(point.value));
        let off = |value: f64| (value - target.figure(value)).abs();
        let finals = missed().filter(|point| !point.provisional).map(|point| point.value);
        let worst = finals.max_by(|one, other| off(*one).total_cmp(&off(*other)));
        Some(match worst {
            Some(worst) => Held::Lost(worst),
            None if missed().next().is_some() => Held::Doubtful,
            None => Held::Kept,
        })
    }

    /// The target that every bucket after this one must meet, by what is known up to it; none of what counts at the end.
    pub(super) fn to_keep(&self, known_to: BucketIndex) -> Option<Target> {
        let (target, period) = (self.target_now().ok()?, self.period().ok()?);
        let whole = self.passages().buckets_of(period, &self.kpi);
        self.held_from(target, (whole, known_to)).map(|_| target)
    }

    /// The bucket from which on a target is to be held, as far as that is known up to another; none while it need not be
    /// met yet.
    fn held_from(&self, target: Target, (whole, to): (Span, BucketIndex)) -> Option<BucketIndex> {
        match self.the_objective().ok()?.hold? {
            Hold::OnceMet => {
                let mut finals = self.data.range(whole.from, to).filter(|point| !point.provisional);
                finals.find(|point| target.is_met_by(point.value)).map(|point| point.index)
            }
            Hold::DoneBy(day) => {
                let due = last_bucket_of(Period { first: day, last: day }, &self.kpi).min(whole.to);
                if to < due {
                    return None;
                }
                // Without a figure of that day the one before stands for it.
                Some(self.data.range(whole.from, due).next_back().map_or(due, |point| point.index))
            }
        }
    }
}

/// The bucket in which a period ends.
fn last_bucket_of(period: Period, kpi: &Kpi) -> BucketIndex {
    let next = start_of_day(period.last.tomorrow().unwrap_or(period.last), &kpi.zone);
    let index = kpi.grain.index_at(next, &kpi.zone);
    if kpi.grain.start_of(index, &kpi.zone) < next { index } else { index - 1 }
}

/// What a sum over one period is worth over another: as it is where both have as many months, or days; else by their
/// working days, for a quarter is no measure of a month.
fn alike(over: Period, period: Period, kpi: &Kpi) -> f64 {
    if over.days() == period.days() || over.months().is_some_and(|months| period.months() == Some(months)) {
        return 1.0;
    }
    let working = |period: Period| f64::from(kpi.calendar.working_days(period.first, period.last));
    match (working(over), working(period)) {
        (before, now) if before > 0.0 && now > 0.0 => now / before,
        _ => f64::from(period.days()) / f64::from(over.days().max(1)),
    }
}
