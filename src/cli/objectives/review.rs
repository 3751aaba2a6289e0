//! `vigie objectives review`: targets that have been out of reach for a while, and what is within reach, as a patch.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::json;

use super::args::ReviewArgs;
use super::edit::{Edit, edited, text_of, unified};
use super::known::{Stage, closed, kpi_of, lived, named};
use super::outcomes::rate_words;
use super::retarget::{Ends, Entry, Retarget};
use crate::cli::assess::{Line, as_of, replay};
use crate::cli::configuration;
use crate::cli::output::Out;
use crate::config::{Config, Loaded};
use crate::locale::{Sign, chance, date, goal, landing, percent, push_goal, quantity, rate_label, text};
use crate::model::assessment::ObjectiveFacts;
use crate::model::grain::day_of;
use crate::model::ids::ObjectiveId;
use crate::model::kpi::Kpi;
use crate::model::objective::{Objective, Target};
use crate::model::outcome::ClosedPeriod;
use crate::model::unit::Language;

/// How long a target must have been out of reach, unless that is more than a third of the period so far.
const DAYS: i32 = 14;
/// Days of a period that are looked at, one by one.
const DAYS_MAX: i64 = 400;
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
    ends: Option<Ends>,
    /// Of a target that is relative to it.
    baseline: Option<f64>,
}

fn note(tracks: &mut BTreeMap<ObjectiveId, Track>, line: &Line<'_>) {
    let Some((objective, Ok(facts))) = &line.objective else { return };
    let track = tracks.entry(objective.id.clone()).or_default();
    if track.first != Some(facts.period_start) {
        *track = Track { first: Some(facts.period_start), ..Track::default() };
    }
    track.days.extend(facts.probability.map(|probability| (line.at, probability)));
    let below = |probability: f64| line.assessment.quantile(probability).ok();
    let ends = below(1.0 - LIKELY).zip(below(EVEN)).zip(below(LIKELY));
    let ends = ends.map(|((low, even), high)| Ends { low, even, high });
    let baseline = objective.target.change().and_then(|_| line.assessment.baseline_now().ok());
    track.newest = Some(Newest { facts: facts.clone(), ends, baseline });
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
    /// That of the target first.
    edits: Vec<Edit>,
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
        let newest = self.newest().ok_or("nothing is known of it now")?;
        let ends = newest.ends.ok_or("where it ends can't be told")?;
        let now = self.track.days.last().map_or(self.since, |(at, _)| *at);
        let Case { config, loaded, objective, kpi, .. } = *self;
        let today = day_of(now, &kpi.zone);
        let Newest { facts, baseline, .. } = newest;
        let entry = Entry { config, loaded, objective, kpi, facts, ends, baseline: *baseline, today };
        let retarget = entry.retarget()?;
        let evidence = self.evidence(newest, &retarget);
        Ok(Proposal { edits: retarget.edits, even: retarget.even.0, likely: retarget.likely.0, evidence })
    }

    fn amount(&self, value: f64) -> String {
        quantity(self.config.catalog.language, value, &self.kpi.unit)
    }

    /// The whole case in a line.
    fn gist(&self) -> String {
        let probability = self.newest().and_then(|newest| newest.facts.probability).unwrap_or(0.0);
        let since = day_of(self.since, &self.kpi.zone);
        format!("probability {}, low since {since}", chance(Language::En, probability))
    }

    fn evidence(&self, newest: &Newest, retarget: &Retarget) -> Vec<String> {
        let language = self.config.catalog.language;
        let facts = &newest.facts;
        let (old, new, unit) = (&retarget.old, &retarget.new, &self.kpi.unit);
        let share = |value: f64| chance(language, value);
        let day = |at: Timestamp| date(language, day_of(at, &self.kpi.zone));
        let meeting = |target: Target, before: &str| {
            let mut words = before.to_owned();
            push_goal(language, &mut words, &goal(language, target, unit));
            words
        };
        let (now, now_at) = self.track.days.last().copied().unwrap_or((self.since, 0.0));
        let (then, then_at) = self.track.before(now).unwrap_or((now, now_at));
        let lands = facts.landing().map(|fan| landing(language, fan, unit));
        let lands = lands.or_else(|| facts.projected.map(|value| self.amount(value))).unwrap_or_default();
        let rates = facts.required_rate.zip(facts.current_rate);
        let rates = rates.map(|(required, current)| {
            let shown = |rate| self.amount(facts.target.rate_rounded(rate, unit));
            (text(language, rate_label(facts.target, facts.measure, unit)), shown(required), shown(current))
        });
        let past = rate_words(language, self.closed);
        let mut lines = Vec::new();
        match language {
            Language::Fr => {
                lines.push(format!("Révision proposée le {} : {new} au lieu de {old}.", day(now)));
                let even = meeting(retarget.even.1, "La période a une chance sur deux de ");
                lines.push(format!("{even} ;"));
                lines.push(format!("{}.", meeting(retarget.likely.1, "elle a 80 % de chances de ")));
                lines.push(format!(
                    "Probabilité de la cible actuelle : {} aujourd'hui, {} le {} ; sous le seuil depuis le {}.",
                    share(now_at),
                    share(then_at),
                    day(then),
                    day(self.since)
                ));
                lines.push(format!("Atterrissage : {lands}."));
                lines.extend(rates.map(|(label, required, current)| {
                    format!("{label} : {required} par jour ouvré, contre {current} jusqu'ici.")
                }));
                lines.extend((!self.closed.is_empty()).then(|| format!("Périodes terminées : {past}.")));
            }
            Language::En => {
                lines.push(format!("Review of {}: {new} instead of {old}.", day(now)));
                lines.push(format!("{};", meeting(retarget.even.1, "The period has an even chance to ")));
                lines.push(format!("{}.", meeting(retarget.likely.1, "it has a chance of 80 % to ")));
                lines.push(format!(
                    "Probability of the present target: {} now, {} on {}; under the limit since {}.",
                    share(now_at),
                    share(then_at),
                    day(then),
                    day(self.since)
                ));
                lines.push(format!("Landing: {lands}."));
                lines.extend(rates.map(|(label, required, current)| {
                    format!("{label}: {required} per working day, against {current} so far.")
                }));
                lines.extend((!self.closed.is_empty()).then(|| format!("Periods that ended: {past}.")));
            }
        }
        lines
    }
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

/// All changes, file by file; the reasons stand above the target.
fn patch<'a>(loaded: &Loaded, proposals: impl Iterator<Item = &'a Proposal>) -> String {
    type Line<'a> = (Vec<&'a String>, Vec<&'a Edit>);
    let mut by_file: BTreeMap<&str, BTreeMap<usize, Line<'a>>> = BTreeMap::new();
    for proposal in proposals {
        for (place, edit) in proposal.edits.iter().enumerate() {
            let line = by_file.entry(&edit.spot.file).or_default().entry(edit.spot.line).or_default();
            line.0.extend(proposal.evidence.iter().filter(|_| place == 0));
            line.1.push(edit);
        }
    }
    let mut patch = String::new();
    for (file, changed) in by_file {
        let Some(text) = text_of(loaded, file) else { continue };
        let lines: Vec<&str> = text.split('\n').collect();
        let mut changes: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (number, (evidence, edits)) in changed {
            let Some(line) = lines.get(number - 1) else { continue };
            let indent: String = line.chars().take_while(|c| *c == ' ').collect();
            let mut new: Vec<String> = evidence.iter().map(|why| format!("{indent}# {why}")).collect();
            new.push(edited(line, edits.into_iter()));
            changes.insert(number, new);
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
