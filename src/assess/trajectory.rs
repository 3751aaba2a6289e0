//! The way an objective's figure is expected to go within one period.

use super::assessment::not_defined;
use super::elapsed::Elapsed;
use crate::model::assessment::Measured;
use crate::model::objective::{Measure, Milestone, Objective, Target, Trajectory};
use crate::model::period::Period;

/// What kind of way there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// Starts at zero and adds up.
    Accumulates,
    /// Goes from the baseline to the target.
    Travels,
    /// Has no pace: the target holds all the time.
    Keeps,
}

impl Course {
    pub(super) fn of(objective: &Objective, period: Period) -> Course {
        match (objective.measure, &objective.target) {
            (Measure::Sum, _) | (Measure::ToDate, Target::Reach(_)) => Course::Accumulates,
            (Measure::AtEnd | Measure::Each, Target::Reach(_) | Target::ReduceTo(_))
            | (Measure::ToDate, Target::ReduceTo(_)) => Course::Travels,
            _ if has_milestones(&objective.trajectory, period) => Course::Travels,
            _ => Course::Keeps,
        }
    }
}

/// True when more of the measure is good.
pub(super) fn more_is_good(target: Target) -> bool {
    match target {
        Target::Reach(_) | Target::AtLeast(_) | Target::Between(..) => true,
        Target::ReduceTo(_) | Target::AtMost(_) => false,
    }
}

/// The figure expected once that share of the way is behind, and `elapsed` has passed, on the way from `start` to `goal`.
pub(super) fn expected_on_way(
    trajectory: &Trajectory,
    period: Period,
    (elapsed, share): (&Elapsed, f64),
    start: &Measured<f64>,
    goal: f64,
) -> Measured<f64> {
    match trajectory {
        Trajectory::Milestones(milestones) if has_milestones(trajectory, period) => {
            along_milestones(milestones, period, elapsed.days, start, goal)
        }
        Trajectory::Linear | Trajectory::WorkingDays | Trajectory::Learned | Trajectory::Milestones(_) => {
            let start = start.clone()?;
            Ok(start + (goal - start) * share)
        }
    }
}

/// True when a milestone lies in the period.
pub(super) fn has_milestones(trajectory: &Trajectory, period: Period) -> bool {
    match trajectory {
        Trajectory::Milestones(milestones) => milestones.iter().any(|milestone| period.contains(milestone.by)),
        Trajectory::Linear | Trajectory::WorkingDays | Trajectory::Learned => false,
    }
}

/// Straight lines between the ends of the milestones' days; the target stands at the period's end
/// unless a milestone does.
fn along_milestones(
    milestones: &[Milestone],
    period: Period,
    days: f64,
    start: &Measured<f64>,
    goal: f64,
) -> Measured<f64> {
    let day_number = |milestone: &Milestone| f64::from(Period { first: period.first, last: milestone.by }.days());
    let end = Milestone { by: period.last, value: goal };
    let inside = milestones.iter().filter(|milestone| period.contains(milestone.by));
    let mut reached: Option<(f64, f64)> = None;
    for milestone in inside.chain(std::iter::once(&end)) {
        let (at, value) = (day_number(milestone), milestone.value);
        if days <= at {
            if days == at {
                return Ok(value);
            }
            let (from_day, from) = match reached {
                Some(point) => point,
                None => (0.0, start.clone()?),
            };
            return Ok(from + (value - from) * (days - from_day) / (at - from_day));
        }
        reached = Some((at, value));
    }
    match reached {
        Some((_, value)) => Ok(value),
        None => not_defined("an expected value after the period"),
    }
}
