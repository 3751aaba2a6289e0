//! `vigie status`: how the KPIs, the sources, the alerts and the queue stand; read beside the daemon.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::output::{Out, Table, ago, clean, counted, moment, or_dash};
use super::{ask, configuration, habits, source, state};
use crate::assess::due_at;
use crate::config::Config;
use crate::daemon::{GateState, Reply, Request, Value, request};
use crate::locale::{duration, quantity};
use crate::model::alert::{Alert, Phase};
use crate::model::commit::{KpiClock, StoredState};
use crate::model::grain::BucketIndex;
use crate::model::ids::{Labels, ReceiverId};
use crate::model::kpi::Kpi;
use crate::model::observation::{Observation, Rejection};
use crate::model::suspect::{Settled, Suspect, SuspectState};
use crate::model::unit::Language;
use crate::model::verdict::Severity;
use crate::store::Store;

/// Buckets before the newest complete one that are looked through first.
const NEAR_BUCKETS: BucketIndex = 40;

pub(super) async fn status(out: &mut Out, paths: &[PathBuf], now: Timestamp) -> anyhow::Result<u8> {
    let config = configuration::read(paths)?;
    let daemon = daemon(&config).await;
    let store = state::open(&config).await?;
    let stored = store.load().await?;
    let queue = store.queue_depth().await?;
    let withheld = store.withheld().await?;
    let gates = if matches!(daemon, Daemon::Up { .. }) { gates(&config).await } else { Vec::new() };
    let sources = source::standings(&stored.sources, gates);
    let mut kpis = Vec::new();
    for kpi in config.catalog.kpis.values() {
        let clock = stored.clocks.iter().find(|clock| clock.kpi == kpi.id);
        let newest = newest(&store, kpi, clock).await?;
        let refused = newest_refused(&stored.suspects, kpi, newest.as_ref());
        let rejected = store.rejections(&kpi.id).await?;
        let open = stored.suspects.iter().filter(|suspect| suspect.is_open() && suspect.series.kpi == kpi.id);
        let suspect = open.collect();
        kpis.push(Standing { refused, rejected, suspect, ..Standing::of(kpi, clock, newest, now) });
    }
    let rules = habits::standings(&config.catalog, store.habits().await?, &store.feedback().await?);
    if out.is_json() {
        records(out, &config, &daemon, &kpis, (&stored, &sources, &queue, withheld), now)?;
        rules.iter().try_for_each(|rule| rule.record(out))?;
    } else {
        text(out, &config, &daemon, &kpis, (&stored, &sources, &queue, withheld), now)?;
        if let Some(table) = habits::table(&rules, &config.catalog) {
            out.line("")?;
            out.table(&table)?;
        }
    }
    Ok(0)
}

/// The running daemon, or why there is none to speak of.
enum Daemon {
    Up { version: String, pid: u32, same_configuration: bool },
    Down,
    Unknown(String),
}

async fn daemon(config: &Config) -> Daemon {
    match request(&config.settings.control, &Request::Ping).await {
        Ok(Reply::Ok(Value::Pong { version, pid, config_checksum })) => {
            Daemon::Up { version, pid, same_configuration: config_checksum == config.catalog.checksum }
        }
        Ok(other) => Daemon::Unknown(format!("an unexpected answer: {other:?}")),
        Err(error) if ask::nobody_listens(&error) => Daemon::Down,
        Err(error) => Daemon::Unknown(format!("{error:#}")),
    }
}

/// How the daemon finds the sources; nothing from one that can't say.
async fn gates(config: &Config) -> Vec<GateState> {
    match request(&config.settings.control, &Request::Sources).await {
        Ok(Reply::Ok(Value::Sources(gates))) => gates,
        Ok(_) | Err(_) => Vec::new(),
    }
}

/// One KPI as it stands.
struct Standing<'a> {
    kpi: &'a Kpi,
    clock: Option<&'a KpiClock>,
    newest: Option<Observation>,
    /// The newest bucket of which a person said that it has no value, if it follows the newest that has one.
    refused: Option<BucketIndex>,
    /// End of the newest bucket.
    as_of: Option<Timestamp>,
    /// How long the next bucket has been due.
    late: Option<SignedDuration>,
    age: Option<SignedDuration>,
    /// Readings that were refused, newest first.
    rejected: Vec<Rejection>,
    /// Values that jumped and are not settled: while there are any, their series is not judged.
    suspect: Vec<&'a Suspect>,
}

