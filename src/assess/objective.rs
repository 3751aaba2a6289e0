//! Where an objective stands: actual against expected, the landing, and the pace still needed.

use std::sync::Arc;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::assessment::{Assessment, not_defined, quotient};
use super::elapsed::Elapsed;
use super::passage::Passage;
use super::target::Held;
use super::trajectory::{Course, expected_on_way, has_milestones, more_is_good};
use super::window::{Aggregate, Span};
use crate::model::assessment::{Measured, Unmeasurable};
use crate::model::grain::{BucketIndex, day_of, start_of_day};
use crate::model::kpi::Kpi;
use crate::model::objective::{Hold, Measure, Objective, Target, Trajectory};
use crate::model::period::Period;
use crate::model::series::SeriesData;
use crate::model::unit::Kind;

/// What a shortfall is worth where the trajectory expects zero: all of it, beyond any sensible limit of a rule.
const SHORTFALL_OF_NOTHING: f64 = 1.0;

/// Days ahead within which a target is said to be met.
const AHEAD_DAYS_MAX: f64 = 3_660.0;

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
        let actual = figure_over(objective.measure, counted, &assessment.data, kpi)?;
        let start = match course {
            Course::Accumulates => Ok(0.0),
            Course::Travels | Course::Keeps => assessment.start_of(period, whole),
        };
        let share = assessment.share_behind((course, way), counted.to, &elapsed)?;
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

    /// What is expected by the end of another bucket of the period, on the way to the bound that counts now.
    pub(super) fn expected_by(&self, bucket: BucketIndex, assessment: &Assessment) -> Measured<f64> {
        let objective = assessment.the_objective()?;
        let Passage { counted, elapsed, .. } = Passage::of(self.period, self.way, bucket, &assessment.kpi);
        let share = assessment.share_behind((self.course, self.way), counted.to, &elapsed)?;
        let target = match (self.course, assessment.target_now()?) {
            // One and the same bound over the whole way, though another may be nearer elsewhere.
            (Course::Accumulates, Target::Between(low, high)) => {
                let is_low = self.expected == self.expected_on_way(objective, low);
                Target::Reach(if is_low { low } else { high })
            }
            (_, target) => target,
        };
        Standing { counted, elapsed, share, ..self.clone() }.expect(objective, target)
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
    Span { from: first_from(start_of_day(period.first, &kpi.zone), kpi), to: first_from(end_of(period, kpi), kpi) - 1 }
}

/// The first bucket that starts at that instant or after it.
pub(super) fn first_from(at: Timestamp, kpi: &Kpi) -> BucketIndex {
    let index = kpi.grain.index_at(at, &kpi.zone);
    if kpi.grain.start_of(index, &kpi.zone) < at { index + 1 } else { index }
}

/// First instant after the period.
pub(super) fn end_of(period: Period, kpi: &Kpi) -> Timestamp {
    start_of_day(period.last.saturating_add(1.day()), &kpi.zone)
}

/// The measure's figure once the last bucket of a span of the period is the newest one.
pub(super) fn figure_over(measure: Measure, counted: Span, data: &SeriesData, kpi: &Kpi) -> Measured<f64> {
    aggregate_of(measure, kpi.kind).over(measured_span(measure, counted, kpi), data, kpi)
}

/// How the buckets of its span make the measure's figure.
pub(super) fn aggregate_of(measure: Measure, kind: Kind) -> Aggregate {
    match (measure, kind) {
        (Measure::Sum, _) | (Measure::Rolling(_), Kind::Flow) => Aggregate::Sum,
        (Measure::Pooled, _) | (Measure::Rolling(_), Kind::Ratio) => Aggregate::Pooled,
        (Measure::Mean, _) | (Measure::Rolling(_), Kind::Level { .. } | Kind::Window) => Aggregate::Mean,
        (Measure::Each | Measure::AtEnd | Measure::ToDate, _) => Aggregate::Last,
    }
}

