//! KPIs that are computed from others: what they read, and what follows from it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::SignedDuration;

use super::context::Context;
use super::kpi::{kind_of, zone};
use crate::config::raw::{RawEmpty, RawKpi};
use crate::config::suggest;
use crate::model::formula::Formula;
use crate::model::grain::Grain;
use crate::model::kpi::Kpi;
use crate::model::unit::{Kind, Unit};

/// What stands in the place of a source.
pub(super) const SOURCE: &str = "formula";

/// A formula that can be computed, with what its KPI takes over from those it reads.
pub(super) struct Computed {
    pub(super) formula: Arc<Formula>,
    pub(super) kind: Kind,
    pub(super) grain: Grain,
    pub(super) settle: SignedDuration,
}

pub(super) fn resolve(
    context: &mut Context<'_>,
    id: &str,
    raw: &RawKpi,
    text: &str,
    known: &HashMap<&str, Arc<Kpi>>,
) -> Option<Computed> {
    let path = ["kpis", id, "formula"];
    for (field, given) in [("source", !raw.source.is_empty()), ("query", raw.query.is_some())] {
        if given {
            let message = format!("`{field}` beside a formula: the KPI would have its numbers from two places");
            context.report.error(&["kpis", id, field], message, "remove one of them");
        }
    }
    if matches!(raw.empty, Some(RawEmpty::Zero)) {
        let help = "remove it; set `empty: zero` on the KPIs that it reads";
        context.report.error(&["kpis", id, "empty"], "what a formula lacks is not zero", help);
    }
    let formula = match Formula::parse(text) {
        Ok(formula) => formula,
        Err(error) => {
            context.report.error(&path, format!("the formula `{text}` is wrong {error}"), "write `(a - b) / a`");
            return None;
        }
    };
    let inputs = inputs(context, &path, &formula, known)?;
    let first = inputs.first()?;
    let own_zone = match &raw.timezone {
        Some(name) => zone(context, &["kpis", id, "timezone"], name)?,
        None => context.zone.clone(),
    };
    let grain = raw.grain.as_ref().map_or(first.grain, |grain| grain.0);
    let dimensions: BTreeSet<&String> = raw.dimensions.iter().collect();
    for input in &inputs {
        let problem = if input.grain != grain {
            Some(("the grains", "give them the same grain"))
        } else if input.zone.iana_name() != own_zone.iana_name() {
            Some(("the time zones", "give them the same `timezone`"))
        } else if !dimensions.is_empty() && input.dimensions.iter().collect::<BTreeSet<_>>() != dimensions {
            Some(("the dimensions", "give it the dimensions that all of its KPIs have, or none"))
        } else {
            None
        };
        if let Some((what, help)) = problem {
            context.report.error(&path, format!("{what} of `{}` and of this KPI differ", input.id), help);
        }
    }
    let default = if formula.is_quotient() { Kind::Ratio } else { Kind::Flow };
    let kind = if raw.kind.is_some() { kind_of(raw.kind) } else { default };
    let unit = raw.unit.as_ref().map_or(Unit::None, |unit| unit.0.clone());
    if let Some(obstacle) = formula.obstacle((kind, &unit), &inputs) {
        context.report.error(&path, format!("the formula `{text}` does not hold: {obstacle}"), "");
        return None;
    }
    let settle = inputs.iter().map(|input| input.settle).max().unwrap_or_default();
    Some(Computed { formula: Arc::new(formula), kind, grain, settle })
}

/// The KPIs that it reads; none when one is not there, or is computed itself.
fn inputs<'k>(
    context: &mut Context<'_>,
    path: &[&str],
    formula: &Formula,
    known: &'k HashMap<&str, Arc<Kpi>>,
) -> Option<Vec<&'k Kpi>> {
    let all = context.all;
    let mut found = Vec::new();
    for id in formula.inputs() {
        let raw = all.kpis.get(id.as_str());
        let is_computed = raw.and_then(|item| item.value.as_ref()).is_some_and(|raw| raw.formula.is_some());
        match known.get(id.as_str()).filter(|_| !is_computed) {
            Some(kpi) => found.push(&**kpi),
            None if is_computed => {
                let help = "write its formula out, in parentheses";
                context.report.error(path, format!("`{id}` is computed itself"), help);
            }
            None if raw.is_none() && context.report.whole => {
                let ids = all.kpis.keys().map(String::as_str);
                let is_difference = |(at, _): &(usize, &str)| {
                    let (left, right) = (&id.as_str()[..*at], &id.as_str()[at + 1..]);
                    all.kpis.contains_key(left) && all.kpis.contains_key(right)
                };
                let help = match id.as_str().match_indices('-').find(is_difference) {
                    Some((at, _)) => {
                        let (left, right) = (&id.as_str()[..at], &id.as_str()[at + 1..]);
                        format!("write blanks around the minus: `{left} - {right}`")
                    }
                    None => suggest::help(id.as_str(), ids, "no KPI is defined yet"),
                };
                context.report.error(path, format!("no KPI is called `{id}`"), &help);
            }
            // What is wrong with it is told where it stands.
            None => {}
        }
    }
    (found.len() == formula.inputs().len()).then_some(found)
}
