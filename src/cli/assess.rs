//! `vigie assess`: what was known of KPIs and their objectives at given instants, in figures.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::json;

use super::args::duration;
use super::backtest::stored::{Past, past};
use super::configuration;
use super::instant::When;
use super::output::{Out, Table, blocks, moment};
use super::query::{kpi_named, label_text};
use crate::assess::{Assessment, Lessons};
use crate::config::Config;
use crate::engine::{Doubt, History};
use crate::locale::{chance, picture, quantity, unmeasurable_and_remedy};
use crate::model::assessment::{Measured, ObjectiveFacts, Unmeasurable};
use crate::model::event::BusinessEvent;
use crate::model::ids::Labels;
use crate::model::kpi::Kpi;
use crate::model::objective::Objective;
use crate::model::series::SeriesData;
use crate::model::unit::Language;

/// Instants asked for at once.
const INSTANTS_MAX: usize = 100_000;
const DAY: SignedDuration = SignedDuration::from_hours(24);

#[derive(Debug, clap::Args)]
pub struct AssessArgs {
    /// Only this KPI; may be repeated. Default: all
    #[arg(long, value_name = "KPI")]
    pub kpi: Vec<String>,
    /// As of then: 2026-11-03 (its end), '2026-11-03 08:00', 2026-11-03T07:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = When::parse, conflicts_with_all = ["from", "to"])]
    pub at: Option<When>,
    /// The first of several instants
    #[arg(long, value_name = "TIME", value_parser = When::parse, requires = "to")]
    pub from: Option<When>,
    /// The last of several instants, included
    #[arg(long, value_name = "TIME", value_parser = When::parse, requires = "from")]
    pub to: Option<When>,
    /// From one instant to the next; whole days are civil days of the configuration's zone
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1d", requires = "from")]
    pub every: SignedDuration,
    /// Draw each objective's period under the table: actual, expected, target, landing
    #[arg(long, conflicts_with_all = ["from", "to"])]
    pub chart: bool,
}

pub(super) async fn assess(out: &mut Out, paths: &[PathBuf], args: AssessArgs, now: Timestamp) -> anyhow::Result<u8> {
    let config = configuration::read(paths)?;
    let kpis: Vec<Arc<Kpi>> = if args.kpi.is_empty() {
        config.catalog.kpis.values().filter(|kpi| kpi.since.is_none()).cloned().collect()
    } else {
        args.kpi.iter().map(|name| kpi_named(&config, name)).collect::<Result<_, _>>()?
    };
    let instants = instants(&config, &args, now)?;
    // Whatever an objective looks at is asked under the KPI's own name.
    let mut asked = kpis.clone();
    for objective in config.catalog.objectives.values() {
        let (own, of) =
            (config.catalog.kpi(&objective.kpi), kpis.iter().any(|kpi| kpi.id.as_str() == objective.kpi.base()));
        asked.extend(own.filter(|own| of && !kpis.iter().any(|kpi| kpi.id == own.id)).cloned());
    }
    asked.sort_by(|one, other| one.id.cmp(&other.id));
    asked.dedup_by(|one, other| one.id == other.id);
    let mut past = past(&config, asked, (None, now)).await?;
    for warning in &past.warnings {
        writeln!(std::io::stderr(), "warning: {warning}")?;
    }
    // One that has nothing to say leaves the others theirs.
    if past.known.is_empty() {
        past = past.whole()?;
    }
    for why in past.failed.values() {
        writeln!(std::io::stderr(), "warning: {why:#}")?;
    }
    let mut table =
        Table::new(&["AT", "KPI", "SERIES", "VALUE", "OBJECTIVE", "ACTUAL", "EXPECTED", "LANDING", "CHANCE", "STATUS"]);
    if args.chart && out.is_json() {
        bail!("--chart draws for people; leave out --format json");
    }
    let mut lines = 0;
    let mut charts = Vec::new();
    // Of several instants the newest says it.
    let mut reasons = BTreeMap::new();
    replay(&config, past, &instants, &mut |line| {
        lines += 1;
        if out.is_json() {
            return Ok(out.record(&record(&line))?);
        }
        table.row(cells(&line, &config));
        charts.extend(if args.chart { chart(&line) } else { None });
        if let Some((objective, _)) = &line.objective {
            reasons.insert(objective.id.clone(), line.reason());
        }
        Ok(())
    })?;
    if !out.is_json() {
        if lines == 0 {
            out.line("nothing was known then")?;
        } else {
            out.table(&table)?;
        }
        for (objective, reason) in &reasons {
            reason.iter().try_for_each(|reason| out.line(&format!("{objective}: {reason}")))?;
        }
        for chart in charts {
            out.line("")?;
            out.text(&chart)?;
        }
    }
    Ok(0)
}

