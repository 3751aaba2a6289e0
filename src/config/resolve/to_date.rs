//! Objectives on windows: what is asked for their period to date is a KPI of its own beside the one of the configuration,
//! with its own pulls, history and slots, so that nothing is made of several windows anywhere.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::model::ids::{KpiId, ObjectiveId, RuleId};
use crate::model::kpi::{Kpi, Quality};
use crate::model::objective::{Measure, Objective};
use crate::model::rule::RuleDef;

/// Buckets of the period to date that the first start asks for: each is a request of its own.
const HISTORY_BUCKETS: i32 = 31;

/// Moves each objective that is measured to date onto the KPI of its period, and has the rules run on that as well.
pub(super) fn derive(
    kpis: &mut IndexMap<KpiId, Arc<Kpi>>,
    objectives: &mut IndexMap<ObjectiveId, Arc<Objective>>,
    rules: &mut IndexMap<RuleId, Arc<RuleDef>>,
) {
    for objective in objectives.values_mut().filter(|objective| objective.measure == Measure::ToDate) {
        let Some(base) = kpis.get(&objective.kpi).cloned() else { continue };
        let id = base.id.to_date(&objective.period.to_string());
        Arc::make_mut(objective).kpi = id.clone();
        if kpis.contains_key(&id) {
            continue;
        }
        for rule in rules.values_mut().filter(|rule| rule.on.contains(&base.id)) {
            Arc::make_mut(rule).on.push(id.clone());
        }
        let derived = Kpi {
            id: id.clone(),
            since: Some(objective.period),
            history: base.history.min(base.grain.nominal() * HISTORY_BUCKETS),
            // It begins anew with each period, grows beyond what one bucket may hold, and has no counterpart.
            quality: Quality {
                min: base.quality.min.filter(|min| *min <= 0.0),
                max: None,
                max_jump: None,
                ..base.quality
            },
            reconcile: None,
            ..(*base).clone()
        };
        kpis.insert(id, Arc::new(derived));
    }
}
