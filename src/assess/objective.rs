//! Where an objective stands: actual against expected, the landing, and the pace still needed.

use std::sync::Arc;

use jiff::{Timestamp, ToSpan};

use super::assessment::{Assessment, not_defined, quotient};
use super::elapsed::Elapsed;
use super::passage::Passage;
use super::target::Held;
use super::trajectory::{Course, expected_on_way, has_milestones, more_is_good};
use super::window::{Aggregate, Span};
use crate::model::assessment::{Measured, Unmeasurable};
use crate::model::grain::{day_of, start_of_day};
use crate::model::kpi::Kpi;
use crate::model::objective::{Hold, Measure, Objective, Target, Trajectory};
use crate::model::period::Period;

/// What a shortfall is worth where the trajectory expects zero: all of it, beyond any sensible limit of a rule.
const SHORTFALL_OF_NOTHING: f64 = 1.0;

/// What the getters of an objective share; computed once per assessment.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) period: Period,
    /// The civil days that its buckets cover: `elapsed` counts these.
    pub(super) covered: Period,
    /// All buckets of the period.
    pub(super) whole: Span,
    /// Those at whose end the target is to be met; in the rest of the period it is to be held.
    pub(super) way: Span,
    /// The buckets counted so far.
    pub(super) counted: Span,
    pub(super) elapsed: Elapsed,
    /// Share of the way that the trajectory has behind it, 0 to 1.
    pub(super) share: f64,
    pub(super) course: Course,
    /// Of a target that is to be held, once it is.
    pub(super) held: Option<Held>,
    pub(super) actual: f64,
    /// Where the way begins: zero for what adds up, else the baseline.
    pub(super) start: Measured<f64>,
    pub(super) expected: Measured<f64>,
}

impl Standing {
    pub(super) fn of(assessment: &Assessment) -> Measured<Standing> {
        let objective = assessment.the_objective()?;
        let current = assessment.current()?;
        let kpi = &assessment.kpi;
        let passage = assessment.passages().of(assessment.period()?, current.index, kpi);
        let Passage { period, whole, counted, .. } = passage;
        let held = assessment.held(period, (whole, counted.to));
        let way = match objective.hold {
            Some(Hold::DoneBy(last)) if held.is_none() && period.contains(last) => {
                let to_its_day = assessment.passages().of(Period { last, ..period }, current.index, kpi);
                if to_its_day.whole.due() > 0 { to_its_day } else { passage }
            }
            _ => passage,
        };
        let Passage { whole: way, covered, elapsed, .. } = way;
        let course = if held.is_some() { Course::Keeps } else { Course::of(objective, covered) };
        let actual = aggregate_of(objective.measure).over(counted, &assessment.data, kpi)?;
        let start = match course {
            Course::Accumulates => Ok(0.0),
            Course::Travels | Course::Keeps => assessment.start_of(period, whole),
        };
        let share = match objective.trajectory {
            Trajectory::Learned if course == Course::Accumulates => {
                assessment.learned(whole)?.share_through(counted.to)
            }
            _ => elapsed.share(&objective.trajectory),
        };
        let mut standing = Standing {
            period,
            covered,
            whole,
            way,
            counted,
            elapsed,
            share,
            course,
            held,
            actual,
            start,
            expected: Ok(actual),
        };
        standing.expected = assessment.target_now().and_then(|target| standing.expect(objective, target));
        Ok(standing)
    }

    /// True once the period's last bucket counts.
    pub(super) fn is_over(&self) -> bool {
        self.counted.to >= self.whole.to
    }

    fn expect(&self, objective: &Objective, target: Target) -> Measured<f64> {
        let on_way = |goal| self.expected_on_way(objective, goal);
        let goal = target.figure(self.actual);
        match (self.course, target) {
            (Course::Keeps, _) => Ok(goal),
            (Course::Accumulates, Target::Between(low, high)) => {
                Ok(Target::Between(on_way(low)?, on_way(high)?).figure(self.actual))
            }
            // Whoever starts beyond the target is not expected to fall back to it.
            (Course::Travels, target)
                if !has_milestones(&objective.trajectory, self.covered)
                    && self.start.as_ref().is_ok_and(|start| target.is_met_by(*start)) =>
            {
                Ok(goal)
            }
            (Course::Accumulates | Course::Travels, _) => on_way(goal),
        }
    }

