//! The configuration as the engine reads it: definitions, compiled rules, and which rule runs where.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::catalog::Catalog;
use crate::model::commit::KpiClock;
use crate::model::digest::Digest;
use crate::model::formula::Formula;
use crate::model::ids::{KpiId, Labels};
use crate::model::kpi::Kpi;
use crate::model::objective::Objective;
use crate::model::roll_ups::RollUps;
use crate::model::rule::SeriesChoice;
use crate::rule::{CompiledRule, RuleSet};

use super::history::History;
use super::shape::shape_of;

/// A configuration ready to run.
pub struct Setup {
    pub catalog: Arc<Catalog>,
    pub rules: Arc<RuleSet>,
    bindings: HashMap<KpiId, Vec<Binding>>,
    /// In the order of the configuration.
    objectives: HashMap<KpiId, Vec<Arc<Objective>>>,
    roll_ups: HashMap<KpiId, Arc<RollUps>>,
    /// For each KPI that rules read beside their own: the KPIs that those rules run on.
    readers: HashMap<KpiId, Vec<KpiId>>,
    /// For each KPI that formulas read: the KPIs that are computed by them.
    computed: HashMap<KpiId, Vec<KpiId>>,
    /// For each KPI that others are compared with: those others.
    reconciled: HashMap<KpiId, Vec<KpiId>>,
    /// Of each KPI, since every slot asks for them.
    digests: HashMap<KpiId, Digests>,
    /// Whether each slot leaves a record of what rules found.
    pub(super) is_logging: bool,
}

/// What tells a KPI's definition, and the shape of its numbers, from others.
struct Digests {
    definition: String,
    shape: String,
}

/// One rule on one KPI.
pub(super) struct Binding {
    pub rule: Arc<CompiledRule>,
    /// The KPI's objectives by their series; a KPI may have one for each of many.
    pub objectives: Arc<HashMap<Labels, Vec<Arc<Objective>>>>,
}

impl Setup {
    pub fn new(catalog: Arc<Catalog>, rules: Arc<RuleSet>) -> Setup {
        let mut by_kpi: HashMap<&KpiId, HashMap<Labels, Vec<Arc<Objective>>>> = HashMap::new();
        let mut objectives: HashMap<KpiId, Vec<Arc<Objective>>> = HashMap::new();
        for objective in catalog.objectives.values() {
            objectives.entry(objective.kpi.clone()).or_default().push(objective.clone());
            let by_labels = by_kpi.entry(&objective.kpi).or_default();
            by_labels.entry(objective.labels.clone()).or_default().push(objective.clone());
        }
        let by_kpi: HashMap<&KpiId, _> = by_kpi.into_iter().map(|(kpi, found)| (kpi, Arc::new(found))).collect();
        let mut bindings: HashMap<KpiId, Vec<Binding>> = HashMap::new();
        for rule in catalog.rules.keys().filter_map(|id| rules.get(id)) {
            let exists = |kpi: &&KpiId| catalog.kpi(kpi).is_none_or(|kpi| kpi.since.is_none() || rule.needs_objective);
            for kpi in rule.def.on.iter().filter(exists) {
                let objectives = by_kpi.get(kpi).cloned().unwrap_or_default();
                bindings.entry(kpi.clone()).or_default().push(Binding { rule: rule.clone(), objectives });
            }
        }
        let roll_ups = catalog.roll_ups().into_iter().map(|(kpi, asked)| (kpi, Arc::new(asked))).collect();
        let mut readers: HashMap<KpiId, Vec<KpiId>> = HashMap::new();
        for rule in catalog.rules.keys().filter_map(|id| rules.get(id)).filter(|rule| !rule.others.is_empty()) {
            for read in rule.others.iter().chain(&rule.def.on) {
                let owners = readers.entry(read.clone()).or_default();
                owners.extend(rule.def.on.iter().filter(|kpi| *kpi == read || rule.others.contains(read)).cloned());
            }
        }
        for owners in readers.values_mut() {
            owners.sort_unstable();
            owners.dedup();
        }
        let mut computed: HashMap<KpiId, Vec<KpiId>> = HashMap::new();
        for kpi in catalog.kpis.values() {
            for input in kpi.formula().into_iter().flat_map(Formula::inputs) {
                computed.entry(input.clone()).or_default().push(kpi.id.clone());
            }
        }
        let mut reconciled: HashMap<KpiId, Vec<KpiId>> = HashMap::new();
        for kpi in catalog.kpis.values() {
            if let Some(reconcile) = &kpi.reconcile {
                reconciled.entry(reconcile.with.clone()).or_default().push(kpi.id.clone());
            }
        }
        let digests =
            |kpi: &Arc<Kpi>| (kpi.id.clone(), Digests { definition: definition_of(kpi), shape: shape_of(kpi) });
        let digests = catalog.kpis.values().map(digests).collect();
        let is_logging = false;
        Setup { catalog, rules, bindings, objectives, roll_ups, readers, computed, reconciled, digests, is_logging }
    }