impl<'a> Standing<'a> {
    fn of(kpi: &'a Kpi, clock: Option<&'a KpiClock>, newest: Option<Observation>, now: Timestamp) -> Standing<'a> {
        let bucket = newest.as_ref().map(|newest| kpi.grain.bucket(newest.bucket, &kpi.zone));
        let next = bucket.map(|bucket| kpi.grain.bucket(bucket.index + 1, &kpi.zone));
        let late = next.map(|next| now.duration_since(due_at(kpi, &next))).filter(SignedDuration::is_positive);
        let as_of = bucket.map(|bucket| bucket.end);
        let age = as_of.map(|end| now.duration_since(end));
        Standing { kpi, clock, newest, refused: None, as_of, late, age, rejected: Vec::new(), suspect: Vec::new() }
    }

    fn value(&self) -> Option<String> {
        let refused = self.refused.map(|bucket| format!("{} rejected", self.kpi.bucket_name(bucket)));
        let Some(newest) = &self.newest else { return refused };
        let provisional = newest.provisional.then(|| "provisional".to_owned());
        let marks: Vec<String> = provisional.into_iter().chain(refused).collect();
        let mark = if marks.is_empty() { String::new() } else { format!(" ({})", marks.join(", ")) };
        Some(if newest.value.is_nan() {
            format!("undefined{mark}")
        } else {
            format!("{}{mark}", quantity(Language::En, newest.value, &self.kpi.unit))
        })
    }
}

fn newest_refused(suspects: &[Suspect], kpi: &Kpi, newest: Option<&Observation>) -> Option<BucketIndex> {
    let labels = newest.map_or_else(Labels::total, |newest| newest.series.labels.clone());
    let is_refused = |suspect: &&Suspect| {
        suspect.series.kpi == kpi.id
            && suspect.series.labels == labels
            && suspect.overrides()
            && matches!(&suspect.state, SuspectState::Settled(settlement) if settlement.how == Settled::Rejected)
    };
    let refused = suspects.iter().filter(is_refused).map(|suspect| suspect.bucket).max();
    refused.filter(|bucket| newest.is_none_or(|newest| newest.bucket < *bucket))
}

/// The newest observation of the total; of any series where there is no total.
async fn newest(store: &Store, kpi: &Kpi, clock: Option<&KpiClock>) -> anyhow::Result<Option<Observation>> {
    let Some(clock) = clock else { return Ok(None) };
    let mut found = match clock.pulled_to {
        Some(to) => store.observations(&kpi.id, to - NEAR_BUCKETS, BucketIndex::MAX).await?,
        None => Vec::new(),
    };
    if found.is_empty() {
        store.load_series(&kpi.id, |_, observation| keep_newest(&mut found, observation)).await?;
    }
    let total = found.iter().filter(|each| each.series.labels.is_total()).max_by_key(|each| each.bucket).cloned();
    Ok(total.or_else(|| found.into_iter().max_by_key(|each| each.bucket)))
}

/// Observations come by series, oldest first: the last of each is kept.
fn keep_newest(found: &mut Vec<Observation>, observation: Observation) {
    match found.last_mut() {
        Some(last) if last.series == observation.series => *last = observation,
        Some(_) | None => found.push(observation),
    }
}

/// The state, sources, the queue, and since when a restored state tells nothing.
type Rest<'a> = (&'a StoredState, &'a [source::Standing], &'a [(ReceiverId, u64)], Option<Timestamp>);