    fn expected_on_way(&self, objective: &Objective, goal: f64) -> Measured<f64> {
        let behind = (&self.elapsed, self.share);
        expected_on_way(&objective.trajectory, self.covered, behind, &self.start, goal)
    }

    /// The band that holds now, for targets that are one.
    fn band(&self, objective: &Objective, target: Target) -> Option<(f64, f64)> {
        match (target, self.course) {
            (Target::Between(low, high), Course::Accumulates) => {
                let on_way = |goal| self.expected_on_way(objective, goal).ok();
                Some((on_way(low)?, on_way(high)?))
            }
            (Target::Between(low, high), Course::Travels | Course::Keeps) => Some((low, high)),
            _ => None,
        }
    }
}

/// The buckets whose first day lies in the period.
pub(super) fn buckets_of(period: Period, kpi: &Kpi) -> Span {
    let first_from = |at: Timestamp| {
        let index = kpi.grain.index_at(at, &kpi.zone);
        if kpi.grain.start_of(index, &kpi.zone) < at { index + 1 } else { index }
    };
    Span { from: first_from(start_of_day(period.first, &kpi.zone)), to: first_from(end_of(period, kpi)) - 1 }
}

/// First instant after the period.
pub(super) fn end_of(period: Period, kpi: &Kpi) -> Timestamp {
    start_of_day(period.last.saturating_add(1.day()), &kpi.zone)
}

pub(super) fn aggregate_of(measure: Measure) -> Aggregate {
    match measure {
        Measure::Sum => Aggregate::Sum,
        Measure::Pooled => Aggregate::Pooled,
        Measure::Mean => Aggregate::Mean,
        Measure::Each | Measure::AtEnd | Measure::ToDate => Aggregate::Last,
    }
}

/// The period that holds the first day of the bucket that decides.
pub(super) fn find_period(assessment: &Assessment) -> Measured<Period> {
    let kpi = &assessment.kpi;
    let first_day = day_of(kpi.grain.start_of(assessment.anchor(), &kpi.zone), &kpi.zone);
    let period = assessment.the_objective()?.period_holding(first_day).ok_or(Unmeasurable::OutsidePeriod)?;
    if assessment.passages().buckets_of(period, kpi).due() == 0 {
        return not_defined("a period that holds no bucket of the KPI; choose a longer one or a finer grain");
    }
    Ok(period)
}

impl Assessment {
    /// Share of the period's civil days up to the end of the newest bucket counted, 0 to 1. With weeks
    /// or months that the period cuts through, of the days that its buckets cover.
    pub fn elapsed(&self) -> Measured<f64> {
        let elapsed = self.standing()?.elapsed;
        Ok(elapsed.days / elapsed.days_total)
    }

    /// The measure over the period's buckets to date.
    pub fn actual(&self) -> Measured<f64> {
        Ok(self.standing()?.actual)
    }

    /// The target's figure; of a band the bound that is nearer to the actual figure.
    pub fn target(&self) -> Measured<f64> {
        let target = self.target_now()?;
        match target {
            Target::Between(..) => Ok(target.figure(self.standing()?.actual)),
            Target::Reach(_) | Target::ReduceTo(_) | Target::AtLeast(_) | Target::AtMost(_) => Ok(target.figure(0.0)),
        }
    }

    /// The trajectory's figure at the end of the newest bucket counted; without a pace the target.
    pub fn expected(&self) -> Measured<f64> {
        self.standing()?.expected.clone()
    }

    /// Actual minus expected.
    pub fn drift(&self) -> Measured<f64> {
        Ok(self.actual()? - self.expected()?)
    }

    /// Drift over expected; unmeasurable against an expected value of zero.
    pub fn drift_ratio(&self) -> Measured<f64> {
        quotient(self.drift()?, self.expected()?.abs())
    }

    /// Drift in working days of the planned rate; negative is behind (for a target from above: over it).
    pub fn drift_days(&self) -> Measured<f64> {
        let standing = self.standing()?;
        let target = self.target_now()?;
        if standing.course == Course::Keeps || matches!(target, Target::Between(..)) {
            return not_defined("a drift in days of an objective without pace");
        }
        let way = target.figure(standing.actual) - standing.start.clone()?;
        let rate = way.abs() / standing.elapsed.rate_days().1;
        let days = quotient(self.drift()?, rate)?;
        Ok(if more_is_good(target) { days } else { -days })
    }

