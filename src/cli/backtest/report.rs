//! What a replay shows as it goes: changes of alerts, messages, and at the end the figures.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Plan;
use super::counts::Counts;
use super::page::Page;
use crate::cli::alerts::{change, detail, title};
use crate::cli::output::{Out, counted, moment};
use crate::engine::{Effects, State};
use crate::locale::{duration, said};
use crate::model::alert::{AlertKey, Aspect, Transition};
use crate::model::unit::Language;

/// Lines of the timeline that people are shown; JSON has all.
const LINES_MAX: u64 = 400;

/// A change of an alert in words.
pub(super) struct Line {
    pub(super) change: String,
    pub(super) title: String,
    /// What the rule said.
    pub(super) text: Option<String>,
}

impl Line {
    /// The changes that are told: those of rules.
    pub(super) fn told(effects: &Effects) -> impl Iterator<Item = &Transition> {
        effects.evaluate.transitions.iter().filter(|transition| transition.key.rule().is_some())
    }

    pub(super) fn of(plan: &Plan, state: &State, transition: &Transition) -> Line {
        let alert = state.book.get(&transition.key);
        // One that was withdrawn is known no more.
        let title = alert.map_or_else(|| titled(plan, &transition.key), title);
        let facts = alert.and_then(|alert| alert.facts.as_deref());
        let text = facts.and_then(|facts| said(facts.said.as_ref()?, Language::En));
        let text = text.or_else(|| facts.and_then(|facts| facts.cause.clone()));
        Line { change: change(transition, &plan.catalog), title, text }
    }
}

fn titled(plan: &Plan, key: &AlertKey) -> String {
    let Some(series) = key.series() else { return String::new() };
    let title = plan.catalog.kpi(&series.kpi).map_or(series.kpi.as_str(), |kpi| kpi.title.as_str());
    format!("{title}{}", series.labels)
}

pub(super) struct Report<'a> {
    out: &'a mut Out,
    plan: &'a Plan,
    /// Messages as JSON objects too.
    messages: bool,
    lines: u64,
}

impl<'a> Report<'a> {
    pub(super) fn new(out: &'a mut Out, plan: &'a Plan, messages: bool) -> Report<'a> {
        Report { out, plan, messages, lines: 0 }
    }

    fn moment(&self, at: Timestamp) -> String {
        moment(at, &self.plan.catalog.zone)
    }

    pub(super) fn begin(&mut self) -> anyhow::Result<()> {
        if self.out.is_json() {
            return Ok(());
        }
        let (rules, kpis) = (self.plan.rule_names(), self.plan.kpi_names());
        let some = |all: &[&str], one: &str| match all {
            few if few.len() <= 3 => few.join(", "),
            many => counted(many.len(), one),
        };
        let (from, to) = self.plan.span;
        let zone = self.plan.zone_name();
        let span = format!("{} to {} ({zone})", self.moment(from), self.moment(to));
        self.out.line(&format!("{} on {}, {span}", some(&rules, "rule"), some(&kpis, "KPI")))?;
        self.out.line("")?;
        Ok(())
    }

    pub(super) fn saw(
        &mut self,
        (state, effects): (&State, &Effects),
        shown: Timestamp,
        page: Option<&mut Page>,
    ) -> anyhow::Result<()> {
        let is_json = self.out.is_json();
        if let Some(page) = page {
            let lines: Vec<Line> =
                Line::told(effects).map(|transition| Line::of(self.plan, state, transition)).collect();
            page.saw(self.plan, &lines, (state, effects), shown);
        }
        for transition in Line::told(effects) {
            if is_json {
                let alert = state.book.get(&transition.key);
                let title = alert.map_or_else(|| titled(self.plan, &transition.key), title);
                let cause = alert.and_then(|alert| alert.facts.as_deref()?.cause.clone());
                self.record(transition, shown, (&title, cause))?;
            } else if self.lines < LINES_MAX {
                self.line(transition, shown, &Line::of(self.plan, state, transition))?;
            } else {
                self.lines += 1;
            }
        }
        for delivery in &effects.notify.deliveries {
            let message = &delivery.message;
            if !self.out.is_json() {
                let text =
                    format!("message to {} ({}): {}", delivery.receiver, message.reason.as_str(), message.headline);
                let when = self.moment(shown);
                self.timeline(&format!("{when}    {text}"))?;
            } else if self.messages {
                self.out.record(&json!({
                    "type": "message", "at": shown, "receiver": delivery.receiver, "recipient": delivery.recipient,
                    "reason": message.reason, "severity": message.severity, "subject": message.subject,
                    "headline": message.headline,
                }))?;
            }
        }
        Ok(())
    }

    fn record(
        &mut self,
        transition: &Transition,
        at: Timestamp,
        (title, cause): (&str, Option<String>),
    ) -> anyhow::Result<()> {
        let key = &transition.key;
        let rule = key.rule().map(|rule| self.plan.called(rule).to_owned());
        let labels = key.series().map(|series| &series.labels);
        let mut record = json!({
            "type": "transition", "at": at, "rule": rule, "kpi": key.kpi(), "labels": labels,
            "objective": key.objective(), "period": key.period, "aspect": key.aspect,
            "from": transition.from, "to": transition.to, "change": transition.change.name(),
            "detail": detail(&transition.change), "severity": transition.severity, "value": transition.value, "title": title,
        });
        if let (Some(cause), Some(fields)) = (cause, record.as_object_mut()) {
            fields.insert("cause".to_owned(), cause.into());
        }
        Ok(self.out.record(&record)?)
    }

    fn line(&mut self, transition: &Transition, at: Timestamp, told: &Line) -> anyhow::Result<()> {
        let Line { change, title, text } = told;
        let mut line = format!("{}  {change}", self.moment(at));
        let aspect = match transition.key.aspect {
            Aspect::Breach => String::new(),
            other => format!(" [{}]", other.as_str()),
        };
        write!(line, "  {}  {title}{aspect}", transition.severity.as_str())?;
        if self.plan.rules.len() > 1 {
            line.push_str(&transition.key.rule().map(|rule| format!("  ({rule})")).unwrap_or_default());
        }
        if let Some(text) = text {
            write!(line, "  {text}")?;
        }
        self.timeline(&line)
    }

    fn timeline(&mut self, line: &str) -> anyhow::Result<()> {
        self.lines += 1;
        if self.lines <= LINES_MAX {
            self.out.line(line)?;
        }
        Ok(())
    }

    pub(super) fn end(self, counts: &Counts) -> anyhow::Result<()> {
        if self.out.is_json() {
            return Ok(self.out.record(&counts.record(self.plan))?);
        }
        if self.lines > LINES_MAX {
            self.out.line(&format!("... and {} more lines; `--format json` has all", self.lines - LINES_MAX))?;
        }
        if self.lines == 0 {
            self.out.line("nothing would have happened")?;
        }
        self.out.line("")?;
        for line in summary(counts, self.plan.lived()) {
            self.out.line(&line)?;
        }
        for warning in &self.plan.warnings {
            self.out.line(&format!("warning: {warning}"))?;
        }
        Ok(())
    }
}

