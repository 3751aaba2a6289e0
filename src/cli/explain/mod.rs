//! `vigie explain`: why a rule fired or did not: what it read, what it compared, what became of its alert, and whom that was
//! told.

mod show;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};

use super::backtest::stored;
use super::output::Out;
use super::{configuration, state};
use crate::daemon::build_rules;
use crate::engine::{Doubt, Judged, Past, Setup, State, Track, judge, judged_slot, undoubting};
use crate::model::alert::{Alert, AlertKey, Aspect, Phase, Subject, Transition};
use crate::model::catalog::Catalog;
use crate::model::evaluation::EvaluationRecord;
use crate::model::grain::start_of_day;
use crate::model::ids::{KpiId, Labels, RuleId, SeriesKey};
use crate::model::kpi::Kpi;
use crate::model::notification::Delivery;
use crate::model::series::SeriesData;
use crate::rule::on_large_stack;
use crate::store::{DeliveryFilter, Store, TransitionFilter};

/// Changes of one alert that are shown.
const CHANGES_MAX: u32 = 10;
/// Deliveries of one alert that are shown.
const DELIVERIES_MAX: u32 = 10;
/// Changes that are looked through for how an alert stood at an instant.
const PAST_MAX: u32 = 100_000;

#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// The rule's id, as the configuration names it
    pub rule: String,
    /// The KPI's id
    pub kpi: String,
    /// Only this series; one for each dimension
    #[arg(long, value_name = "NAME=VALUE", value_parser = super::args::label)]
    pub label: Vec<(String, String)>,
    /// As of then, with what was known then: 2026-11-03, '2026-11-03 08:00', 2026-11-03T07:00:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
}

/// What is known of one series (and objective) of a rule.
struct Explained {
    judged: Judged,
    key: AlertKey,
    /// Alerts of it that live, the breach first. As of an instant in the past: how they stood is in `changes`.
    alerts: Vec<Alert>,
    /// Newest last.
    changes: Vec<Transition>,
    /// Newest first.
    deliveries: Vec<Delivery>,
}

/// All of it, as of one instant.
struct Explanation {
    rule: RuleId,
    kpi: Arc<Kpi>,
    /// KPIs that the rule reads beside its own.
    others: Vec<Arc<Kpi>>,
    setup: Setup,
    state: State,
    /// Newest slot that was judged.
    slot: Timestamp,
    now: Timestamp,
    /// False for an instant in the past.
    is_now: bool,
    series: Vec<Explained>,
    /// What was found when it was judged last, as it was noted then.
    logged: Option<EvaluationRecord>,
}

pub(super) async fn explain(
    out: &mut Out,
    paths: &[PathBuf],
    args: &ExplainArgs,
    now: Timestamp,
) -> anyhow::Result<u8> {
    let (config, loaded) = configuration::read_whole(paths)?;
    let catalog = &config.catalog;
    let rule = stored::rules(catalog, std::slice::from_ref(&args.rule))?.remove(0);
    let kpi = super::query::kpi_named(&config, &args.kpi)?;
    let def = catalog.rules.get(&rule).context("a rule that was found")?;
    if !def.on.contains(&kpi.id) {
        let on: Vec<&str> = def.on.iter().map(KpiId::as_str).collect();
        bail!("rule '{rule}' does not run on KPI '{}'; it runs on {}", kpi.id, on.join(", "));
    }
    let at = args.at.as_deref().map(|text| instant(text, catalog)).transpose()?;
    if let Some(at) = at.filter(|at| *at > now) {
        bail!("--at {at} lies ahead; nothing is known of it");
    }
    let store = state::open(&config).await?;
    let build = |catalog: Catalog| {
        build_rules(catalog, &config.rule_dirs, &loaded).map_err(|problems| {
            anyhow::Error::from(configuration::Refused::of(crate::config::render(&problems, &loaded.sources, false)))
        })
    };
    let setup = build(at.map_or_else(|| catalog.clone(), |_| undoubting(catalog.clone())))?;
    let others: Vec<Arc<Kpi>> = {
        let compiled = setup.rules.get(&rule).context("a rule that was compiled")?;
        compiled.others.iter().filter_map(|id| catalog.kpi(id)).cloned().collect()
    };
    let state = match at {
        None => stored_state(&store, &setup, [&kpi].into_iter().chain(&others)).await?,
        Some(at) => past_state(&store, &setup, [&kpi].into_iter().chain(&others), at).await?,
    };
    let Some(slot) = judged_slot(&state, &setup, &rule, &kpi.id) else {
        bail!("KPI '{}' had no slot {}; let `vigie run` pull it", kpi.id, at.map_or("yet", |_| "by then"));
    };
    let all = on_large_stack(|| judge(&state, &setup, &rule, &kpi.id, slot));
    let wanted: Option<Labels> = (!args.label.is_empty()).then(|| args.label.iter().cloned().collect());
    let all: Vec<Judged> =
        all.into_iter().filter(|judged| wanted.as_ref().is_none_or(|wanted| judged.labels.contains(wanted))).collect();
    if all.is_empty() {
        let why = if wanted.is_some() { "of those labels" } else { "yet, or no objective that it reads" };
        bail!("rule '{rule}' has no series {why} on KPI '{}'", kpi.id);
    }
    let mut series = Vec::with_capacity(all.len());
    for judged in all {
        series.push(of_series(&store, &state, (&rule, &kpi), judged, at).await?);
    }
    let logged = store.evaluations(&rule, &kpi.id, (at.unwrap_or(now), 1)).await?.pop();
    let (now, is_now) = (at.unwrap_or(now), at.is_none());
    let explanation = Explanation { rule, kpi, others, setup, state, slot, now, is_now, series, logged };
    if out.is_json() {
        show::records(out, &explanation)?;
    } else {
        show::text(out, &explanation)?;
    }
    Ok(0)
}

