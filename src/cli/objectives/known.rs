//! What is known of objectives: now, at instants of the past, and of their periods that are over.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::json;

use crate::cli::assess::{Line, objective_record, replay};
use crate::cli::backtest::stored::{Past, past};
use crate::cli::state;
use crate::config::Config;
use crate::locale::unmeasurable_and_remedy;
use crate::model::alert::PeriodOutcome;
use crate::model::assessment::{ObjectiveFacts, Unmeasurable};
use crate::model::course::Course;
use crate::model::grain::day_of;
use crate::model::ids::{KpiId, ObjectiveId};
use crate::model::kpi::Kpi;
use crate::model::objective::Objective;
use crate::model::outcome::ClosedPeriod;
use crate::model::period::PeriodSpec;
use crate::model::unit::Language;

/// The objectives that were named; all, if none was.
pub(super) fn named(config: &Config, ids: &[String]) -> anyhow::Result<Vec<Arc<Objective>>> {
    let all = &config.catalog.objectives;
    let known = || all.keys().map(ObjectiveId::as_str).collect::<Vec<_>>().join(", ");
    let find = |id: &String| {
        let found = all.get(id.as_str()).cloned();
        found.with_context(|| format!("no objective '{id}' in the configuration; there are: {}", known()))
    };
    if ids.is_empty() { Ok(all.values().cloned().collect()) } else { ids.iter().map(find).collect() }
}

pub(super) fn kpi_of<'a>(config: &'a Config, objective: &Objective) -> anyhow::Result<&'a Arc<Kpi>> {
    config.catalog.kpi(&objective.kpi).with_context(|| format!("KPI '{}' is in no file any more", objective.kpi))
}

/// Goes through instants with what was known of the objectives at each; KPIs of which nothing is known are warned of.
pub(super) async fn lived(config: &Config, objectives: &[Arc<Objective>], now: Timestamp) -> anyhow::Result<Vec<Past>> {
    let mut kpis: BTreeMap<&KpiId, &Arc<Kpi>> = BTreeMap::new();
    for objective in objectives {
        kpis.insert(&objective.kpi, kpi_of(config, objective)?);
    }
    let mut pasts = Vec::new();
    for kpi in kpis.into_values() {
        match past(config, vec![kpi.clone()], (None, now)).await.and_then(Past::whole) {
            Ok(past) => {
                past.warnings.iter().try_for_each(|warning| writeln!(std::io::stderr(), "warning: {warning}"))?;
                pasts.push(past);
            }
            // One that has nothing to say leaves the others theirs.
            Err(error) => writeln!(std::io::stderr(), "warning: {error:#}")?,
        }
    }
    Ok(pasts)
}

/// What is known of an objective at one instant.
#[derive(Default)]
pub(super) struct Known {
    pub(super) value: Option<f64>,
    /// None while its target is unknown.
    pub(super) facts: Option<ObjectiveFacts>,
    /// Why the target, or the figure beside it, is not known.
    pub(super) missing: Option<Unmeasurable>,
    /// Where it was asked for.
    pub(super) course: Option<Course>,
}

/// The figures of objectives at one instant.
pub(super) fn figures(
    config: &Config,
    pasts: Vec<Past>,
    (at, drawn): (Timestamp, bool),
) -> anyhow::Result<BTreeMap<ObjectiveId, Known>> {
    let mut found = BTreeMap::new();
    for past in pasts {
        replay(config, past, &[at], &mut |line: Line<'_>| {
            let missing = line.missing();
            if let Some((objective, facts)) = line.objective {
                let facts = facts.ok();
                let course = drawn.then(|| line.assessment.course()).flatten();
                found.insert(objective.id.clone(), Known { value: line.value, facts, missing, course });
            }
            Ok(())
        })?;
    }
    Ok(found)
}

