//! Objectives: one target, a measure that fits the KPI's kind, a period, a way.

use std::path::Path;

use jiff::civil::Date;

use super::context::Context;
use super::{baseline, period, split, target};
use crate::config::raw::{RawMeasure, RawMilestones, RawObjective, RawThen, RawTrajectory};
use crate::config::scalar::Notation;
use crate::model::grain::Grain;
use crate::model::ids::{KpiId, Labels, ObjectiveId};
use crate::model::kpi::Kpi;
use crate::model::objective::{Hold, Measure, Milestone, Objective, PlannedAction, Stretch, Target, Trajectory};
use crate::model::period::{Period, PeriodSpec};
use crate::model::target::TargetFigure;
use crate::model::unit::Kind;

/// The objective with its defaults, and one for each part of its target. `kpi` is none when the KPI has problems of its own.
pub(super) fn resolve(
    context: &mut Context<'_>,
    id: &str,
    (raw, base_dir): (&RawObjective, &Path),
    kpi: Option<&Kpi>,
) -> Vec<Objective> {
    let (Some(whole), Some(kpi)) = (whole(context, id, (raw, base_dir), kpi), kpi) else { return Vec::new() };
    let parts = raw.split.as_ref().map(|split| split::parts(context, split, &whole, kpi));
    std::iter::once(whole).chain(parts.into_iter().flatten()).collect()
}

fn whole(
    context: &mut Context<'_>,
    id: &str,
    (raw, base_dir): (&RawObjective, &Path),
    kpi: Option<&Kpi>,
) -> Option<Objective> {
    let at = |field: &'static str| ["objectives", id, field];
    let all = context.all;
    context.report.reference(&at("kpi"), "KPI", &raw.kpi, &all.kpis);
    if raw.statement.trim().is_empty() {
        context.report.error(
            &at("statement"),
            "the statement is empty",
            "say in a sentence what is to be reached by when",
        );
    }
    let period = period::resolve(context, &at("period"), &raw.period);
    let owner = context.person(&at("owner"), raw.owner.as_deref());
    let actions = actions(context, id, raw);
    let chosen = target::chosen(context, id, raw);
    let kpi = kpi?;
    let labels =
        raw.where_.as_ref().map_or_else(Labels::total, |labels| context.labels(&at("where"), labels, &kpi.dimensions));
    let chosen = chosen?;
    let target = target::resolve(context, id, raw, (chosen, target::Of { kpi, labels: &labels, base_dir }))?;
    let measure = measure(context, id, raw.measure.as_ref(), &target, kpi)?;
    let (period, hold) = done_by(context, id, raw, (period?, measure, &target))?;
    let table = target.figures().find_map(|figure| match figure {
        TargetFigure::Table(table) => Some(table.clone()),
        TargetFigure::Fixed(_) | TargetFigure::Change(_) => None,
    });
    let planned = table.and_then(|table| target::of_periods(context, &at(chosen), &table, (measure, period)));
    let trajectory = match &raw.trajectory {
        Some(RawTrajectory::WorkingDays) => Some(Trajectory::WorkingDays),
        Some(RawTrajectory::Learned) => Some(Trajectory::Learned),
        Some(RawTrajectory::Milestones(milestones)) => milestones_of(context, id, milestones, period, kpi),
        None if planned.is_some() => planned,
        None if measure == Measure::Sum => Some(Trajectory::Learned),
        None if kpi.grain == Grain::Day && kpi.calendar.rules().country.is_some() => Some(Trajectory::WorkingDays),
        Some(RawTrajectory::Linear) | None => Some(Trajectory::Linear),
    };
    let baseline = baseline::resolve(context, id, raw, baseline::Of { kpi, target: &target, measure, period });
    Some(Objective {
        id: ObjectiveId::from(id),
        kpi: KpiId::from(raw.kpi.as_str()),
        labels,
        statement: raw.statement.trim().to_owned(),
        target,
        measure,
        period,
        trajectory: trajectory?,
        baseline,
        hold,
        axis: raw.axis.clone(),
        owner: owner.or_else(|| kpi.owner.clone()),
        actions,
    })
}

/// The period to be judged, which ends with the day that it is to be done by unless it is kept from then on.
fn done_by(
    context: &mut Context<'_>,
    id: &str,
    raw: &RawObjective,
    (period, measure, target): (PeriodSpec, Measure, &Target<TargetFigure>),
) -> Option<(PeriodSpec, Option<Hold>)> {
    if let Some(RawThen::Keep) = raw.then {
        let path = ["objectives", id, "then"];
        if target.is_kept() {
            let help = "leave `then` out, or write `reach` or `reduce_to`";
            context.report.error(&path, "the target is one that is kept all the time", help);
            return None;
        }
        if !matches!(measure, Measure::AtEnd | Measure::Each) {
            let help = "write `measure: at_end` or `each`, or leave `then` out";
            context.report.error(&path, "only a figure that stands by itself can be kept", help);
            return None;
        }
    }
    let path = ["objectives", id, "done_by"];
    let Some(by) = raw.done_by.as_ref().map(|by| by.0) else {
        return Some((period, raw.then.map(|RawThen::Keep| Hold::OnceMet)));
    };
    let Some(Period { first, last }) = period.single() else {
        let help = "name the period, such as `2026`, or leave `done_by` out";
        context.report.error(&path, "`done_by` is one day, so the period must be a fixed one", help);
        return None;
    };
    if by < first || by > last {
        let help = format!("the period runs from {first} to {last}");
        context.report.error(&path, format!("{by} lies outside the period"), &help);
        return None;
    }
    Some(match raw.then {
        Some(RawThen::Keep) => (period, Some(Hold::DoneBy(by))),
        None => (PeriodSpec::Between { from: first, to: by }, None),
    })
}

