//! `vigie objectives review`: targets that have been out of reach for a while, and what is within reach, as a patch.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::json;

use super::args::ReviewArgs;
use super::edit::{Edit, Figure, Spot, edited, text_of, unified};
use super::known::{HitRate, Stage, closed, kpi_of, lived, named};
use super::outcomes::rate_words;
use crate::cli::assess::{Line, as_of, replay};
use crate::cli::configuration;
use crate::cli::output::Out;
use crate::config::{Config, Loaded};
use crate::locale::{Sign, date, percent, quantity};
use crate::model::assessment::ObjectiveFacts;
use crate::model::grain::day_of;
use crate::model::ids::ObjectiveId;
use crate::model::kpi::Kpi;
use crate::model::objective::{Objective, Target};
use crate::model::outcome::ClosedPeriod;
use crate::model::unit::{Language, Unit};

/// How long a target must have been out of reach, unless that is more than a third of the period so far.
const DAYS: i32 = 14;
/// Days of a period that are looked at, one by one.
const DAYS_MAX: i64 = 400;
/// Digits of a proposed target: more would pretend to know.
const DIGITS: i32 = 3;
const EVEN: f64 = 0.5;
const LIKELY: f64 = 0.8;
const DAY: SignedDuration = SignedDuration::from_hours(24);

pub(super) async fn review(out: &mut Out, paths: &[PathBuf], args: &ReviewArgs, now: Timestamp) -> anyhow::Result<u8> {
    let (config, loaded) = configuration::read_whole(paths)?;
    let at = as_of(&config.catalog.zone, args.at, now)?;
    let mut objectives = named(&config, &args.id)?;
    objectives.retain(|objective| {
        kpi_of(&config, objective).is_ok_and(|kpi| Stage::of(objective, kpi, at) == Stage::Running)
    });
    let pasts = lived(&config, &objectives, now).await?;
    let ended = closed(&config, at).await?;
    let mut tracks: BTreeMap<ObjectiveId, Track> = BTreeMap::new();
    for past in pasts {
        replay(&config, past, &days_before(&config, at), &mut |line| {
            note(&mut tracks, &line);
            Ok(())
        })?;
    }
    let mut cases = Vec::new();
    for objective in &objectives {
        let Some(track) = tracks.get(&objective.id) else { continue };
        let Some(since) = track.stayed_under(args, at) else { continue };
        let closed = ended.get(&objective.id).map_or(&[][..], Vec::as_slice);
        let kpi = kpi_of(&config, objective)?;
        let case = Case { config: &config, loaded: &loaded, objective, kpi, track, since, closed };
        cases.push((case.proposal(), case));
    }
    if out.is_json() {
        for (proposal, case) in &cases {
            out.record(&record(case, proposal))?;
        }
        return Ok(0);
    }
    for (proposal, case) in &cases {
        if let Err(why) = proposal {
            out.line(&format!("# {}: {}; {why}", case.objective.id, case.gist()))?;
        }
    }
    if cases.is_empty() {
        let under = percent(Language::En, args.under, Sign::Negative);
        out.line(&format!("# nothing to review: no target stayed under {under}"))?;
    }
    let patch = patch(&loaded, cases.iter().filter_map(|(proposal, _)| proposal.as_ref().ok()));
    out.raw(patch.as_bytes())?;
    Ok(0)
}

/// The ends of the days before, and now.
fn days_before(config: &Config, now: Timestamp) -> Vec<Timestamp> {
    let zone = &config.catalog.zone;
    let here = zone.to_datetime(now);
    let before = (0..=DAYS_MAX).rev().filter_map(|days| zone.to_timestamp(here.checked_sub(days.days()).ok()?).ok());
    before.collect()
}

/// What was known of an objective day by day, in its present period.
#[derive(Default)]
struct Track {
    days: Vec<(Timestamp, f64)>,
    first: Option<Date>,
    /// The newest of all.
    newest: Option<Newest>,
}

struct Newest {
    facts: ObjectiveFacts,
    /// What the period ends at least at (at most, where less is better), with an even chance and with 80 %.
    even: Option<f64>,
    likely: Option<f64>,
}

fn note(tracks: &mut BTreeMap<ObjectiveId, Track>, line: &Line<'_>) {
    let Some((objective, Ok(facts))) = &line.objective else { return };
    let track = tracks.entry(objective.id.clone()).or_default();
    if track.first != Some(facts.period_start) {
        *track = Track { first: Some(facts.period_start), ..Track::default() };
    }
    track.days.extend(facts.probability.map(|probability| (line.at, probability)));
    let at =
        |chance: f64| line.assessment.quantile(if more_is_good(facts.target) { 1.0 - chance } else { chance }).ok();
    track.newest = Some(Newest { facts: facts.clone(), even: at(EVEN), likely: at(LIKELY) });
}

fn more_is_good(target: Target) -> bool {
    !matches!(target, Target::ReduceTo(_) | Target::AtMost(_))
}