pub(super) fn summary(counts: &Counts, (from, to): (Timestamp, Timestamp)) -> Vec<String> {
    let Counts { fired, ended, open, flapped, firing, tally, .. } = counts;
    let whole = to.duration_since(from).max(SignedDuration::from_secs(1));
    // Of several series the spans add up to more than there is.
    let share = match counts.subjects.len() {
        0 | 1 => format!(" ({:.1} % of the time)", 100.0 * firing.as_secs_f64() / whole.as_secs_f64()),
        _ => String::new(),
    };
    let firing = duration(Language::En, *firing);
    let mut lines = vec![format!(
        "{fired} fired, {ended} ended, {open} still firing; {firing} in all{share}; {flapped} fired again within 10 buckets"
    )];
    let mut others = vec![counted(usize::try_from(tally.verdicts).unwrap_or(usize::MAX), "evaluation")];
    for (count, what) in [
        (tally.held, "held"),
        (tally.missing, "without data"),
        (tally.failures, "failed"),
        (counts.frozen, "times frozen"),
        (counts.corrected, "corrected"),
        (counts.no_data, "alerts about missing data"),
        (counts.failed, "alerts about a failing rule"),
    ] {
        if count > 0 {
            others.push(format!("{count} {what}"));
        }
    }
    lines.push(others.join(", "));
    let mut receivers: Vec<&str> = counts.told.keys().map(|(receiver, _)| receiver.as_str()).collect();
    receivers.dedup();
    for receiver in receivers {
        let of = counts.told.iter().filter(|((to, _), _)| to.as_str() == receiver);
        let parts: Vec<String> =
            of.clone().map(|((_, reason), count)| format!("{count} {}", reason.as_str())).collect();
        let all: u64 = of.map(|(_, count)| count).sum();
        let all = counted(usize::try_from(all).unwrap_or(usize::MAX), "message");
        lines.push(format!("{receiver} would have got {all}: {}", parts.join(", ")));
    }
    if !counts.judged.is_empty() {
        let [false_ones, useful] = counts.judged.cells();
        lines.push(format!(
            "of the alerts that people judged {false_ones} false ones and {useful} useful ones would fire again"
        ));
    }
    let truth = &counts.truth;
    if !truth.is_empty() {
        let [precision, recall, lead] = truth.cells();
        lines.push(format!(
            "of the periods that are over {} were missed, {} of them with an alert; {} were reached in spite of one: precision {precision}, recall {recall}, lead {lead}",
            truth.warned + truth.unwarned, truth.warned, truth.false_alarms
        ));
    }
    lines
}
