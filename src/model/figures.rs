//! What the KPIs and objectives are at one instant, for whoever draws them elsewhere.

use jiff::Timestamp;

use super::assessment::ObjectiveFacts;
use super::ids::{KpiId, Labels, ObjectiveId, RuleId, SeriesKey};
use super::verdict::Severity;

/// Newest values, objectives and what fires, in a fixed order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KpiFigures {
    /// The newest final value of each series, and the end of its bucket.
    pub values: Vec<(SeriesKey, f64, Timestamp)>,
    pub objectives: Vec<(ObjectiveId, KpiId, Labels, ObjectiveFacts)>,
    /// What fires of rules.
    pub firing: Vec<(RuleId, SeriesKey, Option<ObjectiveId>, Severity)>,
    /// Series and alerts that were left out because there are more than are allowed.
    pub left_out: usize,
}