impl Track {
    /// Since when the probability has been under the limit without a break, if that is long enough.
    fn stayed_under(&self, args: &ReviewArgs, now: Timestamp) -> Option<Timestamp> {
        let (begin, newest) = (self.days.first()?.0, self.days.last()?);
        let is_old = now.duration_since(newest.0) >= DAY;
        if is_old || newest.1 >= args.under {
            return None;
        }
        let third = now.duration_since(begin) / 3;
        let asked = args.span.unwrap_or_else(|| (DAY * DAYS).min(third));
        let under = self.days.iter().rev().take_while(|(_, probability)| *probability < args.under);
        let since = under.last()?.0;
        (now.duration_since(since) >= asked).then_some(since)
    }

    /// The probability as long before as is looked at by default, or at the beginning.
    fn before(&self, now: Timestamp) -> Option<(Timestamp, f64)> {
        let from = now.checked_sub(DAY * DAYS).ok()?;
        self.days.iter().find(|(at, _)| *at >= from).copied()
    }
}

/// One objective whose target is out of reach.
struct Case<'a> {
    config: &'a Config,
    loaded: &'a Loaded,
    objective: &'a Arc<Objective>,
    kpi: &'a Arc<Kpi>,
    track: &'a Track,
    since: Timestamp,
    closed: &'a [ClosedPeriod],
}

/// A target within reach.
struct Proposal {
    edit: Edit,
    even: f64,
    likely: f64,
    /// Comments that stand above it.
    evidence: Vec<String>,
}

impl Case<'_> {
    fn newest(&self) -> Option<&Newest> {
        self.track.newest.as_ref()
    }

    fn proposal(&self) -> Result<Proposal, String> {
        let by_hand = |why: &str| format!("{why}; change it by hand");
        let newest = self.newest().ok_or("nothing is known of it now")?;
        let (even, likely) = newest.even.zip(newest.likely).ok_or("where it ends can't be told")?;
        let name = match newest.facts.target {
            Target::Reach(_) => "reach",
            Target::ReduceTo(_) => "reduce_to",
            Target::AtLeast(_) => "at_least",
            Target::AtMost(_) => "at_most",
            Target::Between(..) => return Err(by_hand("its target is a band")),
        };
        let spot = Spot::value(self.loaded, &["objectives", self.objective.id.as_str(), name]);
        let spot = spot.ok_or_else(|| by_hand("its target is no plain figure of its entry"))?;
        let figure = Figure::read(spot.plain()).ok_or_else(|| by_hand("its target is no plain figure"))?;
        let scale = if figure.per_cent && self.kpi.unit == Unit::Ratio { 100.0 } else { 1.0 };
        // Another figure than the one that is written decides: a table, or a period's own.
        let written = figure.number / scale;
        if (newest.facts.target.figure(written) - written).abs() > 1e-9 * written.abs().max(1.0) {
            return Err(by_hand("its target is not the figure that its entry names"));
        }
        let is_raised = more_is_good(newest.facts.target);
        let (even, text) = sensible(even * scale, is_raised, figure);
        let (likely, likely_text) = sensible(likely * scale, is_raised, figure);
        let evidence = self.evidence(newest, (spot.plain(), &text, &likely_text));
        Ok(Proposal { edit: spot.becomes(&text), even: even / scale, likely: likely / scale, evidence })
    }

    fn amount(&self, value: f64) -> String {
        quantity(self.config.catalog.language, value, &self.kpi.unit)
    }

    /// The whole case in a line.
    fn gist(&self) -> String {
        let chance = self.newest().and_then(|newest| newest.facts.probability).unwrap_or(0.0);
        let since = day_of(self.since, &self.kpi.zone);
        format!("probability {}, low since {since}", percent(Language::En, chance, Sign::Negative))
    }

    fn evidence(&self, newest: &Newest, (old, new, likely): (&str, &str, &str)) -> Vec<String> {
        let language = self.config.catalog.language;
        let facts = &newest.facts;
        let share = |value: f64| percent(language, value, Sign::Negative);
        let day = |at: Timestamp| date(language, day_of(at, &self.kpi.zone));
        let (now, chance) = self.track.days.last().copied().unwrap_or((self.since, 0.0));
        let (then, chance_then) = self.track.before(now).unwrap_or((now, chance));
        let landing = facts.projected.map(|value| self.amount(value)).unwrap_or_default();
        let between = facts.low.zip(facts.high).map(|(low, high)| (self.amount(low), self.amount(high)));
        let rates = facts.required_rate.zip(facts.current_rate);
        let rates = rates.map(|(required, current)| (self.amount(required), self.amount(current)));
        let past = rate_words(language, HitRate::of(self.closed));
        let mut lines = Vec::new();
        match language {
            Language::Fr => {
                lines.push(format!(
                    "Révision proposée le {} : {new} au lieu de {old}, que la période a une chance",
                    day(now)
                ));
                lines.push(format!("sur deux d'atteindre ; {likely} le serait avec 80 % de chances."));
                lines.push(format!(
                    "Probabilité : {} aujourd'hui, {} le {} ; sous le seuil depuis le {}.",
                    share(chance),
                    share(chance_then),
                    day(then),
                    day(self.since)
                ));
                let between = between.map(|(low, high)| format!(" (80 % : de {low} à {high})"));
                lines.push(format!("Atterrissage : {landing}{}.", between.unwrap_or_default()));
                lines.extend(rates.map(|(required, current)| {
                    format!("Rythme requis : {required} par jour ouvré, contre {current} jusqu'ici.")
                }));
                lines.extend((!self.closed.is_empty()).then(|| format!("Périodes terminées : {past}.")));
            }
            Language::En => {
                lines.push(format!(
                    "Review of {}: {new} instead of {old}, which the period reaches with an even",
                    day(now)
                ));
                lines.push(format!("chance; {likely} would be reached with a probability of 80 %."));
                lines.push(format!(
                    "Probability: {} now, {} on {}; under the limit since {}.",
                    share(chance),
                    share(chance_then),
                    day(then),
                    day(self.since)
                ));
                let between = between.map(|(low, high)| format!(" (80 %: {low} to {high})"));
                lines.push(format!("Landing: {landing}{}.", between.unwrap_or_default()));
                lines.extend(rates.map(|(required, current)| {
                    format!("Required rate: {required} per working day, against {current} so far.")
                }));
                lines.extend((!self.closed.is_empty()).then(|| format!("Periods that ended: {past}.")));
            }
        }
        lines
    }
}

