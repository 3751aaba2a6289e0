//! `vigie objectives outcomes`: how periods that are over ended.

use std::path::PathBuf;

use anyhow::bail;
use serde_json::json;

use super::args::OutcomesArgs;
use super::known::HitRate;
use crate::cli::output::{Out, Table, counted, moment};
use crate::cli::{configuration, state};
use crate::config::Config;
use crate::locale::{Sign, outcome, percent, quantity, target};
use crate::model::ids::ObjectiveId;
use crate::model::outcome::ClosedPeriod;
use crate::model::unit::{Language, Unit};

pub(super) async fn outcomes(out: &mut Out, paths: &[PathBuf], args: &OutcomesArgs) -> anyhow::Result<u8> {
    let config = configuration::read(paths)?;
    let id = args.id.as_deref().map(ObjectiveId::from);
    let store = state::open(&config).await?;
    let closed = store.closed_periods(id.as_ref(), (args.from, args.to)).await?;
    let is_unknown = |id: &ObjectiveId| closed.is_empty() && config.catalog.objective(id).is_none();
    if let Some(id) = id.as_ref().filter(|id| is_unknown(id)) {
        bail!("no objective '{id}', neither in the configuration nor among periods that ended");
    }
    let by_objective = closed.chunk_by(|one, other| one.objective == other.objective);
    if out.is_json() {
        closed.iter().try_for_each(|closed| out.record(&record(closed)))?;
        for of_one in by_objective {
            let rate = HitRate::of(of_one);
            out.record(&json!({
                "type": "hit_rate", "objective": of_one[0].objective, "periods": rate.periods, "reached": rate.reached,
                "rate": rate.share(),
            }))?;
        }
        return Ok(0);
    }
    if closed.is_empty() {
        out.line("no period was decided yet")?;
        return Ok(0);
    }
    out.table(&table(&config, &closed))?;
    out.line("")?;
    for of_one in by_objective {
        out.line(&format!("{}: {}", of_one[0].objective, rate_words(Language::En, of_one)))?;
    }
    Ok(0)
}

/// How many periods of an objective were reached, or kept to: `5 of 12 periods reached (42 %)`.
pub(super) fn rate_words(language: Language, closed: &[ClosedPeriod]) -> String {
    let rate = HitRate::of(closed);
    let HitRate { periods, reached } = rate;
    let is_kept = closed.last().is_some_and(|newest| newest.target.is_kept());
    let share = percent(language, rate.share().unwrap_or(0.0), Sign::Negative);
    match language {
        Language::Fr => {
            let plural = if reached < 2 { "" } else { "s" };
            let word = if is_kept { "tenue" } else { "atteinte" };
            format!("{reached} période{plural} {word}{plural} sur {periods} ({share})")
        }
        Language::En => {
            let word = if is_kept { "kept" } else { "reached" };
            format!("{reached} of {} {word} ({share})", counted(periods, "period"))
        }
    }
}

pub(super) fn record(closed: &ClosedPeriod) -> serde_json::Value {
    let replaced =
        closed.replaced.map(|was| json!({"outcome": was.outcome, "actual": was.actual, "decided_at": was.decided_at}));
    json!({
        "type": "outcome", "objective": closed.objective, "kpi": closed.kpi.base(), "labels": closed.labels,
        "period": {"from": closed.period.first, "to": closed.period.last}, "outcome": closed.outcome,
        "target": closed.target, "measure": closed.measure, "actual": closed.actual,
        "completeness": closed.completeness(), "alerts": closed.alerts, "decided_at": closed.decided_at,
        "filled_in": closed.filled_in, "revision": closed.revision, "replaced": replaced,
    })
}

fn table(config: &Config, closed: &[ClosedPeriod]) -> Table {
    let mut table = Table::new(&["OBJECTIVE", "PERIOD", "OUTCOME", "TARGET", "ACTUAL", "ALERTS", "DECIDED"]);
    for closed in closed {
        let unit = config.catalog.kpi(&closed.kpi).map_or(&Unit::None, |kpi| &kpi.unit);
        table.row([
            closed.objective.to_string(),
            format!("{}..{}", closed.period.first, closed.period.last),
            outcome(Language::En, closed.outcome, Some(closed.target.bare())),
            target(Language::En, closed.target, unit),
            quantity(Language::En, closed.actual, unit),
            closed.alerts.to_string(),
            moment(closed.decided_at, &config.catalog.zone),
        ]);
        if let Some(was) = closed.replaced {
            table.remark(format!(
                "revision {}: it was {} with {}, decided {}",
                closed.revision,
                outcome(Language::En, was.outcome, Some(closed.target.bare())),
                quantity(Language::En, was.actual, unit),
                moment(was.decided_at, &config.catalog.zone)
            ));
        }
    }
    table
}