    /// How far on the bad side of the trajectory, in the KPI's unit; 0 on the good side.
    pub fn shortfall(&self) -> Measured<f64> {
        let standing = self.standing()?;
        let (objective, target) = (self.the_objective()?, self.target_now()?);
        if let Some((low, high)) = standing.band(objective, target) {
            return Ok((low - standing.actual).max(standing.actual - high).max(0.0));
        }
        let drift = self.drift()?;
        Ok(if more_is_good(target) { -drift } else { drift }.max(0.0))
    }

    /// Shortfall over expected; 1 where nothing is expected, so that any excess over a target of zero is a breach.
    pub fn shortfall_ratio(&self) -> Measured<f64> {
        let (shortfall, expected) = (self.shortfall()?, self.expected()?.abs());
        if shortfall == 0.0 {
            return Ok(0.0);
        }
        Ok(if expected == 0.0 { SHORTFALL_OF_NOTHING } else { shortfall / expected })
    }

    /// Share of the way from the baseline (0 for sums) to the target that is done.
    pub fn progress(&self) -> Measured<f64> {
        let standing = self.standing()?;
        let start = standing.start.clone()?;
        let way = self.target()? - start;
        quotient(standing.actual - start, way)
    }

    /// Actual over target.
    pub fn attainment(&self) -> Measured<f64> {
        quotient(self.actual()?, self.target()?)
    }

    /// Where the period ends if the present pace holds.
    pub fn projected(&self) -> Measured<f64> {
        let standing = self.standing()?;
        let objective = self.the_objective()?;
        if standing.course == Course::Keeps || standing.is_over() {
            return Ok(standing.actual);
        }
        let start = standing.start.clone()?;
        let done = standing.actual - start;
        if has_milestones(&objective.trajectory, standing.covered) {
            let expected = standing.expected.clone()?;
            let pace = quotient(done, expected - start)?;
            return Ok(standing.actual + (self.target()? - expected) * pace);
        }
        // What was learned knows more of the rest than the pace so far.
        if objective.trajectory == Trajectory::Learned
            && let Ok(landing) = self.landing()
        {
            return Ok(landing.mean());
        }
        Ok(start + quotient(done, standing.share)?)
    }

    /// What each working day left must bring to land on the target; for a budget what it may use.
    pub fn required_rate(&self) -> Measured<f64> {
        let standing = self.standing()?;
        let target = self.target_now()?;
        let left = self.paced()?.1;
        let missing = self.target()? - standing.actual;
        let missing = match standing.course {
            Course::Accumulates => missing.max(0.0),
            Course::Travels | Course::Keeps if target.is_met_by(standing.actual) => 0.0,
            Course::Travels | Course::Keeps => missing,
        };
        quotient(missing, left)
    }

    /// What each working day so far brought.
    pub fn current_rate(&self) -> Measured<f64> {
        let standing = self.standing()?;
        let done = self.paced()?.0;
        quotient(standing.actual - standing.start.clone()?, done)
    }

    /// Required over current rate: 1.2 means twenty per cent more a day than so far.
    pub fn required_ratio(&self) -> Measured<f64> {
        quotient(self.required_rate()?, self.current_rate()?)
    }

    /// Working days of the period after the newest bucket counted.
    pub fn working_days_left(&self) -> Measured<u32> {
        let elapsed = self.standing()?.elapsed;
        Ok((elapsed.working_total - elapsed.working).ceil() as u32)
    }

    /// Civil days of the period after the newest bucket counted.
    pub fn days_left(&self) -> Measured<u32> {
        let elapsed = self.standing()?.elapsed;
        Ok((elapsed.days_total - elapsed.days).ceil() as u32)
    }

    /// Share of the period's due buckets that are there, 0 to 1; known also while the data is late.
    pub fn completeness(&self) -> Measured<f64> {
        let whole = self.passages().buckets_of(self.period()?, &self.kpi);
        Ok(Span { from: whole.from, to: self.anchor().min(whole.to) }.completeness(&self.data))
    }

    pub(super) fn the_objective(&self) -> Measured<&Arc<Objective>> {
        match &self.objective {
            Some(objective) => Ok(objective),
            None => not_defined("a figure of an objective; the series has none"),
        }
    }

    /// Days of rates, past and left, of an objective that has a pace.
    fn paced(&self) -> Measured<(f64, f64)> {
        let standing = self.standing()?;
        if standing.course == Course::Keeps {
            return not_defined("a rate of an objective without pace");
        }
        let (done, total) = standing.elapsed.rate_days();
        Ok((done, total - done))
    }
}
