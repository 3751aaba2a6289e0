//! An explanation for people, and as records.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{Explained, Explanation};
use crate::assess::Assessment;
use crate::cli::alerts::{change, detail};
use crate::cli::output::{Out, ago, counted, moment};
use crate::cli::verdicts;
use crate::locale::{duration, freeze, quantity, said, unmeasurable_and_remedy};
use crate::model::alert::{About, Alert, Aspect, Phase, Subject};
use crate::model::evaluation::{EvaluationRecord, VerdictCounts};
use crate::model::ids::Labels;
use crate::model::kpi::Kpi;
use crate::model::rule::Patience;
use crate::model::series::Point;
use crate::model::unit::Language;
use crate::model::verdict::{Severity, Verdict};
use crate::notify::{destination, silence_end};

const EN: Language = Language::En;

pub(super) fn text(out: &mut Out, explanation: &Explanation) -> anyhow::Result<()> {
    let Explanation { rule, kpi, others, setup, state, slot, now, .. } = explanation;
    let zone = &setup.catalog.zone;
    let script = setup.rules.get(rule).map(|rule| rule.def.script.clone()).unwrap_or_default();
    let as_of = if explanation.is_now { String::new() } else { format!(", as of {}", moment(*now, zone)) };
    out.line(&format!("rule {rule} ({script}) on {}: {}{as_of}", kpi.id, kpi.title))?;
    out.line(&format!("newest slot {}", moment(*slot, &kpi.zone)))?;
    out.line("")?;
    out.line("it read")?;
    for one in std::iter::once(kpi).chain(others) {
        out.line(&format!("  {}", input(explanation, one)))?;
        let clock = state.clocks.get(&one.id);
        if let Some(error) = clock.and_then(|clock| clock.last_error.as_ref()) {
            out.line(&format!("    its newest pull said: {error}"))?;
        }
    }
    if let Some(logged) = &explanation.logged {
        for line in noted(explanation, logged) {
            out.line(&line)?;
        }
    }
    for explained in &explanation.series {
        out.line("")?;
        series(out, explanation, explained, zone)?;
    }
    if !explanation.is_now {
        out.line("")?;
        out.line("figures are those that were known then; what people did to alerts stands in the changes")?;
    }
    Ok(())
}

/// What was noted when the service judged it, and whether script or configuration have changed since.
fn noted(explanation: &Explanation, logged: &EvaluationRecord) -> Vec<String> {
    let zone = &explanation.kpi.zone;
    let VerdictCounts { quiet, breach, held, no_data, failed } = logged.counts;
    let counts =
        [(quiet, "calm"), (breach, "in breach"), (held, "held"), (no_data, "without data"), (failed, "failed")];
    let counts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let mut lines = vec![format!(
        "the service judged slot {} at {}: {} (script {}, configuration {})",
        moment(logged.slot, zone),
        moment(logged.at, zone),
        counts.join(", "),
        logged.script,
        logged.config
    )];
    let script = explanation.setup.rules.get(&explanation.rule).map(|rule| rule.digest.as_str());
    if script.is_some_and(|script| script != logged.script) {
        lines.push(
            "  script, texts or parameters were others then; what follows is of those that stand there now".to_owned(),
        );
    }
    lines
}

/// `revenue: newest 2026-11-26, €12,300 (final), 30 h old; source shop, pulled 2026-11-27 06:15`.
fn input(explanation: &Explanation, kpi: &Kpi) -> String {
    let total = explanation.state.history.series(&kpi.id, &Labels::total());
    let newest = total.and_then(|data| data.last());
    let figure = match newest {
        None if explanation.state.history.of(&kpi.id).next().is_some() => "no total".to_owned(),
        None => "no value".to_owned(),
        Some(Point { index, value, provisional, .. }) => {
            let end = kpi.grain.bucket(index, &kpi.zone).end;
            let kind = if provisional { "provisional" } else { "final" };
            let age = duration(EN, explanation.now.duration_since(end));
            format!("newest {}, {} ({kind}), ended {age} ago", kpi.bucket_name(index), quantity(EN, value, &kpi.unit))
        }
    };
    let pulled = explanation.state.clocks.get(&kpi.id).and_then(|clock| clock.last_pull_at);
    let pulled = pulled.map(|at| format!(", pulled {}", moment(at, &kpi.zone))).unwrap_or_default();
    let from = match kpi.formula() {
        Some(formula) => format!("computed, {}", formula.text()),
        None => format!("source {}{pulled}", kpi.source),
    };
    format!("{}: {figure}; {from}", kpi.id)
}

