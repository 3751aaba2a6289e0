//! What receivers are told: routes, groups, the neutral message, deliveries.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::alert::{About, AlertKey, Phase};
use super::calendar::Calendar;
use super::course::Course;
use super::grain::BucketIndex;
use super::ids::{AlertId, KpiId, Labels, PersonId, ReceiverId, RuleId, SilenceId};
use super::unit::{Category, Language, Unit};
use super::verdict::Severity;

/// A person of the configuration.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: PersonId,
    pub name: String,
    pub mail: Option<String>,
    pub language: Language,
    /// Of her working days; none: those of the KPI in question.
    pub calendar: Option<Arc<Calendar>>,
}

/// A named way to reach people: the recipients it stands for. How each is reached stays with the channels.
#[derive(Clone, Debug)]
pub struct Receiver {
    pub id: ReceiverId,
    pub recipients: Vec<Recipient>,
}

/// One recipient: one outbox row per notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Unique within its receiver and free of secrets: a mail address, `slack`, `teams`, `webhook`.
    pub name: String,
    pub language: Language,
}

/// A node of the routing tree. The first child that matches takes the alert, else the node itself.
#[derive(Clone, Debug)]
pub struct Route {
    /// Position in the tree (`0.2.1`), part of the group's identity.
    pub path: String,
    pub matcher: Matcher,
    pub to: ReceiverId,
    pub group_by: Vec<GroupBy>,
    /// How long a new group waits for company.
    pub wait: SignedDuration,
    /// Least time between two messages of one group.
    pub interval: SignedDuration,
    /// After this long without news a firing group is told again; none: never.
    pub remind: Option<SignedDuration>,
    pub routes: Vec<Route>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    Alert,
    Rule,
    Kpi,
    Objective,
    Labels,
    Source,
    Category,
    Severity,
}

/// All conditions must hold; an empty list holds always.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matcher {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub about: Vec<About>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub category: Vec<Category>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub severity: Vec<Severity>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kpi: Vec<KpiId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rule: Vec<RuleId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owner: Vec<PersonId>,
    #[serde(default, skip_serializing_if = "Labels::is_total")]
    pub labels: Labels,
    /// Just this alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<AlertId>,
}

/// Hides notifications of matching alerts; never changes their state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    pub id: SilenceId,
    pub matcher: Matcher,
    pub from: Timestamp,
    pub until: Timestamp,
    pub by: String,
    pub why: String,
}

/// Identity of a group: one route, one receiver, one set of values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupKey {
    pub route: String,
    pub receiver: ReceiverId,
    pub by: BTreeMap<GroupBy, String>,
}

/// Run-time state of a group: its timers and what its receiver was last told of each alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub key: GroupKey,
    /// Names the mail thread; made when the group opened.
    pub thread: String,
    pub opened_at: Timestamp,
    pub next_flush: Option<Timestamp>,
    pub last_flush: Option<Timestamp>,
    pub next_remind: Option<Timestamp>,
    /// Messages sent so far in this thread.
    pub messages: u32,
    #[serde(with = "told_as_list")]
    pub told: BTreeMap<AlertKey, Told>,
    /// Alerts routed here, whether told or not.
    pub members: std::collections::BTreeSet<AlertKey>,
}

/// What a receiver last heard of an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    pub phase: Phase,
    pub severity: Severity,
    /// A correction said that it is no breach after all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_calm: bool,
    /// The figure that the rule watched, and the bucket that it was of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketIndex>,
    /// For objectives: what the period came to, as the message said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<f64>,
    pub episode: u32,
    pub revision: u32,
    pub at: Timestamp,
}

/// Why somebody is told something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifyReason {
    Escalated,
    First,
    Correction,
    Updated,
    Deescalated,
    Resolved,
    Reminder,
    Test,
}

impl NotifyReason {
    pub fn as_str(self) -> &'static str {
        match self {
            NotifyReason::First => "first",
            NotifyReason::Updated => "updated",
            NotifyReason::Escalated => "escalated",
            NotifyReason::Deescalated => "deescalated",
            NotifyReason::Reminder => "reminder",
            NotifyReason::Resolved => "resolved",
            NotifyReason::Correction => "correction",
            NotifyReason::Test => "test",
        }
    }
}

/// One decision to tell one receiver about some alerts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// `n` and the decision's number; unique for one state.
    pub id: String,
    pub group: GroupKey,
    pub at: Timestamp,
    /// The weightiest of the items' reasons.
    pub reason: NotifyReason,
    pub items: Vec<NotificationItem>,
}

/// One alert in a notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationItem {
    pub key: AlertKey,
    pub episode: u32,
    pub reason: NotifyReason,
    /// Slot of the evaluation that it tells of.
    pub slot: Timestamp,
}

/// A new outbox row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewDelivery {
    /// Idempotency key: notification and recipient. Becomes Message-ID and `webhook-id`.
    pub key: String,
    pub notification: String,
    pub receiver: ReceiverId,
    pub recipient: String,
    pub thread: ThreadRef,
    pub created_at: Timestamp,
    pub message: Message,
}

