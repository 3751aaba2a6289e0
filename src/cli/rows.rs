//! A table on disk, for commands that need no configuration: the KPI that is made up for it, and its rows.

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::query;
use crate::config::{Config, Draft, Loaded, load_text};
use crate::model::grain::BucketIndex;
use crate::model::kpi::Kpi;
use crate::model::observation::{Reading, ReadingTime, ReadingValue};
use crate::model::unit::Kind;
use crate::source::{BuildContext, CsvConfig, SourceConfig};

/// One value of the table.
pub(super) struct Row {
    /// As it stands there.
    pub(super) at: Timestamp,
    pub(super) bucket: BucketIndex,
    pub(super) value: f64,
}

/// What was typed of a table.
pub(super) struct MadeUp<'a> {
    pub(super) csv: &'a str,
    pub(super) time: &'a str,
    pub(super) value: &'a str,
    pub(super) zone: &'a str,
    pub(super) kind: &'a str,
    /// `grain`, `unit`, `better`, where they were typed.
    pub(super) fields: &'a [(&'a str, &'a Option<String>)],
    /// A rule that runs on it.
    pub(super) script: Option<&'a str>,
}

impl MadeUp<'_> {
    /// A configuration with nothing but this KPI.
    pub(super) fn resolve(&self) -> anyhow::Result<(Config, Loaded, Kpi)> {
        let column = self.value;
        let id: String =
            column.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
        let id = if id.starts_with(|c: char| c.is_ascii_lowercase()) { id } else { format!("kpi_{id}") };
        let id: String = id.chars().take(40).collect();
        let mut kpi = json!({
            "title": column, "category": "operational", "source": "table", "kind": self.kind,
            "query": {"time": self.time, "value": column},
        });
        for (key, value) in self.fields {
            if let (Some(value), Some(fields)) = (value, kpi.as_object_mut()) {
                fields.insert((*key).to_owned(), json!(value));
            }
        }
        let rules = self.script.map(|script| json!({"rule": {"script": script, "on": [id]}}));
        // JSON is YAML.
        let text = serde_json::to_string_pretty(&json!({
            "timezone": self.zone, "language": "en",
            "people": {"you": {"mail": "you@localhost"}},
            "sources": {"table": {"csv": {"path": self.csv}}},
            "kpis": {id.clone(): kpi},
            "rules": rules.unwrap_or_else(|| Value::Object(serde_json::Map::new())),
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
        Ok((config, loaded, kpi))
    }
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
pub(super) async fn read(csv: &str, kpi: &Arc<Kpi>, is_assumed: bool) -> anyhow::Result<(Vec<Row>, Vec<String>)> {
    let resolve = |_: &crate::secret::SecretRef| Err("a table needs no secret".to_owned());
    let context = BuildContext { base_dir: Path::new(""), resolve: &resolve };
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
