//! `vigie forecast`: where a KPI goes from here, bucket by bucket.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde_json::json;

use super::backtest::lacking::{self, Versions};
use super::instant::When;
use super::output::{Out, Table, counted};
use super::rows::{MadeUp, Row, read};
use super::{configuration, query, state};
use crate::assess::{Forecast, Seasons};
use crate::locale::quantity;
use crate::model::formula::Formula;
use crate::model::grain::BucketIndex;
use crate::model::ids::Labels;
use crate::model::kpi::Kpi;
use crate::model::observation::Observation;
use crate::model::unit::Language;

/// Most buckets ahead.
const HORIZON_MAX: i64 = 1_000;
/// Newest buckets that are handed over; of a forecast that reads fewer these are plenty.
const BUCKETS_MAX: BucketIndex = 20_000;

#[derive(Debug, clap::Args)]
pub struct ForecastArgs {
    /// A KPI of the configuration; its final buckets are read
    #[arg(long, value_name = "KPI", required_unless_present = "csv", conflicts_with = "csv")]
    pub kpi: Option<String>,
    /// Only this series of the KPI; one for each of its dimensions. Default: the total
    #[arg(long, value_name = "NAME=VALUE", value_parser = super::args::label, requires = "kpi")]
    pub label: Vec<(String, String)>,
    /// As of then, with what was known then: 2026-11-03, '2026-11-03 08:00', 2026-11-03T07:00:00Z [default: now]
    #[arg(long, value_name = "TIME", requires = "kpi", value_parser = When::parse)]
    pub at: Option<When>,
    /// How many buckets ahead
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=HORIZON_MAX))]
    pub horizon: u16,
    /// How many of a hundred outcomes are to lie between `low` and `high`
    #[arg(long, value_name = "PERCENT", default_value = "80", value_parser = level)]
    pub level: f64,
    #[command(flatten)]
    pub table: ForecastTable,
}

/// A table on disk in place of a KPI.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "A table on disk")]
pub struct ForecastTable {
    /// A file, or a pattern such as `exports/*.csv`; the forecast begins after its newest row
    #[arg(long, value_name = "FILE", requires_all = ["time", "value", "grain"])]
    pub csv: Option<String>,
    /// Column of the times
    #[arg(long, value_name = "COLUMN", requires = "csv")]
    pub time: Option<String>,
    /// Column of the values
    #[arg(long, value_name = "COLUMN", requires = "csv")]
    pub value: Option<String>,
    /// Width of one value: `5m`, `hour`, `day`, `week`, `month`
    #[arg(long, value_name = "GRAIN", requires = "csv")]
    pub grain: Option<String>,
    /// Zone of times that name none
    #[arg(long, value_name = "ZONE", default_value = "UTC", requires = "csv")]
    pub zone: String,
}

fn level(text: &str) -> Result<f64, String> {
    let level = text.trim_end_matches(['%', ' ']).parse::<f64>().ok().filter(|level| (1.0..=99.0).contains(level));
    level.ok_or_else(|| format!("`{text}` is no share between 1 and 99 per cent, such as 80"))
}

/// What is known of one series.
struct Known {
    kpi: Arc<Kpi>,
    labels: Labels,
    /// By bucket; without those that have no value.
    values: BTreeMap<BucketIndex, f64>,
    /// Of what these are, for an error.
    origin: String,
    warnings: Vec<String>,
    /// The instant that is forecast from; a table is as old as it is.
    at: Option<Timestamp>,
}

/// Buckets after the newest value that may still be on their way.
const LATE: BucketIndex = 3;

impl Known {
    /// That the newest value is old, if it is: else the forecast would be taken to begin now.
    fn stale(&self, last: BucketIndex) -> Option<String> {
        let (kpi, at) = (&self.kpi, self.at?);
        // What has not settled yet is not read.
        let settled = at.checked_sub(kpi.settle).unwrap_or(at);
        if kpi.grain.last_ended(settled, &kpi.zone) - last <= LATE {
            return None;
        }
        let behind = kpi.grain.last_ended(at, &kpi.zone) - last;
        let days = at.duration_since(kpi.grain.bucket(last, &kpi.zone).end).as_hours() / 24;
        let age = if days > 1 { counted(days as usize, "day") } else { counted(behind as usize, "bucket") };
        let when = kpi.bucket_name(last);
        Some(format!("{}: the last value is that of {when}, {age} before then; the forecast begins there", self.origin))
    }
}

pub(super) async fn forecast(
    out: &mut Out,
    paths: &[PathBuf],
    args: ForecastArgs,
    now: Timestamp,
) -> anyhow::Result<u8> {
    let known = match (&args.kpi, &args.table.csv) {
        (Some(kpi), _) => of_kpi(paths, kpi, &args, now).await?,
        (None, Some(csv)) => of_table(csv, &args.table).await?,
        (None, None) => bail!("say of what: --kpi or --csv"),
    };
    let Known { kpi, values, origin, .. } = &known;
    let few = || {
        format!(
            "{origin}: {} with a value; a forecast needs at least {}",
            counted(values.len(), "bucket"),
            Forecast::VALUES_MIN
        )
    };
    let (first, last) = values.keys().next().zip(values.keys().next_back()).with_context(few)?;
    let first = *first.max(&(last - BUCKETS_MAX));
    let history: Vec<f64> = (first..=*last).map(|bucket| values.get(&bucket).copied().unwrap_or(f64::NAN)).collect();
    let forecast = Forecast::of(&history, &Seasons::of(kpi.grain), usize::from(args.horizon)).with_context(few)?;
    if let Some(stale) = known.stale(*last) {
        writeln!(std::io::stderr(), "warning: {stale}")?;
    }
    if out.is_json() {
        record(out, &known, &forecast, (*last + 1, args.level))?;
    } else {
        text(out, &known, &forecast, (*last + 1, args.level))?;
    }
    Ok(0)
}

