//! Where the way to a target begins: a figure, or what the measure came to in a period.

use super::context::Context;
use super::period::between;
use crate::config::raw::{RawBaseline, RawObjective};
use crate::config::suggest;
use crate::model::kpi::Kpi;
use crate::model::objective::Measure;
use crate::model::period::{Period, PeriodSpec};
use crate::model::target::Baseline;
use crate::model::unit::Kind;

const WORDS: [&str; 2] = ["previous", "year_before"];

/// The baseline; reports one that can't be had.
pub(super) fn resolve(
    context: &mut Context<'_>,
    id: &str,
    raw: &RawObjective,
    (kpi, measure, period): (&Kpi, Measure, PeriodSpec),
) -> Option<Baseline> {
    let path = ["objectives", id, "baseline"];
    let over = match raw.baseline.as_ref()? {
        RawBaseline::Figure(amount) => return Some(Baseline::Figure(context.amount(&path, *amount, &kpi.unit))),
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
    let begins = period.single().map(|period| period.first);
    if let (Baseline::Over(Period { last, .. }), Some(first)) = (over, begins)
        && last >= first
    {
        let message = format!("the baseline ends on {last}, after the objective's period has begun");
        context.report.error(&path, message, "name a period that is over by then");
    }
    match (measure, kpi.kind, over) {
        (Measure::Each, Kind::Window, _) => {
            let help = "write the baseline as a figure, or measure it `to_date`";
            context.report.error(&path, "windows have no mean that could be a baseline", help);
        }
        (Measure::ToDate, _, Baseline::Over(over))
            if period.single().is_some() || period.holding(over.first) != Some(over) =>
        {
            let message = "what the source says to date is known only of the objective's own periods";
            context.report.error(&path, message, "write `previous` or `year_before`, or a figure");
        }
        _ => {}
    }
    Some(over)
}
