//! What must hold at a moment, against what does.

use jiff::Timestamp;

use super::case::Case;
use super::form::{ExpectForm, Texts, ToldForm};
use super::moments::{Calendar, Moment};
use super::play::Seen;
use super::source::series_named;
use crate::channel::text_of;
use crate::cli::verdicts;
use crate::engine::{Judged, State, judge, judged_slot};
use crate::locale::said;
use crate::model::alert::{Alert, Aspect, Phase, Subject};
use crate::model::ids::{KpiId, Labels, SeriesKey};
use crate::model::notification::NewDelivery;
use crate::model::unit::Language;
use crate::model::verdict::Verdict;

/// Digits in which figures are compared.
const EQUAL: f64 = 1e-9;

/// What does not hold at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The moment: `2 (2026-01-02)`.
    pub at: String,
    /// What was looked at, what was expected, what is.
    pub lines: Vec<(String, String, String)>,
    /// What the rule compared.
    pub conditions: Vec<String>,
    /// Values before it that were not taken.
    pub refused: Vec<String>,
}

/// Messages as they went out, and how many of them were looked at.
#[derive(Default)]
pub(super) struct Messages {
    pub all: Vec<(Timestamp, NewDelivery)>,
    pub seen: usize,
}

/// Compares one moment.
///
/// # Errors
/// What of the expectation makes no sense.
pub(super) fn check(
    case: &Case,
    calendar: &Calendar<'_>,
    state: &State,
    seen: &mut Seen,
    (moment, now): (Moment, Timestamp),
    expected: &ExpectForm,
) -> Result<Option<Failure>, String> {
    let mut lines = Vec::new();
    let mut conditions = Vec::new();
    let named = |why: String| format!("at {}: {why}", calendar.name(moment));
    if let Some(aspect) = &expected.aspect {
        one_of("aspect", aspect, &["breach", "no_data", "failed"]).map_err(named)?;
    }
    if expected.looks_at_the_rule() {
        let (kpi, judged) = judged(case, state, expected).map_err(named)?;
        if expected.looks_at_the_verdict() {
            verdict(expected, &judged, &mut lines).map_err(named)?;
            conditions = judged.details.conditions.iter().map(verdicts::condition).collect();
        }
        alert(expected, (state, seen, now), (&kpi, &judged, case), &mut lines).map_err(named)?;
    }
    if !expected.looks_at_the_rule() && expected.told.is_none() {
        return Err(named("it names nothing to look at; say verdict, value, alert, told or another one".to_owned()));
    }
    if let Some(told) = &expected.told {
        messages(told, seen, calendar, &mut lines).map_err(named)?;
    }
    let failure = Failure { at: calendar.name(moment), lines, conditions, refused: Vec::new() };
    Ok((!failure.lines.is_empty()).then_some(failure))
}

impl ExpectForm {
    fn looks_at_the_verdict(&self) -> bool {
        self.verdict.is_some()
            || self.reason.is_some()
            || self.value.is_some()
            || self.text.is_some()
            || self.suggestions.is_some()
    }

    fn looks_at_the_rule(&self) -> bool {
        let of_alert = self.alert.is_some()
            || self.severity.is_some()
            || self.frozen.is_some()
            || self.acknowledged.is_some()
            || self.snoozed.is_some();
        self.looks_at_the_verdict() || of_alert
    }
}

type Lines = Vec<(String, String, String)>;

fn differs(lines: &mut Lines, what: &str, expected: impl ToString, is: impl ToString) {
    lines.push((what.to_owned(), expected.to_string(), is.to_string()));
}

/// What the rule says of the series and objective that are meant.
fn judged(case: &Case, state: &State, expected: &ExpectForm) -> Result<(KpiId, Judged), String> {
    let wanted = expected.series.as_deref().map(|name| series_named(case, name)).transpose()?;
    let kpi = wanted.as_ref().map_or(&case.main, |(kpi, _)| kpi).clone();
    let Some(at) = judged_slot(state, &case.setup, &case.rule, &kpi) else {
        return Err(format!("KPI `{kpi}` had no slot before; the first is that of its first bucket"));
    };
    let all = judge(state, &case.setup, &case.rule, &kpi, at);
    let fits = |judged: &&Judged| {
        wanted.as_ref().is_none_or(|(_, labels)| judged.labels == *labels)
            && expected
                .objective
                .as_deref()
                .is_none_or(|id| judged.objective.as_ref().is_some_and(|own| own.as_str() == id))
    };
    let mut found = all.iter().filter(fits);
    match (found.next(), found.next()) {
        (Some(judged), None) => Ok((kpi, judged.clone())),
        (None, _) if all.is_empty() => Err(format!(
            "the rule runs on nothing of KPI `{kpi}` then: it has no series, or no objective that it reads"
        )),
        (found, _) => {
            let name = |judged: &Judged| {
                let objective = judged.objective.as_ref().map(|id| format!(" objective: {id}")).unwrap_or_default();
                format!("series: '{kpi}{}'{objective}", judged.labels)
            };
            let names: Vec<String> = all.iter().map(name).collect();
            let why = if found.is_some() { "the rule runs on several" } else { "the rule runs on none of that name" };
            Err(format!("{why}; name one of: {}", names.join(", ")))
        }
    }
}

