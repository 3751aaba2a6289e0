//! Events of the business: days on which figures were not as usual, and why.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::ids::{EventId, KpiId, Labels};

/// Something that explains figures: a strike, a stock-take, a price change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusinessEvent {
    pub id: EventId,
    pub what: EventDays,
    /// Who added it by command; none for those of the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Since when it is known; none: always, as those of the configuration are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_at: Option<Timestamp>,
    /// Since when it counts no more. What was decided before stays as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Timestamp>,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventDays {
    pub name: String,
    /// First day, in the zone of each KPI that it touches.
    pub from: Date,
    /// Last day, included.
    pub to: Date,
    /// Empty: all KPIs.
    #[serde(default)]
    pub kpis: Vec<KpiId>,
    /// Only series that carry these; empty: all of them.
    #[serde(default)]
    pub labels: Labels,
    /// Whether its days are no basis for comparisons; else it only explains.
    #[serde(default)]
    pub exclude: bool,
}

/// An event as an alert carries it into its messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventFact {
    pub name: String,
    pub from: Date,
    pub to: Date,
}

impl BusinessEvent {
    /// Whether it counts in what is decided at that instant.
    pub fn is_known(&self, at: Timestamp) -> bool {
        self.known_at.is_none_or(|known| known <= at) && self.removed_at.is_none_or(|removed| at < removed)
    }
}

impl EventDays {
    pub fn is_about(&self, kpi: &KpiId) -> bool {
        self.kpis.is_empty() || self.kpis.iter().any(|named| named.as_str() == kpi.base())
    }

    /// Whether it shares a day with `from..=to`.
    pub fn overlaps(&self, from: Date, to: Date) -> bool {
        self.from <= to && from <= self.to
    }

    pub fn fact(&self) -> EventFact {
        EventFact { name: self.name.clone(), from: self.from, to: self.to }
    }
}