/// The final buckets of a KPI, as they were known at an instant.
async fn of_kpi(paths: &[PathBuf], name: &str, args: &ForecastArgs, now: Timestamp) -> anyhow::Result<Known> {
    let (config, _) = configuration::read_whole(paths)?;
    let kpi = query::kpi_named(&config, name)?;
    let at = args.at.map_or(now, |at| at.as_of(&config.catalog.zone));
    if at > now {
        bail!("--at {at} lies ahead; nothing is known of it");
    }
    let mut versions = Versions::new();
    if config.settings.state.exists() {
        let store = state::open(&config).await?;
        for id in kpi.formula().into_iter().flat_map(Formula::inputs).chain([&kpi.id]) {
            versions.insert(id.clone(), store.all_versions(id).await?);
        }
    }
    // Of an instant that the state goes beyond nothing is lacking.
    let goes_beyond = versions.get(&kpi.id).is_some_and(|known| known.iter().any(|version| version.known_at > at));
    let warnings = if goes_beyond {
        Vec::new()
    } else {
        lacking::fill(&config, std::slice::from_ref(&kpi), &mut versions, (None, now)).await?.whole()?
    };
    let labels: Labels = args.label.iter().cloned().collect();
    let versions = versions.remove(&kpi.id).unwrap_or_default();
    let is_meant = |version: &&Observation| version.series.labels == labels;
    if !versions.is_empty() && !versions.iter().any(|version| is_meant(&version)) {
        let series = |version: &Observation| query::label_text(&version.series.labels);
        let known: std::collections::BTreeSet<String> = versions.iter().map(series).take(10_000).collect();
        let known: Vec<String> = known.into_iter().take(10).collect();
        let meant = query::label_text(&labels);
        bail!("KPI '{name}' has no series `{meant}`; choose with --label one of: {}", known.join(", "));
    }
    let mut values = BTreeMap::new();
    for version in versions.iter().filter(is_meant).filter(|version| version.known_at <= at) {
        let end = kpi.grain.bucket(version.bucket, &kpi.zone).end;
        // What may still change would be taken for a fall.
        let is_open = version.provisional && end.checked_add(kpi.settle).is_ok_and(|settled| settled > at);
        if version.value.is_finite() && end <= at && !is_open {
            values.insert(version.bucket, version.value);
        } else {
            values.remove(&version.bucket);
        }
    }
    let origin = format!("KPI '{name}' as known at {at}");
    Ok(Known { kpi, labels, values, origin, warnings, at: Some(at) })
}

async fn of_table(csv: &str, table: &ForecastTable) -> anyhow::Result<Known> {
    let made_up = MadeUp {
        csv,
        time: table.time.as_deref().unwrap_or_default(),
        value: table.value.as_deref().unwrap_or_default(),
        zone: &table.zone,
        kind: "level",
        fields: &[("grain", &table.grain)],
        script: None,
    };
    let (_, _, kpi) = made_up.resolve()?;
    let kpi = Arc::new(kpi);
    // Two rows of one bucket are parts of it: the grain is then another, and none of them is its value.
    let (rows, warnings) = read(csv, &kpi, true).await?;
    let values = rows.iter().map(|Row { bucket, value, .. }| (*bucket, *value)).collect();
    let origin = format!("column `{}` of {csv}", made_up.value);
    Ok(Known { kpi, labels: Labels::total(), values, origin, warnings, at: None })
}

fn record(out: &mut Out, known: &Known, forecast: &Forecast, (next, level): (BucketIndex, f64)) -> anyhow::Result<()> {
    let kpi = &known.kpi;
    let points = (0..forecast.horizon()).map(|step| {
        let bucket = next + step as BucketIndex;
        let (low, high) = forecast.interval(step, level / 100.0);
        json!({
            "bucket": kpi.bucket_name(bucket), "start": kpi.grain.start_of(bucket, &kpi.zone),
            "mean": forecast.mean(step), "low": low, "high": high,
        })
    });
    Ok(out.record(&json!({
        "type": "forecast", "kpi": kpi.id, "labels": known.labels, "level": level, "model": forecast.model(),
        "values": known.values.len(), "points": points.collect::<Vec<_>>(), "warnings": known.warnings,
    }))?)
}

fn text(out: &mut Out, known: &Known, forecast: &Forecast, (next, level): (BucketIndex, f64)) -> anyhow::Result<()> {
    let kpi = &known.kpi;
    let mut table = Table::new(&["BUCKET", "MEAN", "LOW", "HIGH"]);
    let shown = |value: f64| quantity(Language::En, value, &kpi.unit);
    for step in 0..forecast.horizon() {
        let (low, high) = forecast.interval(step, level / 100.0);
        let name = kpi.bucket_name(next + step as BucketIndex);
        table.row([name, shown(forecast.mean(step)), shown(low), shown(high)]);
    }
    out.table(&table)?;
    for warning in &known.warnings {
        out.line(&format!("warning: {warning}"))?;
    }
    let values = counted(known.values.len(), "value");
    let last = kpi.bucket_name(next - 1);
    out.line(&format!("{level} of 100 outcomes lie between low and high; from {values} up to {last}"))?;
    out.line(&format!("by {}", forecast.model()))?;
    Ok(())
}
