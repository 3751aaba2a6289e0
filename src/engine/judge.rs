//! What a rule says of a KPI at one instant, without moving anything.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::evaluate::Round;
use super::setup::Setup;
use super::state::State;
use crate::assess::Assessment;
use crate::model::ids::{KpiId, Labels, ObjectiveId, RuleId};
use crate::model::period::Period;
use crate::model::verdict::{Details, Verdict};

/// What a rule says of one series, and of one objective if it reads any.
#[derive(Clone)]
pub struct Judged {
    pub labels: Labels,
    pub objective: Option<ObjectiveId>,
    /// The objective's, if it is known.
    pub period: Option<Period>,
    /// What the rule was given.
    pub assessment: Arc<Assessment>,
    pub verdict: Verdict,
    pub details: Details,
}

/// Runs a rule on all series of a KPI as of an instant. Must be called on a thread with a large stack
/// ([`crate::rule::on_large_stack`]).
pub fn judge(state: &State, setup: &Setup, rule: &RuleId, kpi: &KpiId, at: Timestamp) -> Vec<Judged> {
    let Some(kpi) = setup.catalog.kpi(kpi) else { return Vec::new() };
    let round = Round::new(setup, kpi, (at, at));
    let mut all = Vec::new();
    for binding in setup.bindings(&kpi.id).iter().filter(|binding| binding.rule.def.id == *rule) {
        for labels in binding.series(&kpi.id, &state.history) {
            for objective in binding.objectives_of(&labels) {
                let id = objective.as_ref().map(|objective| objective.id.clone());
                let assessment = round.assess(state, binding, &labels, objective);
                let others = round.others(state, &binding.rule, &assessment);
                let run = setup.rules.run(&binding.rule, &assessment, others);
                let details = binding.rule.details(&run);
                let period = id.as_ref().and(assessment.period().ok());
                let (labels, verdict) = (labels.clone(), run.verdict);
                all.push(Judged { labels, objective: id, period, assessment, verdict, details });
            }
        }
    }
    all
}

/// The newest slot of a KPI that a rule has judged: not the one in which it still waits for another KPI.
pub fn judged_slot(state: &State, setup: &Setup, rule: &RuleId, kpi: &KpiId) -> Option<Timestamp> {
    let clock = state.clocks.get(kpi)?;
    let waits = clock.waiting.iter().filter(|waiting| waiting.rule == *rule).map(|waiting| waiting.slot).min();
    let Some(waits) = waits else { return clock.last_slot };
    let kpi = setup.catalog.kpi(kpi)?;
    let before = waits.checked_sub(SignedDuration::from_millis(1)).ok()?;
    kpi.schedule.last_at_or_before(before, &kpi.zone, &kpi.calendar)
}
