//! The target of an objective: which one, its figures, and whether they agree with the KPI, the baseline and the period.

use std::path::Path;
use std::sync::Arc;

use super::context::Context;
use super::table;
use crate::config::raw::{RawObjective, RawTarget};
use crate::config::scalar::TargetAmount;
use crate::model::ids::Labels;
use crate::model::kpi::Kpi;
use crate::model::objective::{Measure, Milestone, Target, Trajectory};
use crate::model::period::{Period, PeriodSpec};
use crate::model::target::{Change, TargetFigure, TargetTable};
use crate::model::unit::{Direction, Unit};

const TARGETS: &str = "`reach`, `reduce_to`, `at_least`, `at_most` or `between`";

/// What a target is of, and where its files are.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) kpi: &'a Kpi,
    pub(super) labels: &'a Labels,
    pub(super) base_dir: &'a Path,
}

/// The name of the one target given.
pub(super) fn chosen(context: &mut Context<'_>, id: &str, raw: &RawObjective) -> Option<&'static str> {
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

pub(super) fn resolve(
    context: &mut Context<'_>,
    id: &str,
    raw: &RawObjective,
    (name, of): (&'static str, Of<'_>),
) -> Option<Target<TargetFigure>> {
    let path = ["objectives", id, name];
    let single = raw.reach.as_ref().or(raw.reduce_to.as_ref()).or(raw.at_least.as_ref()).or(raw.at_most.as_ref());
    let target = match single {
        Some(single) => {
            let figure = match single {
                RawTarget::One(amount) => one(context, &path, *amount, &of.kpi.unit)?,
                RawTarget::Figures(figures) => {
                    TargetFigure::Table(Arc::new(table::written(context, &path, figures, of.kpi)?))
                }
                RawTarget::Table(file) => {
                    let table = table::read(context, &path, (of.base_dir, file), (of.kpi, of.labels))?;
                    TargetFigure::Table(Arc::new(table))
                }
            };
            match name {
                "reach" => Target::Reach(figure),
                "reduce_to" => Target::ReduceTo(figure),
                "at_least" => Target::AtLeast(figure),
                _ => Target::AtMost(figure),
            }
        }
        None => band(context, &path, raw, &of.kpi.unit)?,
    };
    direction(context, &path, &target, of.kpi.better);
    relative(context, (&path, raw), &target);
    Some(target)
}

fn band(context: &mut Context<'_>, path: &[&str], raw: &RawObjective, unit: &Unit) -> Option<Target<TargetFigure>> {
    let [low, high] = raw.between.as_deref()? else {
        context.report.error(path, "a band has two ends", "write `between: [18, 22]`");
        return None;
    };
    let (low, high) = (one(context, path, low.0, unit)?, one(context, path, high.0, unit)?);
    let in_order = match (&low, &high) {
        (TargetFigure::Fixed(low), TargetFigure::Fixed(high))
        | (TargetFigure::Change(Change::Share(low)), TargetFigure::Change(Change::Share(high)))
        | (TargetFigure::Change(Change::Amount(low)), TargetFigure::Change(Change::Amount(high))) => low < high,
        _ => {
            let help = "write both ends as figures, or both as changes: `[-5 %, +5 %]`";
            context.report.error(path, "the band's two ends are of different kinds", help);
            return None;
        }
    };
    if !in_order {
        context.report.error(path, "the band's lower end is not below its upper end", "write the lower one first");
        return None;
    }
    Some(Target::Between(low, high))
}

fn one(context: &mut Context<'_>, path: &[&str], amount: TargetAmount, unit: &Unit) -> Option<TargetFigure> {
    let points = match (amount, unit) {
        (TargetAmount::Figure(amount), _) => return Some(TargetFigure::Fixed(context.amount(path, amount, unit))),
        (TargetAmount::Share(share), _) => return Some(TargetFigure::Change(Change::Share(share))),
        (TargetAmount::Points(points), Unit::Ratio) => points / 100.0,
        (TargetAmount::Points(points), Unit::Percent | Unit::Points) => points,
        (TargetAmount::Points(_), Unit::None | Unit::Currency(_) | Unit::Other(_)) => {
            let help = "write the change in per cent, such as `+15 %`";
            context.report.error(path, "points for a KPI that is neither a share nor a score", help);
            return None;
        }
    };
    Some(TargetFigure::Change(Change::Amount(points)))
}

/// A change needs something that it starts from, and should lead the way that the target's name says.
fn relative(context: &mut Context<'_>, (path, raw): (&[&str], &RawObjective), target: &Target<TargetFigure>) {
    let Some(change) = target.change() else { return };
    if raw.baseline.is_none() {
        let help = "add `baseline:` with `year_before`, `previous`, a period such as `2025-H1`, or a figure";
        context.report.error(path, "the target is relative to a baseline, and the objective has none", help);
    }
    let (turned, instead) = match target {
        Target::Reach(_) => (!change.is_more(), "reduce_to"),
        Target::ReduceTo(_) => (change.is_more(), "reach"),
        Target::AtLeast(_) | Target::AtMost(_) | Target::Between(..) => return,
    };
    if turned {
        let help = format!("turn the sign round, or write `{instead}`, unless this is meant");
        context.report.warn(path, "the change leads away from where the target's name says", &help);
    }
}

/// Warns when the target pulls the other way than the KPI's `better`.
fn direction(context: &mut Context<'_>, path: &[&str; 3], target: &Target<TargetFigure>, better: Direction) {
    let good = match target {
        Target::Reach(_) | Target::AtLeast(_) => better == Direction::Higher,
        Target::ReduceTo(_) | Target::AtMost(_) => better == Direction::Lower,
        Target::Between(..) => true,
    };
    if !good {
        let is = match better {
            Direction::Higher => "higher",
            Direction::Lower => "lower",
            Direction::InBand => "in_band",
        };
        let message = format!("`{}` does not agree with the KPI, for which `better` is `{is}`", path[2]);
        context.report.warn(path, message, "change one of them, unless this is meant");
    }
}

/// Whether a table gives the objective's periods their figures; and the way it shows where a period has several rows.
pub(super) fn of_periods(
    context: &mut Context<'_>,
    path: &[&str],
    table: &TargetTable,
    (measure, period): (Measure, PeriodSpec),
) -> Option<Trajectory> {
    let adds_up = measure == Measure::Sum;
    let mut whole = 0;
    let mut lacking = None;
    for one in table.periods(|day| period.holding(day)) {
        match table.within(one) {
            Ok(rows) if rows.len() > 1 && !adds_up && !matches!(measure, Measure::AtEnd | Measure::Each) => {
                let message =
                    format!("{} rows for {} to {}, and the measure does not add up", rows.len(), one.first, one.last);
                context.report.error(path, message, "write one figure for each period of the objective");
                return None;
            }
            Ok(_) => whole += 1,
            Err(days) => lacking = lacking.or(Some(days)),
        }
    }
    let lack = |days: Period| format!("the table of targets has nothing for {} to {}", days.first, days.last);
    if whole == 0 {
        let message =
            lacking.map_or_else(|| "the table of targets lies outside the objective's period".to_owned(), lack);
        let help = "give at least one whole period of the objective its figures";
        context.report.error(path, message, help);
        return None;
    }
    if let Some(days) = lacking {
        context.report.warn(path, lack(days), "the objective can't be measured in that period; add the figure");
    }
    let milestones = table.milestones(|day| period.holding(day), adds_up);
    let milestones: Vec<Milestone> = milestones.into_iter().map(|(by, value)| Milestone { by, value }).collect();
    (!milestones.is_empty()).then_some(Trajectory::Milestones(milestones))
}
