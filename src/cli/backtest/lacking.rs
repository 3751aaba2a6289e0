//! What a replay's span lacks of what is stored: pulled now, into memory alone. A running daemon's state is only read.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;

use crate::cli::progress::Progress;
use crate::cli::query;
use crate::config::Config;
use crate::daemon::{Lived, lived};
use crate::engine::{State, computed};
use crate::model::formula::Formula;
use crate::model::grain::BucketIndex;
use crate::model::ids::{KpiId, SourceId};
use crate::model::kpi::{Kpi, Query};
use crate::model::observation::Observation;
use crate::model::roll_ups::RollUps;
use crate::source::Source;

/// KPIs that are asked for at once.
const AT_ONCE: usize = 4;
/// Refused readings and warnings that are told of one KPI.
const TOLD_MAX: usize = 3;

/// Versions of one KPI, in the order in which they became known.
pub(in crate::cli) type Versions = BTreeMap<KpiId, Vec<Observation>>;

/// What is to be said of what was pulled.
#[derive(Default)]
pub(in crate::cli) struct Filled {
    pub(in crate::cli) warnings: Vec<String>,
    /// The KPIs of which something could not be had, and why.
    pub(in crate::cli) failed: BTreeMap<KpiId, anyhow::Error>,
}

impl Filled {
    /// The warnings, where all could be had; of several failures always the same one is told.
    pub(in crate::cli) fn whole(self) -> anyhow::Result<Vec<String>> {
        match self.failed.into_values().next() {
            Some(why) => Err(why),
            None => Ok(self.warnings),
        }
    }
}

/// Pulls what is lacking of these KPIs and puts it between what is stored.
pub(in crate::cli) async fn fill(
    config: &Config,
    kpis: &[Arc<Kpi>],
    versions: &mut Versions,
    (from, now): (Option<Timestamp>, Timestamp),
) -> anyhow::Result<Filled> {
    let Filled { mut warnings, mut failed } = Filled::default();
    // What is computed follows from what it is computed of.
    let mut asked: BTreeMap<KpiId, Arc<Kpi>> = BTreeMap::new();
    for kpi in kpis {
        let inputs = kpi.formula().into_iter().flat_map(Formula::inputs).filter_map(|id| config.catalog.kpi(id));
        for kpi in if kpi.formula().is_some() { inputs.cloned().collect() } else { vec![kpi.clone()] } {
            asked.insert(kpi.id.clone(), kpi);
        }
    }
    let lacking: Vec<(Arc<Kpi>, (BucketIndex, BucketIndex))> = asked
        .values()
        .flat_map(|kpi| {
            let stored = versions.get(&kpi.id).map_or(&[][..], Vec::as_slice);
            spans(kpi, stored, (from, now)).into_iter().map(|span| (kpi.clone(), span))
        })
        .collect();
    if lacking.is_empty() {
        return Ok(Filled { warnings, failed });
    }
    for (kpi, _) in lacking.iter().filter(|(kpi, _)| kpi.query == Query::Entered) {
        if versions.get(&kpi.id).is_none_or(Vec::is_empty) {
            let why = anyhow!("nothing was entered of KPI '{}'; `vigie record` enters a number", kpi.id);
            failed.insert(kpi.id.clone(), why);
        }
    }
    let progress = Progress::of("pulling", lacking.len() as u64);
    let sources = sources(config, lacking.iter().map(|(kpi, _)| kpi))?;
    let roll_ups: HashMap<KpiId, Arc<RollUps>> =
        config.catalog.roll_ups().into_iter().map(|(id, asked)| (id, Arc::new(asked))).collect();
    let pulls = lacking.into_iter().filter(|(kpi, _)| kpi.query != Query::Entered).map(|(kpi, span)| {
        let source = sources.get(&kpi.source).cloned();
        let roll_ups = roll_ups.get(&kpi.id).cloned().unwrap_or_default();
        let progress = &progress;
        async move {
            let pull = match source.context("a source that was built") {
                Ok(source) => query::pull(&kpi, source, span, now).await,
                Err(error) => Err(error),
            };
            progress.advance(1);
            let pull = pull.with_context(|| format!("KPI '{}'", kpi.id));
            (kpi.id.clone(), pull.map(|pull| lived(&kpi, &roll_ups, pull, span, now)))
        }
    });
    let pulled: Vec<(KpiId, anyhow::Result<Lived>)> = stream::iter(pulls).buffered(AT_ONCE).collect().await;
    progress.end();
    for (id, found) in pulled {
        match found {
            Ok(found) => {
                tell(&id, &found, &mut warnings);
                add(versions.entry(id).or_default(), found.versions);
            }
            Err(error) => {
                failed.entry(id).or_insert(error);
            }
        }
    }
    for kpi in kpis {
        if let Some(formula) = kpi.formula() {
            compute(kpi, formula, versions, (from, now), &roll_ups);
        }
    }
    Ok(Filled { warnings, failed })
}

