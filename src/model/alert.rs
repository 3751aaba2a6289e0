//! The life of one trouble: identity, state, and the changes in it.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::assessment::{ComparisonFact, DataFacts, ObjectiveFacts, Unmeasurable};
use super::course::Course;
use super::digest::Digest;
use super::event::EventFact;
use super::grain::BucketIndex;
use super::ids::{AlertId, KpiId, Labels, ObjectiveId, ReceiverId, RuleId, SeriesKey, SourceId};
use super::suspect::{Settled, Settlement};
use super::text::Said;
use super::unit::{Category, Unit};
use super::verdict::{ConditionRecord, Severity, Suggestion};

/// Identity of an alert.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AlertKey {
    pub subject: Subject,
    /// First day of the objective's period, or of a suspect value's bucket; else none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Date>,
    pub aspect: Aspect,
}

/// What an alert is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    Rule {
        rule: RuleId,
        series: SeriesKey,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        objective: Option<ObjectiveId>,
    },
    /// Data of one KPI: it can't be pulled although its source answers, or it is not to be believed.
    Data(KpiId),
    Source(SourceId),
    Receiver(ReceiverId),
    Service,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    Breach,
    NoData,
    Failed,
    Outage,
    System,
    /// A value that jumped waits to be settled; the key's period is its day.
    Suspect,
}

/// Who cares: managers for objectives and signals, ops for data and system.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum About {
    #[default]
    Objective,
    Data,
    System,
}

impl About {
    pub fn as_str(self) -> &'static str {
        match self {
            About::Objective => "objective",
            About::Data => "data",
            About::System => "system",
        }
    }
}

impl Aspect {
    pub fn about(self) -> About {
        match self {
            Aspect::Breach => About::Objective,
            Aspect::NoData | Aspect::Failed | Aspect::Outage | Aspect::Suspect => About::Data,
            Aspect::System => About::System,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Aspect::Breach => "breach",
            Aspect::NoData => "no_data",
            Aspect::Failed => "failed",
            Aspect::Outage => "outage",
            Aspect::System => "system",
            Aspect::Suspect => "suspect",
        }
    }
}

impl AlertKey {
    /// The identity as one line; unique, stable over versions: the store's key.
    pub fn canonical(&self) -> String {
        self.to_string()
    }

    /// The short name people type: `a` and ten hexadecimal digits of the identity's digest.
    pub fn id(&self) -> AlertId {
        AlertId::from(format!("a{:010x}", self.digest() >> 24))
    }

    /// Digest of the identity, for look-ups among many.
    pub fn digest(&self) -> u64 {
        Digest::of(self)
    }

    pub fn kpi(&self) -> Option<&KpiId> {
        match &self.subject {
            Subject::Rule { series, .. } => Some(&series.kpi),
            Subject::Data(kpi) => Some(kpi),
            Subject::Source(_) | Subject::Receiver(_) | Subject::Service => None,
        }
    }

    pub fn series(&self) -> Option<&SeriesKey> {
        match &self.subject {
            Subject::Rule { series, .. } => Some(series),
            Subject::Data(_) | Subject::Source(_) | Subject::Receiver(_) | Subject::Service => None,
        }
    }

    pub fn rule(&self) -> Option<&RuleId> {
        match &self.subject {
            Subject::Rule { rule, .. } => Some(rule),
            Subject::Data(_) | Subject::Source(_) | Subject::Receiver(_) | Subject::Service => None,
        }
    }

    pub fn objective(&self) -> Option<&ObjectiveId> {
        match &self.subject {
            Subject::Rule { objective, .. } => objective.as_ref(),
            Subject::Data(_) | Subject::Source(_) | Subject::Receiver(_) | Subject::Service => None,
        }
    }
}

/// The identity as one line.
impl fmt::Display for AlertKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.subject)?;
        if let Some(day) = self.period {
            write!(f, "@{day}")?;
        }
        write!(f, "#{}", self.aspect.as_str())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Rule { rule, series, objective: Some(objective) } => {
                write!(f, "rule:{rule}/{series}/{objective}")
            }
            Subject::Rule { rule, series, objective: None } => write!(f, "rule:{rule}/{series}"),
            Subject::Data(kpi) => write!(f, "data:{kpi}"),
            Subject::Source(source) => write!(f, "source:{source}"),
            Subject::Receiver(receiver) => write!(f, "receiver:{receiver}"),
            Subject::Service => f.write_str("service"),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    #[default]
    Inactive,
    Pending,
    Firing,
    Resolved,
}

impl Phase {
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Inactive => "inactive",
            Phase::Pending => "pending",
            Phase::Firing => "firing",
            Phase::Resolved => "resolved",
        }
    }
}

/// Run-time state of one alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    pub key: AlertKey,
    pub about: About,
    /// Counts the times this identity fired; a new episode is a new thread.
    pub episode: u32,
    pub phase: Phase,
    pub severity: Severity,
    /// When the present breach was first seen.
    pub since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fired_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<EndReason>,
    pub counters: Counters,
    /// Why the state can't move now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Freeze>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledgement>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snoozed_until: Option<Timestamp>,
    /// The slot of the evaluation that changed it last.
    pub slot: Timestamp,
    /// Rises when a correction is due to those who were told.
    pub revision: u32,
    /// What the newest correction said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<Correction>,
    /// The level that a correction left, until a new bucket breaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stated: Option<Stated>,
    /// The figure that the rule watched, at its newest verdict. The figures of `facts` may be older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Figures of the last verdict that changed something, or a newer one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Arc<AlertFacts>>,
}