fn records(
    out: &mut Out,
    config: &Config,
    daemon: &Daemon,
    kpis: &[Standing<'_>],
    (stored, sources, queue, withheld): Rest<'_>,
    now: Timestamp,
) -> anyhow::Result<()> {
    let (running, version, pid, same) = match daemon {
        Daemon::Up { version, pid, same_configuration } => {
            (Some(true), Some(version), Some(pid), Some(same_configuration))
        }
        Daemon::Down => (Some(false), None, None, None),
        Daemon::Unknown(_) => (None, None, None, None),
    };
    out.record(&json!({"type": "service", "running": running, "version": version, "pid": pid,
                       "same_configuration": same, "state": config.settings.state, "withheld_since": withheld}))?;
    for standing in kpis {
        let clock = standing.clock;
        let open = clock.and_then(|clock| clock.open.as_ref());
        out.record(&json!({
            "type": "kpi", "kpi": standing.kpi.id, "title": standing.kpi.title,
            "as_of": standing.as_of, "value": standing.newest.as_ref().map(|newest| newest.value),
            "provisional": standing.newest.as_ref().map(|newest| newest.provisional),
            "age_seconds": standing.age.map(|age| age.as_secs()),
            "late_seconds": standing.late.map_or(0, |late| late.as_secs()),
            "last_slot": clock.and_then(|clock| clock.last_slot),
            "last_pull_at": clock.and_then(|clock| clock.last_pull_at),
            "last_error": clock.and_then(|clock| clock.last_error.as_ref()),
            "suspect": standing.suspect.iter().map(|suspect| standing.kpi.bucket_name(suspect.bucket)).collect::<Vec<_>>(),
            "rejected": standing.rejected.len(), "newest_rejected": standing.rejected.first(),
            "open_slot": open.map(|open| open.slot), "retry_at": open.and_then(|open| open.retry_at),
        }))?;
    }
    for source in sources {
        out.record(&source.record(now))?;
    }
    for (phase, severity, count) in counts(&stored.alerts) {
        out.record(&json!({"type": "alerts", "state": phase, "severity": severity, "count": count}))?;
    }
    for (receiver, queued) in queue {
        out.record(&json!({"type": "queue", "receiver": receiver, "queued": queued}))?;
    }
    Ok(())
}

fn text(
    out: &mut Out,
    config: &Config,
    daemon: &Daemon,
    kpis: &[Standing<'_>],
    (stored, sources, queue, withheld): Rest<'_>,
    now: Timestamp,
) -> anyhow::Result<()> {
    out.line(&match daemon {
        Daemon::Up { version, pid, same_configuration: true } => format!("vigie {version} runs (process {pid})"),
        Daemon::Up { version, pid, same_configuration: false } => {
            format!("vigie {version} runs (process {pid}) with another configuration than this one: `vigie reload` takes this one up")
        }
        Daemon::Down => "vigie does not run; this is the stored state".to_owned(),
        Daemon::Unknown(why) => format!("whether vigie runs is unknown ({why}); this is the stored state"),
    })?;
    out.line(&format!("state in {}", config.settings.state.display()))?;
    if let Some(since) = withheld {
        let at = moment(since, &config.catalog.zone);
        out.line(&format!("restored from a backup at {at}: nothing is told before `vigie release`"))?;
    }
    out.line("")?;
    kpi_table(out, kpis, now)?;
    if !sources.is_empty() {
        out.line("")?;
        out.table(&source::table(sources, now))?;
    }
    out.line("")?;
    let alerts: Vec<String> = counts(&stored.alerts)
        .into_iter()
        .map(|(phase, severity, count)| format!("{count} {} {}", severity.as_str(), phase.as_str()))
        .collect();
    out.line(&format!("alerts: {}", if alerts.is_empty() { "none".to_owned() } else { alerts.join(", ") }))?;
    let queued: Vec<String> = queue.iter().map(|(receiver, queued)| format!("{receiver} {queued}")).collect();
    out.line(&format!("queue: {}", if queued.is_empty() { "empty".to_owned() } else { queued.join(", ") }))?;
    Ok(())
}

fn kpi_table(out: &mut Out, kpis: &[Standing<'_>], now: Timestamp) -> anyhow::Result<()> {
    let mut table = Table::new(&["KPI", "TITLE", "NEWEST", "VALUE", "AGE", "LATE", "LAST PULL"]);
    for standing in kpis {
        let kpi = standing.kpi;
        let span = |span: Option<SignedDuration>| or_dash(span.map(|span| duration(Language::En, span)));
        table.row([
            kpi.id.to_string(),
            kpi.title.clone(),
            or_dash(standing.newest.as_ref().map(|newest| kpi.bucket_name(newest.bucket))),
            or_dash(standing.value()),
            span(standing.age),
            span(standing.late),
            or_dash(standing.clock.and_then(|clock| clock.last_pull_at).map(|at| ago(at, now))),
        ]);
        let open = standing.clock.and_then(|clock| clock.open.as_ref()).map(|open| {
            let retry = open.retry_at.map(|at| format!(", next {}", ago(at, now))).unwrap_or_default();
            let tries = counted(open.failures as usize, "failed pull");
            format!("slot {} is open: {tries}{retry}", moment(open.slot, &kpi.zone))
        });
        let error = standing.clock.and_then(|clock| clock.last_error.as_deref()).map(clean);
        let suspect = standing.suspect.first().map(|first| {
            let count = counted(standing.suspect.len(), "suspect value");
            let value = quantity(Language::En, first.value, &kpi.unit);
            let named = kpi.bucket_name(first.bucket);
            format!("not judged: {count}, {}{value} of {named} (`vigie suspect list`)", first.series.labels)
        });
        let refused = standing.rejected.first().map(|newest| {
            let count = counted(standing.rejected.len(), "refused reading");
            clean(&format!("{count}, newest {}: {:?}, {}", newest.origin, newest.raw, newest.cause))
        });
        let remarks: Vec<String> = [open, suspect, error, refused].into_iter().flatten().collect();
        if !remarks.is_empty() {
            table.remark(remarks.join(" · "));
        }
    }
    out.table(&table)?;
    Ok(())
}

/// Live alerts by state and severity, the gravest first; none that are zero.
fn counts(alerts: &[Alert]) -> Vec<(Phase, Severity, usize)> {
    let mut counts = Vec::new();
    for phase in [Phase::Firing, Phase::Pending] {
        for severity in Severity::ALL.into_iter().rev() {
            let count = alerts.iter().filter(|alert| alert.phase == phase && alert.severity == severity).count();
            if count > 0 {
                counts.push((phase, severity, count));
            }
        }
    }
    counts
}
