//! What a rule found in one slot of one KPI, kept for a while so that it can be asked later; and what people said of its
//! alerts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::grain::BucketIndex;
use super::ids::{AlertId, KpiId, Labels, ObjectiveId, RuleId};

/// Series whose verdicts one record names.
pub const SERIES_MAX: usize = 50;

/// One rule's look at one KPI in one slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationRecord {
    pub rule: RuleId,
    pub kpi: KpiId,
    pub slot: Timestamp,
    pub at: Timestamp,
    /// Of the script, its texts and its parameters, as they were.
    pub script: String,
    /// Of the configuration, as it was.
    pub config: String,
    pub counts: VerdictCounts,
    /// Up to [`SERIES_MAX`]: what was wrong first.
    pub series: Vec<SeriesVerdict>,
}

/// How many series got which verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictCounts {
    pub quiet: u64,
    /// Info, warning or critical.
    pub breach: u64,
    pub held: u64,
    pub no_data: u64,
    pub failed: u64,
}

impl VerdictCounts {
    pub fn all(self) -> u64 {
        self.quiet + self.breach + self.held + self.no_data + self.failed
    }
}

/// What was said of one series, and what it rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesVerdict {
    pub labels: Labels,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<ObjectiveId>,
    /// The newest bucket that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketIndex>,
    /// `ok`, `info`, `warning`, `critical`, `hold`, `no_data` or `failed`.
    pub verdict: String,
    /// The figure that the deciding condition watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Why it held, had no data or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What a rule's verdicts have been over the kept slots.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleHabit {
    pub rule: RuleId,
    pub slots: u64,
    pub counts: VerdictCounts,
    /// Of the newest slot.
    pub newest: VerdictCounts,
    pub since: Timestamp,
    /// Why it failed last, if it ever did.
    pub failure: Option<String>,
}

/// What is unusual about a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// It failed in the newest slot.
    Fails,
    NeverInBreach,
    AlwaysInBreach,
    AlwaysHolds,
    NeverHasData,
}

/// Slots below which nothing is called a habit.
const SLOTS_MIN: u64 = 20;

impl RuleHabit {
    /// What is worth a look, if anything is.
    pub fn habit(&self) -> Option<Habit> {
        let VerdictCounts { quiet, breach, held, no_data, .. } = self.counts;
        let all = self.counts.all();
        if self.newest.failed > 0 {
            return Some(Habit::Fails);
        }
        if self.slots < SLOTS_MIN || all == 0 {
            return None;
        }
        match () {
            () if held == all => Some(Habit::AlwaysHolds),
            () if no_data == all => Some(Habit::NeverHasData),
            () if breach == 0 && quiet > 0 => Some(Habit::NeverInBreach),
            () if breach == all => Some(Habit::AlwaysInBreach),
            () => None,
        }
    }
}

impl Habit {
    pub fn as_str(self) -> &'static str {
        match self {
            Habit::Fails => "fails",
            Habit::NeverInBreach => "never_in_breach",
            Habit::AlwaysInBreach => "always_in_breach",
            Habit::AlwaysHolds => "always_holds",
            Habit::NeverHasData => "never_has_data",
        }
    }
}

/// What a person says of an alert that fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// It should not have fired.
    FalsePositive,
    /// It was right to fire.
    Useful,
}

impl Judgement {
    pub fn as_str(self) -> &'static str {
        match self {
            Judgement::FalsePositive => "false-positive",
            Judgement::Useful => "useful",
        }
    }
}

/// A judgement with all that it is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feedback {
    pub alert: AlertId,
    /// The alert's identity in one line.
    pub identity: String,
    pub rule: RuleId,
    /// Which of its firings.
    pub episode: u32,
    pub fired_at: Timestamp,
    /// When that firing had ended, if it had.
    pub ended_at: Option<Timestamp>,
    pub judgement: Judgement,
    pub why: Option<String>,
    pub by: String,
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Habit, RuleHabit, VerdictCounts};

    #[test]
    fn a_habit_needs_some_slots() {
        let of = |slots, counts, newest| RuleHabit {
            rule: "r".into(),
            slots,
            counts,
            newest,
            since: Timestamp::UNIX_EPOCH,
            failure: None,
        };
        let none = VerdictCounts::default();
        for (counts, habit) in [
            (VerdictCounts { quiet: 30, ..none }, Some(Habit::NeverInBreach)),
            (VerdictCounts { quiet: 20, held: 10, ..none }, Some(Habit::NeverInBreach)),
            (VerdictCounts { breach: 30, ..none }, Some(Habit::AlwaysInBreach)),
            (VerdictCounts { breach: 29, quiet: 1, ..none }, None),
            (VerdictCounts { held: 30, ..none }, Some(Habit::AlwaysHolds)),
            (VerdictCounts { no_data: 30, ..none }, Some(Habit::NeverHasData)),
            (VerdictCounts { held: 15, no_data: 15, ..none }, None),
            (none, None),
        ] {
            assert_eq!(of(30, counts, none).habit(), habit, "{counts:?}");
            assert_eq!(of(19, counts, none).habit(), None, "{counts:?}");
        }
        let failing = VerdictCounts { failed: 1, ..none };
        assert_eq!(of(1, failing, failing).habit(), Some(Habit::Fails));
    }
}
