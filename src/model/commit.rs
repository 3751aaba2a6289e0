//! The two halves of a step, each written to the store in one transaction.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::alert::{Alert, AlertKey, Phase, Transition};
use super::audit::AuditEntry;
use super::entry::Entry;
use super::evaluation::EvaluationRecord;
use super::event::BusinessEvent;
use super::grain::BucketIndex;
use super::ids::{KpiId, RuleId, SilenceId, SourceId};
use super::notification::{Group, GroupKey, NewDelivery, Notification, Silence};
use super::observation::{Observation, Rejection};
use super::outcome::ClosedPeriod;
use super::suspect::Suspect;

/// First half: what came in, what it did to alerts, and that the slot is done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EvaluateCommit {
    /// KPIs whose buckets have another shape from now on; their series so far are set aside before anything is put.
    pub retired: Vec<Retired>,
    /// New versions; the one they replace is kept as an old version.
    pub observations: Vec<Observation>,
    /// Readings refused, newest kept per KPI up to a bound.
    pub rejections: Vec<(KpiId, Rejection)>,
    /// Suspect values that changed, whole.
    pub suspects: Vec<Suspect>,
    /// Alerts that changed, whole.
    pub alerts: Vec<Alert>,
    /// Alerts that only go on; each replaces what stood for its rule and KPI.
    pub pulses: Vec<RulePulse>,
    /// Alerts that left the book: ended, and everybody concerned was told.
    pub gone: Vec<AlertKey>,
    pub transitions: Vec<Transition>,
    pub silences: Vec<Silence>,
    pub silences_gone: Vec<SilenceId>,
    pub clocks: Vec<KpiClock>,
    pub sources: Vec<SourceState>,
    /// Figures that people entered.
    #[serde(default)]
    pub entries: Vec<Entry>,
    /// Events that people added or removed, whole.
    #[serde(default)]
    pub events: Vec<BusinessEvent>,
    /// What rules found, for the log.
    #[serde(default)]
    pub evaluations: Vec<EvaluationRecord>,
    /// What people did.
    #[serde(default)]
    pub audit: Vec<AuditEntry>,
    /// Periods of objectives that were decided, or whose figures were revised; each replaces what stood there.
    #[serde(default)]
    pub closed: Vec<ClosedPeriod>,
}

/// The series that a KPI had so far, kept under another name: its numbers don't mix with those that follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    pub kpi: KpiId,
    /// Until when they were the KPI's; part of their name from then on.
    pub until: Timestamp,
    /// The shape that follows, as the clock of the same commit has it.
    pub shape: String,
}

/// Second half: group timers, what receivers were told, and the outbox.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NotifyCommit {
    /// Groups that changed, whole.
    pub groups: Vec<Group>,
    pub groups_gone: Vec<GroupKey>,
    /// Alerts that left the book with this decision.
    pub alerts_gone: Vec<AlertKey>,
    pub notifications: Vec<Notification>,
    pub deliveries: Vec<NewDelivery>,
}

impl EvaluateCommit {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl NotifyCommit {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What one rule's slot on one KPI did to the alerts that go on firing: all of it that must survive a
/// restart, in a fraction of the alerts' own size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RulePulse {
    pub kpi: KpiId,
    pub rule: RuleId,
    pub alerts: Vec<Pulse>,
}

/// An alert (by its identity's digest), its newest bucket, the figure that was watched, and the alert's revision: one
/// that was corrected later knows a newer figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pulse(pub u64, pub Option<BucketIndex>, pub Option<f64>, pub u32);

impl RulePulse {
    /// Brings alerts that were written when they last changed to where their newest slot left them.
    pub fn apply(pulses: &[RulePulse], alerts: &mut [Alert]) {
        let pulses: HashMap<u64, &Pulse> =
            pulses.iter().flat_map(|rule| &rule.alerts).map(|pulse| (pulse.0, pulse)).collect();
        for alert in alerts.iter_mut().filter(|alert| alert.phase == Phase::Firing) {
            if let Some(Pulse(_, bucket, value, revision)) = pulses.get(&alert.key.digest()) {
                alert.counters.last_bucket = alert.counters.last_bucket.max(*bucket);
                if *revision == alert.revision {
                    alert.value = *value;
                }
            }
        }
    }
}

/// How far a KPI has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KpiClock {
    pub kpi: KpiId,
    /// Digest of the definition's parts that decide what was pulled; a change pulls the history anew.
    pub definition: String,
    /// Digest of what shapes the buckets of the stored series; a change sets them aside. Empty: unknown.
    #[serde(default)]
    pub shape: String,
    /// The roll-ups that the stored series hold; one that is asked for beyond these needs its history.
    #[serde(default)]
    pub roll_ups: Vec<String>,
    /// The rules that have run on it; one that is missing here is new and catches up first.
    #[serde(default)]
    pub rules: Vec<RuleId>,
    /// The newest slot that was stepped.
    pub last_slot: Option<Timestamp>,
    /// Slots in which a rule waits for the other KPIs that it reads, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<WaitingSlot>,
    /// A slot whose pull failed and is tried again.
    pub open: Option<OpenSlot>,
    /// When the source is asked once more for a value that jumped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again_at: Option<Timestamp>,
    /// Newest bucket that a complete pull covered.
    pub pulled_to: Option<BucketIndex>,
    pub last_pull_at: Option<Timestamp>,
    /// What the last pull said, when it failed or was partial. Free of secrets.
    pub last_error: Option<String>,
}

/// A slot that one rule has not run in yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingSlot {
    pub rule: RuleId,
    pub slot: Timestamp,
}

/// A slot that has been evaluated without its data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSlot {
    pub slot: Timestamp,
    /// Pulls that failed so far.
    pub failures: u32,
    /// When the next pull is due; computed from the slot, so that a restart changes nothing.
    pub retry_at: Option<Timestamp>,
}

/// How a source is doing, over all its KPIs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceState {
    pub source: SourceId,
    /// Pulls that failed in a row.
    pub failures: u32,
    pub last_ok: Option<Timestamp>,
    pub last_error: Option<String>,
}

/// What the engine takes up after a restart (series are loaded when first read).
#[derive(Clone, Debug, Default)]
pub struct StoredState {
    /// Where their newest slot left them.
    pub alerts: Vec<Alert>,
    /// What of them is stored apart.
    pub pulses: Vec<RulePulse>,
    /// How often alerts that are no longer live have fired, by their identities' digest.
    pub episodes: HashMap<u64, u32>,
    pub groups: Vec<Group>,
    pub silences: Vec<Silence>,
    pub clocks: Vec<KpiClock>,
    pub sources: Vec<SourceState>,
    /// Those that are open, and those that a person has replaced.
    pub suspects: Vec<Suspect>,
    /// Highest transition number written, 0 at first.
    pub last_seq: u64,
    /// Number of notifications decided so far.
    pub notifications: u64,
    /// Checksum of the configuration that ran last.
    pub config_checksum: Option<String>,
    /// Those that people added, also those that were removed since.
    pub events: Vec<BusinessEvent>,
}
