//! `vigie objectives show`: one objective whole, in words.

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::json;

use super::args::ShowArgs;
use super::known::{Known, Stage, Standing, closed, figures, kpi_of, lived, named};
use super::outcomes::{rate_words, record};
use crate::cli::assess::as_of;
use crate::cli::configuration;
use crate::cli::output::{Out, blocks};
use crate::config::Config;
use crate::locale::{
    Sign, Text, chance_told, date, days_late, outcome, percent, period, period_of, picture, quantity, rate_label,
    status as status_words, target, text,
};
use crate::model::assessment::{ObjectiveFacts, Status};
use crate::model::course::Course;
use crate::model::grain::day_of;
use crate::model::ids::{Labels, PersonId};
use crate::model::outcome::ClosedPeriod;
use crate::model::unit::{Language, Unit};

/// Periods that are shown, the newest first.
const PERIODS_SHOWN: usize = 12;

pub(super) async fn show(out: &mut Out, paths: &[PathBuf], args: &ShowArgs, now: Timestamp) -> anyhow::Result<u8> {
    let config = configuration::read(paths)?;
    let objectives = named(&config, std::slice::from_ref(&args.id))?;
    let objective = &objectives[0];
    let kpi = kpi_of(&config, objective)?;
    let pasts = lived(&config, &objectives, now).await?;
    let at = as_of(&config.catalog.zone, args.at, now)?;
    let known = figures(&config, pasts, (at, !out.is_json()))?.remove(&objective.id);
    let Known { value, facts, missing, course } = known.unwrap_or_default();
    let ended = closed(&config, at).await?.remove(&objective.id).unwrap_or_default();
    let stage = Stage::of(objective, kpi, at);
    let standing = Standing { objective, kpi, at, stage, value, facts, missing, closed: &ended };
    if out.is_json() {
        let mut shown = standing.record();
        shown["actions"] = json!(objective.actions);
        shown["closed"] = ended.iter().map(record).collect();
        out.record(&shown)?;
    } else {
        let language = args.lang.unwrap_or(config.catalog.language);
        Words { config: &config, language, standing: &standing }
            .lines(course)
            .iter()
            .try_for_each(|line| out.line(line))?;
    }
    Ok(0)
}

struct Words<'a> {
    config: &'a Config,
    language: Language,
    standing: &'a Standing<'a>,
}