/// Periods that were decided by then, by objective; none where there is no state.
pub(super) async fn closed(config: &Config, at: Timestamp) -> anyhow::Result<BTreeMap<ObjectiveId, Vec<ClosedPeriod>>> {
    let mut by_objective: BTreeMap<ObjectiveId, Vec<ClosedPeriod>> = BTreeMap::new();
    if config.settings.state.exists() {
        let decided = state::open(config).await?.closed_periods(None, (None, None)).await?;
        let today = day_of(at, &config.catalog.zone);
        let was_over = |closed: &ClosedPeriod| closed.filled_in && closed.period.last < today;
        for closed in decided.into_iter().filter(|closed| closed.decided_at <= at || was_over(closed)) {
            by_objective.entry(closed.objective.clone()).or_default().push(closed);
        }
    }
    Ok(by_objective)
}

/// Where an instant lies as seen from an objective.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    NotBegun,
    Running,
    Ended,
}

impl Stage {
    pub(super) fn of(objective: &Objective, kpi: &Kpi, now: Timestamp) -> Stage {
        let today = day_of(now, &kpi.zone);
        match objective.period {
            _ if objective.period.holding(today).is_some() => Stage::Running,
            PeriodSpec::Between { from, .. } if today < from => Stage::NotBegun,
            _ => Stage::Ended,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Stage::NotBegun => "not_begun",
            Stage::Running => "running",
            Stage::Ended => "ended",
        }
    }
}

/// How one objective stands now.
pub(super) struct Standing<'a> {
    pub(super) objective: &'a Objective,
    pub(super) kpi: &'a Kpi,
    pub(super) at: Timestamp,
    pub(super) stage: Stage,
    pub(super) value: Option<f64>,
    pub(super) facts: Option<ObjectiveFacts>,
    pub(super) missing: Option<Unmeasurable>,
    pub(super) closed: &'a [ClosedPeriod],
}

impl Standing<'_> {
    /// Its status by its stable name; `not_begun` and `ended` where no period runs.
    pub(super) fn status(&self) -> &'static str {
        match (&self.facts, self.stage) {
            (Some(facts), _) => facts.status.as_str(),
            (None, Stage::Running) => "insufficient_data",
            (None, stage) => stage.as_str(),
        }
    }

    /// Why its target, or the figure beside it, is not known, and what to do about it.
    pub(super) fn reason(&self, language: Language) -> Option<String> {
        let is_without = self.facts.is_none() && self.stage == Stage::Running;
        let missing = self.missing.as_ref().or(is_without.then_some(&Unmeasurable::NoData))?;
        Some(unmeasurable_and_remedy(language, missing, &self.kpi.zone))
    }

    /// How the newest period that was decided ended.
    pub(super) fn last_outcome(&self) -> Option<PeriodOutcome> {
        self.closed.last().map(|closed| closed.outcome)
    }

    pub(super) fn record(&self) -> serde_json::Value {
        let Standing { objective, facts, .. } = self;
        let mut figures = match facts {
            Some(facts) => objective_record(objective, facts),
            None => json!({"id": objective.id, "status": self.status()}),
        };
        figures["target"] = json!(facts.as_ref().map(|facts| facts.target));
        figures["reason"] = json!(self.reason(Language::En));
        json!({
            "at": self.at, "kpi": self.kpi.id.base(), "labels": objective.labels, "value": self.value,
            "stage": self.stage.as_str(), "statement": objective.statement, "owner": objective.owner,
            "axis": objective.axis, "last_outcome": self.last_outcome(), "objective": figures,
        })
    }
}

/// How many of some periods were reached: `5 of 12`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HitRate {
    pub(super) periods: usize,
    pub(super) reached: usize,
}

impl HitRate {
    pub(super) fn of(closed: &[ClosedPeriod]) -> HitRate {
        let reached = closed.iter().filter(|closed| closed.outcome == PeriodOutcome::Reached).count();
        HitRate { periods: closed.len(), reached }
    }

    /// 0 to 1; none without periods.
    pub(super) fn share(self) -> Option<f64> {
        (self.periods > 0).then(|| self.reached as f64 / self.periods as f64)
    }
}
