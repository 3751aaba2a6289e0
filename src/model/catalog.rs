//! The whole configuration, resolved: what the engine needs, with no trace of files.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::tz::TimeZone;

use super::alert::AlertKey;
use super::event::BusinessEvent;
use super::ids::{EventId, KpiId, ObjectiveId, PersonId, ReceiverId, RuleId};
use super::kpi::Kpi;
use super::notification::{Person, Receiver, Route};
use super::objective::Objective;
use super::rename::Renames;
use super::rule::RuleDef;
use super::unit::Language;

/// Definitions by id, in the order of the files.
#[derive(Clone, Debug)]
pub struct Catalog {
    pub zone: TimeZone,
    pub language: Language,
    pub kpis: IndexMap<KpiId, Arc<Kpi>>,
    pub objectives: IndexMap<ObjectiveId, Arc<Objective>>,
    pub rules: IndexMap<RuleId, Arc<RuleDef>>,
    pub people: IndexMap<PersonId, Arc<Person>>,
    pub receivers: IndexMap<ReceiverId, Arc<Receiver>>,
    pub route: Route,
    /// Of the configuration; people's own are part of the state.
    pub events: IndexMap<EventId, Arc<BusinessEvent>>,
    /// Names that things had before.
    pub renames: Renames,
    /// Digest of all that was read, to tell one configuration from another.
    pub checksum: String,
}

impl Catalog {
    pub fn kpi(&self, id: &KpiId) -> Option<&Arc<Kpi>> {
        self.kpis.get(id)
    }

    /// The zone of an alert's data: its KPI's, else (sources, receivers, removed KPIs) the configuration's.
    pub fn zone_of(&self, alert: &AlertKey) -> &TimeZone {
        alert.kpi().and_then(|id| self.kpi(id)).map_or(&self.zone, |kpi| &kpi.zone)
    }

    pub fn objective(&self, id: &ObjectiveId) -> Option<&Arc<Objective>> {
        self.objectives.get(id)
    }

    /// Whether an alert is of a rule that is only tried out.
    pub fn is_in_shadow(&self, alert: &AlertKey) -> bool {
        alert.rule().and_then(|id| self.rules.get(id)).is_some_and(|rule| rule.shadow)
    }

    /// The objectives on a KPI.
    pub fn objectives_on<'a>(&'a self, kpi: &'a KpiId) -> impl Iterator<Item = &'a Arc<Objective>> {
        self.objectives.values().filter(move |objective| objective.kpi == *kpi)
    }
}
