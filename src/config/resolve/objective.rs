//! Objectives: one target, a measure that fits the KPI's kind, a period, a way.

use jiff::civil::Date;

use super::context::Context;
use super::period;
use crate::config::raw::{RawMeasure, RawMilestones, RawObjective, RawTrajectory};
use crate::config::scalar::Notation;
use crate::model::grain::Grain;
use crate::model::ids::{KpiId, Labels, ObjectiveId};
use crate::model::kpi::Kpi;
use crate::model::objective::{Measure, Milestone, Objective, PlannedAction, Target, Trajectory};
use crate::model::period::{Period, PeriodSpec};
use crate::model::unit::{Direction, Kind};

const TARGETS: &str = "`reach`, `reduce_to`, `at_least`, `at_most` or `between`";

/// The objective with its defaults. `kpi` is none when the KPI has problems of its own.
pub(super) fn resolve(context: &mut Context<'_>, id: &str, raw: &RawObjective, kpi: Option<&Kpi>) -> Option<Objective> {
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
    let chosen = chosen_target(context, id, raw);
    let kpi = kpi?;
    let target = target(context, id, raw, chosen?, kpi)?;
    direction(context, id, target, kpi.better);
    let measure = measure(context, id, raw.measure.as_ref(), target, kpi)?;
    let adds_up = measure == Measure::Sum;
    let trajectory = match &raw.trajectory {
        Some(RawTrajectory::WorkingDays) => Some(Trajectory::WorkingDays),
        Some(RawTrajectory::Learned) => Some(Trajectory::Learned),
        Some(RawTrajectory::Milestones(milestones)) => milestones_of(context, id, milestones, period, kpi),
        None if adds_up => Some(Trajectory::Learned),
        None if kpi.grain == Grain::Day && kpi.calendar.rules().country.is_some() => Some(Trajectory::WorkingDays),
        Some(RawTrajectory::Linear) | None => Some(Trajectory::Linear),
    };
    let labels =
        raw.where_.as_ref().map_or_else(Labels::total, |labels| context.labels(&at("where"), labels, &kpi.dimensions));
    let baseline = raw.baseline.as_ref().map(|amount| context.amount(&at("baseline"), amount.0, &kpi.unit));
    Some(Objective {
        id: ObjectiveId::from(id),
        kpi: KpiId::from(raw.kpi.as_str()),
        labels,
        statement: raw.statement.trim().to_owned(),
        target,
        measure,
        period: period?,
        trajectory: trajectory?,
        baseline,
        axis: raw.axis.clone(),
        owner: owner.or_else(|| kpi.owner.clone()),
        actions,
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

/// The name of the one target given.
fn chosen_target(context: &mut Context<'_>, id: &str, raw: &RawObjective) -> Option<&'static str> {
    let given = [
        ("reach", raw.reach.is_some()),
        ("reduce_to", raw.reduce_to.is_some()),
        ("at_least", raw.at_least.is_some()),
        ("at_most", raw.at_most.is_some()),
        ("between", raw.between.is_some()),
    ];
    let names: Vec<&'static str> = given.into_iter().filter_map(|(name, given)| given.then_some(name)).collect();
    match names.as_slice() {
        [one] => Some(one),
        [] => {
            context.report.error(
                &["objectives", id, ""],
                "the objective has no target",
                &format!("add one of {TARGETS}"),
            );
            None
        }
        [first, second, ..] => {
            let message = format!("the objective has two targets, `{first}` and `{second}`");
            context.report.error(&["objectives", id, second], message, &format!("keep one of {TARGETS}"));
            None
        }
    }
}

fn target(context: &mut Context<'_>, id: &str, raw: &RawObjective, name: &str, kpi: &Kpi) -> Option<Target> {
    let path = ["objectives", id, name];
    let single = raw.reach.as_ref().or(raw.reduce_to.as_ref()).or(raw.at_least.as_ref()).or(raw.at_most.as_ref());
    let Some(amount) = single else {
        let [low, high] = raw.between.as_deref()? else {
            context.report.error(&path, "a band has two ends", "write `between: [18, 22]`");
            return None;
        };
        let low = context.amount(&path, low.0, &kpi.unit);
        let high = context.amount(&path, high.0, &kpi.unit);
        if low >= high {
            context.report.error(&path, "the band's lower end is not below its upper end", "write the lower one first");
            return None;
        }
        return Some(Target::Between(low, high));
    };
    let figure = context.amount(&path, amount.0, &kpi.unit);
    Some(match name {
        "reach" => Target::Reach(figure),
        "reduce_to" => Target::ReduceTo(figure),
        "at_least" => Target::AtLeast(figure),
        _ => Target::AtMost(figure),
    })
}

/// Warns when the target pulls the other way than the KPI's `better`.
fn direction(context: &mut Context<'_>, id: &str, target: Target, better: Direction) {
    let (name, good) = match target {
        Target::Reach(_) => ("reach", better == Direction::Higher),
        Target::AtLeast(_) => ("at_least", better == Direction::Higher),
        Target::ReduceTo(_) => ("reduce_to", better == Direction::Lower),
        Target::AtMost(_) => ("at_most", better == Direction::Lower),
        Target::Between(..) => ("between", true),
    };
    if !good {
        let is = match better {
            Direction::Higher => "higher",
            Direction::Lower => "lower",
            Direction::InBand => "in_band",
        };
        let message = format!("`{name}` does not agree with the KPI, for which `better` is `{is}`");
        context.report.warn(&["objectives", id, name], message, "change one of them, unless this is meant");
    }
}

/// Flows are summed, ratios pooled; of levels each value counts when something is to be kept, else the last.
fn measure(
    context: &mut Context<'_>,
    id: &str,
    raw: Option<&RawMeasure>,
    target: Target,
    kpi: &Kpi,
) -> Option<Measure> {
    let kind = kpi.kind;
    let keep = matches!(target, Target::AtLeast(_) | Target::AtMost(_) | Target::Between(..));
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
    period: Option<PeriodSpec>,
    kpi: &Kpi,
) -> Option<Trajectory> {
    let path = ["objectives", id, "trajectory", "milestones"];
    let Some(Period { first: from, last: to }) = period?.single() else {
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
