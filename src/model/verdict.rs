//! What a rule says about one series at one instant.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::assessment::Unmeasurable;
use super::ids::PersonId;
use super::text::Said;

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

impl Severity {
    pub const ALL: [Severity; 3] = [Severity::Info, Severity::Warning, Severity::Critical];

    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// What a rule script returned, or why it could not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The conditions were compared.
    Judged(Finding),
    /// The script asked to wait; the breach's state stays as it is.
    Hold { reason: Reason },
    /// A value it needs can't be had; the state stays as it is.
    NoData { missing: Unmeasurable, what: String },
    /// The script failed; the state stays as it is.
    Failed { cause: String },
}

/// The outcome of the comparison. Exactly one of three: breach, calm, or between the two limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The level that holds now; none when no condition is met.
    pub level: Option<Severity>,
    /// With no level: whether recovery is complete. False between the two limits of a hysteresis.
    pub recovered: bool,
    /// Level to keep an already firing alert at while it has not recovered.
    pub floor: Option<Severity>,
    /// The figure of the first condition that is met, else of the first one.
    pub value: Option<f64>,
}

/// What a verdict rests on, and its words; made when somebody wants to know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    pub conditions: Vec<ConditionRecord>,
    pub said: Option<Said>,
    pub suggestions: Vec<Suggestion>,
}

/// One comparison with both its sides, for `explain` and for messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConditionRecord {
    /// What was compared: `objective.drift_ratio`.
    pub what: String,
    pub value: f64,
    pub comparison: Comparison,
    pub limit: f64,
    /// Upper end for `outside`.
    pub limit_high: Option<f64>,
    pub recovers_at: Option<f64>,
    pub critical_at: Option<f64>,
    pub met: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    Above,
    Below,
    Outside,
}

/// An adjustment proposed by a rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suggestion {
    pub say: Said,
    pub who: Option<PersonId>,
    pub by: Option<Date>,
}

/// Why a script holds: a key of the sidecar's texts, or a literal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    pub key: String,
    pub said: Option<Said>,
}
