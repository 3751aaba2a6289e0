//! Where the way to a target begins: a figure, or what the measure came to in a period.

use super::context::Context;
use super::period::between;
use crate::config::raw::{RawBaseline, RawObjective};
use crate::config::suggest;
use crate::model::kpi::Kpi;
use crate::model::objective::{Measure, Target};
use crate::model::period::{Period, PeriodSpec};
use crate::model::target::{Baseline, Change, TargetFigure};
use crate::model::unit::Kind;

const WORDS: [&str; 2] = ["previous", "year_before"];

/// What the baseline is of.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) kpi: &'a Kpi,
    pub(super) target: &'a Target<TargetFigure>,
    pub(super) measure: Measure,
    pub(super) period: PeriodSpec,
}

/// The baseline; reports one that can't be had.
pub(super) fn resolve(context: &mut Context<'_>, id: &str, raw: &RawObjective, of: Of<'_>) -> Option<Baseline> {
    let Of { kpi, target, measure, period } = of;
    let path = ["objectives", id, "baseline"];
    let over = match raw.baseline.as_ref()? {
        RawBaseline::Figure(amount) => {
            let figure = context.amount(&path, *amount, &kpi.unit);
            if let Some(change) = target.change() {
                of_figure(context, &path, (figure, change), of);
            }
            return Some(Baseline::Figure(figure));
        }
        RawBaseline::Named(name) => match name.as_str() {
            "previous" => Baseline::PeriodBefore,
            "year_before" => Baseline::YearBefore,
            name => match context.fiscal.one(name) {
                Some(period) => Baseline::Over(period),
                None => {
                    let near = suggest::nearest(name, WORDS).map(|near| format!("did you mean `{near}`?"));
                    let forms = "write `previous`, `year_before`, a period such as `2025-H1` or `FY2025`, or a figure";
                    let help = near.unwrap_or_else(|| forms.to_owned());
                    context.report.error(&path, format!("`{name}` is neither a period nor a figure"), &help);
                    return None;
                }
            },
        },
        RawBaseline::Between(raw) => Baseline::Over(between(context, &path, raw)?),
    };
    if let Baseline::Over(over @ Period { last, .. }) = over
        && !is_before(period, over)
    {
        let message = format!("the baseline ends on {last}, after the objective's period has begun");
        context.report.error(&path, message, "name a period that is over by then");
    }
    match (measure, kpi.kind, over) {
        (Measure::Each, Kind::Window, _) => {
            let help = "write the baseline as a figure, or measure it `to_date`";
            context.report.error(&path, "windows have no mean that could be a baseline", help);
        }
        (Measure::ToDate, _, Baseline::Over(over)) if !is_to_date(period, over) => {
            let message = "what the source says to date is known only of the objective's own periods";
            context.report.error(&path, message, "write `previous` or `year_before`, or a figure");
        }
        _ => {}
    }
    Some(over)
}

/// A figure that nothing can be relative to, and one that looks like a year.
fn of_figure(context: &mut Context<'_>, path: &[&str], (figure, change): (f64, Change), of: Of<'_>) {
    let Of { measure, period, kpi, .. } = of;
    if let (Change::Share(share), true) = (change, figure == 0.0) {
        let message = format!("the target is {} % of a baseline of 0, which is 0 again", share.abs() * 100.0);
        context.report.error(path, message, "write the target as a figure, or give another baseline");
        return;
    }
    // Nobody's figure by chance.
    if figure.fract() != 0.0 || !(1971.0..2100.0).contains(&figure) {
        return;
    }
    let fiscal = context.fiscal.one(&format!("FY{figure}"));
    let civil = context.fiscal.one(&figure.to_string());
    let fits = |over: &Period| {
        let is_known = match (measure, kpi.kind) {
            (Measure::Each, Kind::Window) => false,
            (Measure::ToDate, _) => is_to_date(period, *over),
            _ => true,
        };
        is_known && is_before(period, *over)
    };
    let days = |Period { first, last }: Period| format!("`{{from: {first}, to: {last}}}`");
    let mut forms: Vec<String> = Vec::new();
    forms.extend(fiscal.filter(fits).map(|fiscal| {
        let days = format!(" ({} to {})", fiscal.first, fiscal.last);
        format!("`FY{figure}`{}", if civil == Some(fiscal) { "" } else { &days })
    }));
    forms.extend(civil.filter(|civil| fits(civil) && fiscal != Some(*civil)).map(days));
    let help = if forms.is_empty() {
        "if the year is meant, write `previous` or `year_before`; that year is no baseline of this objective".to_owned()
    } else {
        format!("if the year is meant, write {}", forms.join(" or "))
    };
    context.report.warn(path, format!("the baseline is the figure {figure}, not the year"), &help);
}

/// Whether a baseline is over when the objective begins.
fn is_before(period: PeriodSpec, over: Period) -> bool {
    period.single().is_none_or(|period| over.last < period.first)
}

/// Whether the source was asked for that period to date.
fn is_to_date(period: PeriodSpec, over: Period) -> bool {
    period.single().is_none() && period.holding(over.first) == Some(over)
}