fn series(out: &mut Out, explanation: &Explanation, explained: &Explained, zone: &TimeZone) -> anyhow::Result<()> {
    let Explained { judged, key, alerts, changes, deliveries } = explained;
    let catalog = &explanation.setup.catalog;
    let labels = if judged.labels.is_total() { "total".to_owned() } else { judged.labels.to_string() };
    let objective = judged.objective.as_ref().map(|id| {
        let period = judged.period.map(|period| format!(", {} to {}", period.first, period.last)).unwrap_or_default();
        format!(", objective {id}{period}")
    });
    out.line(&format!("{labels}{}", objective.unwrap_or_default()))?;
    if !judged.labels.is_total() {
        let newest = judged.assessment.current();
        let newest = newest.map(|point| (explanation.kpi.bucket_name(point.index), point.value));
        if let Ok((bucket, value)) = newest {
            out.line(&format!("  newest {bucket}, {}", quantity(EN, value, &explanation.kpi.unit)))?;
        }
    }
    for line in verdict(&judged.verdict, &judged.assessment) {
        out.line(&format!("  {line}"))?;
    }
    for condition in &judged.details.conditions {
        out.line(&format!("    {}", verdicts::condition(condition)))?;
    }
    if let Some(words) = judged.details.said.as_ref().and_then(|words| said(words, EN)) {
        out.line(&format!("    says: {words}"))?;
    }
    for suggestion in judged.details.suggestions.iter().filter_map(|suggestion| said(&suggestion.say, EN)) {
        out.line(&format!("    proposes: {suggestion}"))?;
    }
    let breach = alerts.iter().find(|alert| alert.key == *key);
    out.line(&format!("  alert {}: {}", key.id(), standing(explanation, explained, breach)))?;
    for alert in alerts.iter().filter(|alert| alert.key != *key) {
        let aspect = alert.key.aspect.as_str();
        out.line(&format!("  alert {} ({aspect}): {}", alert.key.id(), lives(explanation, alert)))?;
    }
    if explanation.is_now {
        for line in routing(explanation, explained, breach, zone) {
            out.line(&format!("  {line}"))?;
        }
    }
    for delivery in deliveries {
        let message = &delivery.new.message;
        let note = delivery.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        out.line(&format!(
            "  message {} of {}: {} to {}, {}{note}",
            delivery.id,
            moment(delivery.new.created_at, zone),
            message.reason.as_str(),
            delivery.new.recipient,
            delivery.state.as_str()
        ))?;
    }
    for transition in changes {
        let aspect = match transition.key.aspect {
            Aspect::Breach => String::new(),
            other => format!(" [{}]", other.as_str()),
        };
        out.line(&format!("  {}  {}{aspect}", moment(transition.at, zone), change(transition, catalog)))?;
    }
    Ok(())
}

/// The verdict, with why there is none.
fn verdict(verdict: &Verdict, assessment: &Assessment) -> Vec<String> {
    match verdict {
        Verdict::Judged(finding) => vec![match (finding.level, finding.recovered) {
            (Some(level), _) => format!("verdict: {}, for", level.as_str()),
            (None, true) => "verdict: ok, for".to_owned(),
            (None, false) => "verdict: ok, but not far enough to end an alert, for".to_owned(),
        }],
        Verdict::Hold { reason } => {
            let words = reason.said.as_ref().and_then(|words| said(words, EN));
            vec![format!(
                "verdict: it holds, {}; the alert stays as it is",
                words.unwrap_or_else(|| reason.key.clone())
            )]
        }
        Verdict::NoData { missing, what } => {
            let why = unmeasurable_and_remedy(EN, missing, &assessment.kpi.zone);
            vec![format!("verdict: none, for {what} can't be read: {why}; the alert stays as it is")]
        }
        Verdict::Failed { cause } => {
            vec![format!("verdict: none, the script failed: {cause}; the alert stays as it is")]
        }
    }
}

/// How the breach stands, and what it waits for.
fn standing(explanation: &Explanation, explained: &Explained, breach: Option<&Alert>) -> String {
    if let Some(alert) = breach {
        return lives(explanation, alert);
    }
    let zone = &explanation.setup.catalog.zone;
    let newest = explained.changes.iter().rfind(|change| change.key == explained.key);
    match (explained.phase(), newest) {
        (Phase::Firing, Some(change)) if !explanation.is_now => {
            format!("firing, {}, by its change of {}", change.severity.as_str(), moment(change.at, zone))
        }
        (Phase::Resolved, Some(change)) => format!("none; the last one ended {}", moment(change.at, zone)),
        (phase, Some(change)) if !explanation.is_now => format!("{} since {}", phase.as_str(), moment(change.at, zone)),
        _ => "none; it never fired".to_owned(),
    }
}

