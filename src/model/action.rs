//! What a person may ask of the running service; every inbound way submits one of these.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::EventDays;
use super::ids::{AlertId, EventId, SilenceId};
use super::notification::Matcher;

/// A person's action with its author.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    pub by: String,
    pub what: ActionKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}
