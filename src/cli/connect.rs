//! What `vigie check --connect` tries: sources, channels, and the query of every KPI.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, FutureExt, join_all};
use jiff::Timestamp;
use serde_json::json;
use tokio::time::timeout;

use super::output::{Out, Table, counted};
use super::query::{newest_buckets, pull, validated};
use crate::clock::monotonic;
use crate::daemon::Built;
use crate::locale::quantity;
use crate::model::ids::SourceId;
use crate::model::kpi::{Kpi, Query};
use crate::model::roll_ups::RollUps;
use crate::model::unit::Language;
use crate::source::Source;

/// For one system to answer.
const PROBE_DEADLINE: Duration = Duration::from_secs(15);
/// For one KPI's query to answer; a pull itself ends a little earlier and says more.
const QUERY_DEADLINE: Duration = Duration::from_secs(70);
/// Queries tried at once.
const QUERIES_AT_ONCE: usize = 4;

/// One system that was tried.
struct Probe {
    name: String,
    kind: &'static str,
    /// What was found, else why not.
    result: Result<String, String>,
    took: Duration,
}

/// Tries every source and channel side by side, then the KPIs of the sources that answered. Returns how many failed.
pub(super) async fn connect(out: &mut Out, built: &Built, now: Timestamp) -> anyhow::Result<usize> {
    let sources = built.sources.iter().map(|(id, source)| {
        let asked = async { source.probe().await.map_err(|error| error.to_string()) };
        probe(source_name(id), kind_of(source), PROBE_DEADLINE, asked.boxed())
    });
    let channels = built.channels.iter().flat_map(|(id, channels)| channels.iter().map(move |channel| (id, channel)));
    let channels = channels.map(|(id, channel)| {
        probe(format!("receiver {id}"), channel.kind(), PROBE_DEADLINE, channel.probe(PROBE_DEADLINE).boxed())
    });
    let mut probes: Vec<Probe> = join_all(sources.map(FutureExt::boxed).chain(channels.map(FutureExt::boxed))).await;
    let failed: BTreeSet<String> =
        probes.iter().filter(|probe| probe.result.is_err()).map(|probe| probe.name.clone()).collect();
    let kpis = built.setup.catalog.kpis.values();
    let asked = kpis.filter(|kpi| kpi.query != Query::Entered && !failed.contains(&source_name(&kpi.source)));
    let queries = asked.filter_map(|kpi| Some((kpi.clone(), built.sources.get(&kpi.source)?.clone())));
    let queries = queries.map(|(kpi, source)| {
        let (name, kind) = (format!("kpi {}", kpi.id), kind_of(&source));
        let asked = async move { try_query(&kpi, source, now).await.map_err(|error| format!("{error:#}")) };
        probe(name, kind, QUERY_DEADLINE, asked.boxed())
    });
    probes.extend(futures_util::stream::iter(queries).buffer_unordered(QUERIES_AT_ONCE).collect::<Vec<_>>().await);
    probes.sort_by(|a, b| (&a.name, a.kind).cmp(&(&b.name, b.kind)));
    let mut table = Table::new(&["NAME", "KIND", "RESULT", "TIME", "FOUND"]);
    for Probe { name, kind, result, took } in &probes {
        let (word, text) = match result {
            Ok(found) => ("ok", found),
            Err(cause) => ("error", cause),
        };
        if out.is_json() {
            let record = json!({"type": "probe", "name": name, "kind": kind, "ok": result.is_ok(),
                                "milliseconds": took.as_millis() as u64, "found": text});
            out.record(&record)?;
        }
        table.row([
            name.clone(),
            (*kind).to_owned(),
            word.to_owned(),
            format!("{} ms", took.as_millis()),
            text.clone(),
        ]);
    }
    if !out.is_json() {
        out.table(&table)?;
    }
    Ok(probes.iter().filter(|probe| probe.result.is_err()).count())
}

fn source_name(id: &SourceId) -> String {
    format!("source {id}")
}

/// Pulls a KPI's newest buckets and tells what became of them.
async fn try_query(kpi: &Arc<Kpi>, source: Arc<Source>, now: Timestamp) -> anyhow::Result<String> {
    let (from, to) = newest_buckets(kpi, now);
    let pulled = pull(kpi, source, (from, to), now).await?;
    let found = validated(kpi, pulled, (from, to), &RollUps::default(), now);
    let buckets: BTreeSet<_> = found.observations.iter().map(|seen| seen.bucket).collect();
    let series: BTreeSet<_> = found.observations.iter().map(|seen| &seen.series.labels).collect();
    let mut said = match buckets.last() {
        None => format!("no value in the newest {} buckets", to - from + 1),
        Some(newest) => {
            let total = found.observations.iter().find(|seen| seen.bucket == *newest && seen.series.labels.is_total());
            let value = total.filter(|total| !total.value.is_nan());
            let value = value.map(|total| format!(", {}", quantity(Language::En, total.value, &kpi.unit)));
            format!(
                "{} of {} buckets in {} series, the newest {}{}",
                buckets.len(),
                to - from + 1,
                series.len(),
                kpi.bucket_name(*newest),
                value.unwrap_or_default()
            )
        }
    };
    if let Some(first) = found.rejections.first() {
        let refused = counted(found.rejections.len(), "reading");
        let _ = write!(said, "; {refused} refused, such as {} `{}`: {}", first.origin, first.raw, first.cause);
    }
    if let Some(warning) = found.warnings.first() {
        let _ = write!(said, "; {warning}");
    }
    Ok(said)
}

async fn probe(
    name: String,
    kind: &'static str,
    deadline: Duration,
    asked: BoxFuture<'_, Result<String, String>>,
) -> Probe {
    let began = monotonic();
    let late = |_| Err(format!("no answer within {} s: check the address and the network", deadline.as_secs()));
    // A channel keeps its own deadline; this one is only for what does not.
    let result = timeout(deadline + Duration::from_secs(1), asked).await.unwrap_or_else(late);
    Probe { name, kind, result, took: began.elapsed() }
}

fn kind_of(source: &Source) -> &'static str {
    match source {
        Source::Csv(source) => source.kind(),
        Source::Sql(_) => "sql",
        Source::Prometheus(_) => "prometheus",
        Source::HttpJson(_) => "http_json",
        Source::Fec(_) => "fec",
        Source::Manual(_) => "manual",
    }
}