/// One series at one instant, with one of its objectives.
pub(super) struct Line<'a> {
    pub(super) at: Timestamp,
    kpi: &'a Kpi,
    labels: &'a Labels,
    pub(super) value: Option<f64>,
    pub(super) objective: Option<(&'a Objective, Measured<ObjectiveFacts>)>,
    pub(super) assessment: &'a Assessment,
}

impl Line<'_> {
    /// The figures of its objective, where there are any.
    pub(super) fn facts(&self) -> Option<&ObjectiveFacts> {
        self.objective.as_ref().and_then(|(_, facts)| facts.as_ref().ok())
    }

    /// Why the target, or the figure beside it, is not known.
    pub(super) fn missing(&self) -> Option<Unmeasurable> {
        match &self.objective.as_ref()?.1 {
            Ok(_) => self.assessment.actual().err(),
            Err(why) => Some(why.clone()),
        }
    }

    fn reason(&self) -> Option<String> {
        self.missing().map(|missing| unmeasurable_and_remedy(Language::En, &missing, &self.kpi.zone))
    }
}

/// The instant that was asked for; now, if none was.
pub(super) fn as_of(zone: &TimeZone, at: Option<When>, now: Timestamp) -> anyhow::Result<Timestamp> {
    let at = at.map_or(now, |at| at.as_of(zone));
    if at > now {
        bail!("--at {at} lies ahead; nothing is known of it");
    }
    Ok(at)
}

fn instants(config: &Config, args: &AssessArgs, now: Timestamp) -> anyhow::Result<Vec<Timestamp>> {
    let zone = &config.catalog.zone;
    let Some((from, to)) = args.from.zip(args.to) else {
        return Ok(vec![as_of(zone, args.at, now)?]);
    };
    // Ends of days, where days are asked for.
    let (first, last) = (from.as_of(zone), to.as_of(zone).min(now));
    if last < first {
        bail!("nothing lies between --from {first} and --to {last}");
    }
    let mut instants = Vec::new();
    let mut at = first;
    let whole_days = (args.every.as_secs() % DAY.as_secs() == 0).then_some(args.every.as_hours() / 24);
    while at <= last {
        if instants.len() >= INSTANTS_MAX {
            bail!("more than {INSTANTS_MAX} instants; take a longer --every, or a later --from");
        }
        instants.push(at);
        let next = match whole_days {
            Some(days) => zone.to_datetime(at).checked_add(days.days()).and_then(|local| zone.to_timestamp(local)),
            None => at.checked_add(args.every),
        };
        at = match next {
            Ok(next) if next > at => next,
            Ok(_) | Err(_) => break,
        };
    }
    Ok(instants)
}

