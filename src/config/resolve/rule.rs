//! Rules: selections to KPIs, parameters, patience. What a script asks for is checked by `rule`.

use std::sync::Arc;

use indexmap::IndexMap;

use super::context::Context;
use super::kpi::kind_of;
use crate::config::raw::{RawKindName, RawKpi, RawOn, RawParam, RawRule, RawSelection};
use crate::model::ids::{KpiId, RuleId};
use crate::model::kpi::Kpi;
use crate::model::rule::{NoDataPolicy, ParamValue, RuleDef, SeriesChoice};
use crate::model::unit::Kind;

/// The KPIs as they were understood.
type Kpis = IndexMap<KpiId, Arc<Kpi>>;

/// The rule with its selection expanded.
pub(super) fn resolve<'a>(context: &mut Context<'a>, id: &str, raw: &'a RawRule, kpis: &Kpis) -> Option<RuleDef> {
    let on = selected(context, id, &raw.on, kpis);
    let script = script(context, id, &raw.script);
    let series = series(context, id, raw, &on);
    let defaults = NoDataPolicy::default();
    let no_data = raw.no_data.as_ref().map_or(defaults, |no_data| NoDataPolicy {
        after: no_data.after.as_ref().map_or(defaults.after, |after| after.0.0),
        severity: no_data.severity.unwrap_or(defaults.severity),
    });
    let with = raw.with.iter().map(|(name, value)| (name.clone(), param(value))).collect();
    Some(RuleDef {
        id: RuleId::from(id),
        script: script?,
        on: on.into_iter().map(KpiId::from).collect(),
        series,
        with,
        for_: raw.for_.as_ref().map(|patience| patience.0),
        keep_firing_for: raw.keep_firing_for.as_ref().map(|patience| patience.0),
        no_data,
        use_provisional: raw.use_provisional,
        shadow: raw.shadow,
    })
}

fn param(raw: &RawParam) -> ParamValue {
    match raw {
        RawParam::Bool(value) => ParamValue::Bool(*value),
        RawParam::Integer(value) => ParamValue::Integer(*value),
        RawParam::Number(value) => ParamValue::Number(*value),
        RawParam::Text(value) => ParamValue::Text(value.clone()),
    }
}

/// Ids of the KPIs that the rule runs on, in the order of the rule or of the files.
fn selected<'a>(context: &mut Context<'a>, id: &str, on: &'a RawOn, resolved: &Kpis) -> Vec<&'a str> {
    let path = ["rules", id, "on"];
    let all = context.all;
    let chosen: Vec<&str> = match on {
        RawOn::Ids(ids) => {
            let mut known: Vec<&str> = Vec::new();
            for (position, kpi) in ids.iter().enumerate() {
                let position = position.to_string();
                let path = ["rules", id, "on", &position];
                if known.contains(&kpi.as_str()) {
                    context.report.error(&path, format!("`{kpi}` stands twice"), "remove one of them");
                } else if context.report.reference(&path, "KPI", kpi, &all.kpis) {
                    known.push(kpi);
                }
            }
            if ids.is_empty() {
                context.report.error(&path, "the rule runs on no KPI", "name KPIs, or write `all`");
            }
            return known;
        }
        RawOn::All => all.kpis.keys().map(String::as_str).collect(),
        RawOn::Select(selection) => {
            if selection.category.is_none() && selection.kind.is_none() {
                context.report.error(
                    &path,
                    "the selection says nothing",
                    "write `{category: financial}`, `{kind: flow}` or `all`",
                );
                return Vec::new();
            }
            // What a formula gives is its own kind, whatever stands in the file. A KPI with mistakes has what stands there.
            let kind = |id: &str, raw: &RawKpi| resolved.get(id).map_or_else(|| kind_of(raw.kind), |kpi| kpi.kind);
            let kpis = all
                .kpis
                .iter()
                .filter(|(id, item)| item.value.as_ref().is_some_and(|raw| matches(raw, kind(id, raw), selection)));
            kpis.map(|(id, _)| id.as_str()).collect()
        }
    };
    let undecided = all.kpis.values().any(|item| item.value.is_none());
    if chosen.is_empty() && !undecided && context.report.whole {
        context.report.warn(&path, "no KPI is selected, so the rule never runs", "widen the selection");
    }
    chosen
}

