//! `vigie query`: pulls and validates one KPI now, and stores nothing.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde_json::json;

use super::output::{Out, Table, counted};
use super::{configuration, held};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::{Job, JobKind, Visit};
use crate::engine::{State, computed};
use crate::locale::quantity;
use crate::model::formula::Formula;
use crate::model::grain::{BucketIndex, start_of_day};
use crate::model::ids::{KpiId, Labels};
use crate::model::kpi::{Kpi, Query};
use crate::model::observation::{Observation, Pull, Rejection};
use crate::model::roll_ups::RollUps;
use crate::model::unit::Language;
use crate::source::{BuildContext, Source};
use crate::validate::{Context, KnownAt, Span, Validated, validate};

/// Buckets asked for when no day is named.
const BUCKETS_DEFAULT: i64 = 7;
/// Most buckets asked for at once.
const BUCKETS_MAX: i64 = 20_000;
/// The same where the state is asked.
const STORED_MAX: i64 = 1_000_000;

#[derive(Debug, clap::Args)]
pub struct QueryArgs {
    pub kpi: String,
    /// First day, in the KPI's zone
    #[arg(long, value_name = "DATE")]
    pub from: Option<Date>,
    /// Last day, included
    #[arg(long, value_name = "DATE", requires = "from")]
    pub to: Option<Date>,
    /// What the state holds of it instead, without asking the source; of fine buckets that are no longer kept what each
    /// day came to
    #[arg(long)]
    pub stored: bool,
}

pub(super) async fn query(out: &mut Out, paths: &[PathBuf], args: QueryArgs, now: Timestamp) -> anyhow::Result<u8> {
    let config = configuration::read(paths)?;
    let kpi = kpi_named(&config, &args.kpi)?;
    let span = span(&kpi, &args, now)?;
    if args.stored {
        return held::show(out, &config, &kpi, span).await;
    }
    let pull = match kpi.formula() {
        Some(formula) => computed_pull(&config, (&kpi, formula), span, now).await?,
        None => pull_of(&config, &kpi, span, now).await?,
    };
    let complete = pull.complete;
    let roll_ups = config.catalog.roll_ups().remove(&kpi.id).unwrap_or_default();
    let found = validated(&kpi, pull, span, &roll_ups, now);
    if out.is_json() {
        records(out, &kpi, &found, complete)?;
    } else {
        text(out, &kpi, &found, complete)?;
    }
    Ok(0)
}

/// Asks the KPI's source, and nothing else of the configuration.
async fn pull_of(
    config: &Config,
    kpi: &Arc<Kpi>,
    span: (BucketIndex, BucketIndex),
    now: Timestamp,
) -> anyhow::Result<Pull> {
    if kpi.query == Query::Entered {
        bail!(
            "KPI '{0}' is entered by hand, nothing is asked; `vigie record --list {0}` shows what was entered",
            kpi.id
        );
    }
    let source = source_of(config, kpi)?;
    if let Err(message) = source.check_query(kpi) {
        bail!("KPI '{}': {message}", kpi.id);
    }
    pull(kpi, Arc::new(source), span, now).await
}

/// Asks for what a formula reads, and computes it as the engine would of these figures.
async fn computed_pull(
    config: &Config,
    (kpi, formula): (&Kpi, &Formula),
    span: (BucketIndex, BucketIndex),
    now: Timestamp,
) -> anyhow::Result<Pull> {
    let mut state = State::default();
    let (mut complete, mut warnings) = (true, Vec::new());
    for id in formula.inputs() {
        let input = config.catalog.kpi(id).context("a formula that was resolved has its KPIs")?;
        let computed = || format!("KPI '{}' is computed, `{}`", kpi.id, formula.text());
        let pull = pull_of(config, input, span, now).await.with_context(computed)?;
        complete &= pull.complete;
        let found = validated(input, pull, span, &RollUps::default(), now);
        for observation in &found.observations {
            state.history.put(observation);
        }
        warnings.extend(found.warnings.into_iter().map(|warning| format!("`{id}`: {warning}")));
        if let Some(first) = found.rejections.first() {
            let refused = counted(found.rejections.len(), "reading");
            warnings
                .push(format!("`{id}`: {refused} refused, such as {} `{}`: {}", first.origin, first.raw, first.cause));
        }
    }
    let mut pull = computed(&state, kpi, formula, span);
    pull.complete &= complete;
    pull.warnings.extend(warnings);
    Ok(pull)
}

