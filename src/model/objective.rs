//! The definition of an objective: a SMART target on a series over a period.

use jiff::ToSpan;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::ids::{KpiId, Labels, ObjectiveId, PersonId};
use super::period::{Period, PeriodSpec};
use super::target::{Baseline, TargetFigure};
use super::unit::Unit;

/// A target on a series over a period.
#[derive(Clone, Debug)]
pub struct Objective {
    pub id: ObjectiveId,
    pub kpi: KpiId,
    /// The series it binds to; the total unless the configuration says `where`.
    pub labels: Labels,
    pub statement: String,
    pub target: Target<TargetFigure>,
    pub measure: Measure,
    pub period: PeriodSpec,
    pub trajectory: Trajectory,
    /// Where the measure stood when the objective was set: start of the way for levels, and what a change starts from.
    pub baseline: Option<Baseline>,
    /// Whether the target is to be held once it was to be had; none: it counts at the period's end.
    pub hold: Option<Hold>,
    pub axis: Option<String>,
    pub owner: Option<PersonId>,
    pub actions: Vec<PlannedAction>,
}

/// From when on a target is to be held until the period's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// From the end of this day, by which it is to be met.
    DoneBy(Date),
    /// From the first final bucket that meets it.
    OnceMet,
}

impl Objective {
    /// The period that holds that day, if it is one for which the objective was set: tables of targets begin and end.
    pub fn period_holding(&self, day: Date) -> Option<Period> {
        let period = self.period.holding(day)?;
        let Some(set) = self.set_for() else { return Some(period) };
        (set.first <= period.last && period.first <= set.last).then_some(period)
    }

    /// The period whose figure a baseline is that is measured.
    pub fn baseline_over(&self, period: Period) -> Option<Period> {
        match self.baseline? {
            Baseline::Figure(_) => None,
            Baseline::Over(over) => Some(over),
            Baseline::PeriodBefore => Some(self.period.before(period)),
            Baseline::YearBefore => Some(self.period.year_before(period)),
        }
    }

    /// The days for which there are figures, where the target is given by a table.
    pub fn set_for(&self) -> Option<Period> {
        self.target.figures().find_map(|figure| match figure {
            TargetFigure::Table(table) => table.span(),
            TargetFigure::Fixed(_) | TargetFigure::Change(_) => None,
        })
    }
}

/// What is to be had, in the KPI's unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target<T = f64> {
    /// Get up to this by the end.
    Reach(T),
    /// Get down to this by the end.
    ReduceTo(T),
    /// Stay at or above.
    AtLeast(T),
    /// Stay at or below.
    AtMost(T),
    /// Stay within, both ends included.
    Between(T, T),
}

impl<T> Target<T> {
    /// Its name, as the configuration writes it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Target::Reach(_) => "reach",
            Target::ReduceTo(_) => "reduce_to",
            Target::AtLeast(_) => "at_least",
            Target::AtMost(_) => "at_most",
            Target::Between(..) => "between",
        }
    }

    /// The same target with each figure made into another.
    pub fn try_map<U, E>(&self, mut figure: impl FnMut(&T) -> Result<U, E>) -> Result<Target<U>, E> {
        Ok(match self {
            Target::Reach(to) => Target::Reach(figure(to)?),
            Target::ReduceTo(to) => Target::ReduceTo(figure(to)?),
            Target::AtLeast(least) => Target::AtLeast(figure(least)?),
            Target::AtMost(most) => Target::AtMost(figure(most)?),
            Target::Between(low, high) => Target::Between(figure(low)?, figure(high)?),
        })
    }

    /// What kind of target it is, without its figures.
    pub fn bare(&self) -> Target<()> {
        let Ok(bare) = self.try_map(|_| Ok::<(), std::convert::Infallible>(()));
        bare
    }

    /// True for what is to be had all the time.
    pub fn is_kept(&self) -> bool {
        match self {
            Target::AtLeast(_) | Target::AtMost(_) | Target::Between(..) => true,
            Target::Reach(_) | Target::ReduceTo(_) => false,
        }
    }

    pub fn figures(&self) -> impl Iterator<Item = &T> {
        let (one, other) = match self {
            Target::Reach(one) | Target::ReduceTo(one) | Target::AtLeast(one) | Target::AtMost(one) => (one, None),
            Target::Between(low, high) => (low, Some(high)),
        };
        std::iter::once(one).chain(other)
    }
}

impl From<Target> for Target<TargetFigure> {
    fn from(target: Target) -> Target<TargetFigure> {
        match target {
            Target::Reach(to) => Target::Reach(TargetFigure::Fixed(to)),
            Target::ReduceTo(to) => Target::ReduceTo(TargetFigure::Fixed(to)),
            Target::AtLeast(least) => Target::AtLeast(TargetFigure::Fixed(least)),
            Target::AtMost(most) => Target::AtMost(TargetFigure::Fixed(most)),
            Target::Between(low, high) => Target::Between(TargetFigure::Fixed(low), TargetFigure::Fixed(high)),
        }
    }
}