/// A revised figure under a verdict that had been told.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Correction {
    pub old: Option<f64>,
    pub new: Option<f64>,
    /// The bucket that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketIndex>,
    /// For objectives what the period came to, before and now; a rule watches something else of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<(f64, f64)>,
}

/// What the newest verdict says where a correction changed it: an alert ends and sinks with new buckets only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stated {
    /// None: it is no breach.
    pub level: Option<Severity>,
}

impl Alert {
    /// The level that its newest verdict has; none where a correction says that it is no breach.
    pub fn stated_level(&self) -> Option<Severity> {
        self.stated.map_or(Some(self.severity), |stated| stated.level)
    }
}

/// Counted in new final buckets; the same bucket counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    pub last_bucket: Option<BucketIndex>,
    /// Buckets in breach in a row (while pending).
    pub breach: u32,
    /// Buckets calm in a row (while firing).
    pub calm: u32,
    /// Since when calm lasts, for durations.
    pub calm_since: Option<Timestamp>,
    /// Buckets in a row at a level below the alert's.
    pub lower: u32,
    pub lower_since: Option<Timestamp>,
}

/// Why an alert's state is held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freeze {
    Hold {
        /// The script's key for it, or its literal.
        reason: String,
        /// Its words for people; none where the script has none, and in states older than this field.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        said: Option<Said>,
    },
    NoData {
        missing: Unmeasurable,
    },
    Failed {
        cause: String,
    },
}

/// Why an alert ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    Recovered,
    PeriodEnded(PeriodOutcome),
    Removed,
    /// Of a suspect value: it was decided on.
    Settled(Settled),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodOutcome {
    Reached,
    Missed,
    /// The last bucket is not final, or not all are there.
    ToBeConfirmed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    pub by: String,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A verdict's figures, raw, for messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertFacts {
    pub at: Timestamp,
    pub title: String,
    pub category: Option<Category>,
    pub unit: Unit,
    pub owner: Option<String>,
    /// The figure that the rule watched.
    pub value: Option<f64>,
    pub said: Option<Said>,
    pub conditions: Vec<ConditionRecord>,
    pub suggestions: Vec<Suggestion>,
    pub statement: Option<String>,
    pub objective: Option<ObjectiveFacts>,
    /// The objective's period as its picture shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub course: Option<Course>,
    pub comparisons: Vec<ComparisonFact>,
    pub data: Option<DataFacts>,
    /// For data and system alerts: what is wrong, in words free of secrets.
    pub cause: Option<String>,
    /// What happened in the days that the message shows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventFact>,
    /// For suspect values: what jumped, and how it was settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspect: Option<SuspectFacts>,
    /// For missing data of a KPI: which of its dimension values come no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vanished: Option<VanishedFacts>,
}

/// Dimension values that came regularly and come no more while others do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VanishedFacts {
    /// The first of them, by dimension and value.
    pub values: Vec<VanishedValue>,
    /// All of them.
    pub count: u64,
}

/// One dimension value that comes no more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VanishedValue {
    pub dimension: String,
    pub value: String,
    /// The bucket in which it came last, as commands name it.
    pub last: String,
}

/// A suspect value in figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuspectFacts {
    pub kpi: KpiId,
    pub labels: Labels,
    /// Its bucket, as commands name it.
    pub bucket: String,
    pub value: f64,
    /// The range of the values before it, or what the other KPI allows.
    pub low: f64,
    pub high: f64,
    /// The other KPI's title and value, where it says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<(String, f64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_jump: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settlement: Option<Settlement>,
}

/// A change in an alert's life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// Number in the order of decisions, across all alerts.
    pub seq: u64,
    pub key: AlertKey,
    pub episode: u32,
    /// Instant of the evaluation.
    pub at: Timestamp,
    pub slot: Timestamp,
    pub from: Phase,
    pub to: Phase,
    pub change: Change,
    pub severity: Severity,
    pub value: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// First breach; waiting for `for`.
    Pended,
    /// The breach went before `for` had passed.
    Withdrawn,
    Fired,
    Escalated {
        from: Severity,
    },
    Deescalated {
        from: Severity,
    },
    Resolved(EndReason),
    Frozen(Freeze),
    Unfrozen,
    Acknowledged {
        by: String,
    },
    Unacknowledged,
    Snoozed {
        until: Timestamp,
        by: String,
    },
    Corrected {
        old: Option<f64>,
        new: Option<f64>,
    },
}

impl Change {
    /// Its name, stable across versions.
    pub fn name(&self) -> &'static str {
        match self {
            Change::Pended => "pended",
            Change::Withdrawn => "withdrawn",
            Change::Fired => "fired",
            Change::Escalated { .. } => "escalated",
            Change::Deescalated { .. } => "deescalated",
            Change::Resolved(_) => "resolved",
            Change::Frozen(_) => "frozen",
            Change::Unfrozen => "unfrozen",
            Change::Acknowledged { .. } => "acknowledged",
            Change::Unacknowledged => "unacknowledged",
            Change::Snoozed { .. } => "snoozed",
            Change::Corrected { .. } => "corrected",
        }
    }
}
