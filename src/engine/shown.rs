//! What the KPIs and objectives are now, for whoever draws them elsewhere.

use std::sync::Arc;

use jiff::Timestamp;

use super::events;
use super::setup::Setup;
use super::state::State;
use crate::assess::Assessment;
use crate::model::alert::{Aspect, Phase, Subject};
use crate::model::figures::KpiFigures;
use crate::model::ids::SeriesKey;
use crate::model::series::SeriesData;

/// Totals come first, so that a limit costs parts before it costs a whole. `limit` bounds values, objectives and
/// alerts apart.
pub fn shown(state: &State, setup: &Setup, now: Timestamp, limit: usize) -> KpiFigures {
    let kpis = || setup.catalog.kpis.values().filter(|kpi| kpi.since.is_none());
    let series = |is_total: bool| {
        kpis().flat_map(move |kpi| {
            let own = state.history.of(&kpi.id).filter(move |(labels, _)| labels.is_total() == is_total);
            own.map(move |(labels, data)| (kpi, labels, data))
        })
    };
    let mut shown = KpiFigures::default();
    for (kpi, labels, data) in series(true).chain(series(false)) {
        if shown.values.len() >= limit {
            shown.left_out += 1;
            continue;
        }
        let assessment = Assessment::new(kpi.clone(), labels.clone(), data.clone(), None, now).final_only();
        let (Ok(value), Ok(bucket)) = (assessment.value(), assessment.current_bucket()) else { continue };
        shown.values.push((SeriesKey { kpi: kpi.id.clone(), labels: labels.clone() }, value, bucket.end));
    }
    for objective in setup.catalog.objectives.values() {
        let Some(kpi) = setup.catalog.kpi(&objective.kpi) else { continue };
        // Nothing is reckoned that is not shown.
        if shown.objectives.len() >= limit {
            shown.left_out += 1;
            continue;
        }
        let data = state.history.series(&kpi.id, &objective.labels).cloned().unwrap_or_else(SeriesData::shared);
        let labels = objective.labels.clone();
        let of = Some(Arc::clone(objective));
        let assessment = Assessment::new(kpi.clone(), labels.clone(), data, of, now).final_only();
        let assessment = assessment.learning(&state.lessons).with_events(events::known(state, setup, &kpi.id, now));
        if let Some(facts) = assessment.facts() {
            shown.objectives.push((objective.id.clone(), kpi.id.clone(), labels, facts));
        }
    }
    for (key, alert) in state.book.sorted() {
        let Subject::Rule { rule, series, objective } = &key.subject else { continue };
        if key.aspect == Aspect::Breach && alert.phase == Phase::Firing {
            if shown.firing.len() >= limit {
                shown.left_out += 1;
                continue;
            }
            shown.firing.push((rule.clone(), series.clone(), objective.clone(), alert.severity));
        }
    }
    shown
}
