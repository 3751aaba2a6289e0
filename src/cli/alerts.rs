//! `vigie alerts`: the live ones, and on demand the newest changes.

use std::cmp::Reverse;
use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::output::{Out, Table, ago, counted, moment, or_dash};
use super::{configuration, state};
use crate::locale::{Sign, chance_told, days_late, landing, text};
use crate::locale::{end_reason, freeze, percent, quantity, said, suspicion, vanished};
use crate::model::alert::{Alert, AlertFacts, Change, Subject, Transition};
use crate::model::catalog::Catalog;
use crate::model::ids::{KpiId, RuleId};
use crate::model::unit::Language;
use crate::store::TransitionFilter;

#[derive(Debug, clap::Args)]
pub struct AlertsArgs {
    /// Also the newest changes, of ended alerts too
    #[arg(long)]
    pub all: bool,
    /// Most changes shown
    #[arg(long, value_name = "N", default_value_t = 50, requires = "all")]
    pub limit: u32,
}

pub(super) async fn alerts(out: &mut Out, paths: &[PathBuf], args: &AlertsArgs, now: Timestamp) -> anyhow::Result<u8> {
    let config = configuration::read(paths)?;
    let catalog = &config.catalog;
    let store = state::open(&config).await?;
    let mut live = store.alerts().await?;
    live.sort_by_key(|alert| (alert.phase.as_str(), Reverse(alert.severity), alert.since));
    let history = if args.all {
        store.transitions(&TransitionFilter { limit: args.limit, ..TransitionFilter::default() }).await?
    } else {
        Vec::new()
    };
    if out.is_json() {
        live.iter().try_for_each(|alert| out.record(&record(alert, catalog)))?;
        history.iter().try_for_each(|transition| out.record(&change_record(transition)))?;
        return Ok(0);
    }
    list(out, &live, now, catalog)?;
    if args.all {
        out.line("")?;
        changes(out, &history, catalog)?;
    }
    Ok(0)
}

fn list(out: &mut Out, live: &[Alert], now: Timestamp, catalog: &Catalog) -> anyhow::Result<()> {
    if live.is_empty() {
        out.line("no live alert")?;
        return Ok(());
    }
    let mut table = Table::new(&["ALERT", "SEVERITY", "STATE", "SINCE", "ABOUT", "TITLE", "RULE", "OBJECTIVE", "ACK"]);
    for alert in live {
        table.row([
            alert.key.id().to_string(),
            alert.severity.as_str().to_owned(),
            phase(alert, now, catalog),
            ago(alert.since, now),
            alert.about.as_str().to_owned(),
            title(alert),
            or_dash(alert.key.rule()),
            or_dash(alert.key.objective()),
            or_dash(alert.acknowledged.as_ref().map(|ack| &ack.by)),
        ]);
        let remarks = remarks(alert, now, catalog);
        if !remarks.is_empty() {
            table.remark(remarks);
        }
    }
    out.table(&table)?;
    Ok(())
}

fn phase(alert: &Alert, now: Timestamp, catalog: &Catalog) -> String {
    let is_snoozed = alert.snoozed_until.is_some_and(|until| until > now);
    let marks = [(is_snoozed, ", snoozed"), (catalog.is_in_shadow(&alert.key), ", in shadow")];
    let marks = marks.into_iter().filter(|(is_so, _)| *is_so).map(|(_, mark)| mark);
    std::iter::once(alert.phase.as_str()).chain(marks).collect()
}

/// The title that messages use, else what the alert is about.
pub(super) fn title(alert: &Alert) -> String {
    let titled = alert.facts.as_ref().map(|facts| facts.title.clone()).filter(|title| !title.is_empty());
    let labels = alert.key.series().map(|series| series.labels.to_string()).unwrap_or_default();
    let stem = titled.unwrap_or_else(|| match &alert.key.subject {
        Subject::Rule { series, .. } => series.kpi.to_string(),
        Subject::Data(kpi) => kpi.to_string(),
        Subject::Source(source) => format!("source {source}"),
        Subject::Receiver(receiver) => format!("receiver {receiver}"),
        Subject::Service => "vigie".to_owned(),
    });
    format!("{stem}{labels}")
}

