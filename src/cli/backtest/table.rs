//! A table on disk in place of what is stored: each row is known as soon as it stands there, and is judged at once.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use indexmap::IndexMap;
use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;
use serde_json::json;

use super::{BacktestArgs, Known, Plan, here, stored};
use crate::cli::{configuration, query};
use crate::config::{Config, Draft, Loaded, load_text};
use crate::engine::{PullReport, SlotEvent};
use crate::model::catalog::Catalog;
use crate::model::grain::BucketIndex;
use crate::model::ids::{KpiId, Labels, RuleId, SeriesKey};
use crate::model::kpi::{Kpi, Quality, Query, TableQuery};
use crate::model::observation::{Observation, Reading, ReadingTime, ReadingValue};
use crate::model::unit::Kind;
use crate::source::{BuildContext, CsvConfig, SourceConfig};

/// Buckets without a row that are stepped one by one between two rows; of longer gaps only the last ones are.
const GAP_MAX: i64 = 5_000;

/// One value of the table.
pub(super) struct Row {
    /// As it stands there.
    pub(super) at: Timestamp,
    pub(super) bucket: BucketIndex,
    pub(super) value: f64,
}

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
    let column = args.table.value.as_deref().unwrap_or("value");
    let id: String =
        column.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    let id = if id.starts_with(|c: char| c.is_ascii_lowercase()) { id } else { format!("kpi_{id}") };
    let id: String = id.chars().take(40).collect();
    let mut kpi = json!({
        "title": column, "category": "operational", "source": "table", "kind": args.table.kind.as_deref().unwrap_or("level"),
        "query": {"time": args.table.time, "value": column},
    });
    for (key, value) in [("grain", &args.table.grain), ("unit", &args.table.unit), ("better", &args.table.better)] {
        if let (Some(value), Some(fields)) = (value, kpi.as_object_mut()) {
            fields.insert(key.to_owned(), json!(value));
        }
    }
    // JSON is YAML.
    let text = serde_json::to_string_pretty(&json!({
        "timezone": args.table.zone, "language": "en",
        "people": {"you": {"mail": "you@localhost"}},
        "sources": {"table": {"csv": {"path": csv}}},
        "kpis": {id.clone(): kpi},
        "rules": {"rule": {"script": script, "on": [id.clone()]}},
        "receivers": {"you": {"maildir": {"path": ".", "to": ["you"]}}},
        "route": {"to": "you", "group": {"wait": "0s"}},
    }))?;
    let loaded = load_text(Draft { name: "the command line", text: &text });
    let Some(config) = loaded.config.clone() else {
        let causes: Vec<String> = loaded
            .problems
            .iter()
            .filter(|problem| problem.is_error())
            .map(|problem| {
                let line = text.lines().nth(problem.line.saturating_sub(1)).unwrap_or_default();
                let help = problem.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
                format!("{}{}{help}", flag_of(line), problem.message)
            })
            .collect();
        bail!("{}", causes.join("; "));
    };
    let kpi = (*query::kpi_named(&config, &id)?).clone();
    Ok(Subject { config, loaded, kpi, rule: "rule".into(), called: Some(script.to_owned()) })
}

/// What was typed that stands on this line of the configuration that was made of it.
fn flag_of(line: &str) -> String {
    let key = line.trim_start().trim_start_matches('"').split('"').next().unwrap_or_default();
    let flag = match key {
        "timezone" => "zone",
        "path" => "csv",
        "script" => "rule",
        "title" => "value",
        key if ["grain", "unit", "better", "kind", "time", "value"].contains(&key) => key,
        _ => return String::new(),
    };
    format!("--{flag}: ")
}

/// The rows in their order, and what is to be said of the table.
async fn read(csv: &str, kpi: &Arc<Kpi>, is_assumed: bool) -> anyhow::Result<(Vec<Row>, Vec<String>)> {
    let resolve = |_: &crate::secret::SecretRef| Err("a table needs no secret".to_owned());
    let context = BuildContext { base_dir: here(), resolve: &resolve };
    let source = SourceConfig::Csv(CsvConfig::new(csv))
        .build(&context)
        .map_err(|message| anyhow::anyhow!("--csv: {message}"))?;
    source.check_query(kpi).map_err(|message| anyhow::anyhow!("--csv: {message}"))?;
    let bound = |year| {
        kpi.grain
            .index_at(TimeZone::UTC.to_timestamp(date(year, 1, 1).at(0, 0, 0, 0)).unwrap_or(Timestamp::MIN), &kpi.zone)
    };
    let now = TimeZone::UTC.to_timestamp(date(2100, 1, 2).at(0, 0, 0, 0))?;
    let pull = query::pull(kpi, Arc::new(source), (bound(1970), bound(2100)), now).await?;
    let (mut warnings, mut doubled) = (pull.warnings, None);
    let mut rows = Vec::with_capacity(pull.readings.len());
    let mut refused: Option<(String, String)> = None;
    for reading in pull.readings {
        let Reading { time, value, origin, .. } = reading;
        let why = match value {
            ReadingValue::Number(value) if value.is_finite() => {
                if let ReadingTime::Local(local) = time
                    && !kpi.grain.is_civil()
                    && kpi.zone.to_ambiguous_timestamp(local).is_ambiguous()
                {
                    doubled.get_or_insert(local);
                }
                rows.push(Row { at: time.instant(&kpi.zone), bucket: time.bucket(kpi.grain, &kpi.zone), value });
                continue;
            }
            ReadingValue::Absent => continue,
            ReadingValue::Number(_) | ReadingValue::Parts(_) => "no finite number".to_owned(),
            ReadingValue::Unreadable(text) => format!("`{text}` is no number"),
            ReadingValue::Foreign { raw, currency } => format!("`{raw}` is in {currency}, which --unit does not say"),
        };
        refused.get_or_insert((origin, why));
    }
    if let Some((origin, why)) = refused {
        bail!("{origin}: {why}; mend the cell or leave it empty");
    }
    refuse_finer(&rows, kpi, is_assumed)?;
    if let Some(doubled) = doubled {
        warnings.push(format!(
            "{doubled} and what follows is a local time that comes twice or never that night; give times with an offset, or \
             leave --zone out"
        ));
    }
    Ok((rows, warnings))
}

/// Parts of one bucket of a flow can't be judged one by one; and where nobody said how long a bucket is, several times in
/// one are no revisions.
fn refuse_finer(rows: &[Row], kpi: &Kpi, is_assumed: bool) -> anyhow::Result<()> {
    if kpi.kind != Kind::Flow && !is_assumed {
        return Ok(());
    }
    let is_part = |pair: &&[Row]| pair[0].bucket == pair[1].bucket && pair[0].at != pair[1].at;
    match rows.windows(2).find(is_part) {
        None => Ok(()),
        Some(pair) => bail!(
            "the rows of {} and {} are both of {}; give the --grain that the rows have, or add them up first",
            pair[0].at,
            pair[1].at,
            kpi.bucket_name(pair[0].bucket)
        ),
    }
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
