//! What the data can never give, found before anything runs: values of different labels that don't add up.

use super::context::Report;
use crate::model::catalog::Catalog;
use crate::model::ids::Labels;
use crate::model::kpi::Kpi;
use crate::model::objective::Objective;
use crate::model::roll_ups::ROLL_UPS_MAX;
use crate::model::rule::{RuleDef, SeriesChoice};
use crate::model::unit::Kind;

/// How a KPI whose values don't add up comes by a total.
fn total(kpi: &Kpi) -> &'static str {
    match kpi.kind {
        Kind::Window => "or let the query give a row without labels as well; if it does, this is no problem",
        Kind::Flow | Kind::Level { .. } | Kind::Ratio => {
            "declare `kind: {level: {additive: true}}` if they do, or let the query give rows without labels as well"
        }
    }
}

/// What people call it.
fn called(kpi: &Kpi) -> String {
    let kind = if kpi.kind == Kind::Window { "window" } else { "level" };
    format!("{kind} `{}`", kpi.id.base())
}

/// Reports rules and objectives that look at series which can't be, and KPIs asked for too many.
pub(super) fn check(report: &mut Report<'_>, catalog: &Catalog) {
    for rule in catalog.rules.values() {
        of_rule(report, catalog, rule);
    }
    // What is wrong with a part is told of the whole.
    for objective in catalog.objectives.values().filter(|objective| objective.id.whole().is_none()) {
        if let Some(kpi) = catalog.kpi(&objective.kpi) {
            kept_for(report, kpi, objective);
            of_objective(report, kpi, objective);
        }
    }
    for (kpi, asked) in catalog.roll_ups().iter().filter(|(_, asked)| asked.count() > ROLL_UPS_MAX) {
        let message = format!(
            "rules and objectives look at the KPI `{kpi}` by {} sets of dimensions, more than {ROLL_UPS_MAX}",
            asked.count()
        );
        let help = "name the same dimensions in more of their `each` and `where`, or define several KPIs";
        report.error(&["kpis", kpi.as_str(), "dimensions"], message, help);
    }
}

/// A period whose first buckets go before its end has no total.
fn kept_for(report: &mut Report<'_>, kpi: &Kpi, objective: &Objective) {
    let (kept, needed) = (kpi.keep.as_hours() / 24, i64::from(objective.period.days_max()));
    if kept < needed {
        let message = format!(
            "the KPI `{}` keeps its buckets for {kept} days, but a period of this objective has {needed}",
            kpi.id.base()
        );
        let help = format!("set the KPI's `keep` to {}d or more", needed + 31);
        report.error(&["objectives", objective.id.as_str(), "period"], message, &help);
    }
}

fn of_rule(report: &mut Report<'_>, catalog: &Catalog, rule: &RuleDef) {
    let id = rule.id.as_str();
    // What is wrong with a period to date is told of its KPI.
    let own = rule.on.iter().filter_map(|kpi| catalog.kpi(kpi)).filter(|kpi| kpi.since.is_none());
    for kpi in own.filter(|kpi| does_not_add_up(kpi)) {
        let (field, names) = match &rule.series {
            SeriesChoice::Total => {
                let help = format!("add `each: {}`, {}", each_of(kpi), total(kpi));
                // The KPI's name where it stands in the list; `on` where it was selected.
                let path = report.documents.value_path(&["rules", id, "on"], kpi.id.as_str());
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                report.warn(&path, no_total(kpi), &help);
                continue;
            }
            SeriesChoice::Each(names) => ("each", names.iter().map(String::as_str).collect()),
            SeriesChoice::Where(labels) => ("where", names_of(labels)),
        };
        if let Some(message) = no_roll_up(kpi, field, &names) {
            report.error(&["rules", id, field], message, &all_or_additive(kpi));
        }
    }
}

fn of_objective(report: &mut Report<'_>, kpi: &Kpi, objective: &Objective) {
    if !does_not_add_up(kpi) {
        return;
    }
    let id = objective.id.as_str();
    if objective.labels.is_total() {
        let help = format!("add `where:` with a value of {}, {}", quoted(&kpi.dimensions), total(kpi));
        report.warn(&["objectives", id, "kpi"], no_total(kpi), &help);
    } else if let Some(message) = no_roll_up(kpi, "where", &names_of(&objective.labels)) {
        report.error(&["objectives", id, "where"], message, &all_or_additive(kpi));
    }
}

fn does_not_add_up(kpi: &Kpi) -> bool {
    matches!(kpi.kind, Kind::Level { additive: false, .. } | Kind::Window) && !kpi.dimensions.is_empty()
}

fn names_of(labels: &Labels) -> Vec<&str> {
    labels.iter().map(|(name, _)| name).collect()
}

fn no_total(kpi: &Kpi) -> String {
    let dimensions = quoted(&kpi.dimensions);
    format!("the {} has no total: its values don't add up over {dimensions}", called(kpi))
}

fn no_roll_up(kpi: &Kpi, field: &str, names: &[&str]) -> Option<String> {
    let missing = kpi.dimensions.iter().find(|dimension| !names.contains(&dimension.as_str()))?;
    Some(format!("`{field}` leaves out `{missing}`, over which the values of the {} don't add up", called(kpi)))
}

fn all_or_additive(kpi: &Kpi) -> String {
    let dimensions = quoted(&kpi.dimensions);
    if kpi.kind == Kind::Window {
        return format!("name all of {dimensions}, or define a KPI with just the others");
    }
    format!("name all of {dimensions}, or declare `kind: {{level: {{additive: true}}}}` if they do")
}

fn each_of(kpi: &Kpi) -> String {
    match kpi.dimensions.as_slice() {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
