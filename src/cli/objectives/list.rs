//! `vigie objectives list`: one line for each.

use std::path::PathBuf;

use anyhow::bail;
use jiff::Timestamp;

use super::args::ListArgs;
use super::known::{Known, Stage, Standing, closed, figures, kpi_of, lived, named};
use crate::cli::assess::as_of;
use crate::cli::configuration;
use crate::cli::output::{Out, Table, or_dash};
use crate::config::Config;
use crate::locale::{chance, outcome, period_of, quantity, target};
use crate::model::assessment::{ObjectiveFacts, Status};
use crate::model::grain::day_of;
use crate::model::objective::Objective;
use crate::model::period::Period;
use crate::model::unit::Language;

pub(super) async fn list(out: &mut Out, paths: &[PathBuf], args: &ListArgs, now: Timestamp) -> anyhow::Result<u8> {
    let config = configuration::read(paths)?;
    refuse_unknown(&config, args)?;
    let mut objectives = named(&config, &[])?;
    objectives.retain(|objective| is_asked(objective, args));
    let pasts = lived(&config, &objectives, now).await?;
    let at = as_of(&config.catalog.zone, args.at, now)?;
    let (mut known, ended) = (figures(&config, pasts, (at, false))?, closed(&config, at).await?);
    let mut standings = Vec::new();
    for objective in &objectives {
        let kpi = kpi_of(&config, objective)?;
        let Known { value, facts, missing, .. } = known.remove(&objective.id).unwrap_or_default();
        let closed = ended.get(&objective.id).map_or(&[][..], Vec::as_slice);
        let stage = Stage::of(objective, kpi, at);
        standings.push(Standing { objective, kpi, at, stage, value, facts, missing, closed });
    }
    standings.retain(|standing| args.status.is_empty() || args.status.iter().any(|name| name == standing.status()));
    if out.is_json() {
        standings.iter().try_for_each(|standing| out.record(&standing.record()))?;
    } else if standings.is_empty() {
        out.line(if config.catalog.objectives.is_empty() { "the configuration has no objective" } else { "none" })?;
    } else {
        out.table(&table(&standings))?;
    }
    Ok(0)
}

fn is_asked(objective: &Objective, args: &ListArgs) -> bool {
    let of_kpi = args.kpi.is_empty() || args.kpi.iter().any(|kpi| *kpi == objective.kpi.base());
    let owned = args.owner.as_ref().is_none_or(|owner| objective.owner.as_ref().is_some_and(|id| id.as_str() == owner));
    of_kpi && owned && args.axis.as_ref().is_none_or(|axis| objective.axis.as_ref() == Some(axis))
}

/// A name that nothing has is a slip, not an empty list.
fn refuse_unknown(config: &Config, args: &ListArgs) -> anyhow::Result<()> {
    if let Some(kpi) = args.kpi.iter().find(|kpi| !config.catalog.kpis.contains_key(kpi.as_str())) {
        bail!("no KPI '{kpi}' in the configuration");
    }
    if let Some(owner) = args.owner.as_ref().filter(|owner| !config.catalog.people.contains_key(owner.as_str())) {
        bail!("no person '{owner}' in the configuration");
    }
    for status in &args.status {
        let is_known = serde_json::from_value::<Status>(status.as_str().into()).is_ok()
            || [Stage::NotBegun, Stage::Ended].iter().any(|stage| stage.as_str() == status);
        if !is_known {
            bail!("no status '{status}'; write it as `--format json` does, such as `off_trajectory`, or `ended`");
        }
    }
    Ok(())
}

fn table(standings: &[Standing<'_>]) -> Table {
    let heading =
        ["OBJECTIVE", "KPI", "PERIOD", "TARGET", "ACTUAL", "EXPECTED", "LANDING", "CHANCE", "STATUS", "OWNER"];
    let mut table = Table::new(&heading);
    for standing in standings {
        let Standing { objective, kpi, facts, at, .. } = standing;
        let shown = |value: Option<f64>| or_dash(value.map(|value| quantity(Language::En, value, &kpi.unit)));
        let of = |figure: fn(&ObjectiveFacts) -> Option<f64>| facts.as_ref().and_then(figure);
        let between = of(|facts| facts.low).zip(of(|facts| facts.high));
        let landing = match between {
            Some((low, high)) if low < high => {
                format!("{} ({} to {})", shown(of(|facts| facts.projected)), shown(Some(low)), shown(Some(high)))
            }
            Some(_) | None => shown(of(|facts| facts.projected)),
        };
        // What is over has the figures that it was decided by.
        let ended = standing.closed.last().filter(|_| facts.is_none() && standing.stage == Stage::Ended);
        let days = facts.as_ref().map(|facts| Period { first: facts.period_start, last: facts.period_end });
        let days = days.or(ended.map(|closed| closed.period));
        let aim = facts.as_ref().map(|facts| facts.target).or(ended.map(|closed| closed.target));
        let status = ended.map(|closed| outcome(Language::En, closed.outcome, Some(closed.target.bare())));
        let status = status.map(|outcome| format!("ended: {outcome}"));
        table.row([
            objective.id.to_string(),
            objective.kpi.base().to_owned(),
            days.map_or_else(
                || period_of(Language::En, objective.period, day_of(*at, &kpi.zone)),
                |days| format!("{}..{}", days.first, days.last),
            ),
            or_dash(aim.map(|aim| target(Language::En, aim, &kpi.unit))),
            shown(of(|facts| facts.actual).or(ended.map(|closed| closed.actual))),
            shown(of(|facts| facts.expected)),
            landing,
            or_dash(of(ObjectiveFacts::chance).map(|probability| chance(Language::En, probability))),
            status.unwrap_or_else(|| standing.status().to_owned()),
            or_dash(objective.owner.as_ref()),
        ]);
    }
    table
}