/// What would be stored of a pull.
pub(super) fn validated(
    kpi: &Kpi,
    pull: Pull,
    (from, to): (BucketIndex, BucketIndex),
    roll_ups: &RollUps,
    now: Timestamp,
) -> Validated {
    let (span, known_at) = (Span { from, to }, KnownAt::Own(now));
    validate(&Context { kpi, span, known_at, now, roll_ups, known: &[], zero_from: None, held_from: None }, pull)
}

pub(super) fn kpi_named(config: &Config, name: &str) -> anyhow::Result<Arc<Kpi>> {
    let kpis = &config.catalog.kpis;
    let known = || kpis.keys().map(KpiId::as_str).collect::<Vec<_>>().join(", ");
    kpis.get(name).cloned().with_context(|| format!("no KPI '{name}' in the configuration; there are: {}", known()))
}

/// Builds just the KPI's source: trying out a query needs no other secret.
pub(super) fn source_of(config: &Config, kpi: &Kpi) -> anyhow::Result<Source> {
    let (source, base_dir) = config.sources.get(&kpi.source).context("a resolved KPI has its source")?;
    let mut secrets = configuration::secrets();
    secrets.base_dir.clone_from(base_dir);
    let resolve = |reference: &crate::secret::SecretRef| secrets.resolve(reference);
    let built = source.clone().build(&BuildContext { base_dir, resolve: &resolve });
    built.map_err(|message| anyhow::anyhow!("source '{}': {message}", kpi.source))
}

/// The newest buckets that have ended, both included.
pub(super) fn newest_buckets(kpi: &Kpi, now: Timestamp) -> (BucketIndex, BucketIndex) {
    let last = kpi.grain.last_ended(now, &kpi.zone);
    (last + 1 - BUCKETS_DEFAULT, last)
}

/// The buckets asked for, both included; only ended ones.
pub(super) fn span(kpi: &Kpi, args: &QueryArgs, now: Timestamp) -> anyhow::Result<(BucketIndex, BucketIndex)> {
    let (first, last) = newest_buckets(kpi, now);
    let Some(day) = args.from else { return Ok((first, last)) };
    let from = kpi.grain.index_at(start_of_day(day, &kpi.zone), &kpi.zone);
    let to = match args.to {
        Some(day) => {
            let after = day.checked_add(1.day()).context("--to is too late")?;
            let end = start_of_day(after, &kpi.zone).as_millisecond() - 1;
            kpi.grain.index_at(Timestamp::from_millisecond(end)?, &kpi.zone).min(last)
        }
        None => last,
    };
    if let Some((day, until)) = args.from.zip(args.to).filter(|(day, until)| until < day) {
        bail!("--to {until} lies before --from {day}; the days of a span are both included");
    }
    if to < from {
        bail!("no bucket of KPI '{}' has ended in that span; choose an earlier --from, or a --to after it", kpi.id);
    }
    let most = if args.stored { STORED_MAX } else { BUCKETS_MAX };
    if to - from >= most {
        bail!("{} buckets are more than the {most} asked for at once; choose a later --from", to - from + 1);
    }
    Ok((from, to))
}

pub(super) async fn pull(
    kpi: &Arc<Kpi>,
    source: Arc<Source>,
    span: (BucketIndex, BucketIndex),
    now: Timestamp,
) -> anyhow::Result<Pull> {
    let kind = JobKind::Slot { slot: now };
    let job = Job {
        kpi: kpi.clone(),
        kind,
        span: Some(span),
        roll_ups: Arc::default(),
        known: Vec::new(),
        due_at: now,
        computed: None,
    };
    let outcome = job.pull(Some(Visit::alone(kpi.source.clone(), source)), &Clock::Wall).await;
    Ok(outcome.result.context("a span was asked for")??)
}