/// The buckets to ask for: before and after those that are stored, as far back as asked for or as the KPI's history goes.
fn spans(
    kpi: &Kpi,
    stored: &[Observation],
    (from, now): (Option<Timestamp>, Timestamp),
) -> Vec<(BucketIndex, BucketIndex)> {
    let last = kpi.grain.last_ended(now, &kpi.zone);
    let usual = kpi.grain.index_at(now.checked_sub(kpi.history).unwrap_or(now), &kpi.zone);
    let asked = from.map(|from| kpi.grain.index_at(from, &kpi.zone));
    let known = stored.iter().map(|version| version.bucket);
    match known.clone().min().zip(known.max()) {
        None => vec![(asked.map_or(usual, |asked| asked.min(usual)), last)],
        Some((oldest, newest)) => {
            let before = asked.filter(|asked| *asked < oldest).map(|asked| (asked, oldest - 1));
            // The daemon that writes the state is asked for the newest itself.
            let after = (stored_is_old(kpi, newest, now)).then_some((newest + 1, last));
            before.into_iter().chain(after).filter(|(first, last)| first <= last).collect()
        }
    }
}

/// Whether more is missing after what is stored than what may still be on its way.
fn stored_is_old(kpi: &Kpi, newest: BucketIndex, now: Timestamp) -> bool {
    const LATE: BucketIndex = 3;
    kpi.grain.last_ended(now, &kpi.zone) - newest > LATE
}

fn sources<'a>(
    config: &Config,
    kpis: impl Iterator<Item = &'a Arc<Kpi>>,
) -> anyhow::Result<HashMap<SourceId, Arc<Source>>> {
    let mut sources: HashMap<SourceId, Arc<Source>> = HashMap::new();
    for kpi in kpis.filter(|kpi| kpi.query != Query::Entered) {
        if !sources.contains_key(&kpi.source) {
            sources.insert(kpi.source.clone(), Arc::new(query::source_of(config, kpi)?));
        }
        if let Some(Err(message)) = sources.get(&kpi.source).map(|source| source.check_query(kpi)) {
            bail!("KPI '{}': {message}", kpi.id);
        }
    }
    Ok(sources)
}

/// Computes a KPI of what its inputs are now known to have been, in its buckets that are not stored.
fn compute(
    kpi: &Arc<Kpi>,
    formula: &Formula,
    versions: &mut Versions,
    (from, now): (Option<Timestamp>, Timestamp),
    roll_ups: &HashMap<KpiId, Arc<RollUps>>,
) {
    let mut state = State::default();
    for id in formula.inputs() {
        for version in versions.get(id).into_iter().flatten() {
            state.history.put(version);
        }
    }
    let stored = versions.entry(kpi.id.clone()).or_default();
    let mut found = Vec::new();
    for span in spans(kpi, stored, (from, now)) {
        let pull = computed(&state, kpi, formula, span);
        let roll_ups = roll_ups.get(&kpi.id).cloned().unwrap_or_default();
        found.extend(lived(kpi, &roll_ups, pull, span, now).versions);
    }
    add(stored, found);
}

/// Keeps the order in which versions became known; what is stored came before what is pulled of the same instant.
fn add(versions: &mut Vec<Observation>, more: Vec<Observation>) {
    versions.extend(more);
    versions.sort_by_key(|version| version.known_at);
}

fn tell(kpi: &KpiId, found: &Lived, warnings: &mut Vec<String>) {
    warnings.extend(found.warnings.iter().take(TOLD_MAX).map(|warning| format!("KPI '{kpi}': {warning}")));
    if let Some(first) = found.rejections.first() {
        let count = found.rejections.len();
        warnings.push(format!(
            "KPI '{kpi}': {count} readings are refused, the first is {} `{}`: {}",
            first.origin, first.raw, first.cause
        ));
    }
}