/// Goes through the instants with what was known at each, and no more.
pub(super) fn replay(
    config: &Config,
    past: Past,
    instants: &[Timestamp],
    each: &mut dyn FnMut(Line<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let Past { known, doubts, events: added, .. } = past;
    let events: Vec<Arc<BusinessEvent>> = config.catalog.events.values().cloned().chain(added).collect();
    let (mut history, lessons) = (History::default(), Arc::<Lessons>::default());
    let mut rest: Vec<_> = known.into_iter().map(|lived| (lived.kpi, lived.versions.into_iter().peekable())).collect();
    for &at in instants {
        for (_, versions) in &mut rest {
            while let Some(version) = versions.next_if(|version| version.known_at <= at) {
                history.put(&version);
            }
        }
        hold(&mut history, &doubts, at);
        for (kpi, _) in &rest {
            for (labels, data) in history.of(&kpi.id) {
                of_series(config, (kpi, labels, data), (at, &lessons, &events), each)?;
            }
        }
    }
    Ok(())
}

/// Nothing is judged on a series while one of its values is not believed.
fn hold(history: &mut History, doubts: &[Doubt], at: Timestamp) {
    for doubt in doubts {
        let is_open = |other: &&Doubt| other.from <= at && other.until.is_none_or(|until| at < until);
        let held = doubts.iter().filter(|other| other.series == doubt.series).filter(is_open);
        let held = held.map(|other| other.bucket).min();
        history.hold(&doubt.series.kpi, &doubt.series.labels, held);
    }
}

fn of_series(
    config: &Config,
    (kpi, labels, data): (&Arc<Kpi>, &Labels, &Arc<SeriesData>),
    (at, lessons, events): (Timestamp, &Arc<Lessons>, &[Arc<BusinessEvent>]),
    each: &mut dyn FnMut(Line<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let about = events.iter().filter(|event| event.what.is_about(&kpi.id) && event.is_known(at)).cloned();
    let known: Vec<Arc<BusinessEvent>> = about.collect();
    let of = |objective: Option<Arc<Objective>>| {
        let assessment = Assessment::new(kpi.clone(), labels.clone(), data.clone(), objective, at).final_only();
        assessment.learning(lessons).with_events((!known.is_empty()).then(|| known.clone().into()))
    };
    let plain = of(None);
    let value = plain.value().ok();
    let mut any = false;
    for objective in config.catalog.objectives_on(&kpi.id).filter(|objective| objective.labels == *labels) {
        let assessment = of(Some(objective.clone()));
        let facts = assessment.measured_facts();
        if facts == Err(Unmeasurable::OutsidePeriod) {
            continue;
        }
        any = true;
        each(Line { at, kpi, labels, value, objective: Some((objective, facts)), assessment: &assessment })?;
    }
    // A period to date is there for its objective alone.
    if !any && kpi.since.is_none() {
        each(Line { at, kpi, labels, value, objective: None, assessment: &plain })?;
    }
    Ok(())
}

/// The objective's period in blocks, under its title.
fn chart(line: &Line<'_>) -> Option<String> {
    let facts = line.facts()?;
    let title = format!("{}{}", line.kpi.title, line.labels);
    Some(blocks(&picture(Language::En, &title, facts, &line.kpi.unit, line.assessment.course()?), Language::En))
}

/// An objective's figures by the names that every command gives them.
pub(super) fn objective_record(objective: &Objective, facts: &ObjectiveFacts) -> serde_json::Value {
    json!({
        "id": objective.id, "period": {"from": facts.period_start, "to": facts.period_end},
        "target": facts.target, "expected": facts.expected, "actual": facts.actual, "drift": facts.drift, "drift_ratio": facts.drift_ratio,
        "projected": facts.projected, "low": facts.low, "high": facts.high, "probability": facts.probability,
        "probability_change": facts.probability_change,
        "status": facts.status, "required_rate": facts.required_rate, "current_rate": facts.current_rate,
    })
}

fn record(line: &Line<'_>) -> serde_json::Value {
    let objective = line.objective.as_ref().map(|(objective, facts)| {
        let mut record = match facts {
            Ok(facts) => objective_record(objective, facts),
            Err(_) => json!({"id": objective.id, "target": null, "status": line.assessment.status()}),
        };
        record["reason"] = json!(line.reason());
        record
    });
    json!({
        "at": line.at, "kpi": line.kpi.id.base(), "labels": line.labels, "value": line.value, "objective": objective,
    })
}

fn cells(line: &Line<'_>, config: &Config) -> [String; 10] {
    let shown = |value: Option<f64>| {
        value.map_or_else(|| "-".to_owned(), |value| quantity(Language::En, value, &line.kpi.unit))
    };
    let of = |figure: fn(&ObjectiveFacts) -> Option<f64>| line.facts().and_then(figure);
    let name = |objective: &Objective| objective.id.to_string();
    [
        moment(line.at, &config.catalog.zone),
        line.kpi.id.base().to_string(),
        label_text(line.labels),
        shown(line.value),
        line.objective.as_ref().map_or_else(|| "-".to_owned(), |(objective, _)| name(objective)),
        shown(of(|facts| facts.actual)),
        shown(of(|facts| facts.expected)),
        shown(of(|facts| facts.projected)),
        of(ObjectiveFacts::chance).map_or_else(|| "-".to_owned(), |probability| chance(Language::En, probability)),
        line.objective.as_ref().map_or_else(String::new, |_| line.assessment.status().as_str().to_owned()),
    ]
}