/// Where a message stands in its thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadRef {
    /// Same for all messages of the thread and recipient.
    pub root: String,
    /// 0 for the opening message, then 1, 2...
    pub position: u32,
}

/// The neutral message: words in the recipient's language, figures beside them, no markup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub language: Language,
    pub reason: NotifyReason,
    pub about: About,
    /// The worst severity told of; of resolved ones, what they were.
    pub severity: Severity,
    /// True when every alert in it has ended.
    pub resolved: bool,
    /// Stable over the thread: no figures, no state.
    pub subject: String,
    /// First line: state, gap, landing.
    pub headline: String,
    pub sections: Vec<Section>,
    /// Alerts beyond these, of which only their number is told.
    #[serde(default)]
    pub more: usize,
    pub created_at: Timestamp,
    /// `created_at` in the recipient's words.
    pub sent_line: String,
}

/// One alert in a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Section {
    pub alert: AlertId,
    pub title: String,
    /// `Critique · Hors trajectoire`.
    pub state: String,
    /// State, title, then gap and landing or the value: what the first line of a message says.
    pub headline: String,
    pub severity: Severity,
    pub resolved: bool,
    pub reason: NotifyReason,
    /// The verdict in one or two sentences.
    pub sentences: Vec<String>,
    pub facts: Vec<Fact>,
    /// Of an objective: what its picture shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<Picture>,
    /// Comparisons, one sentence each.
    pub comparisons: Vec<String>,
    /// Suggested adjustments, one sentence each.
    pub suggestions: Vec<String>,
    /// Data as of, completeness, source.
    pub data: Option<String>,
    /// Why the reader gets this, and how to acknowledge it.
    pub why: Vec<String>,
    /// The raw figures, for machines.
    pub payload: Payload,
}

/// A picture of an objective before it is drawn: its figures, and what names them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    pub title: String,
    /// How probable it is that the target will be met, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    pub unit: Unit,
    pub course: Course,
}

/// A label and a value in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    pub label: String,
    pub value: String,
}

/// Raw figures of one alert, as webhooks hand them on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Payload {
    pub alert: AlertId,
    pub episode: u32,
    /// Identity as one line.
    pub identity: String,
    pub state: Phase,
    pub severity: Severity,
    pub about: About,
    pub aspect: String,
    pub rule: Option<String>,
    pub kpi: Option<String>,
    pub labels: Labels,
    pub objective: Option<String>,
    pub period: Option<String>,
    pub since: Timestamp,
    pub fired_at: Option<Timestamp>,
    pub resolved_at: Option<Timestamp>,
    pub slot: Timestamp,
    pub value: Option<f64>,
    pub actual: Option<f64>,
    pub expected: Option<f64>,
    pub target: Option<f64>,
    pub drift: Option<f64>,
    pub drift_ratio: Option<f64>,
    pub drift_days: Option<f64>,
    pub projected: Option<f64>,
    /// Both ends of the interval that holds the period's end with a probability of 80 %.
    #[serde(default)]
    pub low: Option<f64>,
    #[serde(default)]
    pub high: Option<f64>,
    /// That the period ends with the target met, 0 to 1.
    #[serde(default)]
    pub probability: Option<f64>,
    pub unit: String,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    Queued,
    Sent,
    Dead,
    Cancelled,
}

impl DeliveryState {
    pub fn as_str(self) -> &'static str {
        match self {
            DeliveryState::Queued => "queued",
            DeliveryState::Sent => "sent",
            DeliveryState::Dead => "dead",
            DeliveryState::Cancelled => "cancelled",
        }
    }
}

/// An outbox row as the store holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Order of decisions.
    pub id: i64,
    #[serde(flatten)]
    pub new: NewDelivery,
    pub state: DeliveryState,
    /// Attempts begun so far.
    pub attempts: u32,
    /// When somebody queued it again after it was dead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requeued_at: Option<Timestamp>,
    /// Attempts begun since it was last queued.
    #[serde(default)]
    pub tries: u32,
    pub next_attempt_at: Timestamp,
    /// Why it is dead or cancelled, or what the last attempt said. Free of secrets.
    pub note: Option<String>,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// The provider acknowledged it.
    Sent { detail: String },
    /// Worth another try; not before `after`, where the provider said so.
    Retry { cause: String, after: Option<SignedDuration> },
    /// It may have gone through or not; it is tried again under the same key.
    Ambiguous { cause: String },
    /// No further try can help.
    Permanent { cause: String },
}

mod told_as_list {
    //! JSON objects need text keys; the log of what was told is written as pairs.
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::{AlertKey, Told};

    pub(super) fn serialize<S: Serializer>(told: &BTreeMap<AlertKey, Told>, out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(told)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<BTreeMap<AlertKey, Told>, D::Error> {
        Ok(Vec::<(AlertKey, Told)>::deserialize(input)?.into_iter().collect())
    }
}
