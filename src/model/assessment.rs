//! Words for what an assessment found, and for what could not be measured.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::course::Fan;
use super::objective::{Measure, Target};

/// Why a value can't be had. Reading one ends a script as *no data*; no comparison ever sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unmeasurable {
    /// No observation in the span asked for.
    NoData,
    /// The newest expected bucket has not come, and is late.
    Late { bucket_end: Timestamp },
    /// A value of the series jumped, and nobody has settled yet whether it is real.
    Suspect { day: Date, value: f64 },
    /// Too few of the due buckets are there.
    Incomplete { present: u32, due: u32 },
    /// A ratio whose denominator is zero.
    ZeroDenominator,
    /// A quotient of two figures whose second one happens to be zero now; other data, or another day, may change that.
    ZeroReference,
    /// The comparison span lies before the history.
    NoHistory,
    /// The span to compare with lies in days that an event takes out of comparisons.
    Excluded { event: String },
    /// The objective has no period that holds this moment.
    OutsidePeriod,
    /// What the target is relative to can't be measured.
    NoBaseline { from: Date, to: Date, why: Box<Unmeasurable> },
    /// The table of targets has no figure for these days.
    NoTarget { from: Date, to: Date },
    /// The figure makes no sense for this kind of KPI or objective, whatever the data: the rule must be changed.
    NotDefined { what: String },
}

impl Unmeasurable {
    /// Its name, stable across versions.
    pub fn as_str(&self) -> &'static str {
        match self {
            Unmeasurable::NoData => "no_data",
            Unmeasurable::Late { .. } => "late",
            Unmeasurable::Suspect { .. } => "suspect",
            Unmeasurable::Incomplete { .. } => "incomplete",
            Unmeasurable::ZeroDenominator => "zero_denominator",
            Unmeasurable::ZeroReference => "zero_reference",
            Unmeasurable::NoHistory => "no_history",
            Unmeasurable::Excluded { .. } => "excluded",
            Unmeasurable::OutsidePeriod => "outside_period",
            Unmeasurable::NoBaseline { .. } => "no_baseline",
            Unmeasurable::NoTarget { .. } => "no_target",
            Unmeasurable::NotDefined { .. } => "not_defined",
        }
    }
}

/// A value, or why it can't be had.
pub type Measured<T> = Result<T, Unmeasurable>;

/// What a trajectory that is to be learned rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Learned from so many whole periods before.
    Learned { periods: u32 },
    /// Too little history: every working day brings the same.
    WorkingDays,
    /// Too little history, and no working day: every day brings the same.
    Linear,
    /// A history that comes to nothing above zero has no shares to learn: every working day brings the same.
    FlatWorkingDays,
    /// So, and no working day.
    FlatLinear,
}

/// How an objective stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Ahead,
    OnTrack,
    Watch,
    /// It will hardly be reached, though it is not far from its trajectory.
    AtRisk,
    OffTrajectory,
    Reached,
    Missed,
    TooEarly,
    InsufficientData,
    StaleData,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Ahead => "ahead",
            Status::OnTrack => "on_track",
            Status::Watch => "watch",
            Status::AtRisk => "at_risk",
            Status::OffTrajectory => "off_trajectory",
            Status::Reached => "reached",
            Status::Missed => "missed",
            Status::TooEarly => "too_early",
            Status::InsufficientData => "insufficient_data",
            Status::StaleData => "stale_data",
        }
    }
}

/// What is known of an objective at one instant, as raw figures for messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectiveFacts {
    pub status: Status,
    pub target: Target,
    pub measure: Measure,
    pub period_start: Date,
    /// Last day of the period.
    pub period_end: Date,
    pub actual: Option<f64>,
    /// The trajectory's figure at the end of the newest bucket counted.
    pub expected: Option<f64>,
    /// Actual minus expected; negative is bad where higher is better, and the reverse.
    pub drift: Option<f64>,
    /// Drift over expected.
    pub drift_ratio: Option<f64>,
    /// Drift in working days of the planned rate; negative is late.
    pub drift_days: Option<f64>,
    /// Where the period is expected to end.
    pub projected: Option<f64>,
    /// Both ends of the interval that holds the period's end with a probability of 80 %.
    #[serde(default)]
    pub low: Option<f64>,
    #[serde(default)]
    pub high: Option<f64>,
    /// That the period ends with the target met, 0 to 1.
    #[serde(default)]
    pub probability: Option<f64>,
    /// The probability minus the one of seven days before.
    #[serde(default)]
    pub probability_change: Option<f64>,
    /// What the trajectory rests on, where it is to be learned.
    #[serde(default)]
    pub basis: Option<Basis>,
    /// Per working day from now on, to land on the target.
    pub required_rate: Option<f64>,
    /// Per working day so far.
    pub current_rate: Option<f64>,
    pub working_days_left: Option<u32>,
    /// Share of the due buckets that are there, 0 to 1.
    pub completeness: f64,
}

impl ObjectiveFacts {
    /// Where the period lands, between the ends of its interval; none without one, and once the period is over.
    pub fn landing(&self) -> Option<Fan> {
        let fan = Fan { mean: self.projected?, low: self.low?, high: self.high? };
        (fan.low <= fan.mean && fan.mean <= fan.high && fan.low < fan.high).then_some(fan)
    }

    /// The probability while something is still open.
    pub fn chance(&self) -> Option<f64> {
        self.probability.filter(|probability| 0.0 < *probability && *probability < 1.0)
    }
}

/// A figure beside the same span of another time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparisonFact {
    pub basis: ComparisonBasis,
    pub value: f64,
    pub reference: f64,
    /// First and last day of the reference span.
    pub from: Date,
    pub to: Date,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComparisonBasis {
    /// The span of the same length just before (for objectives: the same part of the period before).
    SpanBefore,
    /// The same span a year before.
    YearBefore,
}

/// How fresh and whole the data under a verdict is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataFacts {
    /// End of the newest bucket known.
    pub as_of: Option<Timestamp>,
    pub provisional: bool,
    /// Share of the due buckets that are there, 0 to 1.
    pub completeness: f64,
    pub source: String,
}