impl Target {
    /// The figure to show as *the* target; the nearer bound of a band for `value`.
    pub fn figure(&self, value: f64) -> f64 {
        match *self {
            Target::Reach(t) | Target::ReduceTo(t) | Target::AtLeast(t) | Target::AtMost(t) => t,
            Target::Between(low, high) => {
                if (value - low).abs() <= (value - high).abs() {
                    low
                } else {
                    high
                }
            }
        }
    }

    /// A rate on the way to the target: with at most one decimal more than the target is written with, and none from a
    /// thousand up, where the target has cents too. What that would leave nothing of stays as it is.
    pub fn rate_rounded(&self, rate: f64, unit: &Unit) -> f64 {
        const DECIMALS_MAX: i32 = 2;
        let scale = if *unit == Unit::Ratio { 100.0 } else { 1.0 };
        let rounded = |figure: f64, decimals: i32| (figure * 10_f64.powi(decimals)).round() / 10_f64.powi(decimals);
        let is_written = |figure: &f64, decimals| (rounded(figure * scale, decimals) - figure * scale).abs() < 1e-6;
        let of_target = (0..DECIMALS_MAX).find(|decimals| self.figures().all(|figure| is_written(figure, *decimals)));
        let shown = rate * scale;
        let decimals = match shown.abs() {
            1_000.0.. => 0,
            100.0.. => of_target.unwrap_or(DECIMALS_MAX),
            _ => of_target.unwrap_or(DECIMALS_MAX) + 1,
        };
        let has_two_digits = shown.abs() * 10_f64.powi(decimals) >= 10.0;
        if has_two_digits && shown.is_finite() { rounded(shown, decimals) / scale } else { rate }
    }

    /// True when `value` satisfies the target.
    pub fn is_met_by(&self, value: f64) -> bool {
        match *self {
            Target::Reach(t) | Target::AtLeast(t) => value >= t,
            Target::ReduceTo(t) | Target::AtMost(t) => value <= t,
            Target::Between(low, high) => (low..=high).contains(&value),
        }
    }
}

/// How the period's buckets make one figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Sum to date.
    Sum,
    /// Numerators over denominators to date.
    Pooled,
    /// Mean of the buckets to date.
    Mean,
    /// Every bucket on its own: the newest counts.
    Each,
    /// What the source says of the period to date.
    ToDate,
    /// The value at the period's end: the newest stands for it until then.
    AtEnd,
    /// The newest stretch of time, wherever the period began: flows add up, ratios pool, levels are averaged.
    Rolling(Stretch),
}

impl Measure {
    /// Its name, as the configuration writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Measure::Sum => "sum",
            Measure::Pooled => "pooled",
            Measure::Mean => "mean",
            Measure::Each => "each",
            Measure::ToDate => "to_date",
            Measure::AtEnd => "at_end",
            Measure::Rolling(_) => "rolling",
        }
    }
}

/// A length of time by the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stretch {
    Days(u32),
    Months(u32),
}

impl Stretch {
    /// Civil days of the longest of these stretches.
    pub fn days_max(self) -> u32 {
        match self {
            Stretch::Days(days) => days,
            Stretch::Months(months) => 366 * (months / 12) + 31 * (months % 12),
        }
    }

    /// The first day of the stretch that ends with a day.
    pub fn first_day(self, last: Date) -> Date {
        let next = last.saturating_add(1.day());
        match self {
            Stretch::Days(days) => next.saturating_sub(i64::from(days).days()),
            Stretch::Months(months) => next.saturating_sub(i64::from(months).months()),
        }
    }
}

/// The way the figure is expected to go.
#[derive(Clone, Debug, PartialEq)]
pub enum Trajectory {
    Linear,
    WorkingDays,
    /// By weekday, holidays, place in the month and season, as the history before the period has them; working days, or a
    /// straight line, where there is too little of it.
    Learned,
    /// Expected figures at the end of civil days, in order; straight lines between.
    Milestones(Vec<Milestone>),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Milestone {
    /// The figure is expected by the end of this day.
    pub by: Date,
    pub value: f64,
}

/// Something somebody undertook for the objective.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedAction {
    pub what: String,
    pub who: Option<PersonId>,
    pub by: Option<Date>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_as_fine_as_their_target() {
        let euro = Unit::Currency("EUR".to_owned());
        let check = |target: Target, rate: f64, unit: &Unit, rounded: f64| {
            assert!((target.rate_rounded(rate, unit) - rounded).abs() < 1e-9, "{rate} of {target:?}");
        };
        check(Target::Reach(400_000.0), 12_345.67, &euro, 12_346.0);
        check(Target::Reach(400_000.5), -12_345.67, &euro, -12_346.0);
        check(Target::AtMost(3_000.0), 109.47, &euro, 109.0);
        check(Target::AtMost(3_000.25), 109.47, &euro, 109.47);
        check(Target::AtMost(100.0), 4.762, &euro, 4.8);
        check(Target::Reach(0.95), 0.001_234, &Unit::Ratio, 0.001_234);
        check(Target::Reach(0.95), 0.012_34, &Unit::Ratio, 0.012);
        check(Target::Reach(12.5), 1.237, &Unit::None, 1.24);
        // One accident a year: nothing would be left.
        check(Target::AtMost(1.0), 0.004, &Unit::None, 0.004);
        check(Target::AtMost(1.0), 0.0, &Unit::None, 0.0);
    }
}