fn actions(context: &mut Context<'_>, id: &str, raw: &RawObjective) -> Vec<PlannedAction> {
    let mut actions = Vec::new();
    for (position, action) in raw.actions.iter().enumerate() {
        let path = ["objectives", id, "actions", &position.to_string(), "who"];
        let who = context.person(&path, action.who.as_deref());
        actions.push(PlannedAction { what: action.do_.clone(), who, by: action.by.as_ref().map(|by| by.0) });
    }
    actions
}

/// Flows are summed, ratios pooled; of levels each value counts when something is to be kept, else the last.
fn measure(
    context: &mut Context<'_>,
    id: &str,
    raw: Option<&RawMeasure>,
    target: &Target<TargetFigure>,
    kpi: &Kpi,
) -> Option<Measure> {
    let (kind, keep) = (kpi.kind, target.is_kept());
    let default = match kind {
        Kind::Flow => Measure::Sum,
        Kind::Ratio => Measure::Pooled,
        Kind::Level { .. } if keep => Measure::Each,
        Kind::Level { .. } => Measure::AtEnd,
        Kind::Window => Measure::ToDate,
    };
    let Some(raw) = raw else { return Some(default) };
    let (measure, fits) = match raw {
        RawMeasure::Sum => (Measure::Sum, matches!(kind, Kind::Flow)),
        RawMeasure::Pooled => (Measure::Pooled, matches!(kind, Kind::Ratio)),
        RawMeasure::Mean => (Measure::Mean, !matches!(kind, Kind::Ratio | Kind::Window)),
        RawMeasure::Each => (Measure::Each, true),
        RawMeasure::AtEnd => (Measure::AtEnd, !matches!(kind, Kind::Flow | Kind::Window)),
        RawMeasure::ToDate => (Measure::ToDate, matches!(kind, Kind::Window)),
        RawMeasure::Rolling(stretch) => (Measure::Rolling(stretch.0), !matches!(kind, Kind::Window)),
    };
    let (least, bucket) = match kpi.grain {
        Grain::Seconds(_) | Grain::Day => (1, ""),
        Grain::Week => (7, "a week, write `1w`"),
        Grain::Month => (31, "a month, write `1 month`"),
    };
    if matches!(measure, Measure::Rolling(Stretch::Days(days)) if days < least) {
        let message = "the stretch is shorter than a bucket of the KPI, which would be all of it";
        let help = format!("the bucket is {bucket} or longer, or `each` for the newest one alone");
        context.report.error(&["objectives", id, "measure"], message, &help);
        return None;
    }
    if fits {
        return Some(measure);
    }
    let (kind, help) = match kind {
        Kind::Flow => ("flow", "a flow's measure is `sum`, `mean`, `each` or `rolling`"),
        Kind::Ratio => ("ratio", "a ratio's measure is `pooled`, `each`, `at_end` or `rolling`"),
        Kind::Level { .. } => ("level", "a level's measure is `at_end`, `mean`, `each` or `rolling`"),
        Kind::Window => ("window", "a window's measure is `to_date` or `each`"),
    };
    context.report.error(&["objectives", id, "measure"], format!("this measure makes no sense for a {kind}"), help);
    None
}

/// Figures by day: within the period, each day later than the one before.
fn milestones_of(
    context: &mut Context<'_>,
    id: &str,
    raw: &RawMilestones,
    period: PeriodSpec,
    kpi: &Kpi,
) -> Option<Trajectory> {
    let path = ["objectives", id, "trajectory", "milestones"];
    let Some(Period { first: from, last: to }) = period.single() else {
        let help = "name the period, such as `2026-Q4`, or choose another trajectory";
        context.report.error(&path, "milestones are days, so the period must be a fixed one", help);
        return None;
    };
    let mut milestones: Vec<Milestone> = Vec::new();
    let before = context.report.problems.len();
    for (day, amount) in raw {
        let path = ["objectives", id, "trajectory", "milestones", day];
        let value = context.amount(&path, amount.0, &kpi.unit);
        let by = match Date::read(day) {
            Ok(by) => by,
            Err(error) => {
                context.report.error(&path, error, "name each milestone by its day");
                continue;
            }
        };
        if by < from || by > to {
            let help = format!("the period runs from {from} to {to}");
            context.report.error(&path, format!("the milestone {by} lies outside the period"), &help);
        }
        if milestones.last().is_some_and(|last| last.by >= by) {
            context.report.error(
                &path,
                format!("the milestone {by} is out of order"),
                "write the milestones in the order of their days",
            );
        }
        milestones.push(Milestone { by, value });
    }
    if milestones.is_empty() && context.report.problems.len() == before {
        context.report.error(&path, "there are no milestones", "add days with figures, or choose another trajectory");
    }
    Some(Trajectory::Milestones(milestones))
}
