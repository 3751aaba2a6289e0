//! Figures that people enter by hand, and who did, when and why.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{KpiId, Labels};
use super::observation::Parts;

/// One figure as it was entered; a later one of the same period and labels corrects it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub kpi: KpiId,
    pub labels: Labels,
    /// The bucket's name: `2026-11-24`, `2026-W47`, `2026-11`.
    pub period: String,
    /// None: a ratio whose denominator was zero.
    pub value: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Parts>,
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub at: Timestamp,
}