fn reason_of(verdict: &Verdict, language: Language) -> String {
    match verdict {
        Verdict::Judged(_) => String::new(),
        Verdict::Hold { reason } => match reason.said.as_ref().and_then(|words| said(words, language)) {
            Some(words) => format!("{}: {words}", reason.key),
            None => reason.key.clone(),
        },
        Verdict::NoData { missing, what } => format!("{what}: {missing:?}"),
        Verdict::Failed { cause } => cause.clone(),
    }
}

fn one_of(what: &str, word: &str, known: &[&str]) -> Result<(), String> {
    if known.contains(&word) { Ok(()) } else { Err(format!("{what}: `{word}` is none of {}", known.join(", "))) }
}

fn verdict(expected: &ExpectForm, judged: &Judged, lines: &mut Lines) -> Result<(), String> {
    let is = verdicts::name(&judged.verdict);
    let reasons = [Language::En, Language::Fr].map(|language| reason_of(&judged.verdict, language));
    let reason = &reasons[0];
    if let Some(wanted) = &expected.verdict {
        one_of("verdict", wanted, &verdicts::NAMES)?;
        if wanted != is {
            let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
            differs(lines, "verdict", wanted, format!("{is}{why}"));
        }
    }
    if let Some(wanted) = &expected.reason
        && !reasons.iter().any(|reason| holds(reason, wanted))
    {
        let mut both = reasons.to_vec();
        both.dedup();
        differs(lines, "reason", format!("... {wanted} ..."), or_nothing(&both.join(" / ")));
    }
    if let Some(wanted) = expected.value {
        let value = match &judged.verdict {
            Verdict::Judged(finding) => finding.value,
            Verdict::Hold { .. } | Verdict::NoData { .. } | Verdict::Failed { .. } => None,
        };
        if !value.is_some_and(|value| (value - wanted).abs() <= EQUAL * value.abs().max(wanted.abs()).max(1.0)) {
            differs(lines, "value", wanted, value.map_or_else(|| "none".to_owned(), |value| value.to_string()));
        }
    }
    if let Some(texts) = &expected.text {
        let words = judged.details.said.as_ref();
        let both: Vec<String> =
            [Language::En, Language::Fr].into_iter().filter_map(|language| said(words?, language)).collect();
        for wanted in missing(texts, &both) {
            differs(lines, "text", format!("... {wanted} ..."), or_nothing(&both.join(" / ")));
        }
    }
    if let Some(wanted) = &expected.suggestions {
        let proposed: Vec<String> = judged.details.suggestions.iter().map(proposal).collect();
        if wanted.is_empty() && !proposed.is_empty() {
            differs(lines, "suggestions", "none", proposed.join(" | "));
        }
        for wanted in wanted.iter().filter(|wanted| !proposed.iter().any(|text| holds(text, wanted))) {
            differs(lines, "suggestions", format!("... {wanted} ..."), or_nothing(&proposed.join(" | ")));
        }
    }
    Ok(())
}

fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}

/// In English and French, with who and by when.
fn proposal(suggestion: &crate::model::verdict::Suggestion) -> String {
    let words = [Language::En, Language::Fr].into_iter().filter_map(|language| said(&suggestion.say, language));
    let mut text = words.collect::<Vec<_>>().join(" / ");
    let who = suggestion.who.as_ref().map(|who| format!(", by {who}"));
    let by = suggestion.by.map(|by| format!(", until {by}"));
    text.extend(who.into_iter().chain(by));
    text
}

/// The texts that stand in none of those.
fn missing<'t>(texts: &'t Texts, all: &[String]) -> Vec<&'t String> {
    texts.all().iter().filter(|wanted| !all.iter().any(|text| holds(text, wanted))).collect()
}

/// Whether a text holds another one. Blanks that keep words together are blanks: nobody types them.
fn holds(text: &str, wanted: &str) -> bool {
    let plain = |text: &str| text.replace(['\u{a0}', '\u{202f}'], " ");
    plain(text).contains(&plain(wanted))
}