/// Three digits, on the side that is easier to reach; with its text.
fn sensible(value: f64, more_is_good: bool, figure: Figure) -> (f64, String) {
    if value == 0.0 || !value.is_finite() {
        return (0.0, figure.decimals(0).with(0.0));
    }
    let places = DIGITS - 1 - value.abs().log10().floor() as i32;
    let step = 10_f64.powi(-places);
    let steps = value / step;
    let rounded = if more_is_good { (steps + 1e-9).floor() } else { (steps - 1e-9).ceil() } * step;
    let decimals = usize::try_from(places).unwrap_or(0);
    let text = figure.decimals(decimals).with(rounded);
    // 1.20 says no more than 1.2.
    let (number, sign) = text.split_once(' ').map_or((text.as_str(), ""), |(number, _)| (number, " %"));
    let short = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    (rounded, format!("{short}{sign}"))
}

fn record(case: &Case<'_>, proposal: &Result<Proposal, String>) -> serde_json::Value {
    let facts = case.newest().map(|newest| &newest.facts);
    let (proposal, reason) = match proposal {
        Ok(proposal) => (Some(proposal), None),
        Err(why) => (None, Some(why)),
    };
    json!({
        "type": "review", "objective": case.objective.id, "kpi": case.kpi.id.base(), "labels": case.objective.labels,
        "target": facts.map(|facts| facts.target), "probability": facts.and_then(|facts| facts.probability),
        "since": case.since, "projected": facts.and_then(|facts| facts.projected),
        "low": facts.and_then(|facts| facts.low), "high": facts.and_then(|facts| facts.high),
        "required_rate": facts.and_then(|facts| facts.required_rate),
        "current_rate": facts.and_then(|facts| facts.current_rate),
        "proposed": proposal.map(|proposal| proposal.even), "proposed_80": proposal.map(|proposal| proposal.likely),
        "patch": proposal.map(|proposal| patch(case.loaded, std::iter::once(proposal))), "why_not": reason,
    })
}

/// All changes, file by file.
fn patch<'a>(loaded: &Loaded, proposals: impl Iterator<Item = &'a Proposal>) -> String {
    let mut by_file: BTreeMap<&str, Vec<&Proposal>> = BTreeMap::new();
    for proposal in proposals {
        by_file.entry(&proposal.edit.spot.file).or_default().push(proposal);
    }
    let mut patch = String::new();
    for (file, proposals) in by_file {
        let Some(text) = text_of(loaded, file) else { continue };
        let lines: Vec<&str> = text.split('\n').collect();
        let mut changes: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for proposal in proposals {
            let number = proposal.edit.spot.line;
            let Some(line) = lines.get(number - 1) else { continue };
            let indent: String = line.chars().take_while(|c| *c == ' ').collect();
            // A second change of one line builds on the first.
            let new = changes.entry(number).or_insert_with(|| vec![(*line).to_owned()]);
            let last = new.pop().unwrap_or_default();
            new.extend(proposal.evidence.iter().map(|why| format!("{indent}# {why}")));
            new.push(edited(&last, std::iter::once(&proposal.edit)));
        }
        patch.push_str(&unified(&as_seen_from_here(file), text, &changes));
    }
    patch
}

/// The file's path below the working folder, where it lies there.
fn as_seen_from_here(file: &str) -> String {
    let here = std::env::current_dir().ok();
    let below = here.as_deref().and_then(|here| Path::new(file).strip_prefix(here).ok());
    below.map_or_else(|| file.to_owned(), |path| path.display().to_string())
}