fn matches(kpi: &RawKpi, kind: Kind, selection: &RawSelection) -> bool {
    let kind = match kind {
        Kind::Flow => RawKindName::Flow,
        Kind::Level { .. } => RawKindName::Level,
        Kind::Ratio => RawKindName::Ratio,
        Kind::Window => RawKindName::Window,
    };
    selection.category.as_ref().is_none_or(|wanted| wanted.0.contains(&kpi.category))
        && selection.kind.as_ref().is_none_or(|wanted| wanted.0.contains(&kind))
}

/// `a/b`: a name below the folders of rules, never a way out of them.
fn script(context: &mut Context<'_>, id: &str, name: &str) -> Option<String> {
    let path = ["rules", id, "script"];
    if let Some(bare) = name.strip_suffix(".rhai") {
        context.report.error(&path, format!("`{name}` names a file"), &format!("write `{bare}`"));
        return None;
    }
    let plain =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if !name.split('/').all(plain) {
        let help =
            "write a name such as `objective/off_trajectory`: letters, digits, `_`, `-`, and `/` between folders";
        context.report.error(&path, format!("`{name}` is not the name of a script"), help);
        return None;
    }
    Some(name.to_owned())
}

fn series(context: &mut Context<'_>, id: &str, raw: &RawRule, on: &[&str]) -> SeriesChoice {
    if raw.each.is_some() && raw.where_.is_some() {
        let help = "`each` makes one alert per value, `where` looks at one series";
        context.report.error(&["rules", id, "where"], "`each` and `where` exclude each other", help);
        return SeriesChoice::Total;
    }
    let names: Vec<&str> = match (&raw.each, &raw.where_) {
        (Some(each), _) => each.0.iter().map(String::as_str).collect(),
        (None, Some(labels)) => labels.keys().map(String::as_str).collect(),
        (None, None) => return SeriesChoice::Total,
    };
    check_dimensions(context, id, raw, &names, on);
    match (&raw.each, &raw.where_) {
        (Some(each), _) => SeriesChoice::Each(each.0.clone()),
        (None, Some(labels)) => SeriesChoice::Where(pairs(labels).collect()),
        (None, None) => SeriesChoice::Total,
    }
}

fn pairs(labels: &IndexMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    labels.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// Every dimension named must be one of every KPI that the rule runs on.
fn check_dimensions(context: &mut Context<'_>, id: &str, raw: &RawRule, names: &[&str], on: &[&str]) {
    let field = if raw.each.is_some() { "each" } else { "where" };
    if names.is_empty() {
        context.report.error(&["rules", id, field], format!("`{field}` names no dimension"), "name one, or remove it");
    }
    let all = context.all;
    for (at, name) in names.iter().enumerate() {
        let position = at.to_string();
        if names[..at].contains(name) {
            let path = ["rules", id, field, &position];
            context.report.error(&path, format!("the dimension `{name}` stands twice"), "remove one of them");
        }
        let step = if raw.each.is_some() { position.as_str() } else { name };
        let lacking = on.iter().find_map(|kpi| {
            let raw = all.kpis.get(*kpi)?.value.as_ref()?;
            (!raw.dimensions.iter().any(|dimension| dimension == name)).then_some((*kpi, &raw.dimensions))
        });
        if let Some((kpi, dimensions)) = lacking {
            let none = format!("add `dimensions: [{name}]` to the KPI");
            let help = crate::config::suggest::help(name, dimensions.iter().map(String::as_str), &none);
            let path = ["rules", id, field, step];
            // `each: channel` is no list: the path then ends at the field's value.
            let scalar = raw.each.is_some() && context.report.documents.is_scalar(&path[..3]);
            let path = if scalar { &path[..3] } else { &path[..] };
            context.report.error(path, format!("`{name}` is not a dimension of the KPI `{kpi}`"), &help);
        }
    }
}
