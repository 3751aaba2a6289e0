//! The judgement in one word: the status while the period runs, the outcome once it is over.

use super::assessment::Assessment;
use super::objective::{Standing, end_of, figure_over};
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
/// Probability under which, on several buckets in a row, an objective will hardly be reached.
pub const UNLIKELY_UNDER: f64 = 0.30;
/// So many in a row.
const UNLIKELY_BUCKETS: usize = 3;
/// Probability above which it is likely again.
pub const LIKELY_FROM: f64 = 0.60;
/// Probability from which an objective that is behind its trajectory is on its way all the same.
pub const SURE_FROM: f64 = 0.80;
/// Buckets that are looked back over for the last time when the objective was unlikely, or likely.
const LOOK_BACK: usize = 31;
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
        if let Some(Held::Lost(_)) = standing.held {
            return Status::Missed;
        }
        let Ok(target) = self.target_now() else { return Status::InsufficientData };
        let met = target.is_met_by(standing.actual);
        // What was to be held is in doubt until the bucket that missed it is final as well.
        if standing.is_final(objective, &self.data, &self.kpi) && standing.held != Some(Held::Doubtful) {
            return if met { Status::Reached } else { Status::Missed };
        }
        if standing.course == Course::Accumulates {
            match target {
                Target::Reach(_) | Target::AtLeast(_) if met && self.is_settled((standing, objective), target) => {
                    return Status::Reached;
                }
                // A budget that is spent does not come back.
                Target::ReduceTo(_) | Target::AtMost(_) if !met => return Status::OffTrajectory,
                _ => {}
            }
        }
        if is_too_early(standing, objective) {
            return Status::TooEarly;
        }
        let by_pace = self.against_trajectory().unwrap_or(Status::InsufficientData);
        // A history that is too short to learn from is too short for a verdict beyond that.
        let is_learned = self.learned(standing.way).is_ok_and(|learned| learned.is_learned());
        match self.probability() {
            Ok(probability) if is_learned => self.by_probability((standing, objective, target), probability, by_pace),
            Ok(_) | Err(_) => by_pace,
        }
    }

    /// The words for a probability, beside what the pace alone would say.
    fn by_probability(&self, of: (&Standing, &Objective, Target), probability: f64, by_pace: Status) -> Status {
        let is_behind = matches!(by_pace, Status::Watch | Status::OffTrajectory);
        if self.is_unlikely(of) {
            return if by_pace == Status::OffTrajectory { Status::OffTrajectory } else { Status::AtRisk };
        }
        match by_pace {
            _ if probability < LIKELY_FROM => Status::Watch,
            Status::OffTrajectory => Status::Watch,
            _ if is_behind && probability < SURE_FROM => Status::Watch,
            Status::Ahead if probability >= SURE_FROM => Status::Ahead,
            _ => Status::OnTrack,
        }
    }

    /// Whether the objective became unlikely on some buckets in a row, and has not been likely since.
    fn is_unlikely(&self, (standing, objective, target): (&Standing, &Objective, Target)) -> bool {
        if standing.is_over() {
            return !target.is_met_by(standing.actual);
        }
        let judged_from = standing.whole.from + i64::from(early_buckets(standing.whole.due(), objective).max(1)) - 1;
        let judged = self.data.range(judged_from, standing.counted.to);
        let mut in_a_row = 0;
        for point in judged.rev().take(LOOK_BACK) {
            let Ok(landing) = self.landing_at(point.index) else { break };
            match landing.probability(target) {
                likely if likely > LIKELY_FROM => return false,
                unlikely if unlikely < UNLIKELY_UNDER => in_a_row += 1,
                _ => in_a_row = 0,
            }
            if in_a_row == UNLIKELY_BUCKETS {
                return true;
            }
        }
        false
    }

    /// Whether the target of a sum is met for good: by buckets that will not change any more, none of which takes away.
    fn is_settled(&self, (standing, objective): (&Standing, &Objective), target: Target) -> bool {
        let Span { from, to } = standing.counted;
        // What can fall again is not reached before the end.
        if self.data.range(from, to).any(|point| point.value < 0.0) {
            return false;
        }
        let provisional = self.data.range(from, to).find(|point| point.provisional);
        let to = provisional.map_or(to, |point| point.index - 1);
        let settled = figure_over(objective.measure, Span { from, to }, &self.data, &self.kpi);
        settled.is_ok_and(|settled| target.is_met_by(settled))
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
        self.closing_of(period).map_or(PeriodOutcome::ToBeConfirmed, |closing| closing.outcome)
    }

    /// What a finished period came to; none while that is to be confirmed.
    pub fn closing_of(&self, period: Period) -> Option<Closing> {
        let objective = self.the_objective().ok()?;
        let whole = self.passages().buckets_of(period, &self.kpi);
        let over = self.now >= end_of(period, &self.kpi).max(self.bucket(whole.to).end);
        // A total that rests on a value nobody believes yet is no outcome.
        let is_doubtful = self.data.held.is_some_and(|held| held <= whole.to);
        if is_doubtful || whole.due() == 0 || !over || !is_final((whole, objective.measure), &self.data, &self.kpi) {
            return None;
        }
        let actual = figure_over(objective.measure, whole, &self.data, &self.kpi).ok()?;
        let target = self.target_of(period).ok()?;
        let (actual, is_met) = match self.held(period, (whole, whole.to)) {
            // The last figure would not say why it was missed.
            Some(Held::Lost(worst)) => (worst, false),
            Some(Held::Doubtful) => return None,
            _ => (actual, target.is_met_by(actual)),
        };
        let outcome = if is_met { PeriodOutcome::Reached } else { PeriodOutcome::Missed };
        let (present, due) = (whole.present(&self.data), whole.due());
        Some(Closing { outcome, target, actual, present, due })
    }
}

/// What a finished period came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Closing {
    /// Reached or missed.
    pub outcome: PeriodOutcome,
    /// The period's target.
    pub target: Target,
    pub actual: f64,
    /// Buckets of the period that are there, and how many there are in all.
    pub present: u32,
    pub due: u32,
}

fn is_too_early(standing: &Standing, objective: &Objective) -> bool {
    let keeps_each = matches!(objective.measure, Measure::Each | Measure::AtEnd) && objective.target.is_kept();
    // What reaches back before the period is known when it begins.
    let is_known = matches!(objective.measure, Measure::Rolling(_));
    if keeps_each || is_known || standing.held.is_some() || standing.is_over() {
        return false;
    }
    standing.counted.due() < early_buckets(standing.whole.due(), objective)
}

/// The buckets of a period of so many without which it is too early to tell.
fn early_buckets(whole: u32, objective: &Objective) -> u32 {
    let to_date = matches!(objective.measure, Measure::Sum | Measure::Mean | Measure::Pooled | Measure::ToDate);
    let share = if to_date { (EARLY_SHARE * f64::from(whole) - 1e-9).ceil() as u32 } else { 0 };
    share.max(EARLY_BUCKETS_MIN.min(whole.div_ceil(2)))
}

impl Standing {
    /// True once no bucket of its period will change any more.
    pub(super) fn is_final(&self, objective: &Objective, data: &SeriesData, kpi: &Kpi) -> bool {
        self.is_over() && is_final((self.whole, objective.measure), data, kpi)
    }
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
