//! What the data can never give, found before anything runs: values of different labels that don't add up.

use jiff::ToSpan;
use jiff::civil::Date;

use super::context::Report;
use super::kpi::KEPT_DAYS;
use crate::model::catalog::Catalog;
use crate::model::ids::Labels;
use crate::model::kpi::Kpi;
use crate::model::objective::{Measure, Objective};
use crate::model::period::Period;
use crate::model::roll_ups::ROLL_UPS_MAX;
use crate::model::rule::{RuleDef, SeriesChoice};
use crate::model::target::Baseline;
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

/// A period whose first buckets go before its end has no total, and a target is nothing once its baseline has gone.
fn kept_for(report: &mut Report<'_>, kpi: &Kpi, objective: &Objective) {
    let kept = kpi.keep.as_hours() / 24;
    let id = objective.id.as_str();
    let stretch = match objective.measure {
        Measure::Rolling(stretch) => i64::from(stretch.days_max()),
        _ => 0,
    };
    let needed = i64::from(objective.period.days_max()).max(stretch);
    if kept < needed {
        let message = format!(
            "the KPI `{}` keeps its buckets for {kept} days, but a period of this objective has {needed}",
            kpi.id.base()
        );
        let help = format!("set the KPI's `keep` to {}d or more", needed + 31);
        report.error(&["objectives", id, "period"], message, &help);
        return;
    }
    // The way of what adds up begins at zero: only a target relative to it needs the baseline.
    if objective.target.change().is_none() && objective.measure == Measure::Sum {
        return;
    }
    let Some((begins, needed)) = baseline_days(objective, stretch) else { return };
    let path = ["objectives", id, "baseline"];
    let name = kpi.id.base();
    if kept < needed {
        let message = format!(
            "the KPI `{name}` keeps its buckets for {kept} days, but from the baseline to the end of the objective's period there are {needed}"
        );
        let help = format!("set the KPI's `keep` to {}d or more, or write the baseline as a figure", needed + 31);
        report.error(&path, message, &help);
    } else if let Some(begins) = begins.filter(|_| kept < KEPT_DAYS) {
        let gone = begins.saturating_add(kept.days());
        let message = format!(
            "the KPI `{name}` keeps its buckets for {kept} days: from {gone} on this baseline can't be measured"
        );
        let help = "lengthen the KPI's `keep`, or write the baseline as a figure";
        report.warn(&path, message, help);
    }
}

/// Days from the first one that a measured baseline needs to the end of the period, at most; the first one too, where it
/// stays while periods go on.
fn baseline_days(objective: &Objective, stretch: i64) -> Option<(Option<Date>, i64)> {
    let longest = i64::from(objective.period.days_max());
    let days_of = |over: i64| match objective.measure {
        // Only its end counts.
        Measure::AtEnd | Measure::ToDate => 1,
        Measure::Rolling(_) => stretch,
        Measure::Sum | Measure::Pooled | Measure::Mean | Measure::Each => over,
    };
    if let Some(period) = objective.period.single() {
        let over = objective.baseline_over(period)?;
        let after = i64::from(Period { first: over.last, last: period.last }.days()) - 1;
        return Some((None, days_of(over.days().into()) + after));
    }
    Some(match objective.baseline? {
        Baseline::Figure(_) => return None,
        Baseline::Over(over) => {
            let days = days_of(over.days().into());
            (Some(over.last.saturating_sub((days - 1).days())), days + longest)
        }
        Baseline::PeriodBefore => (None, days_of(longest) + longest),
        Baseline::YearBefore => (None, days_of(longest) + 366),
    })
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
