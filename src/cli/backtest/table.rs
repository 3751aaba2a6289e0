//! A table on disk in place of what is stored: each row is known as soon as it stands there, and is judged at once.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use indexmap::IndexMap;
use jiff::Timestamp;

use super::{BacktestArgs, Known, Plan, stored};
use crate::cli::rows::{MadeUp, Row, read};
use crate::cli::{configuration, query};
use crate::config::{Config, Loaded};
use crate::engine::{PullReport, SlotEvent};
use crate::model::catalog::Catalog;
use crate::model::grain::BucketIndex;
use crate::model::ids::{KpiId, Labels, RuleId, SeriesKey};
use crate::model::kpi::{Kpi, Quality, Query, TableQuery};
use crate::model::observation::Observation;

/// Buckets without a row that are stepped one by one between two rows; of longer gaps only the last ones are.
const GAP_MAX: i64 = 5_000;

pub(super) async fn plan(paths: &[PathBuf], csv: &str, args: &BacktestArgs) -> anyhow::Result<Plan> {
    let [rule] = args.rule.as_slice() else { bail!("a table is replayed for one rule; name it once with --rule") };
    let subject = if rule.contains('/') { ad_hoc(csv, rule, args)? } else { configured(paths, rule, args)? };
    let Subject { config, loaded, kpi, rule, called } = subject;
    let columns = TableQuery {
        time: args.table.time.clone().unwrap_or_default(),
        value: args.table.value.clone(),
        ..TableQuery::default()
    };
    let kpi = Arc::new(Kpi {
        query: Query::Table(columns),
        dimensions: Vec::new(),
        quality: Quality { max_jump: None, ignores_vanished: true, ..kpi.quality },
        reconcile: None,
        ..kpi
    });
    let is_assumed = called.is_some() && args.table.grain.is_none();
    let (mut rows, warnings) = read(csv, &kpi, is_assumed).await?;
    let from = args.from.map_or(Timestamp::MIN, |from| from.begin(&kpi.zone));
    let to = args.to.map_or(Timestamp::MAX, |to| to.end(&kpi.zone));
    rows.retain(|row| from <= row.at && row.at < to);
    let (Some(first), Some(last)) = (rows.iter().map(|row| row.at).min(), rows.iter().map(|row| row.at).max()) else {
        bail!("{csv} has no row with a value in that span; check --time, --value, --from and --to");
    };
    let mut catalog = Catalog { kpis: IndexMap::from([(kpi.id.clone(), kpi.clone())]), ..config.catalog };
    catalog.rules.retain(|id, _| *id == rule);
    catalog.objectives.retain(|_, objective| objective.kpi == kpi.id && objective.labels == Labels::total());
    for rule in catalog.rules.values_mut() {
        Arc::make_mut(rule).on = vec![kpi.id.clone()];
    }
    catalog.zone = kpi.zone.clone();
    let (known, rules) = (Known::Rows(kpi, rows), vec![rule]);
    let (span, feedback) = ((first, last), Vec::new());
    Ok(Plan { catalog, rule_dirs: config.rule_dirs, loaded, rules, called, known, span, warnings, feedback })
}

/// What the values are of, and which rule is asked.
struct Subject {
    config: Config,
    loaded: Loaded,
    kpi: Kpi,
    rule: RuleId,
    called: Option<String>,
}

/// A rule of the configuration, on one of its KPIs.
fn configured(paths: &[PathBuf], rule: &str, args: &BacktestArgs) -> anyhow::Result<Subject> {
    let (config, loaded) = configuration::read_whole(paths)?;
    let rule = stored::rules(&config.catalog, &[rule.to_owned()])?.remove(0);
    let def = config.catalog.rules.get(&rule).context("a rule that was found")?;
    let kpi = match (&args.table.kpi, def.on.as_slice()) {
        (Some(named), _) => query::kpi_named(&config, named)?,
        (None, [only]) => query::kpi_named(&config, only.as_str())?,
        (None, several) => {
            let names: Vec<&str> = several.iter().map(KpiId::as_str).collect();
            bail!(
                "rule '{rule}' watches several KPIs; say with --kpi which one the values are of: {}",
                names.join(", ")
            )
        }
    };
    let given = [
        ("--grain", &args.table.grain),
        ("--unit", &args.table.unit),
        ("--better", &args.table.better),
        ("--kind", &args.table.kind),
    ];
    if let Some((flag, _)) = given.into_iter().find(|(_, value)| value.is_some()) {
        bail!("{flag} is that of KPI '{}' in the configuration; leave it out", kpi.id);
    }
    Ok(Subject { kpi: (*kpi).clone(), config, loaded, rule, called: None })
}

/// A script without any configuration, on a KPI that is made up for it.
fn ad_hoc(csv: &str, script: &str, args: &BacktestArgs) -> anyhow::Result<Subject> {
    let table = &args.table;
    let made_up = MadeUp {
        csv,
        time: table.time.as_deref().unwrap_or_default(),
        value: table.value.as_deref().unwrap_or("value"),
        zone: &table.zone,
        kind: table.kind.as_deref().unwrap_or("level"),
        fields: &[("grain", &table.grain), ("unit", &table.unit), ("better", &table.better)],
        script: Some(script),
    };
    let (config, loaded, kpi) = made_up.resolve()?;
    Ok(Subject { config, loaded, kpi, rule: "rule".into(), called: Some(script.to_owned()) })
}

/// The slot of each row, and of each bucket without one, with its instant and the time that stands in the table.
pub(super) fn slots<'a>(kpi: &'a Kpi, rows: &'a [Row]) -> impl Iterator<Item = (SlotEvent, Timestamp, Timestamp)> + 'a {
    let series = SeriesKey { kpi: kpi.id.clone(), labels: Labels::total() };
    let mut newest: Option<BucketIndex> = None;
    rows.iter().flat_map(move |row| {
        let is_new = newest.is_none_or(|newest| row.bucket > newest);
        let gap_from = newest.map_or(row.bucket, |newest| (newest + 1).max(row.bucket - GAP_MAX));
        newest = newest.max(Some(row.bucket));
        let last = newest.unwrap_or(row.bucket);
        let gap = (gap_from..row.bucket).map(|bucket| (bucket, None)).collect::<Vec<_>>();
        let own = Observation {
            series: series.clone(),
            bucket: row.bucket,
            value: row.value,
            parts: None,
            provisional: false,
            known_at: end_of(kpi, last),
            assumed: false,
        };
        let written = row.at;
        gap.into_iter().chain([(last, Some(own))]).map(move |(bucket, own)| {
            let at = end_of(kpi, bucket);
            let is_row = own.is_some();
            let pull = PullReport {
                observations: own.into_iter().collect(),
                pulled_to: (is_new || !is_row).then_some(bucket),
                at: Some(at),
                nothing_asked: is_row && !is_new,
                ..PullReport::default()
            };
            let event = SlotEvent {
                kpi: kpi.id.clone(),
                slot: at,
                pull: Some(pull),
                only: None,
                retry_at: None,
                completes: true,
            };
            (event, at, if is_row { written } else { kpi.grain.start_of(bucket, &kpi.zone) })
        })
    })
}

/// When the newest bucket with a row had ended.
pub(super) fn ended(kpi: &Kpi, rows: &[Row]) -> Option<Timestamp> {
    rows.iter().map(|row| row.bucket).max().map(|bucket| end_of(kpi, bucket))
}

fn end_of(kpi: &Kpi, bucket: BucketIndex) -> Timestamp {
    kpi.grain.start_of(bucket + 1, &kpi.zone)
}
