//! What the state holds of one KPI: buckets, and of fine ones that are no longer kept what their days came to.

use serde_json::json;

use super::output::{Out, Table, counted};
use super::query::{label_text, value};
use super::state;
use crate::config::Config;
use crate::locale::quantity;
use crate::model::grain::{BucketIndex, day_of};
use crate::model::ids::Labels;
use crate::model::kpi::Kpi;
use crate::model::observation::Observation;
use crate::model::rolled::RolledDay;
use crate::model::unit::Language;

/// Shows the buckets `from..=to`, and the days on which they lie that were added up.
pub(super) async fn show(
    out: &mut Out,
    config: &Config,
    kpi: &Kpi,
    (from, to): (BucketIndex, BucketIndex),
) -> anyhow::Result<u8> {
    let store = state::open(config).await?;
    let day = |bucket| day_of(kpi.grain.start_of(bucket, &kpi.zone), &kpi.zone);
    let mut days = store.rolled(&kpi.id, day(from), day(to)).await?;
    days.sort_by(|(one, a), (other, b)| (a.day, one).cmp(&(b.day, other)));
    let mut buckets = store.observations(&kpi.id, from, to).await?;
    buckets.sort_by(|a, b| (a.bucket, &a.series.labels).cmp(&(b.bucket, &b.series.labels)));
    if out.is_json() {
        records(out, kpi, &days, &buckets)?;
    } else {
        text(out, kpi, &days, &buckets)?;
    }
    Ok(0)
}

fn records(out: &mut Out, kpi: &Kpi, days: &[(Labels, RolledDay)], buckets: &[Observation]) -> anyhow::Result<()> {
    for (labels, day) in days {
        let parts = day.parts.as_ref();
        out.record(&json!({
            "type": "day", "kpi": kpi.id, "labels": labels, "day": day.day, "value": day.value(kpi.kind),
            "buckets": day.buckets, "total": day.total, "low": day.low, "high": day.high, "last": day.last,
            "numerator": parts.map(|parts| parts.numerator), "denominator": parts.map(|parts| parts.denominator),
            "n": parts.and_then(|parts| parts.n), "known_at": day.known_at,
        }))?;
    }
    for observation in buckets {
        let bucket = kpi.grain.bucket(observation.bucket, &kpi.zone);
        let parts = observation.parts.as_ref();
        out.record(&json!({
            "type": "observation", "kpi": kpi.id, "labels": observation.series.labels,
            "start": bucket.start, "end": bucket.end, "value": observation.value,
            "numerator": parts.map(|parts| parts.numerator), "denominator": parts.map(|parts| parts.denominator),
            "n": parts.and_then(|parts| parts.n), "provisional": observation.provisional,
            "known_at": observation.known_at,
        }))?;
    }
    Ok(())
}

fn text(out: &mut Out, kpi: &Kpi, days: &[(Labels, RolledDay)], buckets: &[Observation]) -> anyhow::Result<()> {
    let mut table = Table::new(&["BUCKET", "LABELS", "VALUE", "STATE"]);
    let shown = |value: f64| match value {
        value if value.is_nan() => "undefined".to_owned(),
        value => quantity(Language::En, value, &kpi.unit),
    };
    for (labels, day) in days {
        let state =
            format!("{} from {} to {}", counted(day.buckets as usize, "bucket"), shown(day.low), shown(day.high));
        table.row([day.day.to_string(), label_text(labels), shown(day.value(kpi.kind)), state]);
    }
    for observation in buckets {
        let state = if observation.provisional { "provisional" } else { "final" };
        let labels = label_text(&observation.series.labels);
        table.row([kpi.bucket_name(observation.bucket), labels, value(observation, kpi), state.to_owned()]);
    }
    if days.is_empty() && buckets.is_empty() {
        out.line("nothing is stored of that span")?;
        return Ok(());
    }
    out.table(&table)?;
    let rolled = if days.is_empty() { String::new() } else { format!("{} added up, ", counted(days.len(), "day")) };
    out.line(&format!("{rolled}{} stored", counted(buckets.len(), "bucket")))?;
    Ok(())
}
