//! One alert in a message: state, verdict, figures, comparison, suggestion, data, why.

use super::compose::Item;
use super::route::owner;
use crate::locale::{
    Sign, Text, aspect as aspect_words, bucket_words, comparison, corrected_value, date, datetime, during, end_reason,
    freeze, percent, quantity, severity as severity_words, status as status_words, suspicion, target as target_words,
    text, vanished,
};
use crate::model::alert::{About, Alert, AlertFacts, Aspect, Correction, Phase, Subject};
use crate::model::assessment::{ObjectiveFacts, Status};
use crate::model::catalog::Catalog;
use crate::model::ids::PersonId;
use crate::model::kpi::Query;
use crate::model::notification::{Fact, GroupKey, Payload, Section, Told};
use crate::model::suspect::Settled;
use crate::model::unit::{Language, Unit};
use crate::model::verdict::Severity;
use jiff::civil::Date;

/// Writes the section of one alert.
pub(super) fn section(
    catalog: &Catalog,
    group: &GroupKey,
    Item { alert, reason, heard }: &Item<'_>,
    language: Language,
) -> Section {
    let writer = Writer { catalog, alert, language, facts: alert.facts.as_deref() };
    Section {
        alert: alert.key.id(),
        title: writer.title(),
        state: writer.state(),
        headline: writer.headline(),
        severity: alert.stated_level().unwrap_or(Severity::Info),
        resolved: alert.phase == Phase::Resolved,
        reason: *reason,
        sentences: writer.sentences(heard.as_ref()),
        facts: writer.facts(),
        picture: writer.picture(),
        comparisons: writer.comparisons(),
        suggestions: writer.suggestions(),
        data: writer.data(),
        why: writer.why(group),
        payload: writer.payload(),
    }
}

pub(super) struct Writer<'a> {
    catalog: &'a Catalog,
    pub(super) alert: &'a Alert,
    pub(super) language: Language,
    pub(super) facts: Option<&'a AlertFacts>,
}