/// The buckets that the measure's figure is made of: of a span of the period, or the stretch that ends with it.
pub(super) fn measured_span(measure: Measure, counted: Span, kpi: &Kpi) -> Span {
    let Measure::Rolling(stretch) = measure else { return counted };
    let end = kpi.grain.bucket(counted.to, &kpi.zone).end;
    let last = day_of(end.checked_sub(SignedDuration::from_millis(1)).unwrap_or(end), &kpi.zone);
    let first = start_of_day(stretch.first_day(last), &kpi.zone);
    // A stretch that is shorter than a bucket is that bucket.
    Span { from: first_from(first, kpi).min(counted.to), to: counted.to }
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

    /// Where the period ends: at what the history before it says, where there is enough of it, whatever way the trajectory
    /// takes; else where the present pace leads. Within the interval of [`Assessment::low`] and [`Assessment::high`].
    pub fn projected(&self) -> Measured<f64> {
        let standing = self.standing()?;
        if standing.is_over() {
            return Ok(standing.actual);
        }
        let projected = self.pointed_to(standing)?;
        // A pace may lead beyond what the interval holds likely, and the mean of what is rare lies beside it.
        Ok(match (self.low(), self.high()) {
            (Ok(low), Ok(high)) => projected.max(low).min(high),
            _ => projected,
        })
    }

    fn pointed_to(&self, standing: &Standing) -> Measured<f64> {
        let objective = self.the_objective()?;
        // The middle of what the interval and the probability tell: a pace would contradict them.
        let is_learned = || {
            objective.trajectory == Trajectory::Learned
                || self.learned(standing.way).is_ok_and(|learned| learned.is_learned())
        };
        if let Ok(landing) = self.landing()
            && is_learned()
        {
            return Ok(landing.mean());
        }
        if standing.course == Course::Keeps {
            return Ok(standing.actual);
        }
        let start = standing.start.clone()?;
        let done = standing.actual - start;
        if has_milestones(&objective.trajectory, standing.covered) {
            let expected = standing.expected.clone()?;
            let pace = quotient(done, expected - start)?;
            return Ok(standing.actual + (self.target()? - expected) * pace);
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

    /// The day on which what adds up meets its target: the day that did, else by the current rate.
    pub fn target_date(&self) -> Measured<Date> {
        let standing = self.standing()?;
        if standing.course != Course::Accumulates {
            return not_defined("a day on which an objective without a sum meets its target");
        }
        let day_of_bucket = |index| self.days_of(Span { from: index, to: index }).1;
        let missing = self.target()? - standing.actual;
        if missing <= 0.0 {
            return self.passed_at(standing.counted, self.target()?).map(day_of_bucket);
        }
        let days = quotient(missing, self.current_rate()?)?.ceil();
        if !(0.0..=AHEAD_DAYS_MAX).contains(&days) {
            return Err(Unmeasurable::OutsidePeriod);
        }
        let newest = day_of_bucket(standing.counted.to);
        if standing.elapsed.working_total > 0.0 {
            return Ok(self.kpi.calendar.add_working_days(newest, days as u32));
        }
        Ok(newest.saturating_add((days as i64).days()))
    }

    /// The first bucket by which what adds up had come to so much.
    fn passed_at(&self, counted: Span, target: f64) -> Measured<BucketIndex> {
        if self.the_objective()?.measure == Measure::ToDate {
            let passed = self.data.range(counted.from, counted.to).find(|point| point.value >= target);
            return Ok(passed.map_or(counted.to, |point| point.index));
        }
        let mut sum = 0.0;
        let passed = self.data.range(counted.from, counted.to).find(|point| {
            sum += point.value;
            sum >= target
        });
        Ok(passed.map_or(counted.to, |point| point.index))
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

    /// Share of the way that is behind at the end of a bucket, 0 to 1.
    pub(super) fn share_behind(
        &self,
        (course, whole): (Course, Span),
        bucket: BucketIndex,
        elapsed: &Elapsed,
    ) -> Measured<f64> {
        let trajectory = &self.the_objective()?.trajectory;
        if *trajectory == Trajectory::Learned
            && course == Course::Accumulates
            && let Ok(learned) = self.learned(whole)
        {
            return Ok(learned.share_through(bucket));
        }
        Ok(elapsed.share(trajectory))
    }

    /// Days of rates, past and left, of an objective that has a pace.
    pub(super) fn paced(&self) -> Measured<(f64, f64)> {
        let standing = self.standing()?;
        if standing.course == Course::Keeps {
            return not_defined("a rate of an objective without pace");
        }
        let (done, total) = standing.elapsed.rate_days();
        Ok((done, total - done))
    }
}