fn lives(explanation: &Explanation, alert: &Alert) -> String {
    let zone = &explanation.setup.catalog.zone;
    let mut parts =
        vec![format!("{}, {}, since {}", alert.phase.as_str(), alert.severity.as_str(), moment(alert.since, zone))];
    let rule = explanation.setup.rules.get(&explanation.rule);
    let policy = rule.map(|rule| (rule.def.for_.or(rule.sidecar.for_), rule.def.keep_firing_for));
    if let Some((for_, keep)) = policy.filter(|_| alert.key.aspect == Aspect::Breach) {
        match (alert.phase, for_, keep) {
            (Phase::Pending, Some(patience), _) => {
                parts.push(format!(
                    "{} new buckets in breach, it fires after {}",
                    alert.counters.breach,
                    lasting(patience)
                ));
            }
            (Phase::Firing, _, Some(patience)) if alert.counters.calm > 0 => {
                parts.push(format!("{} new buckets calm, it ends after {}", alert.counters.calm, lasting(patience)));
            }
            _ => {}
        }
    }
    if let Some(why) = &alert.frozen {
        parts.push(freeze(EN, why, explanation.setup.catalog.zone_of(&alert.key)));
    }
    if let Some(ack) = &alert.acknowledged {
        parts.push(format!("acknowledged by {}", ack.by));
    }
    if let Some(until) = alert.snoozed_until.filter(|until| *until > explanation.now) {
        parts.push(format!("snoozed until {}", moment(until, zone)));
    }
    parts.join("; ")
}

fn lasting(patience: Patience) -> String {
    match patience {
        Patience::Buckets(count) => counted(usize::try_from(count).unwrap_or(usize::MAX), "bucket"),
        Patience::Elapsed(span) => duration(EN, span),
    }
}

/// Where its messages go, what holds them back, and what was heard.
fn routing(explanation: &Explanation, explained: &Explained, breach: Option<&Alert>, zone: &TimeZone) -> Vec<String> {
    let (catalog, state, now) = (&explanation.setup.catalog, &explanation.state, explanation.now);
    let would_be;
    let alert = match breach {
        Some(alert) => alert,
        None => {
            would_be = hypothetical(explanation, explained);
            &would_be
        }
    };
    let destination = destination(catalog, alert);
    let verb = if breach.is_some() { "goes" } else { "would go" };
    if catalog.is_in_shadow(&alert.key) {
        return vec![format!(
            "nobody is told: the rule has `shadow: true`; without it {} would be (route {})",
            destination.route.to, destination.route.path
        )];
    }
    let mut lines = vec![format!("it {verb} to {} (route {})", destination.route.to, destination.route.path)];
    let group = state.groups.iter().find(|group| group.key == destination.group);
    let told = group.and_then(|group| group.told.get(&alert.key));
    if breach.is_some() {
        lines.push(match told {
            Some(told) => {
                format!("{} has heard: {}, {}", destination.route.to, told.phase.as_str(), told.severity.as_str())
            }
            None => format!("{} has heard nothing of it", destination.route.to),
        });
    }
    if let Some(at) = group.and_then(|group| group.next_flush) {
        lines.push(format!("its group tells what is new {} ({})", ago(at, now), moment(at, zone)));
    }
    if let Some(at) = group.and_then(|group| group.next_remind).filter(|_| breach.is_some()) {
        lines.push(format!("it reminds {} ({})", ago(at, now), moment(at, zone)));
    }
    if let Some(until) = silence_end(catalog, &state.silences, alert, now) {
        lines.push(format!("a silence hides it until {}", moment(until, zone)));
    }
    let source = Subject::Source(explanation.kpi.source.clone());
    if state.book.of(&source).iter().any(|outage| outage.phase == Phase::Firing) {
        lines.push(format!("the outage of source {} is told in the place of what it leads to", explanation.kpi.source));
    }
    lines
}