fn records(out: &mut Out, kpi: &Kpi, found: &Validated, complete: bool) -> anyhow::Result<()> {
    let observations: Vec<&Observation> = found.observations.iter().collect();
    told(out, kpi, &observations, found)?;
    let count = found.observations.len();
    let record = json!({"type": "summary", "kpi": kpi.id, "observations": count, "rejections": found.rejections.len(),
                        "outside": found.outside, "running": found.running, "complete": complete});
    Ok(out.record(&record)?)
}

fn text(out: &mut Out, kpi: &Kpi, found: &Validated, complete: bool) -> anyhow::Result<()> {
    let rows = in_order(found);
    shown(out, kpi, &rows, found)?;
    let notes: Vec<String> =
        std::iter::once(counted(rows.len(), "observation")).chain(remarks(found, complete)).collect();
    out.line(&format!("{}; nothing was stored", notes.join(", ")))?;
    Ok(())
}

/// By bucket, then by labels.
pub(super) fn in_order(found: &Validated) -> Vec<&Observation> {
    let mut rows: Vec<&Observation> = found.observations.iter().collect();
    rows.sort_by_key(|observation| (observation.bucket, &observation.series.labels));
    rows
}

/// Values, and all that was refused and warned of, as records.
pub(super) fn told(out: &mut Out, kpi: &Kpi, rows: &[&Observation], found: &Validated) -> anyhow::Result<()> {
    for observation in rows {
        let bucket = kpi.grain.bucket(observation.bucket, &kpi.zone);
        let parts = observation.parts.as_ref();
        out.record(&json!({
            "type": "observation", "kpi": kpi.id, "labels": observation.series.labels,
            "start": bucket.start, "end": bucket.end,
            // An undefined ratio has no number: null.
            "value": observation.value, "numerator": parts.map(|parts| parts.numerator),
            "denominator": parts.map(|parts| parts.denominator), "n": parts.and_then(|parts| parts.n),
            "provisional": observation.provisional,
        }))?;
    }
    for Rejection { origin, raw, cause } in &found.rejections {
        out.record(&json!({"type": "rejection", "kpi": kpi.id, "origin": origin, "raw": raw, "cause": cause}))?;
    }
    for warning in &found.warnings {
        out.record(&json!({"type": "warning", "kpi": kpi.id, "text": warning}))?;
    }
    Ok(())
}

/// The same as a table with remarks below.
pub(super) fn shown(out: &mut Out, kpi: &Kpi, rows: &[&Observation], found: &Validated) -> anyhow::Result<()> {
    let mut table = Table::new(&["BUCKET", "LABELS", "VALUE", "STATE"]);
    for observation in rows {
        let labels = label_text(&observation.series.labels);
        let state = if observation.provisional { "provisional" } else { "final" };
        table.row([kpi.bucket_name(observation.bucket), labels, value(observation, kpi), state.to_owned()]);
    }
    if rows.is_empty() {
        out.line("no observation")?;
    } else {
        out.table(&table)?;
    }
    for Rejection { origin, raw, cause } in &found.rejections {
        out.line(&format!("refused: {origin}: `{raw}`: {cause}"))?;
    }
    for warning in &found.warnings {
        out.line(&format!("warning: {warning}"))?;
    }
    Ok(())
}

/// What became of the readings that are no values.
pub(super) fn remarks(found: &Validated, complete: bool) -> Vec<String> {
    let mut notes = vec![counted(found.rejections.len(), "rejection")];
    if found.outside > 0 {
        notes.push(format!("{} outside the span", counted(found.outside, "reading")));
    }
    if found.running > 0 {
        notes.push(format!("{} of buckets that still run", counted(found.running, "reading")));
    }
    if !complete {
        notes.push("the pull is not complete".to_owned());
    }
    notes
}

pub(super) fn label_text(labels: &Labels) -> String {
    if *labels == Labels::total() { "total".to_owned() } else { labels.to_string() }
}

pub(super) fn value(observation: &Observation, kpi: &Kpi) -> String {
    let shown = if observation.value.is_nan() {
        "undefined".to_owned()
    } else {
        quantity(Language::En, observation.value, &kpi.unit)
    };
    match &observation.parts {
        Some(parts) => format!("{shown} ({} / {})", parts.numerator, parts.denominator),
        None => shown,
    }
}