/// Headline figures, and why it does not move.
fn remarks(alert: &Alert, now: Timestamp, catalog: &Catalog) -> String {
    let figures = alert.facts.as_deref().map(headline).unwrap_or_default();
    let frozen = alert.frozen.as_ref().map(|why| freeze(Language::En, why, catalog.zone_of(&alert.key)));
    let snoozed = alert.snoozed_until.filter(|until| *until > now);
    let snoozed = snoozed.map(|until| format!("snoozed until {}", moment(until, &catalog.zone)));
    let note = alert.acknowledged.as_ref().and_then(|ack| ack.note.as_ref().map(|note| format!("{}: {note}", ack.by)));
    let parts: Vec<String> = [Some(figures), frozen, snoozed, note].into_iter().flatten().collect();
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

fn headline(facts: &AlertFacts) -> String {
    let language = Language::En;
    let mut parts = Vec::new();
    parts.extend(facts.cause.clone());
    parts.extend(facts.vanished.as_ref().map(|found| vanished(language, found)));
    if let Some(suspect) = &facts.suspect {
        parts.extend(suspicion(language, suspect, &facts.unit).into_iter().next());
        return parts.join(", ");
    }
    if let Some(objective) = &facts.objective {
        let amount = |value| quantity(language, value, &facts.unit);
        parts.extend(objective.actual.map(|actual| format!("actual {}", amount(actual))));
        parts.extend(objective.expected.map(|expected| format!("expected {}", amount(expected))));
        parts.extend(objective.drift_ratio.map(|ratio| percent(language, ratio, Sign::Always)));
        parts.extend(objective.drift_days.map(|days| days_late(language, days)));
        let lands = objective.landing().map(|fan| landing(language, fan, &facts.unit));
        parts.extend(lands.or(objective.projected.map(amount)).map(|lands| format!("landing at {lands}")));
        parts.extend(
            chance_told(language, objective)
                .map(|(label, chance)| format!("{} {chance}", text(language, label).to_lowercase())),
        );
    } else if let Some(text) = facts.said.as_ref().and_then(|text| said(text, language)) {
        parts.push(text);
    } else {
        parts.extend(facts.value.map(|value| quantity(language, value, &facts.unit)));
    }
    parts.join(", ")
}

/// One alert for machines.
fn record(alert: &Alert, catalog: &Catalog) -> Value {
    let facts = alert.facts.as_deref();
    let objective = facts.and_then(|facts| facts.objective.as_ref());
    json!({
        "type": "alert", "id": alert.key.id(), "identity": alert.key.canonical(), "state": alert.phase,
        "severity": alert.severity, "about": alert.about, "aspect": alert.key.aspect, "title": title(alert),
        "rule": alert.key.rule(), "kpi": alert.key.kpi(), "labels": alert.key.series().map(|series| &series.labels),
        "objective": alert.key.objective(), "period": alert.key.period, "episode": alert.episode,
        "since": alert.since, "fired_at": alert.fired_at, "resolved_at": alert.resolved_at,
        "acknowledged": alert.acknowledged, "snoozed_until": alert.snoozed_until, "frozen": alert.frozen,
        "shadow": catalog.is_in_shadow(&alert.key),
        "value": facts.and_then(|facts| facts.value), "cause": facts.and_then(|facts| facts.cause.as_ref()),
        "actual": objective.and_then(|facts| facts.actual), "expected": objective.and_then(|facts| facts.expected),
        "drift": objective.and_then(|facts| facts.drift), "drift_ratio": objective.and_then(|facts| facts.drift_ratio),
        "drift_days": objective.and_then(|facts| facts.drift_days),
        "projected": objective.and_then(|facts| facts.projected),
        "low": objective.and_then(|facts| facts.low), "high": objective.and_then(|facts| facts.high),
        "probability": objective.and_then(|facts| facts.probability),
    })
}

fn change_record(transition: &Transition) -> Value {
    json!({
        "type": "transition", "seq": transition.seq, "id": transition.key.id(),
        "identity": transition.key.canonical(), "episode": transition.episode, "at": transition.at,
        "slot": transition.slot, "from": transition.from, "to": transition.to, "change": transition.change.name(),
        "detail": detail(&transition.change), "severity": transition.severity, "value": transition.value,
    })
}

/// What belongs to a change beside its name: from which severity, why, by whom; null where there is nothing.
pub(super) fn detail(change: &Change) -> Value {
    match serde_json::to_value(change) {
        Ok(Value::Object(named)) => named.into_iter().next().map_or(Value::Null, |(_, detail)| detail),
        _ => Value::Null,
    }
}

fn changes(out: &mut Out, history: &[Transition], catalog: &Catalog) -> anyhow::Result<()> {
    let mut table = Table::new(&["WHEN", "ALERT", "CHANGE", "SEVERITY", "KPI", "RULE"]);
    for transition in history {
        table.row([
            moment(transition.at, &catalog.zone),
            transition.key.id().to_string(),
            change(transition, catalog),
            transition.severity.as_str().to_owned(),
            or_dash(transition.key.kpi().map(KpiId::as_str)),
            or_dash(transition.key.rule().map(RuleId::as_str)),
        ]);
    }
    out.line(&counted(history.len(), "change"))?;
    out.table(&table)?;
    Ok(())
}

pub(super) fn change(transition: &Transition, catalog: &Catalog) -> String {
    match &transition.change {
        Change::Pended => "pending".to_owned(),
        Change::Withdrawn => "withdrawn".to_owned(),
        Change::Fired => "fired".to_owned(),
        Change::Escalated { from } => format!("escalated from {}", from.as_str()),
        Change::Deescalated { from } => format!("eased from {}", from.as_str()),
        Change::Resolved(end) => {
            let objective = transition.key.objective().and_then(|id| catalog.objective(id));
            let target = objective.map(|objective| objective.target.bare());
            format!("ended: {}", end_reason(Language::En, end, target).to_lowercase())
        }
        Change::Frozen(why) => freeze(Language::En, why, catalog.zone_of(&transition.key)),
        Change::Unfrozen => "moves again".to_owned(),
        Change::Acknowledged { by } => format!("acknowledged by {by}"),
        Change::Unacknowledged => "acknowledgement taken back".to_owned(),
        Change::Snoozed { until, by } => format!("snoozed by {by} until {}", moment(*until, &catalog.zone)),
        Change::Corrected { old, new } => format!("corrected from {} to {}", or_dash(*old), or_dash(*new)),
    }
}
