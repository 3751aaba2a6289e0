//! The judgement in one word: the status while the period runs, the outcome once it is over.

use super::assessment::Assessment;
use super::objective::{Standing, aggregate_of, end_of};
use super::target::Held;
use super::trajectory::{Course, more_is_good};
use super::window::Span;
use crate::model::alert::PeriodOutcome;
use crate::model::assessment::{Measured, Status, Unmeasurable};
use crate::model::grain::BucketIndex;
use crate::model::kpi::{Empty, Kpi};
use crate::model::objective::{Measure, Objective, Target};
use crate::model::period::Period;
use crate::model::series::SeriesData;

/// Share of the expected value on the good side from which an objective is ahead.
pub const AHEAD_FROM: f64 = 0.05;
/// Share of the expected value on the bad side from which an objective is to be watched.
pub const WATCH_FROM: f64 = 0.05;
/// Share of the expected value on the bad side beyond which an objective is off its trajectory.
pub const OFF_TRAJECTORY_FROM: f64 = 0.10;
/// Share of the period's buckets below which measures to date say little.
pub const EARLY_SHARE: f64 = 0.20;
/// Buckets below which a figure says little; never more than half of a short period's.
pub const EARLY_BUCKETS_MIN: u32 = 3;

impl Assessment {
    /// True while too little of the period has passed for a judgement.
    pub fn too_early(&self) -> Measured<bool> {
        Ok(is_too_early(self.standing()?, self.the_objective()?))
    }

    /// How the objective stands; `InsufficientData` without objective.
    pub fn status(&self) -> Status {
        let Ok(objective) = self.the_objective() else {
            return Status::InsufficientData;
        };
        match self.standing() {
            Ok(standing) => self.judge(standing, objective),
            Err(Unmeasurable::Late { .. }) => Status::StaleData,
            Err(_) => Status::InsufficientData,
        }
    }

    fn judge(&self, standing: &Standing, objective: &Objective) -> Status {
        if standing.held == Some(Held::Lost) {
            return Status::Missed;
        }
        let met = match self.target_now() {
            Ok(target) => target.is_met_by(standing.actual),
            Err(_) => return Status::InsufficientData,
        };
        if standing.is_over() {
            if met {
                return Status::Reached;
            }
            if is_final((standing.whole, objective.measure), &self.data, &self.kpi) {
                return Status::Missed;
            }
        }
        if standing.course == Course::Accumulates {
            match &objective.target {
                Target::Reach(_) | Target::AtLeast(_) if met => return Status::Reached,
                // A budget that is spent does not come back.
                Target::ReduceTo(_) | Target::AtMost(_) if !met => return Status::OffTrajectory,
                _ => {}
            }
        }
        if is_too_early(standing, objective) {
            return Status::TooEarly;
        }
        self.against_trajectory().unwrap_or(Status::InsufficientData)
    }

    fn against_trajectory(&self) -> Measured<Status> {
        let target = self.target_now()?;
        let (shortfall, expected) = (self.shortfall()?, self.expected()?.abs());
        if shortfall > 0.0 {
            return Ok(match shortfall / expected {
                share if share < WATCH_FROM => Status::OnTrack,
                share if share <= OFF_TRAJECTORY_FROM => Status::Watch,
                _ => Status::OffTrajectory,
            });
        }
        if matches!(target, Target::Between(..)) {
            return Ok(Status::OnTrack);
        }
        let drift = self.drift()?;
        let good = if more_is_good(target) { drift } else { -drift };
        Ok(if good > AHEAD_FROM * expected { Status::Ahead } else { Status::OnTrack })
    }

    /// How a finished period ended, as far as the data known now can tell.
    pub fn outcome_of(&self, period: Period) -> PeriodOutcome {
        let Ok(objective) = self.the_objective() else {
            return PeriodOutcome::ToBeConfirmed;
        };
        let whole = self.passages().buckets_of(period, &self.kpi);
        let over = self.now >= end_of(period, &self.kpi).max(self.bucket(whole.to).end);
        // A total that rests on a value nobody believes yet is no outcome.
        let is_doubtful = self.data.held.is_some_and(|held| held <= whole.to);
        if is_doubtful || whole.due() == 0 || !over || !is_final((whole, objective.measure), &self.data, &self.kpi) {
            return PeriodOutcome::ToBeConfirmed;
        }
        if self.held(period, (whole, whole.to)) == Some(Held::Lost) {
            return PeriodOutcome::Missed;
        }
        let actual = aggregate_of(objective.measure).over(whole, &self.data, &self.kpi);
        match self.target_of(period).and_then(|target| Ok(target.is_met_by(actual?))) {
            Ok(true) => PeriodOutcome::Reached,
            Ok(false) => PeriodOutcome::Missed,
            Err(_) => PeriodOutcome::ToBeConfirmed,
        }
    }
}

fn is_too_early(standing: &Standing, objective: &Objective) -> bool {
    let keeps_each = matches!(objective.measure, Measure::Each | Measure::AtEnd) && objective.target.is_kept();
    if keeps_each || standing.held.is_some() || standing.is_over() {
        return false;
    }
    let (due, whole) = (standing.counted.due(), standing.whole.due());
    let to_date = matches!(objective.measure, Measure::Sum | Measure::Mean | Measure::Pooled | Measure::ToDate);
    let share_missing = to_date && f64::from(due) + 1e-9 < EARLY_SHARE * f64::from(whole);
    share_missing || due < EARLY_BUCKETS_MIN.min(whole.div_ceil(2))
}

/// True when no bucket of a finished span will change any more: the last one is final (or a hole
/// that later buckets have passed), and enough of them are there.
fn is_final((whole, measure): (Span, Measure), data: &SeriesData, kpi: &Kpi) -> bool {
    // The last figure to date holds all that went before, and without it there is none of the period.
    if measure == Measure::ToDate {
        return data.get(whole.to).is_some_and(|point| !point.provisional);
    }
    let last_is_settled = match data.get(whole.to) {
        Some(point) => !point.provisional,
        None => kpi.empty == Empty::Missing && data.range(whole.to + 1, BucketIndex::MAX).next().is_some(),
    };
    last_is_settled && whole.completeness(data) + 1e-9 >= kpi.complete
}
