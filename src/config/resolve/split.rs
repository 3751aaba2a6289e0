//! A target split by the values of a dimension: one objective of its own for each part, which sum to the whole.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::context::Context;
use crate::config::raw::RawParts;
use crate::config::scalar::{Amount, Written};
use crate::model::kpi::Kpi;
use crate::model::objective::{Measure, Milestone, Objective, Target, Trajectory};
use crate::model::target::{Baseline, TargetFigure};
use crate::model::unit::Kind;

/// Parts of one objective.
const PARTS_MAX: usize = 200;
/// Sums of shares and of amounts that people round.
const ROUNDED: f64 = 1e-6;

/// The objectives of the parts.
pub(super) fn parts(
    context: &mut Context<'_>,
    raw: &IndexMap<String, RawParts>,
    whole: &Objective,
    kpi: &Kpi,
) -> Vec<Objective> {
    let id = whole.id.as_str();
    let path = ["objectives", id, "split"];
    let (Some((dimension, parts)), 1) = (raw.first(), raw.len()) else {
        context.report.error(
            &path,
            "a target is split by one dimension",
            "write `split: {channel: {web: 60 %, shop: 40 %}}`",
        );
        return Vec::new();
    };
    let path = ["objectives", id, "split", dimension];
    context.dimension(&path, dimension, &kpi.dimensions);
    if whole.labels.get(dimension).is_some() {
        let message = format!("`where` already holds the objective to one value of `{dimension}`");
        context.report.error(&path, message, "split by another dimension, or leave `where` out");
        return Vec::new();
    }
    let adds_up = matches!(kpi.kind, Kind::Flow | Kind::Level { additive: true, .. })
        && matches!(whole.measure, Measure::Sum | Measure::AtEnd | Measure::Mean);
    if !adds_up || matches!(whole.target, Target::Between(..)) {
        let help = "write an objective for each value with `where`";
        context.report.error(&path, "the parts of this target don't sum to it", help);
        return Vec::new();
    }
    let Some(shares) = shares(context, &path, parts, whole) else { return Vec::new() };
    let mut names = BTreeSet::new();
    let mut made = Vec::new();
    for (value, share) in shares {
        let part = part(whole, (dimension, value), share);
        if !names.insert(part.id.clone()) {
            let help = "their ids would be the same; write an objective for each with `where`";
            context.report.error(&path, format!("`{value}` and another value are alike but for signs"), help);
        }
        made.push(part);
    }
    made
}

/// What each value has of the whole; none of a target that each has by itself.
fn shares<'p>(
    context: &mut Context<'_>,
    path: &[&str; 4],
    parts: &'p RawParts,
    whole: &Objective,
) -> Option<Vec<(&'p str, Option<f64>)>> {
    let is_relative = whole.target.figures().any(|figure| matches!(figure, TargetFigure::Change(_)));
    let count = match parts {
        RawParts::Of(parts) => parts.len(),
        RawParts::Values(values) => values.len(),
    };
    if count == 0 || count > PARTS_MAX {
        let help = format!("name from 1 to {PARTS_MAX} values of `{}`", path[3]);
        context.report.error(path, format!("{count} parts"), &help);
        return None;
    }
    match parts {
        RawParts::Values(values) if is_relative => Some(values.iter().map(|value| (value.as_str(), None)).collect()),
        RawParts::Values(_) => {
            let help = format!("write `{{{}: {{web: 60 %, shop: 40 %}}}}`", path[3]);
            context.report.error(path, "nothing says which share each value has", &help);
            None
        }
        RawParts::Of(_) if is_relative => {
            let help =
                format!("write the values alone, `{{{}: [web, shop]}}`: each goes from its own baseline", path[3]);
            context.report.error(path, "a target relative to a baseline has no shares", &help);
            None
        }
        RawParts::Of(parts) => of_whole(context, path, parts, whole),
    }
}

fn of_whole<'p>(
    context: &mut Context<'_>,
    path: &[&str; 4],
    parts: &'p IndexMap<String, Written<Amount>>,
    whole: &Objective,
) -> Option<Vec<(&'p str, Option<f64>)>> {
    let sum: f64 = parts.values().map(|part| part.0.number).sum();
    let per_cent = parts.values().filter(|part| part.0.per_cent).count();
    let total = if per_cent == parts.len() {
        100.0
    } else if per_cent > 0 {
        context.report.error(path, "shares and amounts are mixed", "write all parts in per cent, or all as amounts");
        return None;
    } else {
        match whole.target.figures().next() {
            Some(TargetFigure::Fixed(total)) => *total,
            _ => {
                let help = "write the parts in per cent: they hold for each period";
                context.report.error(path, "amounts can't be parts of a table of targets", help);
                return None;
            }
        }
    };
    if (sum - total).abs() > ROUNDED * total.abs().max(1.0) {
        let sums = if per_cent > 0 { format!("the shares sum to {sum} %") } else { format!("the parts sum to {sum}") };
        let to = if per_cent > 0 { "100 %".to_owned() } else { format!("the target {total}") };
        context.report.error(path, format!("{sums}, not to {to}"), "mend a part, or add the one that is missing");
        return None;
    }
    if total == 0.0 {
        context.report.error(path, "a target of zero has no parts", "leave `split` out");
        return None;
    }
    Some(parts.iter().map(|(value, part)| (value.as_str(), Some(part.0.number / total))).collect())
}

/// The objective of one value; all else is as in the whole.
fn part(whole: &Objective, (dimension, value): (&str, &str), share: Option<f64>) -> Objective {
    let labels = whole.labels.iter().chain([(dimension, value)]).collect();
    let of_it = share.unwrap_or(1.0);
    let target = whole.target.try_map(|figure| Ok::<_, std::convert::Infallible>(figure.scaled(of_it)));
    let Ok(target) = target;
    let trajectory = match &whole.trajectory {
        Trajectory::Milestones(milestones) => Trajectory::Milestones(
            milestones.iter().map(|milestone| Milestone { value: milestone.value * of_it, ..*milestone }).collect(),
        ),
        Trajectory::Linear | Trajectory::WorkingDays | Trajectory::Learned => whole.trajectory.clone(),
    };
    Objective {
        id: whole.id.part(value),
        labels,
        statement: format!("{} ({value})", whole.statement),
        target,
        trajectory,
        // A figure is the whole's: where a part began, its own data tell.
        baseline: whole.baseline.filter(|baseline| !matches!(baseline, Baseline::Figure(_))),
        ..whole.clone()
    }
}
