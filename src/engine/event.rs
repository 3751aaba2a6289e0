//! What can happen, and what comes of it.

use jiff::Timestamp;

use crate::model::action::Action;
use crate::model::alert::About;
use crate::model::commit::{EvaluateCommit, NotifyCommit};
use crate::model::entry::Entry;
use crate::model::grain::BucketIndex;
use crate::model::ids::{AlertId, EventId, KpiId, ReceiverId, RuleId, SilenceId};
use crate::model::observation::{Observation, Rejection};

/// Something that moves the engine.
#[derive(Clone, Debug)]
pub enum Event {
    /// A KPI's slot: its pull ended (or there was none), its rules run.
    Slot(SlotEvent),
    /// The notify half: changed alerts are grouped, due groups are told.
    Wake,
    Act(Action),
    DeliveryEnded(DeliveryReport),
    /// The service itself has trouble that people must hear of, or none any more.
    Service {
        trouble: Option<String>,
    },
    /// A configuration took effect; alerts of what is gone are closed.
    Reconfigured,
    /// A person entered a figure, which was read and validated.
    Entered(Entered),
}

/// One evaluation of one KPI.
#[derive(Clone, Debug)]
pub struct SlotEvent {
    pub kpi: KpiId,
    pub slot: Timestamp,
    pub pull: Option<PullReport>,
    /// Only these rules (new ones that catch up); none: all.
    pub only: Option<Vec<RuleId>>,
    /// The slot's data is still missing: evaluate, and try again then.
    pub retry_at: Option<Timestamp>,
    /// False while more evaluations of the same replay follow: until the last of them a new rule, or a definition that
    /// changed, is not marked as caught up.
    pub completes: bool,
}

/// What a pull brought, validated.
#[derive(Clone, Debug, Default)]
pub struct PullReport {
    pub observations: Vec<Observation>,
    pub rejections: Vec<Rejection>,
    /// Newest bucket that a complete pull covered.
    pub pulled_to: Option<BucketIndex>,
    pub trouble: Option<PullTrouble>,
    pub warnings: Vec<String>,
    pub at: Option<Timestamp>,
    /// The oldest bucket that anything was said of.
    pub oldest: Option<BucketIndex>,
    /// Nothing had ended since the last pull, so the source was not asked and nothing is known of it.
    pub nothing_asked: bool,
}

/// A figure that a person entered, with the observations that it makes.
#[derive(Clone, Debug)]
pub struct Entered {
    pub entry: Entry,
    pub bucket: BucketIndex,
    pub pull: PullReport,
}

/// Why a pull failed. Free of secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullTrouble {
    /// What the source failed with.
    pub message: String,
    /// What to say of the KPI where it was not asked for, because others of the source had failed with that.
    pub not_asked: Option<String>,
    /// True when the whole source is down, false when only this KPI's query is wrong.
    pub whole_source: bool,
}

/// A delivery reached its end.
#[derive(Clone, Debug)]
pub struct DeliveryReport {
    pub receiver: ReceiverId,
    pub about: About,
    /// Why it is dead; none: it was sent.
    pub dead: Option<String>,
}

/// Both halves' writes. A half that is empty needs no transaction.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    pub evaluate: EvaluateCommit,
    pub notify: NotifyCommit,
    pub tally: Tally,
    /// What an action is answered with.
    pub answer: Option<Result<Answer, String>>,
}

/// How many rules were run, how many of them failed, and how many could not wait longer for other KPIs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub verdicts: u64,
    pub failures: u64,
    /// Verdicts that held: the script wants to say nothing for now.
    pub held: u64,
    /// Verdicts for want of data.
    pub missing: u64,
    /// Slots in which a rule ran without figures that it waited for, because too many waited.
    pub crowded_out: u64,
    /// Values that jumped and were taken as they are, because too many wait to be settled.
    pub unsuspected: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.verdicts += other.verdicts;
        self.failures += other.failures;
        self.held += other.held;
        self.missing += other.missing;
        self.crowded_out += other.crowded_out;
        self.unsuspected += other.unsuspected;
    }
}

/// What a person's action did.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Alert(AlertId),
    Silence(SilenceId),
    /// In one line.
    Text(String),
    /// A figure was entered (none: a ratio without cases); what stood for its period before, if anything did.
    Entered {
        kpi: KpiId,
        period: String,
        value: Option<f64>,
        before: Option<f64>,
    },
    Event(EventId),
}