impl Writer<'_> {
    pub(super) fn word(&self, word: Text) -> &'static str {
        text(self.language, word)
    }

    pub(super) fn unit(&self) -> &Unit {
        self.facts.map_or(&Unit::None, |facts| &facts.unit)
    }

    /// A difference: shares differ in points, not in per cent.
    pub(super) fn difference(&self, value: f64) -> String {
        match self.unit() {
            Unit::Ratio => quantity(self.language, value * 100.0, &Unit::Points),
            Unit::Percent => quantity(self.language, value, &Unit::Points),
            unit => quantity(self.language, value, unit),
        }
    }

    fn name(&self, id: &PersonId) -> String {
        self.catalog.people.get(id).map_or_else(|| id.to_string(), |person| person.name.clone())
    }

    pub(super) fn amount(&self, value: f64) -> String {
        quantity(self.language, value, self.unit())
    }

    fn objective(&self) -> Option<&ObjectiveFacts> {
        self.facts.and_then(|facts| facts.objective.as_ref())
    }

    pub(super) fn title(&self) -> String {
        let titled = self.facts.map(|facts| facts.title.clone()).filter(|title| !title.is_empty());
        let stem = titled.unwrap_or_else(|| match &self.alert.key.subject {
            Subject::Rule { series, .. } => series.kpi.to_string(),
            Subject::Data(kpi) => kpi.to_string(),
            Subject::Source(source) => source.to_string(),
            Subject::Receiver(receiver) => receiver.to_string(),
            Subject::Service => "Vigie".to_owned(),
        });
        let labels: Vec<&str> = self
            .alert
            .key
            .series()
            .into_iter()
            .flat_map(|series| series.labels.iter().map(|(_, value)| value))
            .collect();
        if labels.is_empty() { stem } else { format!("{stem} ({})", labels.join(", ")) }
    }

    /// `Critique · Hors trajectoire`, `Rétabli`, `Attention · Source en panne`.
    fn state(&self) -> String {
        if self.alert.phase == Phase::Resolved {
            return self.alert.end.as_ref().map_or_else(
                || self.word(Text::Recovered).to_owned(),
                |end| end_reason(self.language, end, self.objective().map(|objective| objective.target.bare())),
            );
        }
        let Some(level) = self.alert.stated_level() else { return self.word(Text::NoBreach).to_owned() };
        let severity = severity_words(self.language, level);
        let what = match self.alert.key.aspect {
            Aspect::Breach => self
                .objective()
                .map(|objective| status_words(self.language, self.status(objective), Some(objective.target.bare()))),
            Aspect::NoData => Some(self.word(Text::NoData)),
            Aspect::Failed => Some(self.word(Text::RuleFailed)),
            Aspect::Outage if matches!(self.alert.key.subject, Subject::Data(_)) => Some(self.word(Text::NoData)),
            Aspect::Outage => Some(self.word(Text::SourceOutage)),
            Aspect::System if self.alert.key.subject == Subject::Service => Some(self.word(Text::ServiceTrouble)),
            Aspect::System => Some(self.word(Text::DeliveryDead)),
            Aspect::Suspect => Some(aspect_words(self.language, Aspect::Suspect)),
        };
        what.map_or_else(|| severity.to_owned(), |what| format!("{severity} · {what}"))
    }

    /// The status, never rosier than the alert: a rule's own limits may be tighter than the usual ones.
    fn status(&self, objective: &ObjectiveFacts) -> Status {
        match (self.alert.stated_level().unwrap_or(Severity::Info), objective.status) {
            (Severity::Critical, Status::Ahead | Status::OnTrack | Status::Watch) => Status::AtRisk,
            (Severity::Warning, Status::Ahead | Status::OnTrack) => Status::Watch,
            (_, status) => status,
        }
    }

    /// State, title and figures, in one line.
    fn headline(&self) -> String {
        let (state, title, gist) = (self.state(), self.title(), self.gist());
        if gist.is_empty() {
            format!("{state} · {title}")
        } else {
            format!("{state} · {title}{}{gist}", self.colon())
        }
    }

    /// A colon as the language spaces it.
    fn colon(&self) -> &'static str {
        match self.language {
            Language::Fr => " : ",
            Language::En => ": ",
        }
    }

    /// Gap and landing for objectives, the value for signals, nothing else for data and system.
    fn gist(&self) -> String {
        let Some(facts) = self.facts else { return String::new() };
        match self.alert.key.aspect {
            Aspect::Breach => {}
            Aspect::Suspect => {
                let corrected = facts.suspect.as_ref().and_then(|suspect| match suspect.settlement.as_ref()?.how {
                    Settled::Corrected { value } => Some(value),
                    _ => None,
                });
                return corrected.or(facts.value).map(|value| self.amount(value)).unwrap_or_default();
            }
            Aspect::NoData | Aspect::Failed | Aspect::Outage | Aspect::System => return String::new(),
        }
        let Some(objective) = &facts.objective else {
            return facts.value.map(|value| self.shown_value(facts, value)).unwrap_or_default();
        };
        let mut parts = Vec::new();
        if let (Some(ratio), Some(drift)) = (objective.drift_ratio, objective.drift) {
            parts.push(format!("{} ({})", percent(self.language, ratio, Sign::Always), self.difference(drift)));
        } else if let Some(actual) = objective.actual {
            parts.push(self.amount(actual));
        }
        if let Some(projected) = objective.landing().map(|landing| landing.rounded().mean).or(objective.projected) {
            parts.push(format!("{} {}", self.word(Text::Landing).to_lowercase(), self.amount(projected)));
        }
        parts.push(format!(
            "{} {}",
            self.word(Text::Target).to_lowercase(),
            target_words(self.language, objective.target, self.unit())
        ));
        parts.join(", ")
    }

    /// A value of the watched figure: a share where the condition compares shares, else in the KPI's unit.
    fn shown_value(&self, facts: &AlertFacts, value: f64) -> String {
        let is_watched = |condition: &&crate::model::verdict::ConditionRecord| Some(condition.value) == facts.value;
        let watched = facts.conditions.iter().find(is_watched).map(|condition| condition.what.as_str());
        match watched {
            Some(what) if what.contains("change") && !what.contains("change_abs") => {
                percent(self.language, value, Sign::Always)
            }
            Some(what)
                if what.starts_with("kpi.missed") || what.starts_with("kpi.age") || what.starts_with("kpi.late") =>
            {
                crate::locale::number(self.language, value, crate::locale::Decimals::Auto)
            }
            _ => self.amount(value),
        }
    }

    /// What was corrected since a receiver heard of it, whatever else there is to say.
    fn corrected(&self, facts: &AlertFacts, heard: Option<&Told>) -> Option<String> {
        let heard = heard.filter(|heard| heard.revision < self.alert.revision)?;
        let Correction { old, new, bucket, actual } = self.alert.correction?;
        // Of the same bucket the receiver may have heard another figure than the one before the last.
        let is_same = bucket.is_some() && heard.bucket == bucket;
        let (old, new) = match (&facts.objective, actual) {
            (None, _) => (heard.value.filter(|_| is_same).or(old)?, new?),
            (Some(_), Some((was, is))) => (heard.actual.filter(|_| is_same).unwrap_or(was), is),
            (Some(objective), None) => (heard.actual.filter(|_| is_same)?, objective.actual?),
        };
        let shown = |value| if facts.objective.is_some() { self.amount(value) } else { self.shown_value(facts, value) };
        let kpi = self.alert.key.kpi().and_then(|id| self.catalog.kpi(id));
        let named = bucket.zip(kpi).map(|(bucket, kpi)| bucket_words(self.language, &kpi.bucket_name(bucket)));
        let corrected = corrected_value(self.language, named.as_deref(), (&shown(new), &shown(old)));
        (old.to_bits() != new.to_bits()).then_some(corrected)
    }

    fn sentences(&self, heard: Option<&Told>) -> Vec<String> {
        let mut sentences = Vec::new();
        let Some(facts) = self.facts else { return sentences };
        sentences.extend(self.corrected(facts, heard));
        if self.alert.phase == Phase::Firing && self.alert.stated_level().is_none() {
            sentences.push(self.word(Text::NoBreachAnyMore).to_owned());
        }
        if self.alert.phase == Phase::Firing {
            sentences.extend(facts.said.as_ref().and_then(|words| self.said(words)));
        }
        if let Some(cause) = &facts.cause {
            sentences.push(cause.clone());
        }
        if let Some(suspect) = &facts.suspect {
            sentences.extend(suspicion(self.language, suspect, self.unit()));
        }
        if let Some(found) = &facts.vanished {
            sentences.push(vanished(self.language, found));
        }
        if let Some(frozen) = &self.alert.frozen {
            sentences.push(freeze(self.language, frozen, self.catalog.zone_of(&self.alert.key)));
        }
        let year = self.catalog.zone_of(&self.alert.key).to_datetime(facts.at).year();
        sentences.extend(during(self.language, &facts.events, year));
        if let Some(statement) = &facts.statement {
            sentences.push(format!("{}{}{statement}", self.word(Text::Objective), self.colon()));
        }
        sentences
    }

    fn facts(&self) -> Vec<Fact> {
        let mut list = Vec::new();
        let mut add = |label: Text, value: String| list.push(Fact { label: self.word(label).to_owned(), value });
        let Some(facts) = self.facts else { return list };
        match &facts.objective {
            Some(objective) if self.alert.key.aspect == Aspect::Breach => self.objective_facts(objective, &mut add),
            _ => {
                if let Some(value) = facts.value.filter(|_| self.alert.key.aspect == Aspect::Breach) {
                    add(Text::Value, self.shown_value(facts, value));
                }
            }
        }
        let zone = &self.catalog.zone;
        add(Text::Since, datetime(self.language, self.alert.since, zone));
        if let Some(resolved) = self.alert.resolved_at {
            let is_decision = self.alert.key.aspect == Aspect::Suspect;
            let label = if is_decision { Text::SettledAt } else { Text::ResolvedAt };
            add(label, datetime(self.language, resolved, zone));
        }
        if let Some(ack) = &self.alert.acknowledged {
            add(Text::AcknowledgedBy, format!("{}, {}", ack.by, datetime(self.language, ack.at, zone)));
        }
        if let Some(owner) = owner(self.catalog, self.alert) {
            add(Text::Owner, self.name(&owner));
        }
        list
    }

    fn comparisons(&self) -> Vec<String> {
        let facts = self.facts.filter(|_| self.alert.key.aspect == Aspect::Breach);
        facts
            .into_iter()
            .flat_map(|facts| &facts.comparisons)
            .map(|fact| comparison(self.language, fact, self.unit()))
            .collect()
    }

    fn suggestions(&self) -> Vec<String> {
        let firing = self.facts.filter(|_| self.alert.phase == Phase::Firing);
        let mut lines: Vec<String> = firing
            .into_iter()
            .flat_map(|facts| &facts.suggestions)
            .filter_map(|suggestion| {
                let line = self.said(&suggestion.say)?;
                Some(self.proposal(&line, suggestion.who.as_ref(), suggestion.by))
            })
            .collect();
        lines.extend(self.entry_command());
        let planned = self.alert.key.objective().and_then(|id| self.catalog.objective(id)).filter(|_| firing.is_some());
        for action in planned.iter().flat_map(|objective| &objective.actions) {
            lines.push(self.proposal(&action.what, action.who.as_ref(), action.by));
        }
        lines
    }

    /// What to type where a figure that people enter is missing: `Saisir la valeur : vigie record nps 2026-10 VALEUR`.
    fn entry_command(&self) -> Option<String> {
        let alert = self.alert;
        let lacks_data = alert.key.aspect == Aspect::NoData || alert.about == About::Data;
        let facts = self.facts.filter(|_| lacks_data && alert.phase == Phase::Firing)?;
        let kpi = self.catalog.kpi(alert.key.kpi()?).filter(|kpi| kpi.query == Query::Entered)?;
        // The first that is missing: it follows the newest one that came.
        let bucket = match facts.data.as_ref().and_then(|data| data.as_of) {
            Some(as_of) => kpi.grain.index_at(as_of, &kpi.zone),
            None => kpi.grain.last_ended(facts.at, &kpi.zone),
        };
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        let quoted = |value: &str| {
            if value.chars().all(is_plain) { value.to_owned() } else { format!("'{}'", value.replace('\'', r"'\''")) }
        };
        let labels = alert.key.series().into_iter().flat_map(|series| series.labels.iter());
        let mut words = vec![String::new()];
        words.extend(labels.map(|(name, value)| format!("--label {name}={}", quoted(value))));
        Some(format!(
            "{} vigie record {} {} {}{}",
            self.word(Text::EnterFigure),
            kpi.id,
            kpi.bucket_name(bucket),
            self.word(Text::FigurePlaceholder),
            words.join(" ")
        ))
    }

    /// `Relancer les paniers (Claire Morel, d'ici le 30 novembre 2026)`.
    fn proposal(&self, what: &str, who: Option<&PersonId>, by: Option<Date>) -> String {
        let by = by.map(|by| format!("{} {}", self.word(Text::By), date(self.language, by)));
        let details: Vec<String> = [who.map(|who| self.name(who)), by].into_iter().flatten().collect();
        if details.is_empty() {
            return what.to_owned();
        }
        format!("{} ({})", what.trim_end_matches('.'), details.join(", "))
    }

    fn data(&self) -> Option<String> {
        let data = self.facts.and_then(|facts| facts.data.as_ref())?;
        let zone = self.catalog.zone_of(&self.alert.key);
        let as_of = data.as_of.map(|at| format!("{} {}", self.word(Text::DataAsOf), datetime(self.language, at, zone)));
        let state = if data.provisional { Text::Provisional } else { Text::Final };
        let whole = percent(self.language, data.completeness, Sign::Negative);
        Some(format!(
            "{} ({}) · {} {whole} · {} {}",
            as_of.unwrap_or_else(|| self.word(Text::NoData).to_owned()),
            self.word(state),
            self.word(Text::Completeness).to_lowercase(),
            self.word(Text::Source).to_lowercase(),
            data.source
        ))
    }

    fn why(&self, group: &GroupKey) -> Vec<String> {
        let rule = self.alert.key.rule().map(|id| {
            let script = self.catalog.rules.get(id).map(|rule| format!(" ({})", rule.script)).unwrap_or_default();
            format!("{} {id}{script}", self.word(Text::Rule))
        });
        let what = rule.unwrap_or_else(|| aspect_words(self.language, self.alert.key.aspect).to_owned());
        let mut lines = vec![format!(
            "{what}, {} {}, {} {}",
            self.word(Text::Receiver),
            group.receiver,
            self.word(Text::Route),
            group.route
        )];
        if self.alert.phase == Phase::Firing && self.alert.acknowledged.is_none() {
            lines.push(format!("{} vigie ack {}", self.word(Text::Acknowledge), self.alert.key.id()));
        }
        lines
    }

    fn payload(&self) -> Payload {
        let alert = self.alert;
        let objective = self.objective();
        let unit = match self.unit() {
            Unit::None => String::new(),
            Unit::Currency(code) => code.clone(),
            Unit::Ratio => "ratio".to_owned(),
            Unit::Percent => "%".to_owned(),
            Unit::Points => "points".to_owned(),
            Unit::Other(word) => word.clone(),
        };
        Payload {
            alert: alert.key.id(),
            episode: alert.episode,
            identity: alert.key.canonical(),
            state: alert.phase,
            severity: alert.severity,
            about: alert.about,
            aspect: alert.key.aspect.as_str().to_owned(),
            rule: alert.key.rule().map(ToString::to_string),
            kpi: alert.key.kpi().map(ToString::to_string),
            labels: alert.key.series().map(|series| series.labels.clone()).unwrap_or_default(),
            objective: alert.key.objective().map(ToString::to_string),
            period: objective.map(|facts| format!("{}/{}", facts.period_start, facts.period_end)),
            since: alert.since,
            fired_at: alert.fired_at,
            resolved_at: alert.resolved_at,
            slot: alert.slot,
            value: self.facts.and_then(|facts| facts.value),
            actual: objective.and_then(|facts| facts.actual),
            expected: objective.and_then(|facts| facts.expected),
            target: objective.map(|facts| facts.target.figure(facts.actual.unwrap_or_default())),
            drift: objective.and_then(|facts| facts.drift),
            drift_ratio: objective.and_then(|facts| facts.drift_ratio),
            drift_days: objective.and_then(|facts| facts.drift_days),
            projected: objective.and_then(|facts| facts.projected),
            low: objective.and_then(|facts| facts.low),
            high: objective.and_then(|facts| facts.high),
            probability: objective.and_then(|facts| facts.probability),
            unit,
        }
    }
}
