//! The history that a configuration's KPIs have in the state database.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use jiff::Timestamp;

use super::lacking::{self, Filled, Versions};
use super::{BacktestArgs, Known, Lived, Plan};
use crate::cli::{configuration, state};
use crate::config::Config;
use crate::engine::{Doubt, undoubting};
use crate::model::catalog::Catalog;
use crate::model::evaluation::Feedback;
use crate::model::event::BusinessEvent;
use crate::model::ids::{KpiId, RuleId};
use crate::model::kpi::Kpi;
use crate::model::rule::RuleDef;

pub(super) async fn plan(paths: &[PathBuf], args: &BacktestArgs, now: Timestamp) -> anyhow::Result<Plan> {
    let (config, loaded) = configuration::read_whole(paths)?;
    let rules = rules(&config.catalog, &args.rule)?;
    let mut catalog = undoubting(config.catalog.clone());
    catalog.rules.retain(|id, _| rules.contains(id));
    let watched = watched(&catalog, &rules);
    let kpis: Vec<Arc<Kpi>> = catalog.kpis.values().filter(|kpi| watched.contains(&kpi.id)).cloned().collect();
    let from = args.from.map(|from| from.begin(&catalog.zone));
    let Past { known, doubts, mut feedback, warnings, .. } = past(&config, kpis, (from, now)).await?.whole()?;
    feedback.retain(|said| rules.contains(&said.rule));
    let zone = catalog.zone.clone();
    let first = known.iter().filter_map(|lived| lived.versions.first()).map(|version| version.known_at).min();
    let last = known.iter().filter_map(|lived| lived.versions.last()).map(|version| version.known_at).max();
    let (first, last) = first.zip(last).context("a rule watches no KPI")?;
    let from = from.unwrap_or(first);
    let to = args.to.map_or(last, |to| to.end(&zone));
    let span = (from, to.min(now));
    if span.1 < span.0 {
        bail!("nothing lies between {} and {}; choose an earlier --from or a later --to", span.0, span.1);
    }
    let rule_dirs = config.rule_dirs.clone();
    Ok(Plan {
        catalog,
        rule_dirs,
        loaded,
        rules,
        called: None,
        known: Known::Versions { known, doubts },
        span,
        warnings,
        feedback,
    })
}

/// What is known of KPIs, and when it became known.
pub(in crate::cli) struct Past {
    pub(in crate::cli) known: Vec<Lived>,
    pub(in crate::cli) doubts: Vec<Doubt>,
    pub(in crate::cli) feedback: Vec<Feedback>,
    /// Added by command.
    pub(in crate::cli) events: Vec<Arc<BusinessEvent>>,
    pub(in crate::cli) warnings: Vec<String>,
    /// The KPIs of which something could not be had, and why; what is stored of them is known all the same.
    pub(in crate::cli) failed: BTreeMap<KpiId, anyhow::Error>,
}

impl Past {
    /// For whoever needs all of them.
    pub(in crate::cli) fn whole(mut self) -> anyhow::Result<Past> {
        match self.failed.pop_first() {
            Some((_, why)) => Err(why),
            None => Ok(self),
        }
    }
}

/// What the state holds of these KPIs; what it lacks from an instant on, or of their histories, is pulled into memory.
pub(in crate::cli) async fn past(
    config: &Config,
    kpis: Vec<Arc<Kpi>>,
    (from, now): (Option<Timestamp>, Timestamp),
) -> anyhow::Result<Past> {
    let mut judged = HashMap::new();
    let (mut versions, mut doubts, mut feedback, mut events) = (Versions::new(), Vec::new(), Vec::new(), Vec::new());
    // Without any state all of it is pulled.
    if config.settings.state.exists() {
        let store = state::open(config).await?;
        let inputs = kpis.iter().filter_map(|kpi| kpi.formula()).flat_map(|formula| formula.inputs().to_vec());
        for id in kpis.iter().map(|kpi| kpi.id.clone()).chain(inputs) {
            let stored = store.all_versions(&id).await?;
            judged.insert(id.clone(), store.judged_at(&id).await?);
            versions.insert(id, stored);
        }
        doubts.extend(store.suspects(false, u32::MAX).await?.iter().map(Doubt::of));
        feedback = store.feedback().await?;
        events = store.events().await?.into_iter().map(Arc::new).collect();
    }
    let Filled { warnings, mut failed } = lacking::fill(config, &kpis, &mut versions, (from, now)).await?;
    let mut known = Vec::new();
    for kpi in kpis {
        let versions = versions.remove(&kpi.id).unwrap_or_default();
        if versions.is_empty() {
            failed.entry(kpi.id.clone()).or_insert_with(|| {
                anyhow!(
                    "nothing is known of KPI '{0}', and its source has nothing; `vigie query {0}` shows what it says",
                    kpi.id
                )
            });
            continue;
        }
        let judged = judged.remove(&kpi.id).unwrap_or_default();
        known.push(Lived { kpi, versions, judged });
    }
    Ok(Past { known, doubts, feedback, events, warnings, failed })
}

/// The rules that were named; all, if none was.
pub(in crate::cli) fn rules(catalog: &Catalog, named: &[String]) -> anyhow::Result<Vec<RuleId>> {
    let known = || catalog.rules.keys().map(RuleId::as_str).collect::<Vec<_>>().join(", ");
    if catalog.rules.is_empty() {
        bail!("the configuration has no rule");
    }
    let find = |name: &String| match catalog.rules.get(name.as_str()) {
        Some(rule) => Ok(rule.id.clone()),
        None => bail!("no rule '{name}' in the configuration; there are: {}", known()),
    };
    if named.is_empty() { Ok(catalog.rules.keys().cloned().collect()) } else { named.iter().map(find).collect() }
}

/// The KPIs that rules run on or read beside them.
fn watched(catalog: &Catalog, rules: &[RuleId]) -> BTreeSet<KpiId> {
    let of = |rule: &Arc<RuleDef>| {
        let named = rule.with.values().filter_map(|value| match value {
            crate::model::rule::ParamValue::Text(text) => catalog.kpis.get(text.as_str()).map(|kpi| kpi.id.clone()),
            _ => None,
        });
        rule.on.iter().cloned().chain(named).collect::<Vec<_>>()
    };
    rules.iter().filter_map(|id| catalog.rules.get(id)).flat_map(of).collect()
}
