//! What a person may ask of the running service; every inbound way submits one of these.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::EventDays;
use super::grain::BucketIndex;
use super::ids::{AlertId, EventId, KpiId, Labels, SilenceId};
use super::notification::Matcher;
use super::suspect::Decision;

/// A person's action with its author.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Action {
    pub by: String,
    pub what: ActionKind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Stops reminders of that alert until it ends.
    Acknowledge {
        alert: AlertId,
        note: Option<String>,
    },
    Unacknowledge {
        alert: AlertId,
    },
    /// Stops reminders of that alert until then.
    Snooze {
        alert: AlertId,
        until: Timestamp,
    },
    Silence {
        matcher: Matcher,
        until: Timestamp,
        why: String,
    },
    EndSilence {
        silence: SilenceId,
    },
    /// An event that counts from now on.
    AddEvent(EventDays),
    RemoveEvent {
        event: EventId,
    },
    /// Says what a suspect value is; without labels the total with its dimension values.
    Settle {
        kpi: KpiId,
        bucket: BucketIndex,
        labels: Option<Labels>,
        decision: Decision,
        note: Option<String>,
    },
    /// Enters a figure by hand.
    Record(Record),
}

/// A figure as it was typed; its KPI's definition says what it means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub kpi: KpiId,
    /// The bucket's name: `2026-11-24`, `2026-W47`, `2026-11`.
    pub period: String,
    /// `1 234,5`, `12 %`, `45/60`.
    pub value: String,
    #[serde(default)]
    pub labels: Labels,
    pub note: Option<String>,
}