fn alert(
    expected: &ExpectForm,
    (state, seen, now): (&State, &Seen, Timestamp),
    (kpi, judged, case): (&KpiId, &Judged, &Case),
    lines: &mut Lines,
) -> Result<(), String> {
    let aspect = match expected.aspect.as_deref() {
        None | Some("breach") => Aspect::Breach,
        Some("no_data") => Aspect::NoData,
        Some("failed") => Aspect::Failed,
        Some(other) => return Err(format!("aspect: `{other}` is none of breach, no_data, failed")),
    };
    let labels: Labels = judged.labels.clone();
    let subject = Subject::Rule {
        rule: case.rule.clone(),
        series: SeriesKey { kpi: kpi.clone(), labels },
        objective: judged.objective.clone(),
    };
    let live = state.book.of(&subject).iter().filter(|alert| alert.key.aspect == aspect);
    let live: Option<&Alert> = live.max_by_key(|alert| alert.key.period);
    if let Some(wanted) = &expected.alert {
        one_of("alert", wanted, &["inactive", "pending", "firing", "resolved"])?;
        let of_it = |key: &&crate::model::alert::AlertKey| key.subject == subject && key.aspect == aspect;
        let newest = || seen.phases.iter().rfind(|(key, _)| of_it(key)).map(|(_, phase)| *phase);
        let phase = live.map(|alert| alert.phase).or_else(newest).unwrap_or(Phase::Inactive);
        if phase.as_str() != wanted {
            differs(lines, "alert", wanted, phase.as_str());
        }
    }
    if let Some(wanted) = &expected.severity {
        one_of("severity", wanted, &["info", "warning", "critical"])?;
        let severity = live.map_or("none", |alert| alert.severity.as_str());
        if severity != wanted {
            differs(lines, "severity", wanted, severity);
        }
    }
    let flags = [
        ("frozen", expected.frozen, live.is_some_and(|alert| alert.frozen.is_some())),
        ("acknowledged", expected.acknowledged, live.is_some_and(|alert| alert.acknowledged.is_some())),
        ("snoozed", expected.snoozed, live.is_some_and(|alert| alert.snoozed_until.is_some_and(|until| until > now))),
    ];
    for (what, wanted, is) in flags {
        if wanted.is_some_and(|wanted| wanted != is) {
            differs(lines, what, !is, is);
        }
    }
    Ok(())
}

fn messages(told: &[ToldForm], seen: &mut Seen, calendar: &Calendar<'_>, lines: &mut Lines) -> Result<(), String> {
    let Messages { all, seen: before } = &mut seen.messages;
    let new = &all[*before..];
    let at = |at: Timestamp| calendar.kpi.zone.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string();
    let shown = |(when, delivery): &(Timestamp, NewDelivery)| {
        let message = &delivery.message;
        format!("{} {} to {}: {}", at(*when), message.reason.as_str(), delivery.receiver, message.headline)
    };
    if told.len() != new.len() {
        let is: Vec<String> = new.iter().map(shown).collect();
        differs(lines, "messages", told.len(), format!("{}: {}", new.len(), or_nothing(&is.join(" | "))));
    }
    for (place, (wanted, sent)) in told.iter().zip(new).enumerate() {
        let what = |part: &str| format!("message {} {part}", place + 1);
        let (when, delivery) = sent;
        let message = &delivery.message;
        for (part, wanted, is) in [
            ("to", &wanted.to, delivery.receiver.as_str()),
            ("reason", &wanted.reason, message.reason.as_str()),
            ("subject", &wanted.subject, message.subject.as_str()),
        ] {
            if wanted.as_ref().is_some_and(|wanted| wanted != is && !(part == "subject" && holds(is, wanted))) {
                differs(lines, &what(part), wanted.as_deref().unwrap_or_default(), is);
            }
        }
        if let Some(texts) = &wanted.text {
            let text = text_of(message)?;
            for wanted in missing(texts, std::slice::from_ref(&text)) {
                differs(lines, &what("text"), format!("... {wanted} ..."), text.trim_end());
            }
        }
        if let Some(after) = &wanted.after {
            let after = calendar.slot(calendar.moment(after)?);
            if *when < after {
                differs(lines, &what("time"), format!("not before {}", at(after)), at(*when));
            }
        }
        if let Some(before) = &wanted.before {
            let before = calendar.settled(calendar.moment(before)?);
            if *when > before {
                differs(lines, &what("time"), format!("not after {}", at(before)), at(*when));
            }
        }
    }
    *before = all.len();
    Ok(())
}
