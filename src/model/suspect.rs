//! Values not to be believed unasked, because they jumped or because another source says otherwise, and what became of
//! each.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::grain::BucketIndex;
use super::ids::{KpiId, SeriesKey};

/// A value that jumped, or that another KPI contradicts. Its series is not judged until it is settled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspect {
    pub series: SeriesKey,
    pub bucket: BucketIndex,
    /// What the source said.
    pub value: f64,
    /// The lowest and the highest of the values before it that it was compared with, or what the other KPI allows.
    pub low: f64,
    pub high: f64,
    /// The other KPI that says otherwise; none: it jumped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
    /// The slot in which it was first seen.
    pub slot: Timestamp,
    pub since: Timestamp,
    pub state: SuspectState,
}

/// What another KPI says of the same bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    pub kpi: KpiId,
    pub value: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuspectState {
    /// Seen once; the source is asked again then, and nobody is told before.
    Seen {
        again_at: Timestamp,
    },
    /// The source stays with it: people are asked.
    Asked,
    Settled(Settlement),
}

impl SuspectState {
    pub fn as_str(&self) -> &'static str {
        match self {
            SuspectState::Seen { .. } => "seen",
            SuspectState::Asked => "asked",
            SuspectState::Settled(settlement) => match settlement.how {
                Settled::Accepted => "accepted",
                Settled::Corrected { .. } => "corrected",
                Settled::Rejected => "rejected",
                Settled::Confirmed => "confirmed",
                Settled::Withdrawn => "withdrawn",
                Settled::Agreed => "agreed",
            },
        }
    }
}

/// How a suspect value ended, by whom and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settlement {
    pub how: Settled,
    /// None: Vigie itself, by what the source said later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Since when a correction or rejection stands no more, because the source says something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settled {
    /// It is real.
    Accepted,
    /// Another value stands in its place, as long as the source says the same.
    Corrected { value: f64 },
    /// The bucket counts as absent, as long as the source says the same.
    Rejected,
    /// The two buckets that followed are of the same size.
    Confirmed,
    /// The source says something else now.
    Withdrawn,
    /// The KPI that it contradicted says the same now.
    Agreed,
}

/// What a person decides on a suspect value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Accept,
    Correct { value: f64 },
    Reject,
}

impl Suspect {
    /// True while its series is not judged.
    pub fn is_open(&self) -> bool {
        match self.state {
            SuspectState::Seen { .. } | SuspectState::Asked => true,
            SuspectState::Settled(_) => false,
        }
    }

    /// True where a person's word stands against the source's.
    pub fn overrides(&self) -> bool {
        match &self.state {
            SuspectState::Settled(settlement) => {
                settlement.superseded_at.is_none()
                    && matches!(settlement.how, Settled::Corrected { .. } | Settled::Rejected)
            }
            SuspectState::Seen { .. } | SuspectState::Asked => false,
        }
    }
}

impl From<Decision> for Settled {
    fn from(decision: Decision) -> Settled {
        match decision {
            Decision::Accept => Settled::Accepted,
            Decision::Correct { value } => Settled::Corrected { value },
            Decision::Reject => Settled::Rejected,
        }
    }
}