/// An instant as people write it: of a day alone, its end.
pub(super) fn instant(text: &str, catalog: &Catalog) -> anyhow::Result<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    if let Some(day) = text.parse::<Date>().ok().filter(|_| text.len() == 10) {
        return Ok(start_of_day(day.tomorrow().context("--at is too late")?, &catalog.zone));
    }
    let local = text.parse::<DateTime>().ok().filter(|_| text.len() > 10);
    let local = local.and_then(|local| catalog.zone.to_timestamp(local).ok());
    local.with_context(|| {
        format!("--at {text}: no moment; write 2026-11-03, '2026-11-03 08:00' or 2026-11-03T07:00:00Z")
    })
}

/// The state as the store holds it now.
async fn stored_state(store: &Store, setup: &Setup, kpis: impl Iterator<Item = &Arc<Kpi>>) -> anyhow::Result<State> {
    let mut state = State::from_stored(store.load().await?);
    for kpi in kpis {
        let mut series: BTreeMap<Labels, Arc<SeriesData>> = BTreeMap::new();
        store
            .load_data(&kpi.id, |labels, data| {
                series.insert(labels, Arc::new(data));
            })
            .await?;
        state.take_up(setup, kpi.id.clone(), series);
    }
    Ok(state)
}

/// What was known at an instant, as the engine would have lived it.
async fn past_state(
    store: &Store,
    setup: &Setup,
    kpis: impl Iterator<Item = &Arc<Kpi>>,
    at: Timestamp,
) -> anyhow::Result<State> {
    let mut tracks = Vec::new();
    let mut seen = HashSet::new();
    for kpi in kpis.filter(|kpi| seen.insert(kpi.id.clone())) {
        let versions = store.all_versions(&kpi.id).await?;
        let own = setup.catalog.kpi(&kpi.id).unwrap_or(kpi).clone();
        tracks.push(Track::new(own, versions).judged_at(store.judged_at(&kpi.id).await?));
    }
    let doubts: Vec<Doubt> = store.suspects(false, u32::MAX).await?.iter().map(Doubt::of).collect();
    Ok(on_large_stack(|| {
        let mut past = Past::new(setup);
        let from = tracks.iter().filter_map(Track::begins).min().unwrap_or(at);
        past.run(&mut tracks, &doubts, (from.min(at), at), &mut |_, _, _| {});
        past.into_state()
    }))
}

async fn of_series(
    store: &Store,
    state: &State,
    (rule, kpi): (&RuleId, &Arc<Kpi>),
    judged: Judged,
    at: Option<Timestamp>,
) -> anyhow::Result<Explained> {
    let series = SeriesKey { kpi: kpi.id.clone(), labels: judged.labels.clone() };
    let subject = Subject::Rule { rule: rule.clone(), series, objective: judged.objective.clone() };
    let mut alerts: Vec<Alert> = match at {
        None => state.book.of(&subject).to_vec(),
        Some(_) => Vec::new(),
    };
    alerts.sort_by_key(|alert| (alert.key.aspect != Aspect::Breach, alert.key.period));
    let newest = alerts.iter().rfind(|alert| alert.key.aspect == Aspect::Breach).map(|alert| alert.key.clone());
    let period = judged.period.map(|period| period.first);
    let key = newest.unwrap_or(AlertKey { subject: subject.clone(), period, aspect: Aspect::Breach });
    let limit = if at.is_some() { PAST_MAX } else { CHANGES_MAX };
    let (mut changes, mut deliveries) = (Vec::new(), Vec::new());
    let others = [Aspect::NoData, Aspect::Failed];
    let others = others.map(|aspect| AlertKey { subject: subject.clone(), period: None, aspect });
    for key in std::iter::once(&key).chain(&others) {
        let alert = Some(key.id().to_string());
        let filter = TransitionFilter { alert: alert.clone(), limit, ..TransitionFilter::default() };
        let mut own = store.transitions(&filter).await?;
        own.retain(|change| at.is_none_or(|at| change.at <= at));
        let surplus = own.len().saturating_sub(CHANGES_MAX as usize);
        changes.extend(own.drain(surplus..));
        let filter = DeliveryFilter { alert, limit: DELIVERIES_MAX, ..DeliveryFilter::default() };
        deliveries.extend(store.deliveries(&filter).await?);
    }
    changes.sort_by_key(|change| change.seq);
    deliveries.retain(|delivery| at.is_none_or(|at| delivery.new.created_at <= at));
    deliveries.sort_by_key(|delivery| std::cmp::Reverse(delivery.id));
    // One message may tell of several of them.
    deliveries.dedup_by_key(|delivery| delivery.id);
    Ok(Explained { judged, key, alerts, changes, deliveries })
}

impl Explained {
    /// How its breach stands, by the alert itself or by what it did last.
    fn phase(&self) -> Phase {
        let live = self.alerts.iter().find(|alert| alert.key == self.key);
        live.map(|alert| alert.phase).or_else(|| self.changes.last().map(|change| change.to)).unwrap_or(Phase::Inactive)
    }
}