/// The alert that it would be, were there one.
fn hypothetical(explanation: &Explanation, explained: &Explained) -> Alert {
    let rule = explanation.setup.rules.get(&explanation.rule);
    let about = rule.map_or(About::Objective, |rule| rule.sidecar.about);
    Alert {
        key: explained.key.clone(),
        about,
        episode: 0,
        phase: Phase::Inactive,
        severity: Severity::Warning,
        since: explanation.now,
        fired_at: None,
        resolved_at: None,
        end: None,
        counters: crate::model::alert::Counters::default(),
        frozen: None,
        acknowledged: None,
        snoozed_until: None,
        slot: explanation.slot,
        revision: 0,
        correction: None,
        stated: None,
        value: None,
        facts: None,
    }
}

pub(super) fn records(out: &mut Out, explanation: &Explanation) -> anyhow::Result<()> {
    let Explanation { rule, kpi, others, setup, state, slot, now, is_now, series, logged } = explanation;
    for one in std::iter::once(kpi).chain(others) {
        let newest = state.history.series(&one.id, &Labels::total()).and_then(|data| data.last());
        let clock = state.clocks.get(&one.id);
        out.record(&json!({
            "type": "input", "kpi": one.id, "source": one.source, "newest": newest.map(|point| one.bucket_name(point.index)),
            "value": newest.map(|point| point.value), "provisional": newest.map(|point| point.provisional),
            "pulled_at": clock.and_then(|clock| clock.last_pull_at),
            "last_error": clock.and_then(|clock| clock.last_error.as_ref()),
        }))?;
    }
    if let Some(logged) = logged {
        out.record(&json!({
            "type": "evaluation", "rule": logged.rule, "kpi": logged.kpi, "slot": logged.slot, "at": logged.at,
            "script": logged.script, "config": logged.config, "counts": logged.counts, "series": logged.series,
        }))?;
    }
    for Explained { judged, key, alerts, changes, deliveries } in series {
        let breach = alerts.iter().find(|alert| alert.key == *key);
        let said_of = |words: &crate::model::text::Said| said(words, EN);
        let (value, reason) = match &judged.verdict {
            Verdict::Judged(finding) => (finding.value, None),
            Verdict::Hold { reason } => (None, Some(reason.key.clone())),
            Verdict::NoData { missing, what } => {
                (None, Some(format!("{what}: {}", unmeasurable_and_remedy(EN, missing, &kpi.zone))))
            }
            Verdict::Failed { cause } => (None, Some(cause.clone())),
        };
        let receiver = is_now.then(|| {
            let would_be;
            let alert = match breach {
                Some(alert) => alert,
                None => {
                    let explained = series.iter().find(|explained| explained.key == *key);
                    would_be = explained.map(|explained| hypothetical(explanation, explained));
                    would_be.as_ref()?
                }
            };
            let silenced = silence_end(&setup.catalog, &state.silences, alert, *now);
            let shadow = setup.catalog.is_in_shadow(&alert.key);
            let receiver = &destination(&setup.catalog, alert).route.to;
            Some(json!({"receiver": receiver, "silenced_until": silenced, "shadow": shadow}))
        });
        let sent: Vec<Value> = deliveries
            .iter()
            .map(|delivery| {
                json!({"delivery": delivery.id, "at": delivery.new.created_at, "reason": delivery.new.message.reason,
                       "recipient": delivery.new.recipient, "state": delivery.state, "note": delivery.note})
            })
            .collect();
        let phase =
            breach.map_or_else(|| changes.last().map_or(Phase::Inactive, |change| change.to), |alert| alert.phase);
        out.record(&json!({
            "type": "explanation", "rule": rule, "kpi": kpi.id, "labels": judged.labels, "objective": judged.objective,
            "period": judged.period.map(|period| period.first), "at": now, "slot": slot,
            "verdict": verdicts::name(&judged.verdict), "value": value, "reason": reason,
            "conditions": judged.details.conditions, "text": judged.details.said.as_ref().and_then(said_of),
            "suggestions": judged.details.suggestions.iter().filter_map(|one| said_of(&one.say)).collect::<Vec<_>>(),
            "alert": key.id(), "state": phase, "severity": breach.map(|alert| alert.severity),
            "frozen": breach.map(|alert| alert.frozen.is_some()),
            "acknowledged": breach.map(|alert| alert.acknowledged.is_some()),
            "counters": breach.map(|alert| alert.counters), "told": receiver.flatten(), "deliveries": sent,
            "changes": changes.iter().map(|change| json!({"at": change.at, "change": change.change.name(),
                "detail": detail(&change.change), "from": change.from, "to": change.to, "severity": change.severity, "value": change.value})).collect::<Vec<_>>(),
        }))?;
    }
    Ok(())
}