    /// Has each slot leave a record of what rules found: for what is stored.
    #[must_use]
    pub fn logging(self) -> Setup {
        Setup { is_logging: true, ..self }
    }

    /// The digest of what decides which numbers a KPI of the configuration has, see [`definition_of`].
    pub fn definition(&self, kpi: &Kpi) -> &str {
        self.digests.get(&kpi.id).map_or("", |digests| digests.definition.as_str())
    }

    /// The digest of what a stored number of a KPI of the configuration means.
    pub(super) fn shape(&self, kpi: &Kpi) -> &str {
        self.digests.get(&kpi.id).map_or("", |digests| digests.shape.as_str())
    }

    /// The series between total and finest that rules and objectives ask of a KPI.
    pub fn roll_ups(&self, kpi: &KpiId) -> Arc<RollUps> {
        self.roll_ups.get(kpi).cloned().unwrap_or_default()
    }

    /// True when what is stored of a KPI is not what it now asks for, so that its history must be pulled anew.
    pub fn asks_anew(&self, kpi: &Kpi, clock: &KpiClock) -> bool {
        clock.definition != self.definition(kpi) || !self.roll_ups(&kpi.id).is_covered_by(&clock.roll_ups)
    }

    /// The objectives on a KPI, whether or not a rule watches them.
    pub(super) fn objectives(&self, kpi: &KpiId) -> &[Arc<Objective>] {
        self.objectives.get(kpi).map_or(&[], Vec::as_slice)
    }

    /// The rules that run on a KPI; on a period to date only those that read its objective.
    pub fn rules_on(&self, kpi: &KpiId) -> impl Iterator<Item = &Arc<CompiledRule>> {
        self.bindings(kpi).iter().map(|binding| &binding.rule)
    }

    /// KPIs that are computed from this one.
    pub fn computed_from(&self, input: &KpiId) -> &[KpiId] {
        self.computed.get(input).map_or(&[], Vec::as_slice)
    }

    /// KPIs that should say the same as this one.
    pub fn reconciled_with(&self, other: &KpiId) -> &[KpiId] {
        self.reconciled.get(other).map_or(&[], Vec::as_slice)
    }

    /// KPIs whose rules may have waited for this one; itself, if such a rule runs on it.
    pub(super) fn readers(&self, kpi: &KpiId) -> &[KpiId] {
        self.readers.get(kpi).map_or(&[], Vec::as_slice)
    }

    pub(super) fn bindings(&self, kpi: &KpiId) -> &[Binding] {
        self.bindings.get(kpi).map_or(&[], Vec::as_slice)
    }
}

impl Binding {
    /// The objectives of one series that the rule runs for; one run without, for rules that read none.
    pub(super) fn objectives_of(&self, labels: &Labels) -> Vec<Option<Arc<Objective>>> {
        if !self.rule.needs_objective {
            return vec![None];
        }
        self.objectives.get(labels).into_iter().flatten().cloned().map(Some).collect()
    }

    /// The series this rule judges, in a fixed order.
    pub(super) fn series(&self, kpi: &KpiId, history: &History) -> Vec<Labels> {
        match &self.rule.def.series {
            SeriesChoice::Total => vec![Labels::total()],
            SeriesChoice::Where(labels) => vec![labels.clone()],
            each @ SeriesChoice::Each(_) => history.labels(kpi).filter(|labels| each.covers(labels)).cloned().collect(),
        }
    }
}

/// Digest of what decides which numbers a KPI has: a change means that its history is pulled anew.
pub fn definition_of(kpi: &Kpi) -> String {
    let digest = Digest::of(format_args!(
        "{:?}|{:?}|{:?}|{:?}|{:?}|{:?}|{:?}{}",
        kpi.source,
        kpi.query,
        kpi.kind,
        kpi.grain,
        kpi.zone.iana_name(),
        kpi.dimensions,
        kpi.empty,
        kpi.since.map_or_else(String::new, |since| format!("|{since}"))
    ));
    format!("{digest:016x}")
}
