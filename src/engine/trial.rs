//! Rules tried on made-up figures, so that one that can never work is found before it is live.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::setup::Setup;
use crate::assess::Assessment;
use crate::model::grain::start_of_day;
use crate::model::ids::{KpiId, Labels, RuleId};
use crate::model::kpi::Kpi;
use crate::model::objective::Objective;
use crate::model::observation::Parts;
use crate::model::rule::SeriesChoice;
use crate::model::series::{Point, SeriesData};
use crate::model::unit::Kind;
use crate::model::verdict::Verdict;
use crate::rule::{CompiledRule, on_large_stack};

/// Buckets of a made-up series: two years of days, so that a year before can be read.
const BUCKETS: i64 = 800;
/// A day well within its month, quarter and year.
const DAY: Date = date(2026, 8, 20);

/// A rule that failed on made-up figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedTrial {
    pub rule: RuleId,
    pub path: String,
    /// From 1, where known.
    pub at: Option<(usize, usize)>,
    pub message: String,
    /// Whether it failed on rising and on falling figures alike.
    pub always: bool,
}

/// Tries every rule on each of its KPIs and objectives, on rising and on falling figures. One failure of each rule.
pub fn try_rules(setup: &Setup) -> Vec<FailedTrial> {
    on_large_stack(|| {
        let rules = setup.catalog.rules.keys().filter_map(|id| setup.rules.get(id));
        rules.filter_map(|rule| try_rule(setup, rule)).collect()
    })
}

fn try_rule(setup: &Setup, rule: &Arc<CompiledRule>) -> Option<FailedTrial> {
    let mut found: Option<FailedTrial> = None;
    for kpi in rule.def.on.iter().filter_map(|id| setup.catalog.kpi(id)) {
        for (labels, objective) in subjects(setup, rule, kpi) {
            let at = moment(kpi, objective.as_deref());
            let failures: Vec<String> = [1.0, -1.0]
                .into_iter()
                .filter_map(|slope| {
                    let made_up = |kpi: &Arc<Kpi>, labels: &Labels, objective| {
                        let data = Arc::new(series(kpi, slope, at));
                        Arc::new(Assessment::new(kpi.clone(), labels.clone(), data, objective, at))
                    };
                    let own = made_up(kpi, &labels, objective.clone());
                    let beside = |id: &KpiId| setup.catalog.kpi(id).cloned();
                    let others: BTreeMap<String, Arc<Assessment>> = rule
                        .others
                        .iter()
                        .filter_map(beside)
                        .map(|other| (other.id.to_string(), made_up(&other, &Labels::total(), None)))
                        .collect();
                    match setup.rules.run(rule, &own, others).verdict {
                        // By the wall: another machine, or another moment, may do.
                        Verdict::Failed { cause } if cause.ends_with("will be tried again") => None,
                        Verdict::Failed { cause } => Some(cause),
                        Verdict::Judged(_) | Verdict::Hold { .. } | Verdict::NoData { .. } => None,
                    }
                })
                .collect();
            let Some(cause) = failures.first() else { continue };
            let always = failures.len() == 2;
            if found.as_ref().is_none_or(|known| always && !known.always) {
                let (at, message) = placed(cause, &rule.path);
                found = Some(FailedTrial { rule: rule.def.id.clone(), path: rule.path.clone(), at, message, always });
            }
            if always {
                return found;
            }
        }
    }
    found
}

/// What a rule would judge: one series of each choice, with each of its objectives.
fn subjects(setup: &Setup, rule: &CompiledRule, kpi: &Kpi) -> Vec<(Labels, Option<Arc<Objective>>)> {
    if rule.needs_objective {
        let own = setup.catalog.objectives_on(&kpi.id).filter(|objective| rule.def.series.covers(&objective.labels));
        return own.map(|objective| (objective.labels.clone(), Some(objective.clone()))).collect();
    }
    let labels = match &rule.def.series {
        SeriesChoice::Total => Labels::total(),
        SeriesChoice::Where(labels) => labels.clone(),
        SeriesChoice::Each(dimensions) => dimensions.iter().map(|name| (name.as_str(), "sample".to_owned())).collect(),
    };
    vec![(labels, None)]
}

/// An instant within the objective's period, some way into it.
fn moment(kpi: &Kpi, objective: Option<&Objective>) -> Timestamp {
    let set = |objective: &Objective| {
        objective.period.single().or_else(|| objective.period.holding(objective.set_for()?.first))
    };
    let period = objective.and_then(set);
    let day = period.map_or(DAY, |period| period.first.saturating_add((i64::from(period.days() - 1) * 3 / 5).days()));
    let newest = kpi.grain.last_ended(start_of_day(day.saturating_add(1.day()), &kpi.zone), &kpi.zone);
    let end = kpi.grain.bucket(newest, &kpi.zone).end;
    end.checked_add(SignedDuration::from_millis(1)).unwrap_or(end)
}

fn series(kpi: &Kpi, slope: f64, at: Timestamp) -> SeriesData {
    let newest = kpi.grain.last_ended(at, &kpi.zone);
    let points: Vec<Point> = (0..BUCKETS)
        .map(|back| {
            let way = (BUCKETS - back) as f64 / BUCKETS as f64;
            let value = 150.0 + slope * 50.0 * way;
            let parts = Parts { numerator: value, denominator: 1_000.0, n: Some(1_000.0) };
            let ratio = kpi.kind == Kind::Ratio;
            let (value, parts) = if ratio { (value / 1_000.0, Some(parts)) } else { (value, None) };
            Point { index: newest - back, value, parts, provisional: false }
        })
        .rev()
        .collect();
    SeriesData::of(&points)
}

/// Splits `path:line:column: message`.
fn placed(cause: &str, path: &str) -> (Option<(usize, usize)>, String) {
    let rest = cause.strip_prefix(path).and_then(|rest| rest.strip_prefix(':')).unwrap_or(cause);
    let Some((place, message)) = rest.split_once(": ") else { return (None, rest.trim_start().to_owned()) };
    let mut numbers = place.splitn(2, ':').map(|number| number.parse().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(line), Some(column)) => (Some((line, column)), message.to_owned()),
        _ => (None, rest.trim_start().to_owned()),
    }
}
