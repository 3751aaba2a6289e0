//! KPIs that should say the same as another: whether the two can be compared at all.

use std::collections::BTreeSet;
use std::mem::discriminant;
use std::sync::Arc;

use indexmap::IndexMap;

use super::context::Context;
use crate::model::ids::KpiId;
use crate::model::kpi::Kpi;
use crate::model::unit::{Kind, Unit};

pub(super) fn check(context: &mut Context<'_>, kpis: &IndexMap<KpiId, Arc<Kpi>>) {
    for kpi in kpis.values() {
        let Some(reconcile) = &kpi.reconcile else { continue };
        let path = ["kpis", kpi.id.as_str(), "reconcile", "with"];
        let all = context.all;
        if !context.report.reference(&path, "KPI", reconcile.with.as_str(), &all.kpis) {
            continue;
        }
        if reconcile.with == kpi.id {
            let help = "name the KPI that has the same figure from another source";
            context.report.error(&path, format!("`{}` is compared with itself", kpi.id), help);
            continue;
        }
        if leads_back(kpis, kpi) {
            let help = "take `reconcile` out of one of them, or compare with a KPI that is not computed from this one";
            context.report.error(&path, format!("`{}` waits for this KPI in turn", reconcile.with), help);
            continue;
        }
        // What is wrong with the other one is told where it stands.
        let Some(other) = kpis.get(reconcile.with.as_str()) else { continue };
        if let Some((what, help)) = obstacle(kpi, other) {
            context.report.error(&path, format!("`{}` {what}", other.id), help);
        }
    }
}

/// Whether the KPI is found again when one goes from each to those that it waits for: the one that it is compared with,
/// and those that it is computed from.
fn leads_back(kpis: &IndexMap<KpiId, Arc<Kpi>>, kpi: &Kpi) -> bool {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&KpiId> = kpi.hangs_on().collect();
    while let Some(id) = open.pop() {
        if *id == kpi.id {
            return true;
        }
        if let Some(found) = kpis.get(id).filter(|_| seen.insert(id)) {
            open.extend(found.hangs_on());
        }
    }
    false
}

/// Why the totals of two KPIs can't be compared bucket by bucket, and what to do.
fn obstacle(kpi: &Kpi, other: &Kpi) -> Option<(String, &'static str)> {
    let has_no_total =
        |kpi: &Kpi| !kpi.dimensions.is_empty() && matches!(kpi.kind, Kind::Level { additive: false, .. });
    let differs = |what: &str| Some(format!("has another {what} than this KPI"));
    if kpi.grain != other.grain {
        return differs("grain").zip(Some("define a KPI on the same source with this grain, and name that one"));
    }
    if kpi.zone.iana_name() != other.zone.iana_name() {
        return differs("time zone").zip(Some("give them the same `timezone`"));
    }
    if discriminant(&kpi.kind) != discriminant(&other.kind) {
        return differs("kind").zip(Some("only KPIs that combine alike can say the same"));
    }
    if kpi.unit != other.unit && kpi.unit != Unit::None && other.unit != Unit::None {
        return differs("unit").zip(Some("compare figures of one unit"));
    }
    if has_no_total(kpi) || has_no_total(other) {
        let what = "and this KPI are compared by their totals, and a level without `additive` has none".to_owned();
        return Some((what, "write `kind: {level: {additive: true}}` if its parts add up"));
    }
    None
}