impl Words<'_> {
    fn pick(&self, fr: &'static str, en: &'static str) -> &'static str {
        match self.language {
            Language::Fr => fr,
            Language::En => en,
        }
    }

    fn labelled(&self, label: &str, text: &str) -> String {
        match self.language {
            Language::Fr => format!("{label} : {text}"),
            Language::En => format!("{label}: {text}"),
        }
    }

    fn word(&self, label: Text, words: &str) -> String {
        self.labelled(text(self.language, label), words)
    }

    fn amount(&self, value: f64) -> String {
        quantity(self.language, value, &self.standing.kpi.unit)
    }

    fn name(&self, id: &PersonId) -> String {
        self.config.catalog.people.get(id).map_or_else(|| id.to_string(), |person| person.name.clone())
    }

    fn lines(&self, course: Option<Course>) -> Vec<String> {
        let Standing { objective, kpi, at, facts, closed, .. } = self.standing;
        let mut lines = vec![self.labelled(objective.id.as_str(), &objective.statement)];
        let labels =
            if objective.labels == Labels::total() { String::new() } else { format!(", {}", objective.labels) };
        lines.push(self.word(Text::Kpi, &format!("{} ({}{labels})", kpi.title, objective.kpi.base())));
        match facts {
            Some(facts) => {
                lines.extend(self.figures(facts));
                if let Some(course) = course {
                    let picture = picture(self.language, &kpi.title, facts, &kpi.unit, course);
                    lines.push(format!("\n{}\n", blocks(&picture, self.language)));
                }
            }
            None => {
                lines
                    .push(self.word(Text::Period, &period_of(self.language, objective.period, day_of(*at, &kpi.zone))));
                let state = match self.standing.stage {
                    Stage::Running if self.standing.missing.is_some() => {
                        status_words(self.language, Status::InsufficientData, None)
                    }
                    Stage::NotBegun => self.pick("pas encore commencé", "not begun"),
                    Stage::Running => text(self.language, Text::NoData),
                    Stage::Ended => text(self.language, Text::PeriodEnded),
                };
                lines.push(self.word(Text::State, state));
            }
        }
        let reason = self.standing.reason(self.language);
        lines.extend(reason.map(|reason| self.labelled(self.pick("Motif", "Reason"), &reason)));
        lines.extend(objective.owner.as_ref().map(|owner| self.word(Text::Owner, &self.name(owner))));
        lines.extend(objective.axis.as_ref().map(|axis| self.labelled(self.pick("Axe", "Axis"), axis)));
        if !objective.actions.is_empty() {
            lines.push(String::new());
            lines.push(self.labelled("Actions", ""));
        }
        for action in &objective.actions {
            let who = action.who.as_ref().map(|who| format!(", {}", self.name(who)));
            let by = action.by.map(|by| format!(", {} {}", text(self.language, Text::By), date(self.language, by)));
            lines.push(format!("- {}{}{}", action.what, who.unwrap_or_default(), by.unwrap_or_default()));
        }
        lines.extend(self.past(closed));
        lines.iter().map(|line| line.trim_end().to_owned()).collect()
    }

    fn figures(&self, facts: &ObjectiveFacts) -> Vec<String> {
        let language = self.language;
        let unit = &self.standing.kpi.unit;
        let rate = |value: f64| {
            let rounded = self.amount(facts.target.rate_rounded(value, unit));
            format!("{rounded} {}", text(language, Text::PerWorkingDay))
        };
        let mut lines = vec![
            self.word(Text::State, status_words(language, facts.status, Some(facts.target.bare()))),
            self.word(Text::Period, &period(language, facts.period_start, facts.period_end)),
            self.word(Text::Target, &target(language, facts.target, unit)),
        ];
        let mut add = |label: Text, words: Option<String>| lines.extend(words.map(|words| self.word(label, &words)));
        add(Text::Actual, facts.actual.map(|value| self.amount(value)));
        add(Text::Expected, facts.expected.map(|value| self.amount(value)));
        add(Text::Drift, facts.drift.map(|drift| self.drift(drift, facts.drift_ratio)));
        add(Text::DriftDays, facts.drift_days.map(|days| days_late(language, days)));
        add(Text::Landing, facts.projected.map(|value| self.landing(value, facts)));
        add(rate_label(facts.target, facts.measure, unit), facts.required_rate.map(rate));
        add(Text::CurrentRate, facts.current_rate.map(rate));
        add(Text::WorkingDaysLeft, facts.working_days_left.map(|left| left.to_string()));
        add(Text::Completeness, Some(percent(language, facts.completeness, Sign::Negative)));
        lines.extend(chance_told(language, facts).map(|(label, chance)| self.word(label, &chance)));
        lines
    }

    /// Shares differ in points, not in per cent.
    fn drift(&self, drift: f64, ratio: Option<f64>) -> String {
        let points = |value: f64| quantity(self.language, value, &Unit::Points);
        match self.standing.kpi.unit {
            Unit::Ratio => points(drift * 100.0),
            Unit::Percent => points(drift),
            Unit::None | Unit::Currency(_) | Unit::Points | Unit::Other(_) => {
                let ratio = ratio.map(|ratio| format!(" ({})", percent(self.language, ratio, Sign::Always)));
                format!("{}{}", self.amount(drift), ratio.unwrap_or_default())
            }
        }
    }

    fn landing(&self, value: f64, facts: &ObjectiveFacts) -> String {
        let between = facts.low.zip(facts.high).filter(|(low, high)| low < high).map(|(low, high)| {
            let ends = format!("{} {} {}", self.amount(low), text(self.language, Text::UpTo), self.amount(high));
            format!(" ({})", self.labelled("80 %", &ends))
        });
        format!("{}{}", self.amount(value), between.unwrap_or_default())
    }

    fn past(&self, closed: &[ClosedPeriod]) -> Vec<String> {
        let Some(first) = closed.first() else { return Vec::new() };
        let unit = if first.kpi == self.standing.kpi.id { &self.standing.kpi.unit } else { &Unit::None };
        let head =
            self.labelled(self.pick("Périodes terminées", "Periods that ended"), &rate_words(self.language, closed));
        let lines = closed.iter().rev().take(PERIODS_SHOWN).map(|closed| {
            let when = period(self.language, closed.period.first, closed.period.last);
            let figures = format!(
                "{}, {} {}",
                quantity(self.language, closed.actual, unit),
                text(self.language, Text::Target).to_lowercase(),
                target(self.language, closed.target, unit)
            );
            format!(
                "- {}",
                self.labelled(
                    &when,
                    &format!("{} ({figures})", outcome(self.language, closed.outcome, Some(closed.target.bare())))
                )
            )
        });
        [String::new(), head].into_iter().chain(lines).collect()
    }
}
