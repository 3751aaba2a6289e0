//! How a period of an objective ended, once its last bucket was final.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::alert::PeriodOutcome;
use super::ids::{KpiId, Labels, ObjectiveId};
use super::objective::{Measure, Target};
use super::period::Period;

/// One period of one objective that is over, and what it came to. Decided once; revised values make another revision of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClosedPeriod {
    pub objective: ObjectiveId,
    pub kpi: KpiId,
    pub labels: Labels,
    pub period: Period,
    /// Reached or missed: nothing is kept of what is to be confirmed.
    pub outcome: PeriodOutcome,
    /// The target as it was when this was decided.
    pub target: Target,
    pub measure: Measure,
    pub actual: f64,
    /// Buckets of the period that were there, and how many there are in all.
    pub present: u32,
    pub due: u32,
    /// How often rules that watch the objective fired in it.
    pub alerts: u32,
    pub decided_at: Timestamp,
    /// Decided after the fact from the history that was there, because nobody watched the objective then.
    pub filled_in: bool,
    /// Digest of what a number of its series meant.
    pub shape: String,
    /// How often revised values changed it.
    pub revision: u32,
    /// What stood there before the newest revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Replaced>,
}

/// What was decided of a period before its values were revised.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replaced {
    pub outcome: PeriodOutcome,
    pub actual: f64,
    pub decided_at: Timestamp,
}

impl ClosedPeriod {
    /// Share of its buckets that were there, 0 to 1.
    pub fn completeness(&self) -> f64 {
        if self.due == 0 { 0.0 } else { f64::from(self.present) / f64::from(self.due) }
    }
}
